"""Names of snapshots: they sort by time, say what they are, and cannot leave their folder."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from pathlib import PurePosixPath, PureWindowsPath

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.snapshots.errors import AmbiguousSnapshot, SnapshotNotFound
from core.snapshots.models import Kind, Snapshot
from core.snapshots.policies.timeline import resolve
from core.snapshots.repository.names import FOLDERS, file_name, folder_of, new_id, parse_name, relative_path, slug
from tests.worlds.snapshots import make_snapshot

NOON = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)
FIRST = dt.datetime(1, 1, 1, tzinfo=dt.UTC)
STEADY = settings(deadline=None, derandomize=True, max_examples=300)

zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: dt.timezone(dt.timedelta(minutes=minutes)))
since_year_one = st.timedeltas(dt.timedelta(days=2), dt.timedelta(days=9900 * 365))
times = st.builds(lambda since, zone: (FIRST + since).astimezone(zone), since_year_one, zones)
steps = st.timedeltas(dt.timedelta(milliseconds=1), dt.timedelta(days=3650))
kinds = st.sampled_from(Kind)
ids = st.text("0123456789abcdef", min_size=12, max_size=12)
suffixes = st.sampled_from([".db.gz", ".sql.gz", ".pages.gz", ".db.gz.age"])
reasons = st.one_of(
    st.text(st.characters()),
    st.text(st.sampled_from("./\\\x00\n:*_-aZ9é")),
    st.sampled_from(["../../etc/passwd", "C:\\con", "a\x00b", ".hidden", "~", "x" * 100_000, "ﷺ" * 400, "\ud800", ""]),
)


def test_a_name_says_when_why_and_which() -> None:
    """A file name is time, kind, slug, id and suffix, as the catalog and people read it."""
    berlin = dt.timezone(dt.timedelta(hours=1))
    created_at = dt.datetime(2026, 11, 23, 9, 13, 9, 123_999, tzinfo=berlin)
    path = relative_path(
        created_at=created_at,
        kind=Kind.CRITICAL,
        reason="marketplace_buy_42",
        snapshot_id="3fa9c1d2e4b5",
        suffix=".db.gz",
    )
    assert path == "critical/20261123T081309.123Z_critical_marketplace-buy-42_3fa9c1d2e4b5.db.gz"


@pytest.mark.parametrize(
    ("kind", "folder"),
    [
        (Kind.PERIODIC, "daily"),
        (Kind.MANUAL, "daily"),
        (Kind.CRITICAL, "critical"),
        (Kind.SAFETY, "critical"),
        (Kind.SHUTDOWN, "shutdown"),
    ],
)
def test_each_kind_has_its_folder(kind: Kind, folder: str) -> None:
    """The three folders are those of the design."""
    assert folder_of(kind) == folder


def test_every_kind_has_a_folder() -> None:
    """A kind that is added to the model needs a folder here."""
    assert {folder_of(kind) for kind in Kind} == set(FOLDERS) == {"daily", "critical", "shutdown"}


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("marketplace_buy_42", "marketplace-buy-42"),
        ("  Before the BIG sale!  ", "before-the-big-sale"),
        ("Café Über", "cafe-uber"),
        ("../../etc/passwd", "etc-passwd"),
        ("", "snapshot"),
        ("\x00\n/..", "snapshot"),
        ("宝箱", "snapshot"),
        ("a" * 39 + " b", "a" * 39),
        ("x" * 100, "x" * 40),
    ],
)
def test_a_reason_becomes_a_short_plain_slug(reason: str, expected: str) -> None:
    """A slug holds only a-z, 0-9 and single hyphens, at most 40, and is never empty."""
    assert slug(reason) == expected


@STEADY
@given(created_at=times, kind=kinds, reason=reasons, snapshot_id=ids, suffix=suffixes)
def test_no_reason_leads_a_name_out_of_its_folder(
    created_at: dt.datetime, kind: Kind, reason: str, snapshot_id: str, suffix: str
) -> None:
    """Whatever players write, a path is one plain name in the folder of its kind, on every platform."""
    name = file_name(created_at=created_at, kind=kind, reason=reason, snapshot_id=snapshot_id, suffix=suffix)
    path = relative_path(created_at=created_at, kind=kind, reason=reason, snapshot_id=snapshot_id, suffix=suffix)
    assert PurePosixPath(path).parts == (folder_of(kind), name)
    assert PureWindowsPath(path).parts == (folder_of(kind), name)
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name)
    assert len(name.encode()) <= 255


@STEADY
@given(created_at=times, kind=kinds, reason=reasons, snapshot_id=ids, suffix=suffixes)
@example(created_at=FIRST, kind=Kind.SAFETY, reason="", snapshot_id="000000000000", suffix=".a")
def test_parsing_a_name_gives_back_what_it_was_made_of(
    created_at: dt.datetime, kind: Kind, reason: str, snapshot_id: str, suffix: str
) -> None:
    """The catalog can be rebuilt from names: nothing but the time below a millisecond and the slug's text is lost."""
    name = file_name(created_at=created_at, kind=kind, reason=reason, snapshot_id=snapshot_id, suffix=suffix)
    parsed = parse_name(name)
    assert parsed is not None
    assert parsed.created_at == created_at.replace(microsecond=created_at.microsecond // 1000 * 1000)
    assert parsed.created_at.tzinfo is dt.UTC
    assert (parsed.kind, parsed.slug, parsed.id, parsed.suffix) == (kind, slug(reason), snapshot_id, suffix)


def rebuilt(name: str) -> str | None:
    parsed = parse_name(name)
    if parsed is None:
        return None
    return file_name(
        created_at=parsed.created_at,
        kind=parsed.kind,
        reason=parsed.slug,
        snapshot_id=parsed.id,
        suffix=parsed.suffix,
    )


@STEADY
@given(created_at=times, kind=kinds, snapshot_id=ids, place=st.integers(0, 60), character=st.characters())
def test_a_name_that_was_tampered_with_is_refused_or_means_itself(
    created_at: dt.datetime, kind: Kind, snapshot_id: str, place: int, character: str
) -> None:
    """Parsing never accepts a name that file_name would not have written."""
    name = file_name(created_at=created_at, kind=kind, reason="a-note", snapshot_id=snapshot_id, suffix=".db.gz")
    changed = name[:place] + character + name[place + 1 :]
    assert rebuilt(changed) in {None, changed}


@pytest.mark.parametrize(
    "name",
    [
        "",
        "latest.db.gz",
        "backup_metadata.json",
        "critical/20261123T081309.123Z_critical_note_3fa9c1d2e4b5.db.gz",
        "20261323T081309.123Z_critical_note_3fa9c1d2e4b5.db.gz",
        "20260230T081309.123Z_critical_note_3fa9c1d2e4b5.db.gz",
        "20261123T081360.123Z_critical_note_3fa9c1d2e4b5.db.gz",
        "00001123T081309.123Z_critical_note_3fa9c1d2e4b5.db.gz",
        "20261123T081309.123Z_weekly_note_3fa9c1d2e4b5.db.gz",
        "20261123T081309.123Z_critical_Note_3fa9c1d2e4b5.db.gz",
        "20261123T081309.123Z_critical_-note_3fa9c1d2e4b5.db.gz",
        "20261123T081309.123Z_critical_a--b_3fa9c1d2e4b5.db.gz",
        "20261123T081309.123Z_critical__3fa9c1d2e4b5.db.gz",
        f"20261123T081309.123Z_critical_{'x' * 41}_3fa9c1d2e4b5.db.gz",
        "20261123T081309.123Z_critical_note_3FA9C1D2E4B5.db.gz",
        "20261123T081309.123Z_critical_note_3fa9c1d2e4b.db.gz",
        "20261123T081309.123Z_critical_note_3fa9c1d2e4b5",
        "20261123T081309.123Z_critical_note_3fa9c1d2e4b5.db.gz\n",
        "20261123T081309.123Z_critical_note_3fa9c1d2e4b5.db..gz",
        "２0261123T081309.123Z_critical_note_3fa9c1d2e4b5.db.gz",
        "x" * 100_000,
    ],
)
def test_other_names_are_not_snapshots(name: str) -> None:
    """A file of somebody else's in the folder is left alone."""
    assert parse_name(name) is None


@STEADY
@given(
    earlier=times,
    step=steps,
    zone=zones,
    kind=kinds,
    other_kind=kinds,
    reason=reasons,
    other_reason=reasons,
    snapshot_id=ids,
    other_id=ids,
)
def test_later_snapshots_sort_later_whatever_their_kind(
    earlier: dt.datetime,
    step: dt.timedelta,
    zone: dt.tzinfo,
    kind: Kind,
    other_kind: Kind,
    reason: str,
    other_reason: str,
    snapshot_id: str,
    other_id: str,
) -> None:
    """A plain listing of a folder is in order of time, to the millisecond, across time zones and kinds."""
    later = (earlier + step).astimezone(zone)
    first = file_name(created_at=earlier, kind=kind, reason=reason, snapshot_id=snapshot_id, suffix=".pages.gz")
    second = file_name(created_at=later, kind=other_kind, reason=other_reason, snapshot_id=other_id, suffix=".db.gz")
    assert first < second


def test_one_millisecond_is_enough_to_sort_by() -> None:
    """The smallest difference that a name shows is one millisecond."""

    def at(microsecond: int) -> str:
        created_at = NOON.replace(microsecond=microsecond)
        return file_name(
            created_at=created_at, kind=Kind.MANUAL, reason="", snapshot_id="3fa9c1d2e4b5", suffix=".db.gz"
        )

    assert at(1_999) < at(2_000)
    assert at(2_000) == at(2_999)


@pytest.mark.parametrize(
    ("created_at", "snapshot_id", "suffix"),
    [
        (NOON.replace(tzinfo=None), "3fa9c1d2e4b5", ".db.gz"),
        (NOON, "../../../../", ".db.gz"),
        (NOON, "3FA9C1D2E4B5", ".db.gz"),
        (NOON, "3fa9c1d2e4b5\n", ".db.gz"),
        (NOON, "3fa9c1d2e4b5", "/../x.gz"),
        (NOON, "3fa9c1d2e4b5", "db.gz"),
        (NOON, "3fa9c1d2e4b5", ""),
        (NOON, "3fa9c1d2e4b5", "." + "z" * 300),
    ],
)
def test_a_name_is_not_made_of_unsound_parts(created_at: dt.datetime, snapshot_id: str, suffix: str) -> None:
    """Time, id and suffix come from our own code; a wrong one is an error, never a strange file."""
    with pytest.raises(ValueError, match=r"^a (snapshot's|suffix is)"):
        file_name(created_at=created_at, kind=Kind.MANUAL, reason="note", snapshot_id=snapshot_id, suffix=suffix)


def tokens(*values: str) -> Callable[[int], str]:
    given_out = iter(values)

    def token_hex(size: int) -> str:
        assert size == 6
        return next(given_out)

    return token_hex


def test_a_new_id_is_never_one_that_is_taken() -> None:
    """Ids stay unique even where randomness repeats itself."""
    first, second = "3fa9c1d2e4b5", "0123456789ab"
    assert new_id(tokens(first, first, second), {first}) == second


def test_a_source_of_ids_that_only_repeats_itself_is_an_error() -> None:
    """A broken source of randomness ends in an error, not in an endless loop."""
    with pytest.raises(RuntimeError, match="random ids"):
        new_id(lambda size: "0" * (2 * size), {"0" * 12})


SHELF = (
    make_snapshot(1, id="3fa9c1d2e4b5"),
    make_snapshot(2, id="3fb000000000"),
    make_snapshot(7, id="0123456789ab"),
    make_snapshot(9, id="aaaaaaaaaaaa", ok=False),
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3fa9c1d2e4b5", "3fa9c1d2e4b5"),
        ("3fa", "3fa9c1d2e4b5"),
        ("  3FB\n", "3fb000000000"),
        ("0", "0123456789ab"),
        ("a", "aaaaaaaaaaaa"),
        ("latest", "0123456789ab"),
        (" LATEST ", "0123456789ab"),
    ],
)
def test_a_person_names_a_snapshot_by_id_prefix_or_latest(text: str, expected: str) -> None:
    """An id, a unique beginning of one, or "latest", the newest that is not damaged, whatever the case."""
    assert resolve(text, SHELF).id == expected
    assert resolve(text, SHELF[::-1]).id == expected


def test_a_whole_id_wins_over_longer_ones_that_begin_with_it() -> None:
    """A whole id is never ambiguous, even if ids of another length were to come."""
    longer = (make_snapshot(2, id="3fa9c1d2e4b5ff", path="daily/longer"), make_snapshot(1, id="3fa9c1d2e4b5"))
    assert resolve("3fa9c1d2e4b5", longer).id == "3fa9c1d2e4b5"


@pytest.mark.parametrize("text", ["", "   ", "zzz", "3fa9c1d2e4b5f", "../3fa", "late", "\x00"])
def test_what_names_no_snapshot_is_not_found(text: str) -> None:
    """Any text can arrive; what fits nothing is an error that says what was asked for."""
    with pytest.raises(SnapshotNotFound) as caught:
        resolve(text, SHELF)
    assert not isinstance(caught.value, AmbiguousSnapshot)
    assert caught.value.snapshot_id == text.strip().lower()


def test_a_very_long_id_is_not_repeated_to_the_owner() -> None:
    """An error's sentence stays a sentence, without control characters."""
    with pytest.raises(SnapshotNotFound) as caught:
        resolve("x\n" * 5000, SHELF)
    assert len(str(caught.value)) < 200
    assert "\n" not in str(caught.value)


def test_a_prefix_of_several_ids_is_ambiguous_and_lists_them() -> None:
    """Nobody restores a snapshot by a guess."""
    with pytest.raises(AmbiguousSnapshot, match="2 snapshots begin with '3f'") as caught:
        resolve("3F", SHELF)
    assert caught.value.matches == ("3fa9c1d2e4b5", "3fb000000000")


@pytest.mark.parametrize(
    ("snapshots", "sentence"),
    [((), "no snapshot yet"), ((make_snapshot(id="3fa9c1d2e4b5", ok=False),), "The only snapshot is not sound")],
)
def test_latest_is_never_a_damaged_snapshot(snapshots: tuple[Snapshot, ...], sentence: str) -> None:
    """Where no sound snapshot exists, "latest" says so instead of giving a damaged one."""
    with pytest.raises(SnapshotNotFound, match=sentence):
        resolve("latest", snapshots)
