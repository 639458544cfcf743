"""Restores: the plan that is shown before one, the report after it, and its record in the catalog."""

from __future__ import annotations

import datetime as dt

import msgspec

from .integrity import DatabaseState, IntegrityReport, Method
from .snapshots import Snapshot

__all__ = ["Lost", "RestorePlan", "RestoreRecord", "RestoreReport"]


class Lost(msgspec.Struct, frozen=True, kw_only=True):
    """What a restore loses: everything written between ``since`` (the snapshot) and ``until`` (now).

    ``rows`` has the number of rows in the snapshot and now, by critical table; None means that the table is missing or
    cannot be read. It is empty if the snapshot's rows were not counted. ``events`` are the reasons recorded after the
    snapshot, ``event_count`` is the number of events.
    """

    since: dt.datetime
    until: dt.datetime
    seconds: float
    rows: dict[str, tuple[int | None, int | None]]
    events: tuple[str, ...]
    event_count: int


class RestorePlan(msgspec.Struct, frozen=True, kw_only=True):
    """What a restore would do, shown before anyone agrees to it.

    ``age`` is the snapshot's, in seconds. ``unchanged`` is True if it is known that nothing was written since then.
    ``token`` binds an agreement to the state that the plan shows.
    """

    snapshot: Snapshot
    age: float
    method: Method
    lost: Lost
    database: DatabaseState
    token: str
    another_database: str | None = None
    unchanged: bool = False


class RestoreRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A restore that was carried out, to ``snapshot`` with its ``sequence``.

    Snapshots with a sequence below ``before`` were taken before the restore. ``safety`` is the id of the safety
    snapshot, ``quarantine`` the name under which the replaced files or the replaced database are kept.
    """

    at: dt.datetime
    snapshot: str
    sequence: int
    before: int
    safety: str | None
    automatic: bool
    quarantine: str | None = None


class RestoreReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a restore did.

    ``identical`` is True if the database was compared with the snapshot and is equal to it, and None if it could not be
    compared, because somebody wrote to it first for example. ``left_out`` are sentences on what could not be restored
    as it was, such as objects and rights that the role may not give. If ``ok`` is False, ``error`` is the reason and
    the database is as it was before.
    """

    restored: Snapshot
    safety: Snapshot | None
    quarantine: str | None
    method: Method
    lost: Lost
    integrity: IntegrityReport | None
    identical: bool | None
    automatic: bool
    seconds: float
    ok: bool
    error: str | None = None
    left_out: tuple[str, ...] = ()
