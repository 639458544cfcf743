"""How notices reach the owner, and how the host hears what happens."""

from __future__ import annotations

import asyncio
import logging
from types import SimpleNamespace
from typing import Any

import discord
import pytest
from simcord.actors import MemberActor

from cogs.backup_cog import host_events
from cogs.backup_cog.host_events import HostEvents
from cogs.backup_cog.notices.delivery import owner_ids
from cogs.backup_cog.notices.models import Notice
from cogs.backup_cog.notices.outbox import Outbox
from core.snapshots import SnapshotService
from tests.backup_cog.stage import Stage, StageBot
from tests.backup_cog.world import Clock, World, alerts_to, listener_of
from tests.worlds.waiting import PATIENCE

pytestmark = [pytest.mark.process, pytest.mark.simcord(settle_timeout=PATIENCE)]

NOTICE = discord.Embed(title="A snapshot failed", description="The disk is full.")


def titles(messages: list[str]) -> list[str]:
    """Return the titles of what was sent."""
    return [message.split("\n")[1] for message in messages]


@pytest.mark.parametrize(
    "variables", [{"SCHEDULE_RETRY_FIRST": "20ms", "SCHEDULE_RETRY_LONGEST": "20ms"}], ids=["fast"]
)
async def test_a_failing_backup_is_told_once_and_its_recovery_once(stage: Stage) -> None:
    """The whole way: an event, a folder that cannot be used, retries, the owner's direct messages."""
    failed = listener_of(stage.bot, "backup_failed")
    aside = stage.world.folder / "aside"
    stage.world.repository.rename(aside)
    stage.world.repository.write_text("not a folder")
    stage.bot.dispatch("marketplace_sold", card_id=1)
    async with asyncio.timeout(PATIENCE):
        while len(failed) < 3:
            await stage.bot.wait_for("backup_failed")
    stage.world.repository.unlink()
    aside.rename(stage.world.repository)
    async with asyncio.timeout(PATIENCE):
        await stage.cog.service.settled()
    await stage.cog.outbox.close(5)
    assert titles(stage.dms(stage.owner)) == ["Snapshots work again"], "the message of the failure, closed"
    assert stage.errors() == []


async def test_the_alert_channel_comes_first(stage: Stage) -> None:
    """Where there is one, the owner's direct messages stay quiet."""
    await delivered(outbox_of(stage, stage.office.id))
    assert titles(stage.messages(stage.office.id)) == ["A snapshot failed"]
    assert stage.dms(stage.owner) == []


def outbox_of(stage: Stage, channel_id: int | None) -> Outbox:
    """Make an outbox of the test's own, which keeps nothing on disk."""
    return Outbox(stage.bot, stage.cog.service, channel_id=channel_id, webhook_url="")


async def delivered(outbox: Outbox) -> None:
    """Post the notice and wait until it has gone wherever it goes."""
    outbox.post(NOTICE)
    await outbox.close(5)


@pytest.mark.parametrize("channel", ["gone", "forbidden", "no text"])
async def test_a_channel_that_cannot_be_used_leaves_the_owner(stage: Stage, channel: str) -> None:
    """Deleted, not writable, or not a channel for messages at all: the direct message comes."""
    channel_id = 12345
    if channel == "forbidden":
        channel_id = stage.office.id
        stage.env.inject_error("POST", f"/channels/{channel_id}/messages", status=403, code=50013, message="Missing")
    elif channel == "no text":
        channel_id = stage.home.create_category("category").id
    await delivered(outbox_of(stage, channel_id))
    assert titles(stage.dms(stage.owner)) == ["A snapshot failed"]


async def test_the_first_owner_who_can_be_reached_is_enough(stage: Stage) -> None:
    """One closed mailbox does not swallow the notice, and not everybody is disturbed."""
    stage.bot.owner_ids = {stage.owner.id, stage.admin.id}
    first, second = sorted((stage.owner, stage.admin), key=lambda person: person.id)
    await delivered(outbox_of(stage, None))
    assert (len(stage.dms(first)), len(stage.dms(second))) == (1, 0)
    stage.env.inject_error("POST", "/channels/*/messages", status=403, code=50007, message="Cannot send")
    await delivered(outbox_of(stage, None))
    assert (len(stage.dms(first)), len(stage.dms(second))) == (1, 1)


async def test_a_notice_waits_while_discord_is_down(stage: Stage) -> None:
    """It is not lost, and the next look sends it once."""
    stage.env.inject_error("POST", "/users/@me/channels", status=503)
    outbox = outbox_of(stage, None)
    await delivered(outbox)
    assert stage.dms(stage.owner) == []
    outbox.flush()
    await outbox.close(5)
    assert titles(stage.dms(stage.owner)) == ["A snapshot failed"]


async def test_nothing_is_sent_before_the_bot_is_ready(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Before that every request fails; what waited in vain is in the log at least."""
    async with world.bot() as bot:
        service = SnapshotService(bot.backup_settings)
        outbox = Outbox(bot, service, channel_id=None, webhook_url="")
        await delivered(outbox)
        assert outbox._task is None
    assert "1 notice to the owner" in caplog.text


async def test_a_flood_pushes_the_oldest_out_and_nothing_else(stage: Stage) -> None:
    """The queue is bounded; what is under way when it overflows does not take another notice with it."""
    gate, sent = asyncio.Event(), []

    class SlowOutbox(Outbox):
        """Sends as slowly as the test wants."""

        async def _send(self, notice: Notice) -> bool:
            await gate.wait()
            sent.append(notice.embed["title"])
            return True

    outbox = SlowOutbox(stage.bot, stage.cog.service, channel_id=None, webhook_url="")
    outbox.post(discord.Embed(title="0"))
    await asyncio.sleep(0)
    for number in range(1, 52):
        outbox.post(discord.Embed(title=str(number)))
    gate.set()
    await outbox.close(5)
    assert sent == ["0", *(str(number) for number in range(2, 52))]


async def test_when_nobody_can_be_told_the_log_is(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    """The last resort holds the whole notice."""
    stage.bot.owner_ids = {999}
    await delivered(outbox_of(stage, None))
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert "The disk is full." in record.message


async def test_what_happened_before_the_login_is_told_after_it(stage: Stage, world: World) -> None:
    """The start-up check heals before Discord is there; the owner hears of it as soon as it is."""
    await stage.cog.service.create()
    owner: MemberActor = stage.owner
    await stage.bot.unload_extension("cogs.backup_cog")
    world.database.write_bytes(b"\0" * 20_000)
    again = StageBot(world.settings())
    again.owner_ids = {owner.id}
    await stage.env.restart_bot(again)
    await stage.env.settle()
    assert world.names() == ["alice", "bob"]
    assert titles(stage.dms(owner)) == ["The database was damaged and has been restored"]
    await stage.bot.load_extension("cogs.backup_cog")
    await again.unload_extension("cogs.backup_cog")


async def test_owners_are_found_however_the_host_names_them() -> None:
    """One id, several, the application's owner, or the team's administrators and developers; some of them, if set."""
    roles = discord.TeamMemberRole
    members = [
        SimpleNamespace(id=number, role=role)
        for number, role in ((4, roles.developer), (3, roles.admin), (5, roles.read_only))
    ]
    team = SimpleNamespace(team=SimpleNamespace(members=members))
    alone = SimpleNamespace(team=None, owner=SimpleNamespace(id=7))
    for owner_id, several, application, expected in (
        (1, None, None, [1]),
        (None, {2, 1}, None, [1, 2]),
        (None, set(), alone, [7]),
        (None, set(), team, [3, 4]),
    ):
        bot: Any = SimpleNamespace(owner_id=owner_id, owner_ids=several, application_info=answering(application))
        assert await owner_ids(bot) == expected
        assert await owner_ids(bot, [expected[-1]]) == [expected[-1]]
        assert await owner_ids(bot, [99]) == expected


def answering(value: object) -> Any:
    """Make a coroutine function that gives this."""

    async def answer() -> object:
        return value

    return answer


async def test_the_hosts_listeners_are_waited_for_with_a_bound(
    world: World, clock: Clock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A quick one pauses play in time; one that never ends does not keep a restore from happening, and is let live."""
    monkeypatch.setattr(host_events, "_LISTENERS_SECONDS", 0.05)
    done: list[str] = []
    never = asyncio.Event()

    async def quick(plan: object) -> None:
        for _ in range(10):
            await asyncio.sleep(0)
        done.append("quick")

    async def endless(plan: object) -> None:
        await never.wait()
        done.append("endless")

    async with world.bot() as bot:
        alerts = alerts_to(lambda *_: None, clock, stale_after=1.0)
        bot.add_listener(quick, "on_backup_restore_starting")
        bot.add_listener(endless, "on_backup_restore_starting")
        plan: Any = object()
        async with asyncio.timeout(PATIENCE):
            await HostEvents(bot, alerts).restore_starting(plan)
        assert done == ["quick"]
        assert "1 listener of backup_restore_starting" in caplog.text
        never.set()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert done == ["quick", "endless"]
