"""A person names a moment, and means one snapshot by it."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest

from core.snapshots.errors import SnapshotNotFound
from core.snapshots.models import RestoreRecord, Snapshot
from core.snapshots.policies.moments import resolve_moment
from tests.worlds.snapshots import make_snapshot

NOON = dt.datetime(2026, 11, 27, 12, tzinfo=dt.UTC)


def taken(sequence: int, hour: int, *reasons: str, day: int = 27) -> Snapshot:
    """Return a snapshot that began at an hour."""
    at = dt.datetime(2026, 11, day, hour, tzinfo=dt.UTC)
    return make_snapshot(
        id=f"{sequence:012x}", sequence=sequence, began_at=at, created_at=at, reasons=reasons or ("periodic",)
    )


SNAPSHOTS = [
    taken(1, 18, day=26),
    taken(2, 6, "sale_1"),
    taken(3, 8, "sale_2"),
    taken(4, 10, "sale_1", "sale_3"),
    taken(5, 11),
]


def meant(text: str, restores: tuple[RestoreRecord, ...] = ()) -> int | None:
    """Return the sequence of the snapshot that a text names at noon, None for now."""
    found = resolve_moment(text, SNAPSHOTS, restores, NOON)
    return None if found is None else found.sequence


@pytest.mark.parametrize(
    ("text", "sequence"),
    [
        ("now", None),
        (" NOW ", None),
        ("latest", 5),
        ("000000000003", 3),
        ("2026-11-27T08:00", 3),
        ("2026-11-27 08:00:00Z", 3),
        ("2026-11-27T09:00+01:00", 3),
        ("2026-11-27T07:59", 2),
        ("2026-11-26", 1),
        ("10:30", 4),
        ("18:00", 1),
        ("1h ago", 5),
        ("90m ago", 4),
        ("1d ago", None),
        ("before:sale_2", 2),
        ("before:SALE_1", 3),
        ("before sale_2", 2),
        ("before : sale_2", 2),
        ("before 000000000003", 2),
    ],
)
def test_a_moment_names_the_newest_snapshot_by_then(text: str, sequence: int | None) -> None:
    """A clock without a date is the last time it showed that; an event's moment is before its newest snapshot."""
    if text == "1d ago":
        with pytest.raises(SnapshotNotFound, match="No snapshot was taken by 2026-11-26 12:00"):
            meant(text)
    else:
        assert meant(text) == sequence


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("2026-13-01", "no time of the calendar"),
        ("25:00", "no time of the calendar"),
        ("soon ago", "a duration like"),
        ("before:nothing", "has the reason 'nothing'"),
        ("ffffff", "No snapshot has the id"),
        ("SALE_1", "An event is called so: before:sale_1"),
        ("before:00", "has the reason '00'"),
        ("", "Name a snapshot"),
    ],
)
def test_what_names_no_moment_is_a_sentence(text: str, sentence: str) -> None:
    """What is wrong with it, or that there is nothing."""
    with pytest.raises(SnapshotNotFound, match=sentence):
        meant(text)


def test_a_state_before_a_snapshot_is_named_by_the_beginning_of_its_id() -> None:
    """As every other snapshot is."""
    at = [NOON - dt.timedelta(hours=hours) for hours in (3, 2)]
    first, second = (
        make_snapshot(id=name * 12, sequence=number, began_at=each, created_at=each)
        for number, (name, each) in enumerate(zip("ab", at, strict=True))
    )
    assert resolve_moment("before:bbb", [first, second], (), NOON) == first
    with pytest.raises(SnapshotNotFound):
        resolve_moment("before:aaa", [first, second], (), NOON)


def test_only_the_timeline_counts(tmp_path: object) -> None:
    """What a restore left behind happened at no time that the present comes from."""
    record = RestoreRecord(at=NOON, snapshot="000000000002", sequence=2, before=5, safety=None, automatic=False)
    assert meant("10:30", (record,)) == 2
    with pytest.raises(SnapshotNotFound, match=r"has the reason 'sale_3'\. A restore left 000000000004 behind"):
        meant("before:sale_3", (record,))


def test_a_time_is_of_the_zone_of_who_wrote_it() -> None:
    """And what is said about times is said in that zone too."""
    berlin = ZoneInfo("Europe/Berlin")
    found = [resolve_moment(text, SNAPSHOTS, (), NOON, berlin) for text in ("09:30", "09:30Z", "yesterday 19:30")]
    assert [each.sequence for each in found if each is not None] == [3, 3, 1]
    with pytest.raises(SnapshotNotFound, match=r"by 2026-11-26 18:30 CET. The oldest is of 2026-11-26 19:00 CET."):
        resolve_moment("yesterday 18:30", SNAPSHOTS, (), NOON, berlin)


@pytest.mark.parametrize(
    ("now", "text", "moment"),
    [
        ("2026-10-25T00:45", "02:30", "2026-10-25T00:30"),
        ("2026-10-25T01:15", "02:30", "2026-10-25T00:30"),
        ("2026-10-25T01:45", "02:30", "2026-10-25T01:30"),
        ("2026-10-26T12:00", "2026-10-25 02:30", "2026-10-25T01:30"),
        ("2026-03-29T12:00", "02:30", "2026-03-29T01:30"),
    ],
)
def test_a_time_that_a_clock_showed_twice_is_the_last_one(now: str, text: str, moment: str) -> None:
    """In autumn; in spring a time that no clock showed is one after the change."""
    today, meant = (dt.datetime.fromisoformat(each).replace(tzinfo=dt.UTC) for each in (now, moment))
    second = dt.timedelta(seconds=1)
    line = [make_snapshot(number, at=meant + (number - 2) * second) for number in (1, 2, 3)]
    assert resolve_moment(text, line, (), today, ZoneInfo("Europe/Berlin")) is line[1]
