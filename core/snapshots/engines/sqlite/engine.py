"""The working side of the SQLite engine: the steps of ``base.Engine``, built from the other modules here.

What only a restore needs is imported where it is used: most workers take a snapshot, and everybody waits for them to
begin.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import msgspec

from ...archive.members import Head
from ...errors import DatabaseDamaged, DatabaseMissing, DatabaseUnavailable, SnapshotError
from ...files import device_of
from ...models import DatabaseState, Finding, IntegrityReport, Level, Method, Verdict
from ...policies.health import means
from ...progress import Watch
from ..base import ChainFile, Checks, Engine, ParentSnapshot, Recovery, ReplaceResult, SnapshotResult
from ..integrity import missing_report, unchecked_report
from . import checks as integrity_checks
from . import rebuild
from .capture import capture
from .connections import read_transaction, reading, reading_image
from .source import NotRecognised, copy_pinned, open_copy, open_live
from .structure import table_names

__all__ = ["SqliteEngine"]


class SqliteEngine(Engine):
    """One SQLite database file. Runs in the worker only."""

    name: ClassVar[str] = "sqlite"

    def __init__(self, path: Path, busy_timeout: float) -> None:
        """Use the database at ``path`` (resolved); wait up to ``busy_timeout`` seconds for locks of others."""
        self._path = path
        self._busy_timeout = busy_timeout

    def inspect(self, tables: tuple[str, ...] | None, watch: Watch) -> DatabaseState:
        """Return the state of the database as it is now; ``tables`` are counted, None counts nothing."""
        token, size = self._identity()
        finding: Finding | None = None
        try:
            with reading(self._path, self._busy_timeout, watch) as connection, read_transaction(connection):
                names = table_names(connection)
                rows = {} if tables is None else integrity_checks.count_if_readable(connection, tables)
                details = {"journal_mode": str(connection.execute("PRAGMA journal_mode").fetchone()[0])}
        except DatabaseMissing as error:
            problem = str(error)
        except DatabaseDamaged as error:
            report = integrity_checks.refused_report(self._path, error, time.monotonic())
            finding, problem = report.findings[0], report.findings[0].message
        else:
            return DatabaseState(
                exists=True, openable=True, size=size, tables=len(names), rows=rows, token=token, details=details
            )
        return DatabaseState(
            exists=size > 0,
            openable=False,
            size=size,
            tables=0,
            rows={},
            problem=problem,
            finding=finding,
            token=token,
        )

    def snapshot(
        self,
        target: Path,
        scratch: Path,
        head: Head,
        tables: tuple[str, ...] | None,
        parent: ParentSnapshot,
        watch: Watch,
    ) -> SnapshotResult:
        """Write one committed state to ``target`` as ``parent`` allows, and verify it by reading it back.

        In WAL mode it is read from the database's files, otherwise from a copy, so that writers wait for the copy only.
        """
        # The device tells an empty mount point from a deleted database.
        head = msgspec.structs.replace(head, details=head.details | {"device": device_of(self._path.parent)})
        try:
            return self._capture(target, scratch, head, tables, parent, watch)
        except DatabaseDamaged as error:
            raise self._diagnosed(error) from error

    def _capture(
        self,
        target: Path,
        scratch: Path,
        head: Head,
        tables: tuple[str, ...] | None,
        parent: ParentSnapshot,
        watch: Watch,
    ) -> SnapshotResult:
        try:
            with open_live(self._path, self._busy_timeout, watch) as source:
                if source.journal_mode == "wal":
                    return capture(source, target, scratch, head, tables, parent, watch)
        except NotRecognised:
            pass  # a copy can be made of whatever SQLite can read
        with open_copy(self._path, scratch, self._busy_timeout, watch) as source:
            return capture(source, target, scratch, head, tables, parent, watch)

    def _diagnosed(self, error: DatabaseDamaged) -> SnapshotError:
        """Return the error for a file that SQLite refuses to read: encrypted or of a newer format is not damaged."""
        finding = integrity_checks.refused_report(self._path, error, time.monotonic()).findings[0]
        if means(finding) is Verdict.UNREADABLE:
            return error
        return DatabaseUnavailable(f"No snapshot can be taken. {finding.message}", path=str(self._path))

    def rebuild(self, chain: Sequence[ChainFile], image: Path, watch: Watch, *, fresh: bool = False) -> Level:
        """Extract the full, apply the pages of the incrementals, and verify the fingerprint."""
        rebuild.rebuild(chain, image, watch)
        return Level.RESTORED

    def verify(self, chain: Sequence[ChainFile], scratch: Path, watch: Watch) -> None:
        """Verify that a chain restores to its last snapshot."""
        rebuild.verify(chain, scratch, watch)

    def export(
        self, chain: Sequence[ChainFile], target: Path, scratch: Path, head: Head, record: Path, watch: Watch
    ) -> None:
        """Write the last snapshot of a chain as a full."""
        rebuild.export(chain, target, scratch, head, record, watch)

    def take_in(
        self,
        source: Path,
        target: Path,
        scratch: Path,
        head: Head,
        known: tuple[str, ...],
        checks: Checks,
        watch: Watch,
    ) -> SnapshotResult:
        """Write the full of a database file, or of a gzip of one."""
        from .importing import archive_of, image_of

        image = image_of(source, scratch, self._busy_timeout, watch)
        engine = SqliteEngine(image, self._busy_timeout)
        return archive_of(engine, image, source, target, scratch, head, known, checks, watch)

    def check_image(self, image: Path, checks: Checks, watch: Watch) -> IntegrityReport:
        """Check a rebuilt image."""
        started = time.monotonic()
        try:
            with reading_image(image, watch) as connection:
                return integrity_checks.check(connection, image, checks, watch)
        except DatabaseDamaged as error:
            return integrity_checks.refused_report(image, error, started)

    def integrity(self, checks: Checks, scratch: Path, watch: Watch) -> IntegrityReport:
        """Check the live database: in place in WAL mode, otherwise on a copy, since a long reader stops the game."""
        started = time.monotonic()
        try:
            with reading(self._path, self._busy_timeout, watch) as connection, read_transaction(connection):
                cut = integrity_checks.cut_findings(self._missing_bytes(connection))
                if connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal":
                    report = integrity_checks.check(connection, self._path, checks, watch)
                    return msgspec.structs.replace(report, findings=cut + report.findings)
                image = copy_pinned(connection, scratch / "integrity.db", watch)
            report = self.check_image(image.path, checks, watch)
            return msgspec.structs.replace(report, findings=cut + report.findings)
        except DatabaseMissing as error:
            from .mount import not_mounted_report

            return not_mounted_report(self._path, checks, started) or missing_report(error, checks, started)
        except DatabaseDamaged as error:
            return integrity_checks.refused_report(self._path, error, started)

    def _missing_bytes(self, connection: sqlite3.Connection) -> int:
        """Return how many bytes the file lacks at its end; 0 if the pages there can be in the write-ahead log."""
        log = self._path.with_name(self._path.name + "-wal")
        if log.exists() and log.stat().st_size:
            return 0
        size = int(connection.execute("PRAGMA page_size").fetchone()[0])
        return size * int(connection.execute("PRAGMA page_count").fetchone()[0]) - self._path.stat().st_size

    def replace(
        self,
        image: Path,
        method: Method,
        quarantine: Path,
        details: dict[str, Any],
        checks: Checks,
        watch: Watch,
        *,
        record: Path | None = None,
        stopped: bool = False,
    ) -> ReplaceResult:
        """Replace the content of the database by the image, and check it."""
        from .exchanging.exchange import exchange_files
        from .replace import NotConvertible, write_online

        identical: bool | None = None
        try:
            if method is Method.ONLINE:
                identical = write_online(self._path, image, image.parent, self._busy_timeout, watch)
        except NotConvertible:
            method = Method.SWAP  # the only other way, and refused while somebody has the database open
        if method is not Method.ONLINE:
            timeout = self._busy_timeout
            exchange_files(self._path, image, quarantine, details, timeout, watch, record=record, stopped=stopped)
            identical = self._has_content_of(image, watch)
        # The image has passed the full check, so a database identical to it needs only the quick one.
        checks = msgspec.structs.replace(checks, quick=identical is True)
        try:
            report = self.integrity(checks, image.parent, watch)
        except SnapshotError as error:
            report = unchecked_report(error)
        moved = quarantine.name if quarantine.is_dir() else None
        return ReplaceResult(integrity=report, identical=identical, quarantine=moved)

    def _has_content_of(self, image: Path, watch: Watch) -> bool | None:
        from .replace import same_content

        try:
            return same_content(image, self._path, watch)
        except (SnapshotError, OSError):
            return None  # unknown, but the files have been exchanged

    def put_back(self, quarantine: Path, watch: Watch, *, record: Path | None = None) -> None:
        """Undo a swap."""
        from .exchanging.exchange import put_back

        watch.check()
        put_back(self._path, quarantine, watch, record=record)

    def recover(self, record: Path | None, watch: Watch) -> Recovery | None:
        """Finish or undo an exchange of files that was interrupted."""
        from .exchanging.exchange import recover

        return recover(self._path, record, watch)

    def finish(self, watch: Watch) -> bool:
        """Write the write-ahead log into the file."""
        from .finish import write_back_log

        return write_back_log(self._path, watch)

    def _identity(self) -> tuple[str, int]:
        try:
            status = self._path.stat()
        except OSError:
            return "missing", 0
        return f"{status.st_dev}:{status.st_ino}", status.st_size
