"""One message for each outage: edited as it goes on, sent anew as a reminder, closed at the end, across restarts."""

from __future__ import annotations

from typing import Any

import discord
import pytest

from cogs.backup_cog.notices.models import Button, How
from cogs.backup_cog.notices.outbox import Outbox
from core.snapshots import SnapshotError, SnapshotService
from tests.backup_cog.stage import HOME, Stage, said
from tests.backup_cog.world import EXTENSION, Clock
from tests.worlds.waiting import PATIENCE

pytestmark = [
    pytest.mark.process,
    pytest.mark.simcord(settle_timeout=PATIENCE),
    pytest.mark.parametrize("variables", [{"DISCORD_ADMIN_GUILD_IDS": f"[{HOME}]"}], ids=["home"]),
]
LOOK = (Button(control="savepoint:run:status", label="Look"),)


class Channel:
    """The alert channel, and an outbox after the other that sends there."""

    def __init__(self, stage: Stage, clock: Clock) -> None:
        self._stage = stage
        self._clock = clock

    async def sends(self, *notices: tuple[str, How]) -> list[str]:
        """Return the titles in the channel once the next process has sent these notices about one outage."""
        service = SnapshotService(self._stage.bot.backup_settings, clock=self._clock)
        outbox = Outbox(self._stage.bot, service, channel_id=self._stage.office.id, webhook_url="")
        await outbox.open()
        for title, how in notices:
            outbox.post(discord.Embed(title=title), () if how is How.CLOSE else LOOK, about="snapshot@1", how=how)
        await outbox.close(5)
        return [message.split("\n")[1] for message in self._stage.messages(self._stage.office.id)]

    async def message(self) -> discord.Message:
        """Return the only message in the channel."""
        channel: Any = self._stage.bot.get_channel(self._stage.office.id)
        (found,) = [message async for message in channel.history()]
        assert isinstance(found, discord.Message)
        return found


@pytest.fixture
def channel(stage: Stage, clock: Clock) -> Channel:
    """An empty one."""
    return Channel(stage, clock)


async def test_each_process_edits_the_same_message_until_it_is_closed(channel: Channel) -> None:
    """A reminder is a new message, since nobody is notified of an edit, and takes the place of the one before it."""
    assert await channel.sends(("Failed", How.NEW)) == ["Failed"]
    first = await channel.message()
    assert await channel.sends(("Goes on", How.EDIT)) == ["Goes on"]
    assert (await channel.message()).id == first.id
    assert await channel.sends(("Still", How.NEW)) == ["Still"]
    second = await channel.message()
    assert (second.id != first.id, bool(second.components)) == (True, True)
    assert await channel.sends(("Over", How.CLOSE)) == ["Over"]
    closed = await channel.message()
    assert (closed.id, closed.components) == (second.id, [])
    assert await channel.sends(("Late", How.EDIT)) == ["Over"], "what is closed is over"


async def test_two_processes_that_live_beside_each_other_share_the_message(
    channel: Channel, stage: Stage, clock: Clock
) -> None:
    """Whoever edits it asks first which one it is now: a reminder by the other one has taken its place."""
    service = SnapshotService(stage.bot.backup_settings, clock=clock)
    first, second = (Outbox(stage.bot, service, channel_id=stage.office.id, webhook_url="") for _ in range(2))
    for outbox in (first, second):
        await outbox.open()
    shown = []
    for outbox, title, how in (
        (first, "Failed", How.NEW),
        (second, "Goes on", How.EDIT),
        (second, "Still", How.NEW),
        (first, "Goes on still", How.EDIT),
        (second, "Over", How.CLOSE),
        (first, "Over too", How.CLOSE),
    ):
        outbox.post(discord.Embed(title=title), LOOK, about="snapshot@1", how=how)
        await outbox.close(5)
        shown.append((await channel.message()).embeds[0].title)
    assert shown[:5] == ["Failed", "Goes on", "Still", "Goes on still", "Over"]


@pytest.mark.parametrize("reachable", [True, False], ids=["channel", "lost channel"])
async def test_a_channel_that_is_lost_leaves_the_owner(channel: Channel, stage: Stage, reachable: bool) -> None:
    """What went on in the channel goes on in direct messages, and is closed there."""
    if reachable:
        await channel.sends(("Failed", How.NEW))
    for path in ("messages", "messages/*"):
        for method in ("POST", "PATCH", "DELETE"):
            stage.env.inject_error(
                method, f"/channels/{stage.office.id}/{path}", status=403, code=50001, message="Missing", times=None
            )
    await channel.sends(("Goes on", How.EDIT if reachable else How.NEW))
    assert [text.split("\n")[1] for text in stage.dms(stage.owner)] == ["Goes on"]
    await channel.sends(("Over", How.CLOSE))
    assert [text.split("\n")[1] for text in stage.dms(stage.owner)] == ["Over"]


async def test_a_message_that_was_deleted_is_sent_anew(channel: Channel) -> None:
    """Whether it goes on or is over."""
    await channel.sends(("Failed", How.NEW))
    await (await channel.message()).delete()
    assert await channel.sends(("Goes on", How.EDIT)) == ["Goes on"]
    await (await channel.message()).delete()
    assert await channel.sends(("Over", How.CLOSE)) == ["Over"]


async def test_what_waits_about_one_outage_is_one_notice(channel: Channel) -> None:
    """The newest; nobody has to read the history of a night without a network."""
    shown = await channel.sends(("Failed", How.NEW), ("Goes on", How.EDIT), ("Worse", How.EDIT))
    assert shown == ["Worse"]
    assert await channel.sends(("Still", How.NEW), ("Over", How.CLOSE)) == ["Over"]


@pytest.mark.parametrize("known", [True, False], ids=["of an earlier process", "new"])
async def test_an_outage_that_an_earlier_process_knows_goes_on_in_its_message(
    channel: Channel, stage: Stage, clock: Clock, known: bool
) -> None:
    """What is posted before the documents can be read does not make a second message about it."""
    if known:
        await channel.sends(("Failed", How.NEW))
    outbox = Outbox(
        stage.bot,
        SnapshotService(stage.bot.backup_settings, clock=clock),
        channel_id=stage.office.id,
        webhook_url="",
    )
    outbox.post(discord.Embed(title="Again"), LOOK, about="snapshot@2")
    await outbox.open({"snapshot@2": "snapshot@1"})
    await outbox.close(5)
    assert await channel.sends(("Over", How.CLOSE)) == ["Over"]


async def test_the_buttons_of_an_alert_work_for_who_may_use_them(channel: Channel, stage: Stage) -> None:
    """After a restart too: look, verify, restore for the owner, snooze until it is over; nothing for a player."""
    snapshot = (await stage.cog.service.create()).snapshot
    stage.cog.outbox._delivery._channel_id = stage.office.id
    stage.cog.alerts.failed("retention", SnapshotError("The disk is full."))
    await stage.cog.outbox.close(5)
    await stage.bot.reload_extension(EXTENSION)
    message = await channel.message()
    for label in ("Look", "Verify newest sound", "Restore…", "Snooze a day"):
        assert "Not allowed" in said(await stage.player.click(message, label=label))
    assert "Open alerts:** Expired snapshots could not be removed: for" in said(
        await stage.admin.click(message, label="Look")
    )
    assert snapshot.id in said(await stage.admin.click(message, label="Verify newest sound"))
    assert "Only the bot's owner" in said(await stage.admin.click(message, label="Restore…"))
    assert "Restore this snapshot?" in said(await stage.owner.click(message, label="Restore…"))
    assert "No reminder before" in said(await stage.admin.click(message, label="Snooze a day"))
    await stage.cog.outbox.close(5)
    assert "Snoozed by admin" in str((await channel.message()).embeds[0].description)
    stage.cog.alerts.succeeded("retention")
    assert "over already" in said(await stage.admin.click(message, label="Snooze a day"))
    await stage.cog.outbox.close(5)
    closed = await channel.message()
    assert (closed.embeds[0].title, closed.components) == ("Expired snapshots are removed again", [])
    assert stage.errors() == []
