"""What a look at a database finds: findings, reports, and its state."""

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
    """What an integrity finding is about; ``policies/health.py`` says what each means for the state."""

    FILE = "file"
    """The file is destroyed, foreign, cut short or gone."""
    PAGES = "pages"
    """Pages of a table cannot be read."""
    STRUCTURE = "structure"
    """The b-trees are not as they should be, and every table can be read all the same."""
    INDEXES = "indexes"
    """An index differs from its table."""
    SPACE = "space"
    """Unused pages, the freelist, counts of pages."""
    CONSTRAINTS = "constraints"
    """Rows break NOT NULL, CHECK, UNIQUE or the type of a STRICT column."""
    EMPTY = "empty"
    """The database has no tables or no rows any more."""
    TABLES = "tables"
    """A table that was expected is missing."""
    ROWS = "rows"
    """A table lost its rows."""
    JSON = "json"
    """Values are not JSON, or not of the expected type."""
    FOREIGN_KEYS = "foreign_keys"
    """Rows refer to rows that are not there."""
    SCHEMA = "schema"
    """The schema needs a newer version of the database's library."""
    FORMAT = "format"
    """The file has a newer format than the database's library knows."""
    ROT = "rot"
    """A page changed although nothing wrote it."""
    ENCRYPTED = "encrypted"
    """The file looks encrypted."""
    EXTENSION = "extension"
    """A collation, function or module that only the host has kept something from being checked."""
    ACCESS = "access"
    """Busy, no permission, input/output: it could not be looked at."""
    MOUNT = "mount"
    """The volume that holds the database is not mounted."""
    SETTINGS = "settings"
    """A setting names something that is not there."""
    MISSING = "missing"
    """There is no database yet."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that an integrity check found; ``count`` says how often where one finding stands for many.

    ``remedy`` says what mends it, where that is known. ``by_hand`` is damage that no automatic restore may touch: it
    needs a person who looks at the server first.
    """

    check: Check
    severity: Severity
    message: str
    table: str | None = None
    count: int = 1
    remedy: str | None = None
    by_hand: bool = False


class IntegrityReport(msgspec.Struct, frozen=True, kw_only=True):
    """What an integrity check looked at and found.

    ``checked`` counts what was looked at by name: ``pages``, ``tables``, ``rows``, ``json_values``, ``foreign_keys``.
    """

    findings: tuple[Finding, ...]
    checked: dict[str, int]
    rows: dict[str, int]
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether there is no finding of severity error."""
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
    """How a restore puts the state back: through the running engine, by exchanging files, or whole databases."""

    ONLINE = "online"
    SWAP = "swap"
    EXCHANGE = "exchange"


class DatabaseState(msgspec.Struct, frozen=True, kw_only=True):
    """The database as it is now: cheap to ask for, never changes it.

    ``openable`` says whether the engine can work with it in place; where it cannot, ``problem`` is why and
    ``finding`` says what that means. ``token``
    changes whenever its content does (for a plan bound to the state it shows). ``method`` is how a restore is made
    where the engine has one way only.
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
