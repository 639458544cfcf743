"""The weekly digest: when it is due, what it says, and that it is sent once, whoever comes first."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import discord
import pytest

from cogs.backup_cog.language import set_host_language
from cogs.backup_cog.notices.digest import WeeklyDigest, due_by
from cogs.backup_cog.notices.digest_texts import Week, digest
from cogs.backup_cog.notices.models import Outage, Outages, PastAlert
from cogs.backup_cog.notices.outbox import Outbox
from core.snapshots import Health, Kind, SnapshotService, Status, Verdict
from tests.backup_cog.stage import Stage
from tests.backup_cog.world import NOON, Clock, text_of
from tests.worlds.snapshots import make_snapshot

DAY = dt.timedelta(days=1)
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("now", "zone", "due"),
    [
        ("2026-11-23T12:00", dt.UTC, "2026-11-23T09:00"),
        ("2026-11-23T09:00", dt.UTC, "2026-11-23T09:00"),
        ("2026-11-23T08:59", dt.UTC, "2026-11-16T09:00"),
        ("2026-11-29T23:59", dt.UTC, "2026-11-23T09:00"),
        ("2026-11-23T08:00", BERLIN, "2026-11-23T08:00"),
        ("2026-03-30T06:59", BERLIN, "2026-03-23T08:00"),
        ("2026-03-30T07:00", BERLIN, "2026-03-30T07:00"),
        ("2026-11-22T23:30", ZoneInfo("Pacific/Auckland"), "2026-11-22T20:00"),
    ],
)
def test_it_is_due_on_monday_at_nine_where_the_host_is(now: str, zone: dt.tzinfo, due: str) -> None:
    """Also after the clocks were changed."""
    moment, expected = (dt.datetime.fromisoformat(each).replace(tzinfo=dt.UTC) for each in (now, due))
    assert due_by(moment, zone) == expected


def week(**outages: Any) -> Week:
    """Make the week before noon, of four snapshots and one restore."""
    snapshots = (
        make_snapshot(1, at=NOON - 30 * DAY),
        make_snapshot(2, at=NOON - 6 * DAY, restored_at=NOON - 5 * DAY, restored_seconds=9.0),
        make_snapshot(3, at=NOON - 2 * DAY, restored_at=NOON - DAY, restored_seconds=1.84, requests=41),
        make_snapshot(4, at=NOON - DAY, kind=Kind.PERIODIC),
    )
    return Week(NOON - 7 * DAY, NOON, snapshots, (NOON - 3 * DAY, NOON - 9 * DAY), Outages(**outages))


def state() -> Status:
    """Make the status of a database in which all is well."""
    return Status(
        engine="sqlite",
        database="game.db",
        repository="backups",
        snapshots=4,
        damaged=0,
        pinned=0,
        size=400,
        free=1 << 30,
        newest=make_snapshot(4),
        newest_restored=None,
        pending=0,
        running=False,
        next_periodic=NOON,
        kinds={},
        live=Health(verdict=Verdict.SOUND, findings=(), checked_at=NOON),
    )


def test_it_says_what_happened_in_the_week_and_how_things_are() -> None:
    """Snapshots, test restores with their seconds, restores, off-site, space, and each alert with its length."""
    text = text_of(digest(state(), week(), NOON))
    for line in (
        "Database: The database is sound",
        "Snapshots: 3 of this week are kept, 42 events covered",
        f"2 snapshots restored and compared, the last one {discord.utils.format_dt(NOON - DAY, 'R')}, 1.8s",
        "Restores: 1 restore",
        "Off-site: none",
        "Space: 400 B used, 1.0 GiB free",
        "Alerts: none this week",
    ):
        assert line in text
    past = (
        PastAlert(key="snapshot", began=NOON - 20 * DAY, ended=NOON - 19 * DAY),
        PastAlert(key="snapshot", began=NOON - 4 * DAY, ended=NOON - 3 * DAY),
        PastAlert(key="jump", began=NOON - DAY, ended=NOON - DAY),
    )
    open_one = Outage(began=NOON - 2 * DAY, failures=3, message="x", told=NOON)
    shown = digest(state(), week(past=past, outages={"audit": open_one}), NOON)
    alerts = next(str(field.value) for field in shown.fields if field.name == "Alerts").split("\n")
    assert [line.partition(": ")[2] for line in alerts] == [
        "A snapshot failed, for 1d",
        "A watched number jumped",
        "The audit log could not be written, for 2d",
    ]
    set_host_language("de")
    assert "Backups der Woche" in text_of(digest(state(), week(), NOON))
    set_host_language("en")


@pytest.mark.process
async def test_it_is_sent_once_a_week_by_one_process_and_after_a_restart(stage: Stage, clock: Clock) -> None:
    """The first week is not over when digests are switched on; a bot that was down sends it when it is back."""

    async def tick() -> list[str]:
        """Let two processes of one bot look at the same moment."""
        service = SnapshotService(stage.bot.backup_settings, clock=clock)
        outboxes = [Outbox(stage.bot, service, channel_id=stage.office.id, webhook_url="") for _ in range(2)]
        options: Any = {"zone": lambda: dt.UTC, "monotonic": clock.monotonic}
        digests = [WeeklyDigest(stage.bot, service, outbox, **options) for outbox in outboxes]
        for outbox in outboxes:
            outbox.draw = drawn
        for each in digests:
            each.tick()
        await asyncio.gather(*(each._task for each in digests if each._task is not None))
        for outbox in outboxes:
            await outbox.close(5)
        return stage.messages(stage.office.id)

    async def drawn() -> tuple[bytes, str]:
        return b"\x89PNG", "Sizes of the snapshots"

    assert await tick() == []
    clock.advance(days=6)
    assert await tick() == []
    clock.advance(days=1)
    (sent,) = await tick()
    assert "Backups of the week" in sent
    channel: Any = stage.bot.get_channel(stage.office.id)
    (message,) = [each async for each in channel.history()]
    assert [each.description for each in message.attachments] == ["Sizes of the snapshots"]
    clock.advance(hours=5)
    assert len(await tick()) == 1
    clock.advance(days=20)
    assert len(await tick()) == 2
    # A clock that was a year ahead for a moment silences nothing: one digest for it, and the next one in a week.
    clock.advance(days=365)
    assert len(await tick()) == 3
    clock.advance(days=-365)
    assert len(await tick()) == 3
    clock.advance(days=7)
    assert len(await tick()) == 4
    # Where it may attach nothing, the text comes alone.
    clock.advance(days=7)
    stage.env.inject_error("POST", f"/channels/{stage.office.id}/messages", status=403, code=50013, message="Missing")
    assert len(await tick()) == 5


@pytest.mark.process
@pytest.mark.parametrize(
    ("variables", "looks"), [({}, 0), ({"DISCORD_WEEKLY_DIGEST": "true"}, 1)], ids=["by default", "switched on"]
)
async def test_nobody_gets_a_digest_who_did_not_ask_for_it(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, looks: int
) -> None:
    """Success is quiet; nor is there one before the repository is known to be this database's own."""
    looked: list[int] = []
    monkeypatch.setattr(stage.cog._digest, "tick", lambda: looked.append(1))
    stage.cog._on_tick()
    assert len(looked) == looks
    stage.cog.lifecycle._usable = False
    stage.cog._on_tick()
    assert len(looked) == looks
