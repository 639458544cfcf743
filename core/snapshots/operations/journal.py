"""Intent first, outcome last: what an operation is about to do, and in the audit log what became of it.

The journal is one document in ``state/`` that exists only while an operation runs. A start that finds one knows that
its process died, and says what that left behind: see ``recover``.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import AsyncIterator
from typing import Any

import msgspec

from ..errors import RepositoryError, SnapshotError
from ..models import Actor, AuditLine, JournalEntry
from ..repository.audit import AuditLog
from ..repository.state import StateFile
from ..units import why_ended
from .context import Context
from .restoring.settle import forget_commit, is_unsettled

__all__ = ["Journal", "audit", "journal_file", "journaled"]

log = logging.getLogger(__name__)


def journal_file(context: Context) -> StateFile[JournalEntry]:
    """Return the journal's file."""
    return StateFile(context.repository.root, "journal", JournalEntry)


class Journal:
    """The entry of one running operation. ``committed`` may be called from any thread."""

    def __init__(self, context: Context, entry: JournalEntry) -> None:
        self._context = context
        self.entry = entry
        self.unfinished: str | None = None
        """Why the operation is done and what comes after its change is not; None if all of it is."""
        self.detail = ""
        """What the audit log has to say of an operation that is done."""

    async def note(self, **changes: Any) -> None:
        """Change the entry durably; raises OSError, for what cannot be written down must not be begun.

        In a read-only repository nothing is written down: nothing there can be half-done.
        """
        self.entry = msgspec.structs.replace(self.entry, **changes)
        await self._context.in_thread(self._write)

    def committed(self) -> None:
        """Record that the change is made. Blocks; a failure is logged, because it is too late to stop."""
        self.entry = msgspec.structs.replace(self.entry, committed=True)
        try:
            self._write()
        except OSError as error:
            log.error("That the %s is made could not be recorded: %s", self.entry.operation, error)

    def _write(self) -> None:
        if not self._context.repository.is_read_only:
            journal_file(self._context).write(self.entry)


@contextlib.asynccontextmanager
async def journaled(context: Context, operation: str, actor: Actor, **fields: Any) -> AsyncIterator[Journal]:
    """Keep a journal entry for as long as an operation runs, and write its outcome into the audit log.

    Only inside an operation that holds the repository. Raises OSError if the intent cannot be written down.
    """
    entry = JournalEntry(operation=operation, actor=actor, at=context.clock(), pid=os.getpid(), **fields)
    journal = Journal(context, entry)
    await journal.note()
    try:
        yield journal
    except BaseException as error:
        made = "done, not compared" if entry.rescue is None else "done, then stopped"
        outcome = made if journal.entry.committed else "failed"
        detail = why_ended(error) if entry.rescue is None else f"{entry.rescue}: {why_ended(error)}"
        await audit(context, actor, operation, outcome, journal.entry.snapshot, detail)
        raise
    else:
        outcome = "done" if journal.unfinished is None else "done, not compared"
        await audit(context, actor, operation, outcome, journal.entry.snapshot, journal.unfinished or journal.detail)
    finally:
        # What is neither finished nor undone stays in the journal, for the next start.
        if not await context.in_thread(is_unsettled, context):
            await context.in_thread(_remove_quietly, context)


def _remove_quietly(context: Context) -> None:
    try:
        journal_file(context).remove()
        forget_commit(context)
    except OSError as error:
        log.error("The journal could not be closed: %s", error)


async def audit(
    context: Context, actor: Actor, action: str, outcome: str, snapshot: str | None = None, detail: str = ""
) -> None:
    """Append a line to the audit log. If that fails the operation goes on, and the owner is told once."""
    if await context.in_thread(lambda: context.repository.is_read_only):
        return
    line = AuditLine(at=context.clock(), actor=actor, action=action, outcome=outcome, snapshot=snapshot, detail=detail)
    try:
        await context.in_thread(AuditLog(context.repository.root).append, line)
    except OSError as caught:
        log.error("The audit log could not be written: %s", caught)
        error = caught if isinstance(caught, SnapshotError) else RepositoryError(f"The audit log: {caught}.")
        await context.notify(lambda listener: listener.failed("audit", error))
    else:
        await context.notify(lambda listener: listener.succeeded("audit"))
        await context.notify(lambda listener: listener.audited(line))
