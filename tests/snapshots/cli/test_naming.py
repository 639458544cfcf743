"""Wherever a snapshot is named, a time or a reason will do."""

from __future__ import annotations

import datetime as dt
import sqlite3
import time
from contextlib import closing
from typing import Any

import pytest

from core.snapshots.models import Level as VerifyLevel
from core.snapshots.models import RestoreRecord, Snapshot, Verification
from core.snapshots.policies.moments import moment_of
from core.snapshots.policies.timeline import timeline, why_latest
from tests.worlds.console_world import World
from tests.worlds.snapshots import make_snapshot

NOON = dt.datetime(2026, 11, 27, 12, tzinfo=dt.UTC)
BERLIN = dt.timezone(dt.timedelta(hours=1))


def in_berlin(naive: dt.datetime) -> dt.datetime:
    """Return a moment of a machine in Berlin."""
    return naive.replace(tzinfo=BERLIN)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("12:30", "2026-11-27T11:30"),
        ("2:30", "2026-11-27T01:30"),
        ("14:00", "2026-11-26T13:00"),
        ("today 09:00", "2026-11-27T08:00"),
        ("yesterday 18:00", "2026-11-26T17:00"),
        ("Yesterday", "2026-11-26T22:59:59.999999"),
        ("2026-11-20 18:00", "2026-11-20T17:00"),
        ("2026-11-20T18:00Z", "2026-11-20T18:00"),
        ("2026-11-20 18:00 UTC", "2026-11-20T18:00"),
        ("18:00+02:00", "2026-11-26T16:00"),
        ("20m ago", "2026-11-27T11:40"),
    ],
)
def test_a_time_without_a_zone_is_of_this_machine(text: str, moment: str) -> None:
    """A clock time that is still to come today means yesterday's."""
    assert moment_of(text, NOON, in_berlin) == dt.datetime.fromisoformat(moment).replace(tzinfo=dt.UTC)


@pytest.mark.parametrize("text", ["latest", "4fa21c", "before:sale_1", "now", "", "18", "tomorrow"])
def test_what_is_no_time_is_none(text: str) -> None:
    """It may be an id or a reason."""
    assert moment_of(text, NOON, in_berlin) is None


def numbered(sequence: int, **changes: Any) -> Snapshot:
    """Return a snapshot of an hour."""
    return make_snapshot(sequence, at=NOON + dt.timedelta(hours=sequence), **changes)


def test_latest_says_why_it_is_that_one() -> None:
    """What is newer and passed over, because it is damaged or behind a restore, is counted."""
    bad = Verification(level=VerifyLevel.CHECKSUM, at=NOON, ok=False)
    plain = [numbered(1), numbered(2)]
    assert why_latest(plain, ()) == "the newest"
    damaged = [*plain, numbered(3, verification=bad)]
    assert why_latest(damaged, ()) == "the newest that can be restored; 1 newer one cannot be restored"
    restored = RestoreRecord(at=NOON, snapshot=plain[0].id, sequence=1, before=4, safety=None, automatic=False)
    assert why_latest(damaged, (restored,)) == "the newest; 2 newer ones are not of the present timeline"
    assert why_latest([], ()) == ""


def test_an_imported_snapshot_is_of_the_timeline_once_it_was_restored() -> None:
    """It holds no state of this database before that."""
    imported = numbered(3, details={"imported": "old.db"})
    snapshots = [numbered(1), numbered(2), imported]
    assert [each.sequence for each in timeline(snapshots, ())] == [2, 1]
    record = RestoreRecord(at=NOON, snapshot=imported.id, sequence=3, before=4, safety=None, automatic=False)
    assert timeline(snapshots, (record,))[0] is imported


@pytest.mark.process
def test_every_command_takes_a_time_and_a_reason(world: World) -> None:
    """``restore --before`` too, which takes an event's reason and another snapshot as well."""
    first = world.snapshot()
    world.execute("INSERT INTO users (id, name, dust) VALUES (900, 'late', 0)")
    world.event("marketplace_buy_42")
    event = world.answer("list")["snapshots"][0]
    between = (dt.datetime.fromisoformat(event["created_at"]) - dt.timedelta(microseconds=1)).isoformat()
    for name in (between, "before:marketplace_buy_42"):
        assert world.answer("show", name)["snapshot"]["id"] == first["id"]
        assert world.answer("verify", name)["id"] == first["id"]
        assert world.answer("pin", name)["snapshot"]["id"] == first["id"]
        world.answer("export", name, str(world.root / f"{time.monotonic_ns()}.db"))
    assert world.error("show", "now", code=2)[0] == "UsageError"
    assert world.error("restore", "--yes", code=2)[0] == "UsageError"
    assert world.error("restore", "latest", "--before", "18:00", "--yes", code=2)[0] == "UsageError"
    for before in ("marketplace_buy_42", event["id"], between):
        assert world.answer("restore", "--before", before, "--yes")["restored"] == first["id"]
        with closing(sqlite3.connect(world.database)) as connection:
            assert connection.execute("SELECT count(*) FROM users WHERE id = 900").fetchone() == (0,)
    assert "not of the present timeline" in world.show("show", "latest")
