"""Which snapshots are suggested to somebody who types, how they are labelled, and which one is meant."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest

from cogs.backup_cog.formatting import visible
from cogs.backup_cog.language import speak, word
from cogs.backup_cog.slash.snapshots.finding import meant_by
from cogs.backup_cog.slash.snapshots.labels import Reader, label
from cogs.backup_cog.slash.suggestions import choices, exactly, meant, moment_of, one_of
from core.snapshots import AmbiguousSnapshot, Kind, Snapshot, SnapshotNotFound
from tests.backup_cog.world import NOON
from tests.worlds.snapshots import make_snapshot

KNOWN = [
    make_snapshot(3, id="3fa2c18b90d4", at=NOON, reasons=("marketplace_buy_421",)),
    make_snapshot(2, id="3fb000000000", at=NOON - dt.timedelta(hours=2), reasons=("trade_7", "marketplace_buy_42")),
    make_snapshot(1, id="aaaaaaaaaaaa", at=NOON - dt.timedelta(days=1), reasons=("evil\u202e\x1b[2J_42",)),
    make_snapshot(
        0, id="42aaaaaaaaaa", at=NOON - dt.timedelta(days=2), kind=Kind.MANUAL, reasons=("Cup",), note="Cup final"
    ),
]
READER = Reader(ZoneInfo("Europe/Berlin"), NOON + dt.timedelta(minutes=5))


def at(moment: str) -> Snapshot | None:
    """Resolve two moments as the core would."""
    if moment == "2h ago":
        return KNOWN[1]
    if moment == "latest":
        return KNOWN[0]
    if moment == f"before:{KNOWN[1].id}":
        return KNOWN[2]
    raise SnapshotNotFound(f"No snapshot was taken by {moment}.", snapshot_id=moment)


def offered(typed: str) -> list[tuple[str, str]]:
    """Return the ids and labels that are suggested."""
    return [(each.value, each.name) for each in choices(KNOWN, typed, READER, at)]


def test_the_exact_reason_comes_first_and_is_the_one_that_is_shown() -> None:
    """Then the one that only begins so; "42" is the beginning of an id, and a part of all others."""
    found = offered(" Marketplace_Buy_42 ")
    assert [value for value, _ in found] == [KNOWN[1].id, KNOWN[0].id]
    assert found[0][1] == "2026-11-23 11:00:00 · 2h 5m ago · 3fb0 · marketplace_buy_42"
    assert [value for value, _ in offered("42")] == [KNOWN[number].id for number in (3, 1, 2, 0)]
    assert offered("final")[0][1].endswith(" · 42aa · Cup final")
    assert offered("3fa2c1")[0][1].endswith(" · 3fa2c1 · marketplace_buy_421")


def test_a_time_is_offered_with_what_it_resolves_to() -> None:
    """First, and once; where there is nothing, the choice says so and is still what was typed."""
    value, name = offered("vor 2 Stunden")[0]
    assert (value, name[:35]) == (KNOWN[1].id, "vor 2 Stunden → 2026-11-23 11:00:00")
    assert offered("18:00") == [("18:00", "18:00 → No snapshot was taken by 18:00.")]
    assert offered("lat")[0] == (KNOWN[0].id, "latest → " + label(KNOWN[0], READER))
    assert offered("before: trade_77")[0][1].startswith("before: trade_77 → No snapshot was taken by before:")
    ((value, name),) = offered("before market")
    assert (value, name) == (KNOWN[2].id, f"before marketplace_buy_42 → {label(KNOWN[2], READER)}")
    noted = make_snapshot(5, id="555555555555", at=NOON, note="before the cup", reasons=("before the cup",))
    (only,) = choices([*KNOWN, noted], "before the", READER, at)
    assert (only.value, only.name.endswith("before the cup")) == (noted.id, True)


def test_a_label_shows_only_what_can_be_seen() -> None:
    """Nothing turns the text around, hides in it or ends its line; emoji stay whole."""
    assert offered("evil")[0][1].endswith(" · evil [2J_42")
    assert visible("a\u200bb\u2066c\ufeffd\u061ce\u3164f\u00adg\ud800h") == "abcdefgh"
    assert visible("👩\u200d🚀 🏴 ❤️\u200d🔥 \u0645\u200d\u0631\u062d a\u200db") == "👩\u200d🚀 🏴 ❤️\u200d🔥 مرح ab"
    for snapshot in KNOWN:
        long = make_snapshot(9, reasons=(*("\u202e**[x](https://y)**🎁" * 20,), *snapshot.reasons))
        assert 0 < len(label(long, READER)) <= 100
        assert "\u202e" not in label(long, READER)


@pytest.mark.parametrize(
    ("typed", "ids"),
    [
        ("3fa2", ["3fa2c18b90d4"]),
        ("3f", ["3fa2c18b90d4", "3fb000000000"]),
        ("MARKETPLACE_BUY_42", ["3fb000000000"]),
        ("buy_42", ["3fb000000000"]),
        ("buy_4", []),
        ("42", ["3fb000000000", "aaaaaaaaaaaa", "42aaaaaaaaaa"]),
        ("cup final", ["42aaaaaaaaaa"]),
        ("final", ["42aaaaaaaaaa"]),
        ("manual", ["42aaaaaaaaaa"]),
        ("critical", ["3fa2c18b90d4", "3fb000000000", "aaaaaaaaaaaa"]),
        ("", []),
        ("nothing", []),
    ],
)
def test_a_text_means_what_it_names_best(typed: str, ids: list[str]) -> None:
    """And no number is the beginning of another one: what is typed is not picked."""
    assert [each.id for each in meant_by(KNOWN, typed)] == ids


def test_a_kind_is_found_as_it_is_shown() -> None:
    """In the language of who types, and in English."""
    speak("de")
    assert [each.id for each in meant_by(KNOWN, word("manual"))] == [KNOWN[3].id]
    assert [each.id for each in meant_by(KNOWN, "manual")] == [KNOWN[3].id]
    speak("")


def test_what_may_mean_several_is_asked_back() -> None:
    """The sentence says how many, and the answer shows which."""
    with pytest.raises(AmbiguousSnapshot, match="2 snapshots may be meant by '3f'") as raised:
        one_of(KNOWN, "3f", READER)
    assert meant(KNOWN, raised.value) == (KNOWN[0], KNOWN[1])
    assert one_of(KNOWN, "nothing", READER) is None
    again = [*KNOWN, make_snapshot(7, reasons=("trade_7",))]
    with pytest.raises(AmbiguousSnapshot):
        exactly(again, "TRADE_7", READER)
    assert exactly(KNOWN, "trade", READER) is None


def test_before_is_before_a_time_an_event_or_a_snapshot() -> None:
    """What names no one snapshot is left to the core, which says what is wrong with it."""
    assert moment_of(KNOWN, "before 14:05", READER) == "14:05"
    assert moment_of(KNOWN, "vor marketplace_buy_42", READER) == "before:marketplace_buy_42"
    assert moment_of(KNOWN, "before buy_42", READER) == "before:3fb000000000"
    assert moment_of(KNOWN, "before critical", READER) == "before:critical"
    assert moment_of(KNOWN, "marketplace_buy_42", READER) is None


def test_a_wrong_id_is_answered_with_what_was_meant() -> None:
    """What holds the typed text, else the newest; nothing for other errors."""
    assert meant(KNOWN, SnapshotNotFound("No.", snapshot_id="trade_7")) == (KNOWN[1],)
    assert meant(KNOWN, SnapshotNotFound("No.", snapshot_id="nonsense")) == tuple(KNOWN)
    assert meant(KNOWN, ValueError()) == ()
