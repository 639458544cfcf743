"""Restores: the plan that is shown before one, the report after it, and the record that the catalog keeps."""

from __future__ import annotations

import datetime as dt

import msgspec

from .integrity import DatabaseState, IntegrityReport, Method
from .snapshots import Snapshot

__all__ = ["Lost", "RestorePlan", "RestoreRecord", "RestoreReport"]


class Lost(msgspec.Struct, frozen=True, kw_only=True):
    """What a restore gives up: everything written between ``since`` (the snapshot) and ``until`` (now).

    ``rows`` gives per critical table how many rows were there in the snapshot and now (``None`` where the table is
    missing or cannot be read). ``events`` are the reasons recorded after the snapshot, ``event_count`` how many
    requests that were.
    """

    since: dt.datetime
    until: dt.datetime
    seconds: float
    rows: dict[str, tuple[int | None, int | None]]
    events: tuple[str, ...]
    event_count: int


class RestorePlan(msgspec.Struct, frozen=True, kw_only=True):
    """What a restore would do, shown before anyone agrees to it. ``token`` binds the agreement to this state."""

    snapshot: Snapshot
    age: float
    method: Method
    lost: Lost
    database: DatabaseState
    token: str


class RestoreRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One restore that happened: back to ``snapshot`` with its ``sequence``.

    Snapshots below ``before`` were taken before the restore. ``safety`` and ``quarantine`` name what was kept.
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

    ``identical`` is True where the result was proven equal to the snapshot page by page, and None where somebody wrote
    before that could be seen. Where ``ok`` is False, ``error`` says why and the database is as it was before.
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
