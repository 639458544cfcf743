r"""The tables' contents in a plain dump, found, counted and hashed as the dump goes by.

``pg_dump`` writes each table as a comment that names it, ``COPY schema.table (columns) FROM stdin;``, a line for each
row (line breaks inside are escaped: https://www.postgresql.org/docs/current/sql-copy.html#id-1.9.55.9.2), and ``\.``.
The bytes between are what ``COPY schema.table (columns) TO STDOUT`` gives, in the order in which the rows lie. After
the dump's own end stands one comment line of ours: the manifest, with the rows of each table as the server counted
them in the same snapshot. A dump that was cut, even at the end of a line inside a table, does not agree with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import msgspec
from blake3 import blake3

from .session import quoted

__all__ = [
    "COMPLETE",
    "CREATED",
    "Block",
    "Manifest",
    "Mark",
    "Scanner",
    "Table",
    "differences",
    "manifest_lines",
    "unquoted",
]

COMPLETE = b"-- PostgreSQL database dump complete\n"
_MARK = b"-- Savepoint manifest: "
_DATA = b"-- Data for Name: "
_END = b"\n\\.\n"
_IDENT = rb'(?:"(?:[^"]|"")*"|[^"\s.(;]+)'
_COPY = re.compile(
    rb"-- Data for Name: [^\n]*; Type: TABLE DATA; [^\n]*\n--\n\n(?P<copy>COPY) "
    rb"(?P<schema>" + _IDENT + rb")\.(?P<name>" + _IDENT + rb')(?: \((?P<columns>(?:[^"()]|"(?:[^"]|"")*")*)\))? +'
    rb"FROM stdin;\n"
)
CREATED = rb"^CREATE (?:UNLOGGED )?TABLE (?P<schema>" + _IDENT + rb")\.(?P<name>" + _IDENT + rb") "
"""Where a dump creates a table (a regular expression, for the beginnings of lines)."""

_COLUMN = re.compile(_IDENT.replace(rb".(;", rb".(;,"))
_LONGEST_STATEMENT = 1 << 20
_OVERLAP = 64


class Block(NamedTuple):
    """One table of a dump, with its columns in the order of the dump, and what was found in it."""

    schema: str
    name: str
    columns: tuple[str, ...]
    rows: int
    digest: str


class Table(msgspec.Struct, frozen=True, omit_defaults=True):
    """One table of a manifest: its rows as the server counted them, and the hash (BLAKE3) of what COPY gives of it.

    Of an extension's table (not ``own``) a dump has only the rows that the extension calls the user's, and a restored
    one has the extension's besides: nothing can be counted or compared.
    """

    rows: int
    digest: str
    own: bool = True


class Manifest(msgspec.Struct, frozen=True):
    """What a dump must hold, by quoted schema and table."""

    tables: dict[str, Table]


def manifest_lines(manifest: Manifest) -> bytes:
    """Give the comment that ends a dump."""
    return b"\n" + _MARK + msgspec.json.encode(manifest) + b"\n"


class Mark(NamedTuple):
    """Where a table's COPY and its rows begin in a dump, in bytes (``block`` is None), or where its rows have ended."""

    offset: int
    end: int
    table: str
    block: Block | None


class Scanner:
    """Takes a dump in pieces of any length; what it found is in ``blocks`` by table.

    ``marks`` are the borders of the tables in what was fed, for whoever takes them out; all before ``decided``, an
    offset in bytes, is known.
    """

    def __init__(self) -> None:
        self.blocks: dict[str, Block] = {}
        self.complete = False
        self.marks: list[Mark] = []
        self.decided = 0
        self._rest = b""
        self._begin = 0
        self._open: tuple[str, str, tuple[str, ...]] | None = None
        self._skip = 0
        self._rows = 0
        self._digest = blake3()

    def feed(self, piece: bytes) -> None:
        """Take the next piece."""
        data, self._rest = self._rest + piece if self._rest else piece, b""
        self._begin, at = self.decided, 0
        while True:
            at, found = self._inside(data, at) if self._open else self._outside(data, at)
            if not found:
                self._rest = data[at:]
                self.decided = self._begin + at
                return

    def manifest(self) -> Manifest | None:
        """Give the manifest at the end of what was fed; None where there is none."""
        _, mark, line = self._rest.rpartition(_MARK)
        if not mark or not line.endswith(b"\n") or line.count(b"\n") != 1:
            return None
        try:
            return msgspec.json.decode(line, type=Manifest)
        except msgspec.DecodeError:
            return None

    def problems(self, manifest: Manifest | None) -> Iterator[str]:
        """Say in what the tables are not those of a manifest; nothing where they are."""
        if self._open is not None:
            yield f"it ends inside the table {quoted(*self._open[:2])}"
        if not self.complete:
            yield "the line that ends every complete dump is missing"
        if manifest is None:
            yield "the manifest of its tables is missing"
            return
        found = {name: Table(block.rows, block.digest) for name, block in self.blocks.items()}
        yield from differences(found, manifest.tables)

    def _outside(self, data: bytes, at: int) -> tuple[int, bool]:
        found = _COPY.search(data, at)
        self.complete = self.complete or data.find(COMPLETE, at, found.start() if found else len(data)) >= 0
        if found is None:
            keep = max(at, len(data) - _OVERLAP)
            for mark, most in ((_DATA, _LONGEST_STATEMENT), (_MARK, len(data))):
                place = data.rfind(mark, at)
                if place >= 0 and len(data) - place <= most:
                    keep = min(keep, place)
            return keep, False
        columns = tuple(unquoted(column) for column in _COLUMN.findall(found["columns"] or b""))
        self._open = unquoted(found["schema"]), unquoted(found["name"]), columns
        begin, end = self._begin + found.start("copy"), self._begin + found.end()
        self.marks.append(Mark(begin, end, quoted(*self._open[:2]), None))
        self._rows, self._digest = 0, blake3()
        # From the line break on, so that the end of an empty table looks like every end.
        self._skip = 1
        return found.end() - 1, True

    def _inside(self, data: bytes, at: int) -> tuple[int, bool]:
        assert self._open is not None
        # Rows have few backslashes, and one byte is found ten times as fast as four.
        backslash = data.find(b"\\", at)
        end = data.find(_END, max(at, backslash - 1)) if backslash >= 0 else -1
        upto = end + 1 if end >= 0 else max(at, len(data) - _begun(data))
        if end < 0 and upto <= at + self._skip:
            return at, False
        content = memoryview(data)[at + self._skip : upto]
        self._digest.update(content)
        self._rows += data.count(b"\n", at + self._skip, upto)
        self._skip = 0
        if end < 0:
            return upto, False
        schema, name, columns = self._open
        block = Block(schema, name, columns, self._rows, self._digest.hexdigest(16))
        self.blocks[quoted(schema, name)] = block
        after = self._begin + end + len(_END)
        self.marks.append(Mark(after, after, quoted(schema, name), block))
        self._open = None
        return end + len(_END), True


def _begun(data: bytes) -> int:
    """Give how many bytes at the end could be the beginning of a table's end."""
    return next((length for length in range(len(_END) - 1, 0, -1) if data.endswith(_END[:length])), 0)


def differences(found: Mapping[str, Table], expected: Mapping[str, Table]) -> Iterator[str]:
    """Say table by table in what one content is not the other."""
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


def unquoted(name: bytes) -> str:
    """Give an identifier as it is called, from how pg_dump writes it."""
    text = name.decode()
    return text[1:-1].replace('""', '"') if text.startswith('"') else text
