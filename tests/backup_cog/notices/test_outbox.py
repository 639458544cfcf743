"""Notices wait on disk until somebody has them: across restarts, and whatever has become of the document."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import json
from pathlib import Path
from typing import Any

import discord
import pytest

from cogs.backup_cog.notices.models import Button
from cogs.backup_cog.notices.outbox import Outbox
from core.snapshots import SnapshotService
from tests.backup_cog.stage import Stage
from tests.backup_cog.world import EXTENSION, NOON, Clock, HostBot, World

pytestmark = [pytest.mark.process, pytest.mark.simcord(settle_timeout=30)]

NOTICE = discord.Embed(title="A snapshot failed", description="The disk is full.")


def kept(world: World) -> list[str]:
    """Return the titles of the notices on disk."""
    document = json.loads((world.repository / "state" / "outbox.json").read_text())
    return [notice["embed"]["title"] for notice in document["notices"]]


async def outbox_in(bot: HostBot, clock: Clock) -> Outbox:
    """Make the outbox of one process, and let it keep its notices."""
    outbox = Outbox(bot, SnapshotService(bot.backup_settings, clock=clock), channel_id=None, webhook_url="")
    await outbox.open()
    return outbox


async def test_a_notice_waits_on_disk_for_the_next_process(stage: Stage, clock: Clock) -> None:
    """A bot that ends before it is ready forgets nothing; what comes late says of when it is, and is removed."""
    async with stage.world.bot() as silent:
        first = await outbox_in(silent, clock)
        first.post(NOTICE, (Button(control="savepoint:look:0123456789ab", label="Look"),))
        await first.close(5)
    assert kept(stage.world) == ["A snapshot failed"]
    clock.advance(hours=5)
    second = await outbox_in(stage.bot, clock)
    await second.close(5)
    (message,) = stage.dms(stage.owner)
    assert "The disk is full." in message
    assert f"Of {discord.utils.format_dt(NOON, 'f')}" in message
    assert kept(stage.world) == []
    third = await outbox_in(stage.bot, clock)
    await third.close(5)
    assert len(stage.dms(stage.owner)) == 1


@pytest.mark.parametrize(
    ("end", "left"),
    [(None, []), (ValueError(), []), (asyncio.CancelledError(), ["A snapshot failed"])],
    ids=["done", "failed", "cut off"],
)
async def test_a_promised_notice_is_only_for_who_does_not_live_to_see_the_end(
    stage: Stage, clock: Clock, end: BaseException | None, left: list[str]
) -> None:
    """On disk as long as it takes, and sent by the next process alone; a failure is answered by this one."""
    outbox = await outbox_in(stage.bot, clock)
    with contextlib.suppress(ValueError, asyncio.CancelledError):
        async with outbox.promised(NOTICE, "savepoint:look:0123456789ab", "Look"):
            assert kept(stage.world) == ["A snapshot failed"]
            if end is not None:
                raise end
    await outbox.close(5)
    assert kept(stage.world) == left
    assert stage.dms(stage.owner) == []


async def test_a_process_that_starts_meanwhile_leaves_a_promised_notice_to_the_one_that_lives(
    stage: Stage, clock: Clock
) -> None:
    """It reported an interruption that was none; when the other has died it is told, and once."""
    working = await outbox_in(stage.bot, clock)
    with contextlib.suppress(asyncio.CancelledError):
        async with working.promised(NOTICE, "savepoint:look:0123456789ab", "Look"):
            beside = await outbox_in(stage.bot, clock)
            await beside.close(5)
            assert (beside.waiting, stage.dms(stage.owner), kept(stage.world)) == (0, [], ["A snapshot failed"])
            raise asyncio.CancelledError
    await working.close(5)
    after = await outbox_in(stage.bot, clock)
    await after.close(5)
    assert (len(stage.dms(stage.owner)), kept(stage.world)) == (1, [])


async def test_a_notice_in_time_says_nothing_of_its_age(stage: Stage, clock: Clock) -> None:
    """The ordinary case."""
    outbox = await outbox_in(stage.bot, clock)
    outbox.post(NOTICE)
    await outbox.close(5)
    assert "delivered earlier" not in stage.dms(stage.owner)[0]


async def test_what_nobody_accepts_is_kept(stage: Stage, clock: Clock) -> None:
    """Direct messages can be opened again, and an alert channel made."""
    stage.env.inject_error("POST", "/channels/*/messages", status=403, code=50007, message="Cannot send", times=None)
    outbox = await outbox_in(stage.bot, clock)
    outbox.post(NOTICE)
    await outbox.close(5)
    assert stage.dms(stage.owner) == []
    assert kept(stage.world) == ["A snapshot failed"]


@pytest.mark.parametrize(
    "content",
    [
        b"\x00\xff garbage",
        b"[]",
        b'{"notices": 3}',
        json.dumps(
            {"notices": [{"id": "1", "at": "2026-11-23T12:00:00Z", "embed": {"title": "x", "fields": 3}}]}
        ).encode(),
    ],
    ids=["no JSON", "another document", "another type", "an embed that is none"],
)
async def test_garbage_in_the_outbox_stops_nothing(stage: Stage, clock: Clock, content: bytes) -> None:
    """It is set aside or given up, and what is posted after it arrives."""
    state = stage.world.repository / "state"
    state.mkdir(exist_ok=True)
    (state / "outbox.json").write_bytes(content)
    outbox = await outbox_in(stage.bot, clock)
    outbox.post(NOTICE)
    await outbox.close(5)
    assert ["The disk is full." in text for text in stage.dms(stage.owner)] == [True]
    assert kept(stage.world) == []


async def test_a_repository_of_another_database_gets_no_document(world: World, tmp_path: Path) -> None:
    """Nothing is written there, and the notice waits in memory."""
    other = tmp_path / "other"
    other.mkdir()
    neighbour = World(other)
    async with world.bot() as bot:
        await bot.load_extension(EXTENSION)
        await bot.get_cog("BackupCog").service.create()  # type: ignore[union-attr]
    before = sorted(path.name for path in (world.repository / "state").iterdir())
    async with neighbour.bot(REPOSITORY_PATH=str(world.repository)) as bot:
        await bot.load_extension(EXTENSION)
        cog: Any = bot.get_cog("BackupCog")
        assert cog.outbox.waiting == 1
    assert sorted(path.name for path in (world.repository / "state").iterdir()) == before


async def test_the_time_of_a_notice_is_the_services(stage: Stage, clock: Clock) -> None:
    """Not the machine's, which a test or a person may have set wrong."""
    clock.advance(days=1)
    async with stage.world.bot() as silent:
        outbox = await outbox_in(silent, clock)
        outbox.post(NOTICE)
        await outbox.close(5)
    document = json.loads((stage.world.repository / "state" / "outbox.json").read_text())
    assert dt.datetime.fromisoformat(document["notices"][0]["at"]) == NOON + dt.timedelta(days=1)
