"""Finish or undo a replacement of the database that was interrupted, by a crash or by the death of its worker."""

from __future__ import annotations

from pathlib import Path

from ...engines import Recovery
from ...files import short_name
from ...repository.state import STATE
from ...worker.protocol import Recovered, RecoverJob, commit_mark
from ..context import Context

__all__ = ["forget_commit", "is_unsettled", "record_path", "settle"]

_RECORD = "exchange.json"
_DEADLINE = 600.0
"""Seconds: a database that is written through may have to be copied once more."""


def record_path(context: Context) -> Path:
    """Return where the steps of a replacement are written down: in ``state/``, or beside the database.

    The latter if the repository is read-only. Blocks.
    """
    inside, beside = _candidates(context)
    return beside if context.repository.is_read_only else inside


def is_unsettled(context: Context) -> bool:
    """Return True if a replacement was begun and neither finished nor undone. Blocks."""
    return any(path.exists() for path in _candidates(context))


def forget_commit(context: Context) -> None:
    """Remove the marks that workers leave when a replacement is committed. Blocks."""
    for mark in map(commit_mark, _candidates(context)):
        if mark.exists():  # in a read-only repository removing nothing fails too
            mark.unlink()


async def settle(context: Context) -> Recovery | None:
    """Finish or undo what was begun; return what the database is now, None if nothing was begun.

    A worker that committed after its bot had died left a mark of that. Nobody else may be at it: the caller holds the
    exclusive lock, where there is one. Raises what a worker raises.
    """
    for path in _candidates(context):
        if await context.in_thread(path.exists):
            found = await context.work(RecoverJob, Recovered, deadline=_DEADLINE, record=str(path))
            if found.recovery is not None:
                return found.recovery
    if any([await context.in_thread(commit_mark(path).exists) for path in _candidates(context)]):
        await context.in_thread(forget_commit, context)
        return Recovery(restored=True, message="The database had been replaced.")
    return None


def _candidates(context: Context) -> tuple[Path, Path]:
    inside = context.repository.root / STATE / _RECORD
    return inside, inside if context.url.path is None else short_name(Path(context.url.path), _RECORD)
