"""Which snapshots are suggested to somebody who types, and how they are labelled."""

from __future__ import annotations

from cogs.backup_cog.slash.suggestions import choices, meant, with_reason
from core.snapshots import SnapshotNotFound
from tests.backup_cog.world import NOON
from tests.worlds.snapshots import make_snapshot

KNOWN = [
    make_snapshot(3, at=NOON, reasons=("marketplace_buy_421",)),
    make_snapshot(2, at=NOON, reasons=("trade_7", "marketplace_buy_42")),
    make_snapshot(1, at=NOON, reasons=("evil\u202e\x1b[2J_42",)),
]


def test_the_exact_reason_comes_first_and_is_the_one_that_is_shown() -> None:
    """Then the newest; "42" is exactly nobody's."""
    found = choices(KNOWN, " Marketplace_Buy_42 ")
    assert [choice.value for choice in found] == [KNOWN[1].id, KNOWN[0].id]
    assert found[0].name.endswith("marketplace_buy_42")
    assert [choice.value for choice in choices(KNOWN, "42")] == [snapshot.id for snapshot in KNOWN]


def test_no_label_turns_the_text_around() -> None:
    """Discord shows it as it is."""
    assert all(choice.name.isprintable() for choice in choices(KNOWN, ""))


def test_a_wrong_id_is_answered_with_what_was_meant() -> None:
    """What holds the typed text, else the newest; nothing for other errors."""
    assert meant(KNOWN, SnapshotNotFound("No.", snapshot_id="trade_7")) == (KNOWN[1],)
    assert meant(KNOWN, SnapshotNotFound("No.", snapshot_id="nonsense")) == tuple(KNOWN)
    assert meant(KNOWN, ValueError()) == ()


def test_a_reason_names_its_snapshot() -> None:
    """Whole, whatever its case."""
    assert with_reason(KNOWN, " TRADE_7") is KNOWN[1]
    assert with_reason(KNOWN, "trade") is None
