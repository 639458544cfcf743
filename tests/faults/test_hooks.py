"""The injector without a C compiler: Python's own file functions, with hooks."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from tests.faults import injector
from tests.faults.exchanges import SCENARIOS, exchange_world
from tests.faults.services import ServiceFaults

pytestmark = [
    pytest.mark.process,
    pytest.mark.kill,
    pytest.mark.skipif(injector.missing() is not None, reason=injector.missing() or ""),
]


@pytest.fixture(autouse=True)
def _only_hooks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAVEPOINT_FAULTS", "hooks")


def test_hooks_disturb_an_exchange_of_files(tmp_path: Path) -> None:
    """They count, kill, and let calls fail, as the library does."""
    with exchange_world(tmp_path, SCENARIOS[1]) as world:
        calls = world.calls()
        assert calls > 40
        for at in (calls // 3, calls // 2, calls - 3):
            assert world.problem_after(at, injector.KILL) is None
            assert world.problem_after(at, errno.EIO, from_then_on=True) is None


async def test_hooks_disturb_a_bot_and_its_workers(tmp_path: Path) -> None:
    """Counted together, in the order of their calls."""
    faults = ServiceFaults(tmp_path, "full", "wal")
    calls = await faults.calls()
    assert calls > 40
    assert await faults.problem_after(calls // 2, injector.KILL) is None
