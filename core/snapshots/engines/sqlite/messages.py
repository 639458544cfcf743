"""What the lines of ``PRAGMA integrity_check`` are about, and what mends each.

SQLite calls everything it finds an error, from a table page that cannot be decoded to a page that nothing uses. Here
its lines are sorted by what they mean for the data. The texts are those of SQLite's btree.c (``checkTreePage``,
``checkList``, ``checkPtrmap``) and pragma.c, versions 3.7 to 3.53; a line that none of the patterns knows counts as
``structure``, which is reported and never rolls anything back.

Rows in the wrong order count as lost: SQLite finds a row by its key and does not look elsewhere. Whether table pages
can be read at all is not decided here: see ``structure``, which reads every table where SQLite complains.
"""

from __future__ import annotations

import re

from ...models import Check, Finding, Severity

__all__ = ["DUMP", "RESTORE", "ROWS", "finding_of"]

RESTORE = "Rows are lost here: restore a snapshot, or let `.recover` save what it can."
_REINDEX = (
    "REINDEX builds the index anew from its table. If rows seem to be missing, compare their number with a snapshot's "
    "first: the index may know of rows that the table has lost."
)
_VACUUM = "No row is affected: VACUUM mends it."
_UNUSED = (
    "If no rows are missing (compare their numbers with a snapshot's), VACUUM mends it. Otherwise they may be on such "
    "pages: copy the file away first, for VACUUM removes them; `.recover` can read them."
)
DUMP = (
    "Every table can be read: stop the bot, copy the file away, and let `sqlite3 game.db .dump | sqlite3 new.db` write "
    "a clean one (REINDEX and VACUUM fail at pages that cannot be read). Compare the numbers of rows with a snapshot's."
)
ROWS = "The rows are older than the rule, or the rule was changed by hand: correct the rows or the schema."

_PATTERNS: tuple[tuple[re.Pattern[str], Check, Severity, str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), check, severity, remedy)
    for pattern, check, severity, remedy in (
        (r"non-unique entry in index", Check.UNIQUE, Severity.WARNING, ROWS),
        (r"^NULL value in ", Check.CONSTRAINTS, Severity.WARNING, ROWS),
        (r"^CHECK constraint failed in ", Check.CONSTRAINTS, Severity.WARNING, ROWS),
        (r"^(non-\w+|TEXT|NUMERIC|INT|INTEGER|REAL|BLOB) value in ", Check.CONSTRAINTS, Severity.WARNING, ROWS),
        (r"missing from index", Check.INDEXES, Severity.ERROR, _REINDEX),
        (r"wrong # of entries in index", Check.INDEXES, Severity.ERROR, _REINDEX),
        (r"values differ from index", Check.INDEXES, Severity.ERROR, _REINDEX),
        (r"rowid not at end-of-record", Check.INDEXES, Severity.ERROR, _REINDEX),
        (r"row not in PRIMARY KEY order", Check.INDEXES, Severity.ERROR, _REINDEX),
        (r"inverted index for FTS", Check.INDEXES, Severity.ERROR, "The rows are all there: rebuild the search index."),
        (r"Rowid -?\d+ out of order", Check.PAGES, Severity.ERROR, RESTORE),
        (r"never used", Check.SPACE, Severity.ERROR, _UNUSED),
        (r"^(Main )?freelist", Check.SPACE, Severity.ERROR, _VACUUM),
        (r"freelist leaf count", Check.SPACE, Severity.ERROR, _VACUUM),
        (r"^size is \d+ but should be", Check.SPACE, Severity.ERROR, _VACUUM),
        (r"(pointer map|ptr ?map)", Check.SPACE, Severity.ERROR, _VACUUM),
        (r"max rootpage|incremental_vacuum enabled", Check.SPACE, Severity.ERROR, _VACUUM),
        (r"Fragmentation of \d+ bytes", Check.SPACE, Severity.ERROR, _VACUUM),
    )
)


def finding_of(message: str) -> Finding:
    """Return the finding that one line of an integrity check amounts to, with what mends it."""
    line = message.removeprefix("*** in database main ***\n")
    for pattern, check, severity, remedy in _PATTERNS:
        if pattern.search(line):
            return Finding(check=check, severity=severity, message=message, remedy=remedy)
    return Finding(check=Check.STRUCTURE, severity=Severity.ERROR, message=message, remedy=DUMP)
