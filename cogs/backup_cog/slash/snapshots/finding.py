"""Which snapshots a person means by a text: an id, a reason, a note, a kind, or a part of one. Pure.

What is typed is compared without regard to upper and lower case. A number is never taken for the beginning of another
one: "marketplace_buy_42" does not mean "marketplace_buy_421", which is suggested all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from ...core_api import Snapshot
from ...language import word

__all__ = ["as_is", "is_exactly", "matching", "meant_by", "searched"]

Shown = Callable[[str], str]
"""A function that returns a reason as it is shown: with the names of those whose numbers it has."""

_EXACTLY, _ID, _WHOLE, _PART, _NOTE, _KIND = range(6)
_ID_ENOUGH = 4


def as_is(reason: str) -> str:
    """Return a reason as it is."""
    return reason


def searched(snapshot: Snapshot, shown: Shown = as_is) -> str:
    """Return the text in which typed words are searched: id, kind in English and as it is shown, reasons and note."""
    kinds = (snapshot.kind.value, word(snapshot.kind))
    return " ".join([snapshot.id, *kinds, *map(shown, snapshot.reasons), snapshot.note or ""]).casefold()


def matching(snapshots: Sequence[Snapshot], typed: str, shown: Shown = as_is) -> list[Snapshot]:
    """Return the snapshots that may be meant, the best first: by id or whole reason, then by what contains the text."""
    wanted = typed.strip().casefold()
    found = [snapshot for snapshot in snapshots if wanted in searched(snapshot, shown)]
    return sorted(found, key=lambda snapshot: _rank(snapshot, wanted, shown)) if wanted else found


def meant_by(snapshots: Sequence[Snapshot], typed: str, shown: Shown = as_is) -> list[Snapshot]:
    """Return the snapshots that a text means: those that it names best, and none that it only resembles."""
    wanted = typed.strip().casefold()
    ranked = [(_rank(each, wanted, shown), each) for each in snapshots if wanted and wanted in searched(each, shown)]
    sure = [(rank, each) for rank, each in ranked if rank != _PART]
    best = min((rank for rank, _ in sure), default=_PART)
    # So little may as well be a number in a reason.
    last = _NOTE if best == _ID and len(wanted) < _ID_ENOUGH else best
    return [each for rank, each in sure if rank <= last]


def is_exactly(snapshot: Snapshot, wanted: str, shown: Shown = as_is) -> bool:
    """Return True if a text in lower case is the whole id, note or one of the reasons of a snapshot."""
    return wanted in (snapshot.id, (snapshot.note or "").casefold(), *_texts(snapshot, shown))


def _texts(snapshot: Snapshot, shown: Shown) -> list[str]:
    return [text.casefold() for reason in snapshot.reasons for text in (reason, shown(reason))]


def _rank(snapshot: Snapshot, wanted: str, shown: Shown) -> int:
    if is_exactly(snapshot, wanted, shown):
        return _EXACTLY
    note, texts = (snapshot.note or "").casefold(), _texts(snapshot, shown)
    if snapshot.id.startswith(wanted):
        return _ID
    if any(_has_whole(text, wanted) for text in texts):
        return _WHOLE
    if any(wanted in text for text in texts):
        return _PART
    if _has_whole(note, wanted):
        return _NOTE
    return _KIND if wanted in (snapshot.kind, word(snapshot.kind).casefold()) else _PART


def _has_whole(text: str, wanted: str) -> bool:
    """Return True if a text contains another one that begins and ends in the middle of no number."""
    return any(
        not (at and wanted[0].isdigit() and text[at - 1].isdigit())
        and not (wanted[-1].isdigit() and text[at + len(wanted) : at + len(wanted) + 1].isdigit())
        for at in _places(text, wanted)
    )


def _places(text: str, wanted: str) -> Iterator[int]:
    at = text.find(wanted)
    while at >= 0:
        yield at
        at = text.find(wanted, at + 1)
