"""The working side of the PostgreSQL engine: the steps of ``base.Engine``, built from the other modules here."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, ClassVar

import msgspec

from ...archive import full
from ...archive.members import Head
from ...errors import DatabaseDamaged, DatabaseMissing, DatabaseUnavailable, SnapshotError
from ...models import DatabaseState, IntegrityReport, Level, Method
from ...progress import Watch
from ..base import ChainFile, Checks, Engine, ParentSnapshot, ReplaceResult, SnapshotResult
from ..integrity import missing_report, unchecked_report
from . import checks as integrity_checks
from .connection import Address
from .dump import dump
from .exchange import go_back
from .in_place import load_in_place
from .loading.archive_events import verify
from .locking.holders import naming_holders
from .rebuild import drop_quietly, rebuild
from .replace import Replaced, replace_by_exchange
from .scratch import (
    Image,
    drop,
    is_scratch,
    keep_for_looking,
    kept_databases,
    kept_for_looking,
    kept_name,
    may_create,
    opened,
    scratch_databases,
)
from .session import Session, connected, maintenance_session
from .tables import count_rows, relations, resolve_tables

__all__ = ["PostgresEngine"]

_LOOKED_AT_FOR = 3600.0
"""How long, in seconds, a rebuilt snapshot is kept for looking at."""


class PostgresEngine(Engine):
    """One PostgreSQL database. Runs in the worker only."""

    name: ClassVar[str] = "postgresql"

    def __init__(self, address: Address, busy_timeout: float, *, exclude_unreadable: bool = True) -> None:
        """Work on the database at ``address``, and wait at most ``busy_timeout`` seconds for locks that others hold.

        ``exclude_unreadable`` leaves out of snapshots what the role may not read; otherwise it is an error.
        """
        self._address = address
        self._busy_timeout = busy_timeout
        self._exclude_unreadable = exclude_unreadable

    def inspect(self, tables: tuple[str, ...] | None, watch: Watch) -> DatabaseState:
        """Return the present state of the database."""
        try:
            with self._connected(watch) as session, naming_holders(session):
                present = relations(session)
                rows = {} if tables is None else count_rows(session, resolve_tables(session, tables, present))
                oid, size = session.rows(
                    "SELECT oid::text, pg_catalog.pg_database_size(oid) FROM pg_catalog.pg_database "
                    "WHERE datname = current_database()"
                )[0]
                details = {"server": session.version}
                method = Method.EXCHANGE if may_create(session) else Method.ONLINE
        except (DatabaseMissing, DatabaseDamaged) as error:
            damaged = isinstance(error, DatabaseDamaged)
            return DatabaseState(
                exists=damaged,
                openable=False,
                size=0,
                tables=0,
                rows={},
                problem=str(error),
                token="damaged" if damaged else "missing",
                method=Method.EXCHANGE,
            )
        return DatabaseState(
            exists=True,
            openable=True,
            size=int(size),
            tables=len(present),
            rows=rows,
            token=oid,
            method=method,
            details=details,
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
        """Write one committed state to ``target`` and verify the file; there are no incrementals."""
        return dump(
            self._address,
            self._busy_timeout,
            target,
            scratch,
            head,
            tables or (),
            parent,
            watch,
            exclude_unreadable=self._exclude_unreadable,
        )

    def rebuild(self, chain: Sequence[ChainFile], image: Path, watch: Watch, *, fresh: bool = False) -> Level:
        """Load a snapshot into a scratch database and compare it; without CREATEDB only verify the archive."""
        return rebuild(self._address, self._busy_timeout, chain[-1], image, watch, fresh=fresh)

    def discard(self, image: Path, watch: Watch) -> None:
        """Drop the scratch database of an image that is no longer needed."""
        if image.exists():
            name = Image.read(image).database
            if name is not None and is_scratch(name):
                drop_quietly(self._address, name)
            image.unlink()

    def verify(self, chain: Sequence[ChainFile], scratch: Path, watch: Watch) -> None:
        """Verify that an archive holds a complete dump with the rows that were counted."""
        verify(chain[-1], watch)

    def export(
        self, chain: Sequence[ChainFile], target: Path, scratch: Path, head: Head, record: Path, watch: Watch
    ) -> None:
        """Verify a snapshot, which is always a full, and copy it to a new file."""
        self.verify(chain, scratch, watch)
        full.copy(Path(chain[-1].path), target, watch)

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
        """Write the full of another full of Savepoint's."""
        from .importing import take_in

        return take_in(source, target, scratch, head, known, watch)

    def check_image(self, image: Path, checks: Checks, watch: Watch) -> IntegrityReport:
        """Check a rebuilt database."""
        found = Image.read(image)
        if found.database is None:
            return integrity_checks.unrebuilt_report(found.content, checks, self._address.shown)
        with self._maintenance(watch) as session, opened(session, found.database):
            report = self._check(self._address.with_database(found.database), checks, watch, 0.0)
        return integrity_checks.with_differences(report, found.differences)

    def integrity(self, checks: Checks, scratch: Path, watch: Watch) -> IntegrityReport:
        """Check the database; damage is a finding, a server that is down is an error."""
        patience = (watch.remaining() or 0.0) if checks.wait_for_server else self._busy_timeout
        return self._check(self._address, checks, watch, patience)

    def _check(self, address: Address, checks: Checks, watch: Watch, patience: float) -> IntegrityReport:
        started = time.monotonic()
        try:
            with (
                connected(address, watch, lock_timeout=self._busy_timeout, patience=patience) as session,
                naming_holders(session),
            ):
                return integrity_checks.check(session, checks, watch)
        except DatabaseMissing as error:
            return missing_report(error, checks, started)
        except DatabaseDamaged as error:
            return integrity_checks.damaged_report(error, started)

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
        """Exchange the scratch database for the game's, or load the archive in place if there is none."""
        found = Image.read(image)
        if found.database is None:
            replaced = Replaced(
                None, load_in_place(found.part, found.content.metadata, self._address, self._busy_timeout, watch)
            )
        else:
            replaced = replace_by_exchange(self._address, self._busy_timeout, found, quarantine, watch)
            image.unlink()
        # What was loaded was compared and passed the full check; only the exchange is new.
        checks = msgspec.structs.replace(checks, quick=True)
        try:
            report = self.integrity(checks, image.parent, watch)
        except SnapshotError as error:
            report = unchecked_report(error)
        return ReplaceResult(integrity=report, identical=True, quarantine=replaced.kept, left_out=replaced.left_out)

    def keep(self, image: Path, moment: str, watch: Watch) -> str:
        """Keep a rebuilt snapshot for looking at, under a name with its moment; return the database's name.

        It is read-only, belongs to the role, and is removed by ``clean_up`` after an hour. Raises DatabaseUnavailable
        if there is none, because the role may not create databases.
        """
        found = Image.read(image)
        if found.database is None or not is_scratch(found.database):
            raise DatabaseUnavailable(
                f"There is no rebuilt database to look at: the role of {self._address.shown} may not create databases "
                "(ALTER ROLE … CREATEDB)."
            )
        with self._maintenance(watch) as session:
            name = keep_for_looking(session, found.database, self._address.database, moment)
        image.unlink()
        return name

    def clean_up(self, scratch_age: float, kept_age: float, watch: Watch) -> tuple[str, ...]:
        """Drop the scratch databases that a crash left and the databases that restores kept, if they are old enough."""
        name, dropped = self._address.database, []
        with maintenance_session(self._address, watch, lock_timeout=self._busy_timeout) as session:
            old = [each for each in scratch_databases(session, name) if each.age >= scratch_age]
            old += [each for each in kept_databases(session, name) if each.age >= kept_age]
            old += [each for each in kept_for_looking(session, name) if each.age >= _LOOKED_AT_FOR]
            for each in old:
                drop(session, each.name)
                dropped.append(each.name)
        return tuple(dropped)

    def put_back(self, quarantine: Path, watch: Watch, *, record: Path | None = None) -> None:
        """Undo an exchange."""
        watch.check()
        go_back(self._address, kept_name(self._address.database, quarantine.name), self._busy_timeout, watch)

    def _connected(self, watch: Watch) -> AbstractContextManager[Session]:
        return connected(self._address, watch, lock_timeout=self._busy_timeout, patience=self._busy_timeout)

    def _maintenance(self, watch: Watch) -> AbstractContextManager[Session]:
        return maintenance_session(self._address, watch, lock_timeout=self._busy_timeout, patience=self._busy_timeout)
