"""Write one state of the database to an archive: pg_dump in an exported snapshot, streamed, counted and verified.

The server itself counts the rows for the manifest, in the same snapshot, while pg_dump runs. A dump that lacks rows,
for whatever reason, is never published.
"""

from __future__ import annotations

import gzip
import re
import secrets
import zlib
from collections.abc import Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from ...archive import full
from ...archive.compression import default_deflate
from ...archive.members import Head
from ...errors import DatabaseDamaged, SnapshotError
from ...progress import Watch
from ..base import ParentSnapshot, SnapshotResult
from .client_tools import Tools, find_tools
from .connection import Address
from .errors import from_output
from .metadata.model import Metadata
from .metadata.read import read_metadata
from .plain_dump.scanner import Block, Manifest, Scanner, Table, manifest_lines
from .session import Session, connected
from .subprocesses import Program
from .tables import Relation, count_own_rows, count_rows, relations, resolve_tables
from .wal_position import POSITION_QUERY, parse_position

__all__ = ["dump"]

_OPTIONS = ("--format=plain", "--no-owner", "--no-acl", "--no-subscriptions", "--encoding=UTF8", "--no-password")
_KEY = re.compile(rb"^\\restrict ([0-9a-zA-Z]+)\n", re.MULTILINE)
_BEGINNING_BYTES = 4096


def dump(
    address: Address,
    lock_timeout: float,
    target: Path,
    scratch: Path,
    head: Head,
    tables: tuple[str, ...],
    parent: ParentSnapshot,
    watch: Watch,
) -> SnapshotResult:
    """Write one state to ``target`` and verify the file by reading it back; no file is left after an error."""
    with connected(address, watch, lock_timeout=lock_timeout, patience=lock_timeout) as session:
        tools = find_tools(session.version)
        details: dict[str, Any] = {"server": session.version, "pg_dump": tools.major}
        position = parse_position(session.value(POSITION_QUERY))
        if position is not None:
            details |= {"log": position.log, "position": position.offset}
        with session.snapshot() as snapshot, address.for_programs(scratch) as environment:
            present = relations(session)
            metadata = read_metadata(session, str(session.value("SELECT current_database()")))
            details |= metadata.database.details
            watch.phase("compress", int(session.value("SELECT pg_database_size(current_database())")))
            command = [tools.pg_dump, *_OPTIONS, f"--snapshot={snapshot}"]
            command += [f"--lock-wait-timeout={max(1, int(lock_timeout * 1000))}", *_restrict_key(tools, parent)]
            with Program(command, environment, watch) as program:
                stream = _Stream(program, session, present, metadata, tables, address.shown)
                with closing(stream.pieces()) as pieces:
                    head = msgspec.structs.replace(head, details=details)
                    tail = full.write_full(target, pieces, head, {}, watch, deflate=default_deflate(rows=True))
            rows = stream.rows
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


class _Stream:
    """The output of pg_dump followed by the manifest; raises DatabaseDamaged if the two do not agree."""

    def __init__(
        self,
        program: Program,
        session: Session,
        present: tuple[Relation, ...],
        metadata: Metadata,
        tables: tuple[str, ...],
        shown: str,
    ) -> None:
        self._program = program
        self._session = session
        self._present = present
        self._metadata = metadata
        self._tables = tables
        self._shown = shown
        self.rows: dict[str, int] = {}

    def pieces(self) -> Generator[bytes, None, None]:
        scanner = Scanner()
        with ThreadPoolExecutor(1, thread_name_prefix="count") as pool:
            # The session is idle while pg_dump runs, so one other thread may use it.
            counting = pool.submit(self._count)
            for piece in self._program.pieces():
                scanner.feed(piece)
                yield piece
            status = self._program.wait()
            # If counting met damage, pg_dump lost the snapshot as a consequence and knows less about the reason.
            counted = counting.result()
            if status != 0:
                raise from_output("pg_dump", self._program.stderr, self._shown)
        manifest = self._manifest(counted, scanner.blocks)
        problems = list(scanner.problems(manifest))
        if problems:
            raise self._disagreement(problems)
        yield manifest_lines(manifest)

    def _count(self) -> dict[str, int]:
        own = count_own_rows(
            self._session, (each for each in self._present if each.kind == "r" and not each.from_extension)
        )
        critical = resolve_tables(self._session, self._tables, self._present)
        known = {
            name: own[each.quoted] for name, each in critical.items() if each.quoted in own and not each.has_children
        }
        others = {name: each for name, each in critical.items() if name not in known}
        self.rows = known | count_rows(self._session, others)
        return own

    def _manifest(self, counted: Mapping[str, int], blocks: Mapping[str, Block]) -> Manifest:
        digests = {name: block.digest for name, block in blocks.items()}
        tables = {name: Table(rows, digests.get(name, "")) for name, rows in counted.items()}
        for each in self._present:
            if each.from_extension and each.quoted in blocks:
                tables[each.quoted] = Table(blocks[each.quoted].rows, digests[each.quoted], own=False)
        return Manifest(tables, self._metadata)

    def _disagreement(self, problems: list[str]) -> SnapshotError:
        detail = "; ".join(problems[:5])
        return DatabaseDamaged(
            f"pg_dump did not give what the server counts in the same snapshot of {self._shown}: {detail}. Nothing was "
            "kept of it.",
            path=self._shown,
            detail=detail,
        )
