"""One dump in its archive: its tables, and the rows of a table without expanding those of the others.

The archive's tail says where the rows of each table begin and end. What lies between them is read as statements; so the
schema is that of the dump's own day, and a tail that does not fit the dump is found. Older archives do not say it:
their dump is read once, and what was found is kept among the derived files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import msgspec

from ...archive import cache_file, full
from ...archive.fingerprint import BLOCK
from ...archive.members import TableSpan
from ...engines import ChainFile
from ...engines.postgres.plain_dump.lexer import Comment, CopyEnd, CopyStart, Lexer, Malformed, Statement
from ...engines.postgres.plain_dump.scanner import Table as ManifestTable
from ...engines.postgres.plain_dump.scanner import manifest_in
from ...engines.postgres.session import quoted
from ...errors import QueryError
from ...progress import Watch
from ..chains.members import ArchiveMembers, damaged, naming, offsets_of
from ..chains.pages import ExpandedMembers
from ..databases import Value
from ..tables import Column, Table
from .schema import DumpSchema
from .values import Decoder, copy_field

__all__ = ["DumpArchive"]

_MAGIC = b"savepoint/tables/1\n"
_EMPTY = b"\\.\n"
_ENCODING = b"SET client_encoding = '"


class _Spans(msgspec.Struct, frozen=True):
    """Where the rows of each table are, of the dump with this fingerprint."""

    fingerprint: str
    tables: tuple[TableSpan, ...]


class _Rows(NamedTuple):
    """The rows of one COPY: its columns as the dump names them, and where they are."""

    columns: tuple[str, ...]
    begin: int
    end: int


class DumpArchive:
    """A full snapshot of a PostgreSQL database. Raises SnapshotDamaged, which names the snapshot, and OSError."""

    def __init__(self, part: ChainFile, expanded: ExpandedMembers, cache: Path | None, watch: Watch) -> None:
        self.part = part
        self._expanded = expanded
        self._watch = watch
        found = ArchiveMembers.of(part, cache)
        self._offsets, self._size = offsets_of(found), found.payload
        self._encoding = "UTF8"
        self._schema = DumpSchema()
        self._rows: dict[str, list[_Rows]] = {}
        self._digests: Mapping[str, ManifestTable] | None = None
        with naming(part):
            spans = full.read_tail(Path(part.path)).tables
        self._read_statements(spans or self._found_spans(cache))
        self._called = self._schema.tables()
        self.tables = {table.name: table for _, table in self._called.values()}
        """The tables by the names that people call them."""
        self._stored = {called: name for name, (called, _) in self._called.items()}

    @property
    def encoding(self) -> str:
        """The encoding of the dump."""
        return self._encoding

    def digest(self, table: Table) -> tuple[str, ...] | None:
        """Return what differs if any row of a table does, or None if that is unknown."""
        digests = self._digests
        parts = [part for part in self._schema.parts(self._stored[table.name]) if part in self._rows]
        if digests is None or not all(part in digests for part in parts):
            return None
        return tuple(f"{part} {digests[part].digest} {digests[part].rows}" for part in parts)

    def count(self, table: Table) -> int | None:
        """Return the number of rows of a table, or None if the manifest does not say it."""
        digests = self._digests
        parts = [part for part in self._schema.parts(self._stored[table.name]) if part in self._rows]
        return sum(digests[part].rows for part in parts) if digests and all(part in digests for part in parts) else None

    def size(self, table: Table) -> int:
        """Return how many bytes the rows of a table are in the dump."""
        return sum(each.end - each.begin for each in self._copies(table))

    def rows(self, table: Table, having: tuple[Column, Value] | None = None) -> Iterator[dict[str, Value]]:
        """Yield the rows of a table, in the order of the dump.

        ``having`` leaves out rows in which a column has another value than this one, as far as that is quickly told.
        """
        for copy in self._copies(table):
            columns = [column for name in copy.columns if (column := table.column(name)) is not None]
            if len(columns) != len(copy.columns):
                raise damaged(self.part, f"it holds columns of {table.name} that its schema does not have")
            decoder = Decoder(columns, self._encoding)
            needle = None if having is None else copy_field(having[1], having[0], self._encoding)
            at = 0 if having is None else copy.columns.index(having[0].name)
            for line in self._lines(copy, needle):
                if needle is not None and line.split(b"\t", at + 1)[at : at + 1] != [needle]:
                    continue
                try:
                    yield decoder.row(line)
                except QueryError:
                    raise
                except ValueError as error:
                    raise damaged(self.part, f"a row of {table.name} cannot be read ({error})") from error

    def lines(self, table: Table, columns: Sequence[str]) -> Iterator[bytes]:
        """Yield the rows of a table as COPY writes these columns of them."""
        for copy in self._copies(table):
            places = [copy.columns.index(name) for name in columns]
            if places == list(range(len(copy.columns))):
                yield from self._lines(copy, None)
                continue
            for line in self._lines(copy, None):
                fields = line.split(b"\t")
                if len(fields) != len(copy.columns):
                    raise damaged(self.part, f"a row of {table.name} cannot be read")
                yield b"\t".join(fields[place] for place in places)

    def _copies(self, table: Table) -> list[_Rows]:
        parts = self._schema.parts(self._stored[table.name])
        return [copy for part in parts for copy in self._rows.get(part, [])]

    def _lines(self, copy: _Rows, needle: bytes | None) -> Iterator[bytes]:
        """Yield the lines of a COPY without their ends; of those that lack the needle most are left out."""
        rest, end = b"", copy.end - len(_EMPTY)
        for piece in self._bytes(copy.begin, end):
            data = rest + piece if rest else piece
            upto = data.rfind(b"\n") + 1
            rest = data[upto:]
            if needle is None or data.find(needle, 0, upto) >= 0:
                yield from data[:upto].split(b"\n")[:-1]
        if rest:
            raise damaged(self.part, "the rows of a table do not end with a line")

    def _bytes(self, begin: int, end: int) -> Iterator[bytes]:
        for number in range(begin // BLOCK, -(-end // BLOCK) if end > begin else 0):
            self._watch.check()
            block = self._expanded.block(self.part, number, self._offsets)
            start = number * BLOCK
            yield block[max(0, begin - start) : end - start]

    def _read_statements(self, spans: tuple[TableSpan, ...]) -> None:
        """Read everything but rows."""
        lexer, at, inside = Lexer(), 0, None
        try:
            for name, begin, end in (*spans, ("", self._size, self._size)):
                if not at <= begin <= end - len(_EMPTY) * bool(name) <= self._size:
                    raise Malformed("its tail does not say where the rows of its tables are")
                for piece in self._bytes(at, begin):
                    for event in lexer.feed(piece):
                        if isinstance(event, CopyStart):
                            inside = event
                        else:
                            self._take(event)
                at = end
                if not name:
                    break
                if inside is None or lexer.inside is None or quoted(inside.schema, inside.name) != name:
                    raise Malformed(f"the rows of {name} are not where its tail says")
                self._rows.setdefault(name, []).append(_Rows(inside.columns, begin, end))
                for event in lexer.feed(_EMPTY):
                    self._take(event)
                inside = None
            if not lexer.between_statements or lexer.inside is not None:
                raise Malformed("it ends in the middle of a statement")
        except (Malformed, UnicodeDecodeError, KeyError) as error:
            raise damaged(self.part, str(error)) from error

    def _take(self, event: object) -> None:
        if isinstance(event, Statement):
            if event.text.startswith(_ENCODING):
                self._encoding = event.text.split(b"'")[1].decode()
            self._schema.take(event, self._encoding)
        elif isinstance(event, Comment):
            manifest = manifest_in(event.text)
            if manifest is not None:
                self._digests = manifest.tables  # without the metadata, which is larger than all the rest

    def _found_spans(self, cache: Path | None) -> tuple[TableSpan, ...]:
        """Find where the rows of each table are by reading the whole dump, or what was kept of that."""
        kept = None if cache is None else cache / f"{self.part.snapshot}.tables"
        known = None if kept is None else cache_file.load(kept, _MAGIC, _Spans)
        if known is not None and known.fingerprint == self.part.fingerprint:
            return known.tables
        lexer, found = Lexer(), []
        name, begun = "", 0
        try:
            for piece in self._bytes(0, self._size):
                for event in lexer.feed(piece):
                    if isinstance(event, CopyStart):
                        name, begun = quoted(event.schema, event.name), event.end
                    elif isinstance(event, CopyEnd):
                        found.append((name, begun, event.end))
        except Malformed as error:
            raise damaged(self.part, str(error)) from error
        if kept is not None:
            with suppress(OSError):  # a read-only repository: found again next time
                kept.parent.mkdir(mode=0o700, exist_ok=True)
                cache_file.save(kept, _MAGIC, _Spans(self.part.fingerprint, tuple(found)))
        return tuple(found)
