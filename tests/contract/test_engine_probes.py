"""What every engine promises of its probe, which runs in the bot's process."""

from __future__ import annotations

import pytest

from core.snapshots.engines import Probe, probe_for
from tests.worlds.engine_cases import EngineCase


@pytest.fixture
async def probe(case: EngineCase) -> Probe:
    return probe_for(case.url)


async def test_the_probe_sees_every_commit(case: EngineCase, probe: Probe) -> None:
    """Its token stands still while nobody commits, and differs after every commit by anybody."""
    try:
        seen = [await probe.token()]
        assert await probe.token() == seen[0]
        for _ in range(3):
            case.play()
            seen.append(await probe.token())
            assert await probe.token() == seen[-1]
        assert None not in seen
        assert len(set(seen)) == 4
    finally:
        await probe.close()


@pytest.mark.process
async def test_the_probe_does_not_see_what_was_not_committed(case: EngineCase, probe: Probe) -> None:
    """A transaction that is open, or was taken back, leaves the token as it is."""
    try:
        before = await probe.token()
        with case.locked():
            assert await probe.token() == before
        assert await probe.token() == before
    finally:
        await probe.close()


async def test_a_probe_that_was_closed_begins_anew(case: EngineCase, probe: Probe) -> None:
    """Tokens from before are never given again: what happened in between is unknown."""
    try:
        before = await probe.token()
        await probe.close()
        assert await probe.token() not in (before, None)
        await probe.close()
        await probe.close()
    finally:
        await probe.close()


async def test_the_probe_knows_nothing_of_a_missing_database(case: EngineCase, probe: Probe) -> None:
    """No token, no size, and no error; once the database is there, both come."""
    case.remove()
    try:
        assert await probe.token() is None
        assert await probe.size() == 0
        case.create()
        assert await probe.token() is not None
        assert await probe.size() > 0
    finally:
        await probe.close()


async def test_a_process_that_is_alone_keeps_the_schedule_and_is_the_last(case: EngineCase, probe: Probe) -> None:
    """Whether it joined before it leaves or not; a process that is not eligible keeps none."""
    try:
        assert await probe.leave("alone")
        await probe.close()
        assert not await probe.join("alone", eligible=False)
        assert await probe.join("alone", eligible=True)
        assert await probe.join("alone", eligible=True)
        assert await probe.leave("alone")
    finally:
        await probe.close()


@pytest.mark.process
async def test_the_probe_names_who_uses_the_database(case: EngineCase, probe: Probe) -> None:
    """For the status: a bot that runs is among them. Nothing that a snapshot needs is lacking here."""
    try:
        assert await probe.lacking() == ()
        with case.idle():
            assert await probe.users()
        assert not await probe.users()
    finally:
        await probe.close()
