"""The working side of the PostgreSQL engine: the steps of ``base.Engine``, built from the other modules here."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, ClassVar

import msgspec

from ...archive import full
from ...archive.members import Head
from ...errors import DatabaseDamaged, DatabaseMissing, DatabaseUnavailable, SnapshotDamaged, SnapshotError
from ...models import DatabaseState, IntegrityReport, Kind, Level, Method
from ...progress import Watch
from ..base import ChainFile, Checks, Engine, ParentSnapshot, ReplaceResult, SnapshotResult
from ..integrity import missing_report, unchecked_report
from . import checks as integrity_checks
from .client_tools import find_tools
from .compare import Comparison
from .connection import Address
from .database_metadata import carry_over, of_database, of_objects
from .dump import dump
from .exchange import exchange, go_back
from .in_place import load_in_place
from .load import Content, compare, holds, load, skipped_extensions, verify
from .scratch import Image, create_scratch, drop, is_scratch, kept_databases, kept_name, may_create, scratch_databases
from .session import Session, connected, maintenance_session, quoted
from .tables import count_rows, relations, resolve_tables

__all__ = ["PostgresEngine"]


class PostgresEngine(Engine):
    """One PostgreSQL database. Runs in the worker only."""

    name: ClassVar[str] = "postgresql"

    def __init__(self, address: Address, busy_timeout: float) -> None:
        """Work on the database at ``address``, and wait at most ``busy_timeout`` seconds for locks that others hold."""
        self._address = address
        self._busy_timeout = busy_timeout

    def inspect(self, tables: tuple[str, ...], watch: Watch) -> DatabaseState:
        """Return the present state of the database."""
        try:
            with self._connected(watch) as session:
                present = relations(session)
                rows = count_rows(session, resolve_tables(session, tables, present))
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
        self, target: Path, scratch: Path, head: Head, tables: tuple[str, ...], parent: ParentSnapshot, watch: Watch
    ) -> SnapshotResult:
        """Write one committed state to ``target`` and verify the file; there are no incrementals."""
        return dump(self._address, self._busy_timeout, target, scratch, head, tables, parent, watch)

    def rebuild(self, chain: Sequence[ChainFile], image: Path, watch: Watch, *, fresh: bool = False) -> Level:
        """Load a snapshot into a scratch database and compare it; without CREATEDB only verify the archive."""
        archive = chain[-1]
        with self._maintenance(watch) as session:
            tools = find_tools(session.version)
            if not may_create(session):
                Image(None, archive, verify(archive, watch)).save(image)
                return Level.CHECKSUM
            kept = None if fresh else self._kept_equal(session, archive, watch)
            if kept is not None:
                Image(kept[0], archive, kept[1]).save(image)
                return Level.CHECKSUM  # the same state, but not made from the archive
            name = create_scratch(session, self._address.database)
            scratch = self._address.with_database(name)
            try:
                with connected(scratch, watch, lock_timeout=self._busy_timeout) as inside:
                    skipped = skipped_extensions(inside)
                comparison = Comparison(scratch, watch)
                with comparison.begun():
                    content = load(archive, scratch, tools, skipped, image.parent, watch, comparison.add)
                if comparison.problems:
                    raise SnapshotDamaged(
                        f"The database rebuilt from {Path(archive.path).name} is not what was dumped: "
                        f"{'; '.join(comparison.problems[:5])}.",
                        path=archive.path,
                    )
                Image(name, archive, content).save(image)
            except BaseException:
                _drop_quietly(self._address, name)
                raise
        return Level.RESTORED

    def _kept_equal(self, session: Session, archive: ChainFile, watch: Watch) -> tuple[str, Content] | None:
        """Return the database that the last restore kept, and its content, if it equals the snapshot.

        So the restore of a safety snapshot, which undoes a restore, loads nothing. Only safety snapshots are of the
        moment of a restore, so other archives are not even read.
        """
        kept = next(iter(kept_databases(session, self._address.database)), None)
        if kept is None or full.read_head(Path(archive.path)).kind is not Kind.SAFETY:
            return None
        content = verify(archive, watch)
        replaced = self._address.with_database(kept.name)
        # If it cannot be read, the snapshot is loaded like any other.
        with (
            contextlib.suppress(DatabaseDamaged, DatabaseUnavailable),
            self._opened(kept.name, watch),
            connected(replaced, watch, lock_timeout=self._busy_timeout) as inside,
            inside.snapshot(),
        ):
            if holds(inside, content):
                return kept.name, content
        return None

    def discard(self, image: Path, watch: Watch) -> None:
        """Drop the scratch database of an image that is no longer needed."""
        if image.exists():
            name = Image.read(image).database
            if name is not None and is_scratch(name):
                _drop_quietly(self._address, name)
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

    def check_image(self, image: Path, checks: Checks, watch: Watch) -> IntegrityReport:
        """Check a rebuilt database."""
        found = Image.read(image)
        if found.database is None:
            return integrity_checks.unrebuilt_report(found.content, checks, self._address.shown)
        with self._opened(found.database, watch):
            return self._check(self._address.with_database(found.database), checks, watch, 0.0)

    @contextlib.contextmanager
    def _opened(self, name: str, watch: Watch) -> Iterator[None]:
        """Allow connections to a database that a restore kept, while the block runs."""
        if is_scratch(name):
            yield
            return
        with self._maintenance(watch) as session:
            session.execute(f"ALTER DATABASE {quoted(name)} WITH ALLOW_CONNECTIONS true")
            try:
                yield
            finally:
                session.execute(f"ALTER DATABASE {quoted(name)} WITH ALLOW_CONNECTIONS false")

    def integrity(self, checks: Checks, scratch: Path, watch: Watch) -> IntegrityReport:
        """Check the database; damage is a finding, a server that is down is an error."""
        patience = (watch.remaining() or 0.0) if checks.wait_for_server else self._busy_timeout
        return self._check(self._address, checks, watch, patience)

    def _check(self, address: Address, checks: Checks, watch: Watch, patience: float) -> IntegrityReport:
        started = time.monotonic()
        try:
            with connected(address, watch, lock_timeout=self._busy_timeout, patience=patience) as session:
                return integrity_checks.check(session, checks, watch)
        except DatabaseMissing as error:
            return missing_report(error, checks, started)
        except DatabaseDamaged as error:
            return integrity_checks.damaged_report(error, started)

    def replace(
        self, image: Path, method: Method, quarantine: Path, details: dict[str, Any], checks: Checks, watch: Watch
    ) -> ReplaceResult:
        """Exchange the scratch database for the game's, or load the archive in place if there is none."""
        found = Image.read(image)
        identical: bool | None = True
        kept: str | None = None
        refused: list[str] = []
        if found.database is None:
            identical = self._replace_in_place(found, image.parent, watch)
        else:
            kept, refused = self._exchange(found.database, quarantine, watch)
            image.unlink()
        # The scratch database was compared and passed the full check; only the exchange is new.
        checks = msgspec.structs.replace(checks, quick=identical is True)
        try:
            report = self.integrity(checks, image.parent, watch)
        except SnapshotError as error:
            report = unchecked_report(error)
        report = integrity_checks.with_refused(report, refused)
        return ReplaceResult(integrity=report, identical=identical, quarantine=kept)

    def _exchange(self, new: str, quarantine: Path, watch: Watch) -> tuple[str | None, list[str]]:
        """Exchange a verified database for the game's.

        Returns the new name of the replaced one (None if there was none) and the owners and grants that could not be
        set.
        """
        name, kept = self._address.database, kept_name(self._address.database, quarantine.name)
        with self._maintenance(watch) as session:
            of_the_database = of_database(session, name, new)
        try:
            with self._connected(watch) as session:
                inside = of_objects(session)
        except (DatabaseMissing, DatabaseDamaged, DatabaseUnavailable):
            inside = ()
        scratch = self._address.with_database(new)
        with self._opened(new, watch), connected(scratch, watch, lock_timeout=self._busy_timeout) as session:
            refused = carry_over(session, inside)
            session.execute("ANALYZE")
        with self._maintenance(watch) as session:
            refused += carry_over(session, of_the_database)
        replaced = exchange(self._address, new, kept, self._busy_timeout, watch)
        with self._maintenance(watch) as session:
            for older in kept_databases(session, name):
                if older.name != kept:
                    drop(session, older.name)
        return kept if replaced else None, refused

    def _replace_in_place(self, found: Image, folder: Path, watch: Watch) -> bool | None:
        """Load an archive in place; return True if the result is equal, None if somebody wrote meanwhile."""
        with self._connected(watch) as session:
            tools = find_tools(session.version)
        content = load_in_place(found.part, self._address, tools, self._busy_timeout, folder, watch)
        with self._connected(watch) as session:
            with session.snapshot():
                equal = not compare(session, content)
            session.execute("ANALYZE")
        return True if equal else None

    def clean_up(self, scratch_age: float, kept_age: float, watch: Watch) -> tuple[str, ...]:
        """Drop the scratch databases that a crash left and the databases that restores kept, if they are old enough."""
        name, dropped = self._address.database, []
        with maintenance_session(self._address, watch, lock_timeout=self._busy_timeout) as session:
            old = [each for each in scratch_databases(session, name) if each.age >= scratch_age]
            old += [each for each in kept_databases(session, name) if each.age >= kept_age]
            for each in old:
                drop(session, each.name)
                dropped.append(each.name)
        return tuple(dropped)

    def put_back(self, quarantine: Path, watch: Watch) -> None:
        """Undo an exchange."""
        watch.check()
        go_back(self._address, kept_name(self._address.database, quarantine.name), self._busy_timeout, watch)

    def _connected(self, watch: Watch) -> AbstractContextManager[Session]:
        return connected(self._address, watch, lock_timeout=self._busy_timeout, patience=self._busy_timeout)

    def _maintenance(self, watch: Watch) -> AbstractContextManager[Session]:
        return maintenance_session(self._address, watch, lock_timeout=self._busy_timeout, patience=self._busy_timeout)


def _drop_quietly(address: Address, name: str) -> None:
    """Drop a scratch database even after the deadline; what cannot be dropped now, the next start finds."""
    try:
        with maintenance_session(address, Watch(), lock_timeout=5.0) as session:
            drop(session, name)
    except SnapshotError:
        return
