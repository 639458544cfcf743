"""The lines of the audit log ``audit.jsonl``, and the entry of an operation in the journal."""

from __future__ import annotations

import datetime as dt

import msgspec

__all__ = ["NOBODY", "Actor", "AuditLine", "JournalEntry"]


class Actor(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who asked for an operation: ``source`` is ``discord``, ``shell``, ``schedule``, ``event`` or ``startup``.

    ``id`` is a Discord user's, ``name`` a display name or the shell's user.
    """

    source: str
    name: str = ""
    id: int | None = None

    def __str__(self) -> str:
        named = f"{self.name} ({self.id})" if self.id is not None else self.name
        return f"{named} by {self.source}" if named else self.source


NOBODY = Actor(source="service")
"""The actor if the caller did not pass one."""


class AuditLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of the audit log: who did what, to which snapshot, when, with what outcome."""

    at: dt.datetime
    actor: Actor
    action: str
    outcome: str
    snapshot: str | None = None
    detail: str = ""


class JournalEntry(msgspec.Struct, frozen=True, kw_only=True):
    """An operation that changes the database or the repository, recorded before it begins.

    ``committed`` is True once the change is made, so that a crash no longer undoes it. ``safety`` is the id of the
    safety snapshot, ``quarantine`` the folder for the files that are replaced, ``rescue`` the id of a rescue.
    """

    operation: str
    actor: Actor
    at: dt.datetime
    pid: int
    snapshot: str | None = None
    sequence: int = 0
    method: str | None = None
    automatic: bool = False
    safety: str | None = None
    quarantine: str | None = None
    committed: bool = False
    rescue: str | None = None
