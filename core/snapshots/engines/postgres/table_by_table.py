"""Loading a dump with a transaction for each table, so that tables can be read back while others are loaded."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeAlias

from .copy_blocks import CREATED, Block, Mark, Scanner, unquoted
from .session import quoted

__all__ = ["Loaded", "TableByTable"]

Loaded: TypeAlias = Callable[[Block, bool], object]
"""Hears of each table that is on its way, and whether enough comes after it that it can be read back meanwhile."""

_FROM = b" FROM stdin;\n"
_FROM_FROZEN = b" FROM stdin WITH (FREEZE);\n"
_FASTER = b"SET synchronous_commit = off; SET enable_hashjoin = off;\n"
"""The exchange of the databases syncs all that was loaded, and where it never comes, nothing is missed. Foreign keys
are checked by a join with the referenced table's index: merged, frozen tables are not even looked at (0.4 s in place of
1.8 s for 700,000 rows that refer to 5,200,000); the planner would rather hash the larger one."""
_CREATED = re.compile(CREATED, re.MULTILINE)


class TableByTable:
    """Puts each table's COPY into a transaction of its own, and passes on everything else as it is.

    With TRUNCATE before it in the same one, the rows go one after another into a new file, as they do where the table
    is made in that transaction: so they lie in the order of the dump, and COPY gives back the same bytes. It also
    allows FREEZE, after which nobody has to write the pages again to note that the rows are valid: without it the
    first to read them would (https://www.postgresql.org/docs/current/sql-copy.html). Neither is for tables that the
    dump does not create: an extension made them, and has put rows of its own in.
    """

    def __init__(self, take: Callable[[bytes], object], loaded: Loaded, size: int) -> None:
        """Take where the dump goes, who hears of the tables, and how long the dump is in bytes."""
        self._take = take
        self._loaded = loaded
        self._size = size
        self._held = bytearray()
        self._at = 0
        self._before: bytearray | None = bytearray()
        self._own: frozenset[str] = frozenset()
        self._began = 0

    def begin(self) -> None:
        """Pass on what makes the loading faster, and belongs to its session only."""
        self._take(_FASTER)

    def take(self, piece: bytes, scanner: Scanner) -> None:
        """Take the next piece; what the scanner has not decided yet is held back."""
        self._held += piece
        marks, scanner.marks = scanner.marks, []
        for mark in marks:
            self._pass(mark.offset)
            if mark.block is None:
                self._begin(mark)
            else:
                self._commit(mark, mark.block)
        # The scanner keeps the line break before the rows, which has gone with the statement.
        self._pass(max(self._at, scanner.decided))

    def finish(self) -> None:
        """Pass on what is still held back."""
        self._pass(self._at + len(self._held))

    def _begin(self, mark: Mark) -> None:
        if self._before is not None:
            self._own = frozenset(
                quoted(unquoted(found["schema"]), unquoted(found["name"]))
                for found in _CREATED.finditer(bytes(self._before))
            )
            self._before = None
        statement = self._next(mark.end)
        if mark.table in self._own:
            frozen = statement.removesuffix(_FROM) + _FROM_FROZEN
            self._take(f"BEGIN; TRUNCATE ONLY {mark.table};\n".encode() + frozen)
        else:
            self._take(b"BEGIN;\n" + statement)
        self._began = mark.end

    def _commit(self, mark: Mark, block: Block) -> None:
        self._take(b"COMMIT;\n")
        # Reading is faster than loading, so a rest of the same length leaves time enough.
        self._loaded(block, self._size - mark.end >= mark.end - self._began)

    def _pass(self, offset: int) -> None:
        data = self._next(offset)
        if data:
            if self._before is not None:
                self._before += data
            self._take(data)

    def _next(self, offset: int) -> bytes:
        length = offset - self._at
        data = bytes(memoryview(self._held)[:length])
        del self._held[:length]
        self._at = offset
        return data
