"""Several processes know of the same notice, and one of them sends it."""

from __future__ import annotations

import asyncio
import json

import discord
import pytest

from cogs.backup_cog.notices.outbox import Outbox
from core.snapshots import SnapshotService
from tests.backup_cog.stage import Stage
from tests.backup_cog.world import Clock, HostBot, World

pytestmark = [pytest.mark.process, pytest.mark.simcord(settle_timeout=30)]


def service_of(bot: HostBot, clock: Clock) -> SnapshotService:
    """Return the service of one process."""
    return SnapshotService(bot.backup_settings, clock=clock)


def outbox_of(bot: HostBot, clock: Clock) -> Outbox:
    """Return the outbox of one process, which does not know yet what is on disk."""
    return Outbox(bot, service_of(bot, clock), channel_id=None, webhook_url="")


async def left_behind(stage: Stage, clock: Clock, *titles: str) -> list[str]:
    """Leave notices of a process that never was ready; return their ids."""
    async with stage.world.bot() as silent:
        outbox = outbox_of(silent, clock)
        await outbox.open()
        for title in titles:
            outbox.post(discord.Embed(title=title))
        await outbox.close(5)
    return [notice["id"] for notice in kept(stage.world)]


def kept(world: World) -> list[dict[str, str]]:
    """Return the notices on disk."""
    notices: list[dict[str, str]] = json.loads((world.repository / "state" / "outbox.json").read_text())["notices"]
    return notices


async def test_two_processes_that_start_together_send_an_old_notice_once(stage: Stage, clock: Clock) -> None:
    """Both find it on disk; whoever comes second leaves it, and forgets it then."""
    await left_behind(stage, clock, "One", "Two", "Three")
    both = [outbox_of(stage.bot, clock) for _ in range(2)]
    await asyncio.gather(*(each.open() for each in both))
    await asyncio.gather(*(each.close(5) for each in both))
    assert sorted(message.split()[-1] for message in stage.dms(stage.owner)) == ["One", "Three", "Two"]
    assert kept(stage.world) == []
    for each in both:
        await each.close(5)
    assert [each.waiting for each in both] == [0, 0]


async def test_what_another_process_is_sending_waits_and_holds_nothing_up(stage: Stage, clock: Clock) -> None:
    """Its sender fails, and gives it back: then it is sent from here."""
    first, _ = await left_behind(stage, clock, "One", "Two")
    outbox = outbox_of(stage.bot, clock)
    async with service_of(stage.bot, clock).mark(first).held():
        await outbox.open()
        await outbox.close(5)
        assert [message.split()[-1] for message in stage.dms(stage.owner)] == ["Two"]
        assert outbox.waiting == 1
    await outbox.close(5)
    assert [message.split()[-1] for message in stage.dms(stage.owner)] == ["Two", "One"]


async def test_the_claim_of_a_process_that_died_holds_nothing(stage: Stage, clock: Clock) -> None:
    """All that it leaves is a file that nobody has locked."""
    (notice,) = await left_behind(stage, clock, "One")
    (stage.world.repository / ".work" / f"mark-{notice}.lock").touch()
    outbox = outbox_of(stage.bot, clock)
    await outbox.open()
    await outbox.close(5)
    assert len(stage.dms(stage.owner)) == 1


async def test_a_process_that_waits_for_discord_does_not_send_what_another_one_has_sent(
    stage: Stage, clock: Clock
) -> None:
    """It has the notice in memory, from when nobody could send it."""
    waiting = outbox_of(stage.bot, clock)
    await waiting.open()
    stage.env.inject_error("POST", "/channels/*/messages", status=403, code=50007, message="Cannot send", times=None)
    waiting.post(discord.Embed(title="One"))
    await waiting.close(5)
    stage.env.backend.faults.clear()
    other = outbox_of(stage.bot, clock)
    await other.open()
    await other.close(5)
    await waiting.close(5)
    assert (waiting.waiting, len(stage.dms(stage.owner))) == (0, 1)
