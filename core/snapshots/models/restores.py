"""Restores: the plan that is shown before one, the report after it, and its record in the catalog."""

from __future__ import annotations

import datetime as dt
from enum import StrEnum

import msgspec

from .integrity import DatabaseState, IntegrityReport, Method
from .snapshots import Snapshot

__all__ = ["Loss", "Lost", "PlayerLoss", "RestorePlan", "RestoreRecord", "RestoreReport", "RestoreStep", "TableLoss"]


class RestoreStep(StrEnum):
    """The steps of a restore, in their order. The database changes in ``replace``, and in no step before it."""

    REBUILD = "rebuild"
    CHECK = "check"
    PAUSE = "pause"
    SAFETY = "safety"
    REPLACE = "replace"
    COMPARE = "compare"
    RECORD = "record"


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


class TableLoss(msgspec.Struct, frozen=True, kw_only=True):
    """How many rows of a table were added, removed and changed since a snapshot: a restore undoes all of that."""

    added: int = 0
    removed: int = 0
    changed: int = 0

    @property
    def rows(self) -> int:
        """How many rows differ."""
        return self.added + self.removed + self.changed


class PlayerLoss(msgspec.Struct, frozen=True, kw_only=True):
    """How many rows of a player differ, in all tables that refer to the player; ``name`` is None if there is none."""

    player: str
    rows: int
    name: str | None = None


class Loss(msgspec.Struct, frozen=True, kw_only=True):
    """What was written since a snapshot, row by row. Tables in which nothing differs are left out.

    ``altered`` are tables that were created, dropped or given other columns, whether or not they have rows.
    ``players`` are those of whom most rows differ, the worst first. ``problem`` says why nothing was compared; then
    nothing is known. It took ``seconds``.
    """

    tables: dict[str, TableLoss] = {}
    altered: tuple[str, ...] = ()
    players: tuple[PlayerLoss, ...] = ()
    problem: str | None = None
    seconds: float = 0.0

    @property
    def rows(self) -> int | None:
        """How many rows differ in all tables; None if that is not known."""
        return None if self.problem is not None else sum(table.rows for table in self.tables.values())

    @property
    def is_nothing(self) -> bool:
        """True if it is known that nothing differs."""
        return self.problem is None and not self.tables and not self.altered


class RestorePlan(msgspec.Struct, frozen=True, kw_only=True):
    """What a restore would do, shown before anyone agrees to it.

    ``age`` is the snapshot's, in seconds. ``unchanged`` is True if it is known that nothing was written since then.
    ``token`` binds an agreement to the state that the plan shows. ``loss`` is None where nobody asked for it.
    ``pause`` is about how long, in seconds, the game is paused; None if the bot must be stopped. ``seconds`` is about
    how long each step takes, by what was measured before. If this undoes the last restore, ``undoes`` is the id of the
    snapshot that was restored, and ``since_restore`` what was written after that, if somebody asked for it.
    """

    snapshot: Snapshot
    age: float
    method: Method
    lost: Lost
    database: DatabaseState
    token: str
    another_database: str | None = None
    unchanged: bool = False
    loss: Loss | None = None
    pause: float | None = None
    seconds: dict[RestoreStep, float] = {}
    undoes: str | None = None
    since_restore: Loss | None = None

    @property
    def loses_nothing(self) -> bool:
        """True if it is known that nothing was written since the snapshot, or since the restore that this undoes."""
        losses = [each for each in (self.loss, self.since_restore) if each is not None]
        return self.unchanged or any(each.is_nothing for each in losses)


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
