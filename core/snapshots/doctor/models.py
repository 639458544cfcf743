"""What the doctor finds."""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec

__all__ = ["Candidate", "Contents", "Diagnosis", "Problem"]


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is not well: a sentence, and a sentence with the way out. ``check`` is one word."""

    check: str
    message: str
    fix: str


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A file that could be the bot's database."""

    path: str
    size: int
    changed_at: dt.datetime
    tables: int
    rows: int


class Contents(msgspec.Struct, frozen=True, kw_only=True):
    """What is in a database: rows by table, JSON columns as the settings write them, and who the player is.

    ``player`` is "table.column", "" if the schema does not tell, and ``references`` are the columns that refer to it;
    ``player_why`` says how that was found, or what is wrong. ``critical`` are the tables that hold what players own.
    ``called`` are columns beside the key that name a player too, ``unnamed`` columns with players' ids of which nothing
    says so, ``unknown`` what ``[history]`` names in vain.
    ``remarks`` are sentences on the server's programs, ``lacking`` on those that a snapshot needs and lacks.
    """

    tables: dict[str, int]
    json_columns: tuple[str, ...] = ()
    player: str = ""
    references: tuple[str, ...] = ()
    player_why: str = ""
    critical: tuple[str, ...] = ()
    called: tuple[str, ...] = ()
    unnamed: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """The whole report. ``database`` is its URL without secrets, None if there is none.

    ``settings`` are values by dotted name that the settings file lacks, ``well`` sentences on what was looked at and is
    in order, ``settings_file`` where the settings are or would be.
    """

    database: str | None
    source: str
    contents: Contents
    candidates: tuple[Candidate, ...]
    well: tuple[str, ...]
    problems: tuple[Problem, ...]
    settings: dict[str, Any]
    settings_file: str
