"""Rescues: rows of the past that are put back into the live database, while everything else stays as it is."""

from __future__ import annotations

import datetime as dt
import json
import re
from enum import StrEnum
from typing import Any

import msgspec

from .audit import Actor
from .history import Key, PlayerTables

__all__ = [
    "ConflictRule",
    "RescueConflict",
    "RescueOptions",
    "RescuePlan",
    "RescueRecord",
    "RescueReport",
    "RescueScope",
    "RescuedRow",
    "TableRescue",
]

_PLAIN = re.compile(r"[\w.+-]+")


class ConflictRule(StrEnum):
    """What is done with rows that changed since, or belong to somebody else now: left, taken, or nothing at all."""

    SKIP = "skip"
    TAKE = "take"
    FAIL = "fail"


class RescuedRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row that a rescue wrote or removed; ``key`` are the values that tell it, as answers hold them.

    ``by_number`` is True where that is the row's number although its table has a key: there is a NULL in the key.
    """

    table: str
    key: tuple[Any, ...]
    by_number: bool = False


class RescueScope(msgspec.Struct, frozen=True, kw_only=True):
    """Which rows: all of a ``player``, or of a ``table`` those with a ``key`` or under a condition (``where``, SQL).

    ``rows`` are single rows, for taking a rescue back.
    """

    player: str | None = None
    table: str | None = None
    key: Key | None = None
    where: str | None = None
    rows: tuple[RescuedRow, ...] = ()


class RescueOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How rows are put back.

    ``only_missing`` brings back what is gone and changes nothing else. ``exact`` also removes rows that were not there
    then. Without ``triggers`` those of the game do not fire. ``take`` names conflicts that are taken whatever the rule.
    """

    conflicts: ConflictRule = ConflictRule.SKIP
    take: tuple[str, ...] = ()
    only_missing: bool = False
    exact: bool = False
    triggers: bool = True


class RescueConflict(msgspec.Struct, frozen=True, kw_only=True):
    """A row that is not simply put back: ``why`` is a sentence, ``holder`` whose it is now, if that is known.

    ``taken`` is True if it is put back all the same, ``takeable`` if it can be.
    """

    table: str
    key: dict[str, Any]
    why: str
    holder: str | None = None
    taken: bool = False
    takeable: bool = True

    @property
    def name(self) -> str:
        """What ``RescueOptions.take`` calls it: "user_cards:7"."""
        return f"{self.table}:{','.join(map(_named, self.key.values()))}"


def _named(value: Any) -> str:
    """Return a value as a name shows it: quoted where it could be taken for something else."""
    plain = value is not None and _PLAIN.fullmatch(str(value)) is not None
    return str(value) if plain else json.dumps(value, ensure_ascii=False)


class TableRescue(msgspec.Struct, frozen=True, kw_only=True):
    """How many rows of a table are put back, changed, removed, and in conflict."""

    put_back: int = 0
    changed: int = 0
    removed: int = 0
    conflicts: int = 0


class RescuePlan(msgspec.Struct, frozen=True, kw_only=True):
    """What a rescue would do, shown before anyone agrees to it. ``token`` binds the agreement to this state.

    ``left_out`` are sentences about rows that cannot be put back, ``notes`` about columns that are gone or new.
    """

    token: str
    then: str
    at: dt.datetime
    damaged_at: str | None
    options: RescueOptions
    tables: dict[str, TableRescue]
    conflicts: tuple[RescueConflict, ...]
    left_out: tuple[str, ...]
    notes: tuple[str, ...]
    player: PlayerTables | None = None
    rows: tuple[RescuedRow, ...] = ()

    @property
    def writes(self) -> int:
        """How many rows would be written or removed."""
        return sum(table.put_back + table.changed + table.removed for table in self.tables.values())


class RescueReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a rescue did. ``safety`` and ``snapshot`` are the ids of the snapshots before and after it.

    Where ``done`` is False, nothing was changed: there was nothing to do, or ``error`` says why.
    """

    id: str
    plan: RescuePlan
    done: bool
    safety: str | None
    snapshot: str | None
    seconds: float
    error: str | None = None


class RescueRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of a rescue, so that it can be taken back."""

    id: str
    at: dt.datetime
    actor: Actor
    then: str
    safety: str
    snapshot: str | None
    rows: tuple[RescuedRow, ...]
