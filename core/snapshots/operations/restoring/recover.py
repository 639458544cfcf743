"""After a crash: say what the interrupted operation has left behind, before anybody relies on the database.

A journal that is still there names an operation whose process died. If its change was committed, the restore is entered
into the catalog, as its process would have done next. Otherwise the database is as it was. For an exchange of files
that is found by looking at the files, which are put in order first (``settle``).
"""

from __future__ import annotations

import logging
from pathlib import Path

import msgspec

from ...engines import Recovery
from ...models import JournalEntry, RestoreRecord
from ...repository.catalog import Contents
from ...units import printable_lines
from ..context import Context
from ..journal import audit, journal_file
from ..past.asked import record_file
from ..past.outcome import look_at_them, was_written

__all__ = ["recover_locked"]

log = logging.getLogger(__name__)


async def recover_locked(context: Context, contents: Contents, settled: Recovery | None = None) -> str | None:
    """Close the journal of an operation that a crash interrupted; return the owner's sentence, None if there is none.

    ``settled`` is what the files of the database were found to be, if they were being exchanged. Only inside an
    operation that holds the repository: then the operation of the entry cannot be running any more.
    """
    entry = await context.in_thread(journal_file(context).read)
    if entry is None:
        return None
    if settled is not None:
        entry = msgspec.structs.replace(entry, committed=settled.restored is True)
    if entry.operation == "rescue":
        message = await _rescue_sentence(context, entry)
    else:
        message = _sentence(entry) if settled is None or settled.restored is not None else _unclear(entry, settled)
    if entry.committed and entry.snapshot is not None and not _is_recorded(entry, contents):
        record = RestoreRecord(
            at=entry.at,
            snapshot=entry.snapshot,
            sequence=entry.sequence,
            before=contents.next_sequence,
            safety=entry.safety,
            automatic=entry.automatic,
            quarantine=Path(entry.quarantine).name if entry.quarantine and not entry.safety else None,
        )
        await context.in_thread(context.repository.catalog.change, lambda now: now.recording(record))
    message = printable_lines(message)  # whoever could write the journal wrote it
    log.warning("%s", message)
    await audit(context, entry.actor, entry.operation, "interrupted", entry.snapshot, message)
    await context.in_thread(journal_file(context).remove)
    await context.notify(lambda listener: listener.interrupted(message))
    return message


def _is_recorded(entry: JournalEntry, contents: Contents) -> bool:
    return any(record.snapshot == entry.snapshot and record.at >= entry.at for record in contents.restores)


def _unclear(entry: JournalEntry, settled: Recovery) -> str:
    began = f"{entry.at:%Y-%m-%d %H:%M:%S} UTC"
    return f"A {entry.operation} of {entry.snapshot} that began at {began} was interrupted. {settled.message}"


async def _rescue_sentence(context: Context, entry: JournalEntry) -> str:
    """Return what became of a rescue; who died between the commit and the word of it leaves that to be found out."""
    rescue_id = entry.rescue or ""
    file = record_file(context, rescue_id)
    record = await context.in_thread(file.read) if rescue_id.isalnum() else None
    written: bool | None = entry.committed
    if not entry.committed and record is not None:
        written = await was_written(context, record)
    if written is False and record is not None:
        await context.in_thread(file.remove)
    state, then = {
        True: ("the rows were put back", f" Taken back by: rescue --undo {rescue_id}."),
        False: ("no row was changed", ""),
        None: ("whether the rows were put back cannot be told any more", f" {look_at_them(rescue_id)}"),
    }[written]
    began = f"{entry.at:%Y-%m-%d %H:%M:%S} UTC"
    return f"A rescue that {entry.actor} began at {began} was interrupted: {state}.{then}"


def _sentence(entry: JournalEntry) -> str:
    began = f"{entry.at:%Y-%m-%d %H:%M:%S} UTC"
    if entry.operation == "import":
        return f"An import that {entry.actor} began at {began} was interrupted; the file can be imported again."
    if entry.snapshot is None:
        return f"A {entry.operation} that {entry.actor} began at {began} was interrupted; the next one finishes it."
    state = f"is {entry.snapshot}" if entry.committed else "is as it was"
    safety = (
        f" What was there before is the safety snapshot {entry.safety}." if entry.committed and entry.safety else ""
    )
    return (
        f"A {entry.operation} of {entry.snapshot} that {entry.actor} began at {began} was interrupted: the database "
        f"{state}.{safety}"
    )
