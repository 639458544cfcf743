"""From an archive back into a database, by psql.

The archive is proven as it is read. In place everything is one transaction, which psql is told to commit only when the
whole archive was proven; a scratch database needs none, since it is dropped where anything fails. What psql executed
and what then lies in the tables are two things: the tables are read back and compared.

Loading a dump with a transaction for each table, so that tables can be read back while others are loaded.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import msgspec
from blake3 import blake3

from ...archive import full
from ...errors import DatabaseUnavailable, SnapshotDamaged
from ...progress import Watch
from ..base import ChainFile
from .client_tools import Tools
from .connection import Address
from .copy_data import CREATED, Block, Mark, Scanner, Table, differences, unquoted
from .errors import from_output
from .session import Session, quoted
from .subprocesses import Program
from .tables import relations

__all__ = [
    "Content",
    "Feeder",
    "Loaded",
    "TableByTable",
    "compare",
    "feed_verified",
    "holds",
    "load",
    "psql",
    "read_table",
    "skipped_extensions",
    "verify",
]


_FIRST_DATA = b"\n-- Data for Name: "
_RESTRICT = re.compile(rb"^\\restrict (?P<key>\w+)\n", re.MULTILINE)
_EXTENSION = re.compile(
    rb"^CREATE EXTENSION IF NOT EXISTS (?P<name>\"(?:[^\"]|\"\")*\"|\w+) WITH SCHEMA [^\n]*;\n", re.MULTILINE
)
_EXTENSION_COMMENT = re.compile(rb"^COMMENT ON EXTENSION (?:[^'\n]*) IS E?'(?:[^']|'')*';\n", re.MULTILINE)


class Content(msgspec.Struct, frozen=True):
    """What a proven dump holds: its tables but for extensions' by quoted name, and how large it is in bytes."""

    blocks: dict[str, Block]
    size: int

    @property
    def tables(self) -> dict[str, Table]:
        """The tables as a manifest has them."""
        return {name: Table(block.rows, block.digest) for name, block in self.blocks.items()}


def verify(part: ChainFile, watch: Watch) -> Content:
    """Prove that an archive gives back its dump, and that the dump is whole; raise SnapshotDamaged otherwise."""
    return _read(part, lambda _piece, _scanner: None, watch, "check")


def _read(part: ChainFile, sink: Callable[[bytes, Scanner], object], watch: Watch, phase: str) -> Content:
    path, scanner = Path(part.path), Scanner()

    def take(block: bytes) -> None:
        scanner.feed(block)
        sink(block, scanner)

    tail = full.verify(path, fingerprint=part.fingerprint, size=part.size, watch=watch, sink=take, phase=phase)
    manifest = scanner.manifest()
    problems = list(scanner.problems(manifest))
    if problems or manifest is None:
        raise SnapshotDamaged(
            f"The dump in {path.name} is not whole: {'; '.join(problems[:5])}.", path=str(path), detail=problems[0]
        )
    own = {name: block for name, block in scanner.blocks.items() if manifest.tables[name].own}
    return Content(own, tail.size)


def load(
    part: ChainFile,
    address: Address,
    tools: Tools,
    skipped: frozenset[str],
    folder: Path,
    watch: Watch,
    loaded: Loaded,
) -> Content:
    """Load an archive into an empty database that goes if this fails, without the extensions in ``skipped``.

    Each table is a transaction of its own, so that it can be read back while the next one is loaded; ``loaded`` hears
    of each. ``folder`` is for temporary files. Raises SnapshotDamaged where the archive is not sound, and an error with
    psql's words where it refuses.
    """
    with address.for_programs(folder) as environment, psql(tools, environment, watch) as program:
        feed = Feeder(program, tools, skipped, address.shown)
        tables = TableByTable(feed.take, loaded, part.size)
        tables.begin()
        content = _read(part, tables.take, watch, "load")
        tables.finish()
        feed.finish(b"")
    return content


def feed_verified(part: ChainFile, feeder: Feeder, watch: Watch) -> Content:
    """Give the dump of an archive to psql; when this returns, it was proven, and nothing is committed yet."""
    return _read(part, lambda piece, _scanner: feeder.take(piece), watch, "load")


def psql(tools: Tools, environment: dict[str, str], watch: Watch) -> Program:
    """Give psql, ready to be fed: no start-up file, no password prompt, the first error ends it."""
    command = [tools.psql, "-X", "-q", "-w", "-v", "ON_ERROR_STOP=1", "-o", os.devnull]
    return Program(command, environment, watch, feed=True)


class Feeder:
    """Gives a dump to psql, without what this role and this psql cannot take."""

    def __init__(self, program: Program, tools: Tools, skipped: frozenset[str], shown: str) -> None:
        """Take the names of the extensions that are left out, and the place as it is shown in errors."""
        self._program = program
        self._tools = tools
        self._skipped = skipped
        self._shown = shown
        self._beginning: bytearray | None = bytearray()
        self._closing = b""
        self._held = b""

    def write(self, data: bytes) -> None:
        """Write as it is; raise what psql says where it gave up."""
        if not self._program.write(data):
            self._program.wait()
            raise from_output("psql", self._program.stderr, self._shown)

    def take(self, block: bytes) -> None:
        """Take the next piece of the dump."""
        if self._beginning is None:
            self._pass(block)
            return
        self._beginning += block
        if _FIRST_DATA in self._beginning:
            self._begin()

    def finish(self, last: bytes) -> None:
        """End the dump, write what comes last, and wait for psql; raise what it says where it failed."""
        if self._beginning is not None:
            self._begin()
        if self._held:
            self.write(self._held)
        self.write(last)
        if self._program.wait() != 0:
            raise from_output("psql", self._program.stderr, self._shown)

    def _begin(self) -> None:
        assert self._beginning is not None
        before, mark, after = bytes(self._beginning).partition(_FIRST_DATA)
        self._beginning = None
        restricted = _RESTRICT.search(before)
        if restricted and not self._tools.knows_restrict:
            before = _RESTRICT.sub(b"", before, count=1)
            self._closing = b"\n\\unrestrict " + restricted["key"] + b"\n"
        elif not restricted and self._tools.knows_restrict:
            # Whatever is in the dump, psql takes SQL from it and no commands of its own.
            self.write(b"\\restrict " + secrets.token_hex(16).encode() + b"\n")
        before = _EXTENSION_COMMENT.sub(b"", before)
        before = _EXTENSION.sub(lambda found: b"" if unquoted(found["name"]) in self._skipped else found[0], before)
        self._pass(before + mark + after)

    def _pass(self, block: bytes) -> None:
        if not self._closing:
            self.write(block)
            return
        data = (self._held + block).replace(self._closing, b"\n")
        keep = len(self._closing) - 1
        self._held = data[-keep:]
        self.write(data[:-keep])


def compare(session: Session, content: Content) -> list[str]:
    """Read every table of a database and say in which ones it is not the content of the dump."""
    found = {name: read_table(session, block) for name, block in content.blocks.items()}
    return list(differences(found, content.tables))


def read_table(session: Session, block: Block) -> Table:
    """Read a table back as it was dumped; give its rows and the hash of what COPY gives."""
    digest, rows = blake3(), 0

    def take(piece: bytes) -> None:
        nonlocal rows
        digest.update(piece)
        rows += piece.count(b"\n")

    session.copy(block.schema, block.name, block.columns, take)
    return Table(rows, digest.hexdigest(16))


def holds(session: Session, content: Content) -> bool:
    """Whether a database's tables are those of a dump, with the same content; quick to say no."""
    tables = {each.quoted for each in relations(session) if each.kind == "r" and not each.from_extension}
    if not tables <= content.blocks.keys():
        return False
    try:
        counts = all(
            session.value(f"SELECT count(*) FROM ONLY {name}") == block.rows for name, block in content.blocks.items()
        )
    except DatabaseUnavailable:  # a table of the dump is not there
        return False
    return counts and not compare(session, content)


def skipped_extensions(session: Session) -> frozenset[str]:
    """Give the extensions of which this role cannot make one: they stay as they are, or out."""
    if session.value("SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user"):
        return frozenset()
    rows = session.rows(
        """SELECT e.name FROM pg_catalog.pg_available_extensions e
             JOIN pg_catalog.pg_available_extension_versions v ON v.name = e.name AND v.version = e.default_version
            WHERE v.superuser AND NOT v.trusted"""
    )
    return frozenset(str(name) for (name,) in rows)


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
