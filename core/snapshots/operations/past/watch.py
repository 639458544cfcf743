"""The numbers that the owner watches: asked of each new snapshot, and an alert when one jumps.

What is remembered of earlier snapshots is a document in ``state/``. A jump is alerted once, because the next snapshot
is compared with the one that jumped; after a restore it is the snapshot that was restored which counts.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

import msgspec

from ...errors import SnapshotError
from ...history.questions import AskSums
from ...models import Kind, Snapshot, Sums
from ...policies.jumps import jumps
from ...policies.timeline import timeline
from ...repository.catalog import Contents
from ...repository.state import StateFile
from ...worker.protocol import HistoryJob
from ..context import Context
from .queries import files_for

__all__ = ["Watched", "look_for_jumps", "unanswered"]

log = logging.getLogger(__name__)

_REMEMBERED = 500


class Watched(msgspec.Struct, frozen=True, kw_only=True):
    """The answers by snapshot, oldest first, and the questions that could not be answered when last asked."""

    answers: dict[str, dict[str, float]] = {}
    unanswered: tuple[str, ...] = ()


async def look_for_jumps(context: Context, contents: Contents, snapshot: Snapshot) -> None:
    """Answer the watched questions for a new snapshot; alert if an answer jumped, and pin the snapshot before it.

    ``contents`` are those from before the snapshot. The snapshot is valid whatever becomes of this. A safety snapshot
    is asked nothing: it holds what somebody is about to undo, and play is paused meanwhile.
    """
    questions = context.settings.history.watch
    if not questions or snapshot.kind is Kind.SAFETY:
        return
    try:
        found = await _ask(context, snapshot, questions)
        file = StateFile(context.repository.root, "watched", Watched)
        known = await context.in_thread(file.read) or Watched()
        await context.in_thread(file.write, _remembering(known, snapshot, found))
    except (SnapshotError, OSError) as error:
        log.warning("The watched numbers could not be asked for: %s", error)
        return
    for question in (each for each in found.problems if each not in known.unanswered):
        message = f"[history] watch asks for {question!r}, and that cannot be answered: {found.problems[question]}"
        await _notice(context, "watch", message)
    before = next((each for each in timeline(contents.snapshots, contents.restores) if each.id in known.answers), None)
    if before is None:
        return
    jumped = jumps(known.answers[before.id], found.values, context.settings.history.watch_jump)
    if not jumped:
        return
    way_back = f"Snapshot {before.id}, from before it, is pinned: see diff, put rows back with rescue, or unpin it."
    try:
        await context.in_thread(context.repository.update, msgspec.structs.replace(before, pinned=True))
    except (SnapshotError, OSError) as error:
        log.error("Snapshot %s, from before a jump, could not be pinned: %s", before.id, error)
        way_back = f"Snapshot {before.id}, from before it, could not be pinned: pin it, see diff, or use rescue."
    changes = ", ".join(f"{each.question} from {each.before:,} to {each.after:,}" for each in jumped)
    message = (
        f"A number that you watch jumped since snapshot {before.id} of {before.began_at:%Y-%m-%d %H:%M} UTC: "
        f"{changes}. {_events(snapshot.reasons)}. {way_back}"
    )
    await _notice(context, "jump", message)


async def unanswered(context: Context) -> tuple[str, ...]:
    """Return the watched questions that could not be answered when they were last asked."""
    file = StateFile(context.repository.root, "watched", Watched)
    try:
        known = await context.in_thread(file.read)
    except OSError as error:
        log.warning("What is known of the watched numbers cannot be read: %s", error)
        return ()
    watched = context.settings.history.watch
    return () if known is None else tuple(each for each in known.unanswered if each in watched)


async def _notice(context: Context, key: str, message: str) -> None:
    await context.notify(lambda listener: listener.noticed(key, message))


async def _ask(context: Context, snapshot: Snapshot, questions: tuple[str, ...]) -> Sums:
    contents = context.repository.catalog.contents
    return await context.work(
        HistoryJob,
        Sums,
        deadline=float(context.settings.schedule.integrity_deadline),
        question=AskSums(questions=questions),
        files=await context.in_thread(files_for, context, contents, [snapshot]),
    )


def _remembering(known: Watched, snapshot: Snapshot, found: Sums) -> Watched:
    answers = {**known.answers, snapshot.id: found.values}
    return Watched(answers=dict(list(answers.items())[-_REMEMBERED:]), unanswered=tuple(found.problems))


def _events(reasons: Iterable[str]) -> str:
    named = ", ".join(reasons)
    return f"The events that it covers: {named}" if named else "It covers no event"
