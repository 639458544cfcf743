"""The exchange of a database's files, killed or disturbed at its file calls: always the old database or the new one."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import injector
from tests.faults.exchanges import SCENARIOS, ExchangeWorld, Scenario, exchange_world

pytestmark = [
    pytest.mark.process,
    pytest.mark.kill,
    pytest.mark.skipif(injector.missing() is not None, reason=injector.missing() or ""),
]

KILLS, ERRORS = 14, 3
"""Points of each scenario, spread over all its file calls; ``make campaign`` takes all of them."""


@pytest.fixture(params=SCENARIOS, ids=lambda scenario: scenario.name)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ExchangeWorld]:
    scenario: Scenario = request.param
    with exchange_world(tmp_path, scenario) as made:
        yield made


def spread(calls: int, points: int) -> list[int]:
    """Return so many numbers from 1 to ``calls``, the first and the last among them."""
    return sorted({1 + round((calls - 1) * each / (points - 1)) for each in range(points)})


def test_killed_at_any_file_call_it_is_the_old_or_the_new_database(world: ExchangeWorld) -> None:
    """Before the next start it is one of the two at its place, after it too, and nothing is left over; what a game
    commits in between stays.
    """
    calls = world.calls()
    assert calls > 40
    for number, at in enumerate(spread(calls, KILLS)):
        problem = world.problem_after(at, injector.KILL, game=number % 2 == 1)
        assert problem is None, f"call {at} of {calls}: {problem}"


@pytest.mark.parametrize("name", ["EIO", "ENOSPC", "EACCES"])
def test_any_file_call_that_fails_leaves_the_old_or_the_new_database(world: ExchangeWorld, name: str) -> None:
    """An error once, or of every call from then on: a rename that was made counts, whatever the sync after it said."""
    calls = world.calls()
    for at in spread(calls, ERRORS):
        for from_then_on in (False, True):
            problem = world.problem_after(at, getattr(errno, name), from_then_on=from_then_on)
            assert problem is None, f"{name} at call {at} of {calls}, from then on: {from_then_on}: {problem}"
