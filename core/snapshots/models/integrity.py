"""Integrity checks of a database: findings and reports, and the database's present state."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

__all__ = ["Check", "DatabaseState", "Finding", "IntegrityReport", "Method", "Severity"]


class Severity(StrEnum):
    """An error means the data is not sound; a warning means a person should look."""

    ERROR = "error"
    WARNING = "warning"


class Check(StrEnum):
    """The subject of an integrity finding; ``policies/health.py`` decides what each means for the state."""

    FILE = "file"
    """The file is destroyed, truncated, missing, or no database."""
    PAGES = "pages"
    """Pages of a table cannot be read."""
    STRUCTURE = "structure"
    """The b-trees have errors, although every table can be read."""
    INDEXES = "indexes"
    """An index differs from its table."""
    SPACE = "space"
    """The freelist or the page count is wrong, or pages belong to nothing."""
    CONSTRAINTS = "constraints"
    """Rows break NOT NULL, CHECK or the type of a STRICT column."""
    UNIQUE = "unique"
    """Rows share a value that must be unique."""
    EMPTY = "empty"
    """The database has lost all its tables or all its rows."""
    TABLES = "tables"
    """An expected table is missing."""
    ROWS = "rows"
    """A table lost all its rows."""
    JSON = "json"
    """Values are not JSON, or not of the expected type."""
    FOREIGN_KEYS = "foreign_keys"
    """Rows refer to rows that do not exist."""
    SCHEMA = "schema"
    """The schema needs a newer version of the database's library."""
    FORMAT = "format"
    """The file has a newer format than the database's library knows."""
    ROT = "rot"
    """A page changed although nothing wrote to it."""
    ENCRYPTED = "encrypted"
    """The file looks encrypted."""
    EXTENSION = "extension"
    """Something could not be checked, because it needs a collation, function or module that only the host has."""
    ACCESS = "access"
    """The database could not be checked: it is busy, or permissions or the disk prevent it."""
    MOUNT = "mount"
    """The volume that holds the database is not mounted."""
    SETTINGS = "settings"
    """A setting names something that does not exist."""
    MISSING = "missing"
    """There is no database yet."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that an integrity check found, ``count`` times.

    ``remedy`` is a sentence about how to repair it, if that is known. ``by_hand`` marks damage that is never restored
    automatically, because a person must look at the server first.
    """

    check: Check
    severity: Severity
    message: str
    table: str | None = None
    count: int = 1
    remedy: str | None = None
    by_hand: bool = False


class IntegrityReport(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of an integrity check.

    ``checked`` counts what was checked: ``pages``, ``tables``, ``rows``, ``json_values``, ``foreign_keys``. ``rows``
    is the number of rows by table.
    """

    findings: tuple[Finding, ...]
    checked: dict[str, int]
    rows: dict[str, int]
    seconds: float

    @property
    def ok(self) -> bool:
        """True if there is no finding of severity error."""
        return not self.errors

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings of severity error."""
        return tuple(finding for finding in self.findings if finding.severity is Severity.ERROR)

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """The findings of severity warning."""
        return tuple(finding for finding in self.findings if finding.severity is Severity.WARNING)


class Method(StrEnum):
    """How a restore replaces the state: through the running engine, or by exchanging files (swap) or databases."""

    ONLINE = "online"
    SWAP = "swap"
    EXCHANGE = "exchange"


class DatabaseState(msgspec.Struct, frozen=True, kw_only=True):
    """The database as it is now.

    ``openable`` is True if the engine can open it; otherwise ``problem`` is the reason, and ``finding`` what that
    means. ``token`` identifies the database, not its content: it changes when another file or another database takes
    its place, and a restore plan holds it. ``method`` is set if the engine can restore in one way only.
    """

    exists: bool
    openable: bool
    size: int
    tables: int
    rows: dict[str, int]
    problem: str | None = None
    finding: Finding | None = None
    token: str = ""
    method: Method | None = None
    details: dict[str, Any] = {}
