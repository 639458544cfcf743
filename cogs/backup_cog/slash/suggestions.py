"""What is suggested to a person who types: the levels of a verification, and the snapshots that may be meant. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from discord import app_commands

from ..core_api import AmbiguousSnapshot, Level, Snapshot, SnapshotNotFound
from ..formatting import CHOICE_LIMIT, CHOICES_LIMIT, clip, visible
from ..language import core_text, text
from .snapshots.finding import is_exactly, matching, meant_by
from .snapshots.labels import Reader, headline, label
from .snapshots.lines import own_reasons
from .snapshots.words import as_moment, before

__all__ = ["LEVELS", "choices", "exactly", "first_reasons", "meant", "moment_of", "one_of"]

LEVELS = [
    app_commands.Choice(name="checksum: the stored bytes give back its fingerprint", value=Level.CHECKSUM.value),
    app_commands.Choice(name="restored: rebuild it as a scratch database and check it", value=Level.RESTORED.value),
]
"""How thoroughly a snapshot can be verified."""
_MEANT = 10
_TYPED_LIMIT = 30
_LATEST = "latest"
_BEFORE_EACH = 10
_EVENT_LIMIT = 45

At = Callable[[str], Snapshot | None]
"""A function that returns the snapshot at a moment in the core's words, None for now; raises SnapshotNotFound."""


def choices(known: Sequence[Snapshot], typed: str, reader: Reader, at: At) -> list[app_commands.Choice[str]]:
    """Return what Discord suggests: what a moment resolves to first, then what the text is found in, best first."""
    resolved = _resolved(known, typed, reader, at)
    others = [
        app_commands.Choice(name=label(snapshot, reader, typed), value=snapshot.id)
        for snapshot in matching(known, typed, reader.shown)[:CHOICES_LIMIT]
        if resolved is None or snapshot.id != resolved.value
    ]
    if resolved is not None and resolved.value == _as_value(typed):
        # There is no such snapshot: what was typed may not be all of it.
        others += _before_each(known, before(typed), reader, at)
        return others[:CHOICES_LIMIT] or [resolved]
    return others if resolved is None else [resolved, *others][:CHOICES_LIMIT]


def _before_each(
    known: Sequence[Snapshot], earlier: str | None, reader: Reader, at: At
) -> list[app_commands.Choice[str]]:
    """Return the snapshots before each of those that a part of a reason is found in."""
    found = []
    for snapshot in matching(known, earlier, reader.shown)[:_BEFORE_EACH] if earlier else ():
        try:
            former = at(f"before:{snapshot.id}")
        except SnapshotNotFound:
            continue
        if former is not None:
            event = text("before {reason}", reason=headline(snapshot, reader, earlier or ""))
            found.append(_leading_to(clip(event, _EVENT_LIMIT), former, reader))
    return found


def _leading_to(written: str, found: Snapshot, reader: Reader) -> app_commands.Choice[str]:
    """Return the choice of a snapshot that says what led to it."""
    name = f"{written} → "
    return app_commands.Choice(name=name + label(found, reader, limit=CHOICE_LIMIT - len(name)), value=found.id)


def first_reasons(known: Sequence[Snapshot]) -> list[str]:
    """Return what the first suggestions are labelled with before anything is typed."""
    return [reason for snapshot in known[:CHOICES_LIMIT] for reason in own_reasons(snapshot)[:1]]


def _as_value(typed: str) -> str:
    return clip(typed.strip(), CHOICE_LIMIT)


def _resolved(known: Sequence[Snapshot], typed: str, reader: Reader, at: At) -> app_commands.Choice[str] | None:
    """Return the choice that says what a time, "latest" or "before ..." means, None where the text is neither.

    Where there is no such snapshot it says why, and its value is the text.
    """
    written = typed.strip()
    if len(written) > 1 and _LATEST.startswith(written.lower()):
        written = _LATEST
    moment = moment_of(known, written, reader)
    if moment is None or moment == "now":
        return None
    shown = clip(visible(written), _TYPED_LIMIT)
    try:
        found = at(moment)
    except SnapshotNotFound as error:
        return app_commands.Choice(
            name=clip(f"{shown} → {visible(core_text(error.message))}", CHOICE_LIMIT), value=_as_value(written)
        )
    return None if found is None else _leading_to(shown, found, reader)


def moment_of(known: Sequence[Snapshot], typed: str, reader: Reader) -> str | None:
    """Return the moment that a text names, as the core reads it; None if it names none.

    What stands after "before" is a time, or a snapshot or an event that is found like any other.
    """
    moment = as_moment(typed, reader.here)
    earlier = before(typed)
    if moment is not None or earlier is None:
        return moment
    moment = as_moment(earlier, reader.here)
    if moment is not None:
        return moment
    meant = meant_by(known, earlier, reader.shown)
    exact = any(reason.casefold() == earlier.casefold() for each in meant for reason in each.reasons)
    return f"before:{meant[0].id}" if len(meant) == 1 and not exact else f"before:{earlier}"


def exactly(known: Sequence[Snapshot], typed: str, reader: Reader) -> Snapshot | None:
    """Return the snapshot of which a text is the whole id, reason or note. Raises AmbiguousSnapshot as ``one_of``."""
    wanted = typed.strip().casefold()
    return one_of([each for each in known if is_exactly(each, wanted, reader.shown)], typed, reader)


def one_of(known: Sequence[Snapshot], typed: str, reader: Reader) -> Snapshot | None:
    """Return the snapshot that a text means, None if it means none. Raises AmbiguousSnapshot if it means several."""
    found = meant_by(known, typed, reader.shown)
    if len(found) > 1:
        raise AmbiguousSnapshot(
            text(
                "{count} snapshots may be meant by {typed}. Pick one, or write more of its id.",
                count=len(found),
                typed=repr(clip(visible(typed), _TYPED_LIMIT)),
            ),
            snapshot_id=typed,
            matches=tuple(each.id for each in found),
        )
    return found[0] if found else None


def meant(known: Sequence[Snapshot], error: BaseException) -> tuple[Snapshot, ...]:
    """Return the snapshots that a person may have meant who typed something that names none, or several."""
    if isinstance(error, AmbiguousSnapshot):
        return tuple(each for each in known if each.id in error.data.get("matches", ()))[:_MEANT]
    if not isinstance(error, SnapshotNotFound):
        return ()
    typed = str(error.data.get("snapshot_id", ""))
    return tuple((matching(known, typed) if typed else None) or known)[:_MEANT]
