r"""Find, count and hash the tables of a plain dump as it goes by.

The bytes of a table's rows are what ``COPY schema.table (columns) TO STDOUT`` returns, in the order in which the rows
are stored. After the dump's own end stands one comment of ours: the manifest, with the rows of each table as the server
counted them in the same snapshot. A dump that was cut, even at the end of a line inside a table, contradicts it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import msgspec
from blake3 import blake3

from ..metadata.model import Metadata
from ..session import quoted
from .admission import is_admitted
from .lexer import Comment, CopyEnd, CopyStart, Event, Lexer, Malformed, Rows, Statement
from .row_set import RowSet

__all__ = [
    "COMPLETE",
    "Block",
    "Manifest",
    "Scanner",
    "Table",
    "TableEnd",
    "differences",
    "manifest_in",
    "manifest_lines",
]

COMPLETE = b"-- PostgreSQL database dump complete"
_MANIFEST = b"-- Savepoint manifest: "


class Block(NamedTuple):
    """The rows of one table of a dump, with its columns in the order of the dump.

    ``partitions`` is True for the rows of a partitioned table that are loaded through it, all of its partitions
    together; their digest is that of a RowSet.
    """

    schema: str
    name: str
    columns: tuple[str, ...]
    rows: int
    digest: str
    partitions: bool = False

    @property
    def quoted(self) -> str:
        """The table's name for SQL."""
        return quoted(self.schema, self.name)


class Table(msgspec.Struct, frozen=True, omit_defaults=True):
    """One table of a manifest: its rows as the server counted them, and the hash (BLAKE3) of what COPY returns.

    Of an extension's table (not ``own``) a dump holds only the rows that the extension calls the user's, and a restored
    one also has the extension's: it can be neither counted nor compared.
    """

    rows: int
    digest: str
    own: bool = True


class TableEnd(NamedTuple):
    """All rows of a table have come, up to this offset in the dump; stands for the lexer's CopyEnd."""

    end: int
    block: Block


class Manifest(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a dump must hold: its tables by quoted name, and the metadata, None in archives of older versions."""

    tables: dict[str, Table]
    metadata: Metadata | None = None


def manifest_lines(manifest: Manifest) -> bytes:
    """Return the comment that ends a dump."""
    return b"\n" + _MANIFEST + msgspec.json.encode(manifest) + b"\n"


def manifest_in(comment: bytes) -> Manifest | None:
    """Return the manifest that a comment of a dump holds, None if it is another comment; raises Malformed."""
    if not comment.startswith(_MANIFEST):
        return None
    try:
        return msgspec.json.decode(comment[len(_MANIFEST) :], type=Manifest)
    except msgspec.DecodeError as error:
        raise Malformed(f"its manifest cannot be read: {error}") from error


class Scanner:
    """Reads a dump in pieces of any length; ``blocks`` are the tables found so far, by quoted name."""

    def __init__(self) -> None:
        self.blocks: dict[str, Block] = {}
        self.manifest: Manifest | None = None
        self._lexer = Lexer()
        self._complete = False
        self._malformed: str | None = None
        self._rows = 0
        self._digest = blake3()
        self._table: CopyStart | None = None
        self._row_sets: dict[str, RowSet] = {}

    def feed(self, piece: bytes) -> list[Event | TableEnd]:
        """Read a further piece and return what it completes; nothing after what pg_dump does not write."""
        if self._malformed is not None:
            return []
        try:
            return [self._take(event) for event in self._lexer.feed(piece)]
        except Malformed as error:
            self._malformed = str(error)
            return []

    def skip(self, length: int) -> None:
        """Pass over so many bytes of rows, whose table is then given to ``put``."""
        if self._malformed is None:
            try:
                self._lexer.skip(length)
            except Malformed as error:
                self._malformed = str(error)

    def put(self, block: Block) -> None:
        """Use a table that was read by somebody else, in place of what was found here."""
        if block.quoted in self.blocks:
            self.blocks[block.quoted] = block

    def problems(self, manifest: Manifest | None) -> Iterator[str]:
        """Yield what contradicts the manifest, or a whole dump."""
        if self._malformed is not None:
            yield self._malformed
            return
        if self._table is not None:
            yield f"it ends inside the table {quoted(self._table.schema, self._table.name)}"
        if not self._complete:
            yield "the line that ends every complete dump is missing"
        if manifest is None or not self._lexer.between_statements:
            yield "the manifest of its tables is missing"
            return
        found = {name: Table(block.rows, block.digest) for name, block in self.blocks.items()}
        yield from differences(found, manifest.tables)

    def _take(self, event: Event) -> Event | TableEnd:
        if self.manifest is not None:
            raise Malformed("something follows its manifest")
        if isinstance(event, Rows):
            if self._table is not None and self._table.via_root:
                self._row_sets.setdefault(quoted(*self._table[:2]), RowSet()).update(event.view)
            else:
                self._digest.update(event.view)
                self._rows += event.row_count
        elif isinstance(event, CopyStart):
            self._table, self._rows, self._digest = event, 0, blake3()
        elif isinstance(event, CopyEnd):
            assert self._table is not None
            block = Block(*self._table[:3], self._rows, self._digest.hexdigest(16))
            if self._table.via_root:
                so_far = self._row_sets.setdefault(block.quoted, RowSet())
                block = block._replace(rows=so_far.rows, digest=so_far.hexdigest(), partitions=True)
            self._table = None
            self.blocks[block.quoted] = block
            return TableEnd(event.end, block)
        elif isinstance(event, Statement):
            if not is_admitted(event):
                raise Malformed(f"pg_dump does not write {event.text[:60].decode(errors='replace')!r}")
        elif isinstance(event, Comment):
            self._comment(event.text)
        return event

    def _comment(self, text: bytes) -> None:
        if text == COMPLETE:
            self._complete = True
        else:
            self.manifest = manifest_in(text)


def differences(found: Mapping[str, Table], expected: Mapping[str, Table]) -> Iterator[str]:
    """Yield, table by table, how the content found differs from the expected one."""
    for name in sorted(expected.keys() | found.keys()):
        here, there = found.get(name), expected.get(name)
        if here is None:
            yield f"the table {name} is missing"
        elif there is None:
            yield f"the table {name} was not expected"
        elif here.rows != there.rows:
            yield f"the table {name} has {here.rows:,} rows where {there.rows:,} were counted"
        elif here.digest != there.digest:
            yield f"the table {name} has another content"
