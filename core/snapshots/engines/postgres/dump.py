"""Write one state of the database to an archive: pg_dump in an exported snapshot, streamed, counted and verified.

The server itself counts the rows for the manifest, in the same snapshot, while pg_dump runs. A dump that lacks rows,
for whatever reason, is never published.
"""

from __future__ import annotations

import gzip
import re
import secrets
import time
import zlib
from collections.abc import Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from ...archive import full
from ...archive.compression import default_deflate
from ...archive.members import Head, TableSpan, Tail
from ...errors import DatabaseDamaged, DatabaseUnavailable, SnapshotError
from ...progress import Watch
from ...units import count_text
from ..base import ParentSnapshot, SnapshotResult
from .client_tools import Tools, find_tools
from .connection import Address
from .errors import from_output
from .locking.shared_snapshot import QueueBehindUs, locked_snapshot, wait_for_start
from .metadata.forecast import forecast
from .metadata.model import DatabaseProperties, Metadata
from .metadata.read import read_objects, read_properties
from .plain_dump.lexer import CopyStart, Event
from .plain_dump.scanner import Block, Manifest, Scanner, Table, TableEnd, manifest_lines
from .session import Session, connected
from .subprocesses import Program
from .tables import (
    Relation,
    Unreadable,
    count_own_rows,
    descendants,
    relations,
    resolve_tables,
    sum_rows,
    unreadable,
)
from .wal_position import POSITION_QUERY, parse_position

__all__ = ["dump"]

_OPTIONS = ("--format=plain", "--no-owner", "--no-acl", "--no-subscriptions", "--no-password")
_KEY = re.compile(rb"^\\restrict ([0-9a-zA-Z]+)\n", re.MULTILINE)
_BEGINNING_BYTES = 4096
_LISTED = 20


def dump(
    address: Address,
    lock_timeout: float,
    target: Path,
    scratch: Path,
    head: Head,
    tables: tuple[str, ...],
    parent: ParentSnapshot,
    watch: Watch,
    *,
    exclude_unreadable: bool = True,
) -> SnapshotResult:
    """Write one state to ``target`` and verify the file by reading it back; no file is left after an error.

    What others keep from this role is left out, and said in the details; without ``exclude_unreadable`` it is an error.
    """
    with (
        connected(address, watch, lock_timeout=lock_timeout, patience=lock_timeout) as session,
        address.for_programs(scratch) as environment,
    ):
        tools = find_tools(session.version)
        command = [tools.pg_dump, *_OPTIONS, f"--encoding={session.encoding}", *_restrict_key(tools, parent)]
        command += [f"--lock-wait-timeout={max(1, int(lock_timeout * 1000))}"]
        writing = _Writing(session, address, tools, lock_timeout, tables, watch, exclude_unreadable=exclude_unreadable)
        written = None
        while written is None:
            written = writing.attempt(command, environment, target, head)
    tail, rows, details = written
    try:
        if parent.skip_unchanged and tail.fingerprint == parent.fingerprint:
            target.unlink()
            return SnapshotResult(unchanged=True, fingerprint=tail.fingerprint)
        full.verify(target, fingerprint=tail.fingerprint, size=tail.size, watch=watch)
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    return SnapshotResult(
        unchanged=False,
        fingerprint=tail.fingerprint,
        size=target.stat().st_size,
        database_size=tail.size,
        rows=rows,
        details=details,
    )


def _restrict_key(tools: Tools, parent: ParentSnapshot) -> list[str]:
    """Return the option that sets the restrict key: that of the newest full, so that equal data give equal bytes.

    Without a full it is a new one. The key protects whoever feeds a dump to psql, so nobody who writes to the database
    may know it in advance.
    """
    if not tools.knows_restrict:
        return []
    return [f"--restrict-key={_key_of(parent.full) or secrets.token_hex(16)}"]


def _key_of(path: str | None) -> str | None:
    if path is None:
        return None
    try:
        with gzip.open(path) as dump:
            found = _KEY.search(dump.read(_BEGINNING_BYTES))
    except (OSError, EOFError, zlib.error):
        return None
    return found[1].decode() if found else None


class _Writing:
    """Attempts to write a dump, until one meets nobody who would have to wait for it to begin."""

    def __init__(
        self,
        session: Session,
        address: Address,
        tools: Tools,
        lock_timeout: float,
        tables: tuple[str, ...],
        watch: Watch,
        *,
        exclude_unreadable: bool,
    ) -> None:
        self._session = session
        self._address = address
        self._tools = tools
        self._lock_timeout = lock_timeout
        self._tables = tables
        self._watch = watch
        self._until = time.monotonic() + lock_timeout
        self._exclude_unreadable = exclude_unreadable
        self._unreadable: tuple[Unreadable, ...] = ()

    def attempt(
        self, command: list[str], environment: Mapping[str, str], target: Path, head: Head
    ) -> tuple[Tail, dict[str, int], dict[str, Any]] | None:
        """Return the tail of the file, the rows and the details; None if locks had to be given back to somebody."""
        session, shown, watch = self._session, self._address.shown, self._watch
        position = parse_position(session.value(POSITION_QUERY))
        expected = forecast(session)
        with (
            locked_snapshot(session, self._readable, self._until, shown, watch) as snapshot,
            Program([*command, *self._excluding(), f"--snapshot={snapshot.name}"], environment, watch) as program,
        ):
            properties = read_properties(session, self._address.database)
            details = {"server": session.version, "pg_dump": self._tools.major, **properties.details}
            details["tables"] = sum(not each.from_extension for each in snapshot.present)
            if position is not None:
                details |= {"log": position.log, "position": position.offset}
            try:
                wait_for_start(session, program.has_output, self._lock_timeout, shown, watch)
            except QueueBehindUs:
                if time.monotonic() >= self._until:
                    raise
                return None
            details |= self._left_out(expected)
            watch.phase("compress", int(session.value("SELECT pg_database_size(current_database())")))
            stream = _Stream(program, session, snapshot.present, properties, self._tables, self._address)
            with closing(stream.pieces()) as pieces:
                head = msgspec.structs.replace(head, details=details)
                deflate = default_deflate(rows=True)
                tail = full.write_full(
                    target, pieces, head, {}, watch, deflate=deflate, tables=lambda: tuple(stream.spans)
                )
            return tail, stream.rows, details

    def _readable(self) -> tuple[Relation, ...]:
        return tuple(each for each in relations(self._session) if each.readable)

    def _excluding(self) -> list[str]:
        """Return the options that keep pg_dump from what the role may not read; note it for the report."""
        self._unreadable = unreadable(self._session)
        if self._unreadable and not self._exclude_unreadable:
            raise DatabaseUnavailable(
                f"The role may not read {_listed(self._unreadable)} in {self._address.shown}. Grant it the right to, "
                "or leave it out of the snapshots with [database] exclude_unreadable = true.",
                detail="unreadable",
            )
        options = {"schema": "--exclude-schema"}
        return [f"{options.get(each.kind, '--exclude-table')}={each.pattern}" for each in self._unreadable]

    def _left_out(self, forecast: tuple[str, ...]) -> dict[str, Any]:
        """Return the detail that says what this snapshot, and a restore of it, will not have."""
        said = list(forecast[:_LISTED])
        if self._unreadable:
            said.append(
                f"{_listed(self._unreadable)}: not in the snapshot, because this role may not read it. A restore that "
                "exchanges the databases keeps it only in the old one."
            )
        return {"left_out": said} if said else {}


def _listed(unreadable: tuple[Unreadable, ...]) -> str:
    named = [f"{each.kind} {each.shown} of {each.owner}" for each in unreadable]
    more = f" and {count_text(len(named) - _LISTED, 'more object')}" if len(named) > _LISTED else ""
    return ", ".join(named[:_LISTED]) + more


class _Stream:
    """The output of pg_dump followed by the manifest; raises DatabaseDamaged if the two do not agree."""

    def __init__(
        self,
        program: Program,
        session: Session,
        present: tuple[Relation, ...],
        properties: DatabaseProperties,
        tables: tuple[str, ...],
        address: Address,
    ) -> None:
        self._program = program
        self._session = session
        self._present = present
        self._properties = properties
        self._tables = tables
        self._address = address
        self._shown = address.shown
        self.rows: dict[str, int] = {}
        self.spans: list[TableSpan] = []
        self._begun = 0

    def pieces(self) -> Generator[bytes, None, None]:
        scanner = Scanner()
        with ThreadPoolExecutor(1, thread_name_prefix="count") as pool:
            # The session is idle while pg_dump runs, so one other thread may use it.
            counting = pool.submit(self._count)
            for piece in self._program.pieces():
                self._note_spans(scanner.feed(piece))
                yield piece
            status = self._program.wait()
            # If counting met damage, pg_dump lost the snapshot as a consequence and knows less about the reason.
            counted, metadata = counting.result()
            if status != 0:
                raise from_output("pg_dump", self._program.stderr, self._shown)
        manifest = Manifest(self._expected(counted, scanner.blocks), metadata)
        problems = list(scanner.problems(manifest))
        if problems:
            raise self._disagreement(problems)
        yield manifest_lines(manifest)

    def _note_spans(self, events: list[Event | TableEnd]) -> None:
        """Note where the rows of a table begin and end."""
        for event in events:
            if isinstance(event, CopyStart):
                self._begun = event.end
            elif isinstance(event, TableEnd):
                self.spans.append((event.block.quoted, self._begun, event.end))

    def _count(self) -> tuple[dict[int, int], Metadata]:
        """Count the rows of every table and read the metadata, all in the snapshot that pg_dump reads."""
        counted = count_own_rows(self._session, (each for each in self._present if not each.from_extension))
        named = resolve_tables(self._session, self._tables, self._present)
        self.rows = sum_rows(self._session, named, counted)
        objects = read_objects(self._session)
        return counted, Metadata(self._address.database, self._session.version, self._properties, objects)

    def _expected(self, counted: Mapping[int, int], blocks: Mapping[str, Block]) -> dict[str, Table]:
        digests = {name: block.digest for name, block in blocks.items()}
        tables = {
            each.quoted: Table(counted[each.oid], digests.get(each.quoted, ""))
            for each in self._present
            if each.kind == "r" and not each.from_extension
        }
        for each in self._present:
            block = blocks.get(each.quoted)
            if block is not None and block.partitions:
                tables |= self._through_root(each, tables, blocks)
        for each in self._present:
            if each.from_extension and each.quoted in blocks:
                tables[each.quoted] = Table(blocks[each.quoted].rows, digests[each.quoted], own=False)
        return tables

    def _through_root(self, root: Relation, tables: dict[str, Table], blocks: Mapping[str, Block]) -> dict[str, Table]:
        """Take the partitions that are loaded through their root out of ``tables``, and return what that must hold."""
        names = {each.oid: each.quoted for each in self._present}
        partitions = [names[oid] for oid in descendants(self._session, root) if oid in names]
        merged = [tables.pop(name) for name in partitions if name in tables and name not in blocks]
        return {root.quoted: Table(sum(table.rows for table in merged), blocks[root.quoted].digest)}

    def _disagreement(self, problems: list[str]) -> SnapshotError:
        detail = "; ".join(problems[:5])
        return DatabaseDamaged(
            f"pg_dump did not give what the server counts in the same snapshot of {self._shown}: {detail}. Nothing was "
            "kept of it.",
            path=self._shown,
            detail=detail,
        )
