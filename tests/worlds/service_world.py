"""A small game, a repository and a service for it, with a clock and ids that are the same in every run.

Import it as ``from tests.worlds.service_world import ServiceWorld``. The clock moves on by a millisecond each time
it is read, so that what happened later has a later time, and by as much as a test says.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import gzip
import random
import shutil
import tempfile
import threading
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import msgspec

from core.snapshots import (
    AuditLine,
    Health,
    IntegrityReport,
    Kind,
    RestorePlan,
    RestoreReport,
    Settings,
    Snapshot,
    SnapshotError,
    SnapshotService,
)
from core.snapshots.engines.sqlite import rebuild
from core.snapshots.models import Form, RescueReport
from core.snapshots.progress import Watch
from core.snapshots.repository.repository import Repository
from core.snapshots.settings.schema import JsonColumn, defaults
from tests.worlds.game_database import CRITICAL_TABLES, connected, contents_of, make_game_database, url_of
from tests.worlds.waiting import PATIENCE

NOON = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
PLAYERS = 32
CATALOG = "backup_metadata.json"
SUFFIX = ".db.gz"
FOLDER_OF = {
    Kind.PERIODIC: "daily",
    Kind.MANUAL: "daily",
    Kind.CRITICAL: "critical",
    Kind.SAFETY: "critical",
    Kind.SHUTDOWN: "shutdown",
}


class TickingClock:
    """Aware UTC that stands still between two looks at it."""

    def __init__(self, start: dt.datetime = NOON) -> None:
        self._now = start
        self._guard = threading.Lock()

    def __call__(self) -> dt.datetime:
        """Move on by a millisecond and return the moment."""
        with self._guard:
            self._now += dt.timedelta(milliseconds=1)
            return self._now

    def advance(self, **amount: float) -> None:
        """Move on, or back, by what ``timedelta`` takes."""
        with self._guard:
            self._now += dt.timedelta(**amount)

    def set(self, moment: dt.datetime) -> None:
        """Jump to a moment."""
        with self._guard:
            self._now = moment


class SeededIds:
    """Random digits that are the same in every run."""

    def __init__(self, seed: int = 11) -> None:
        self._dice = random.Random(seed)
        self._guard = threading.Lock()

    def __call__(self, count: int) -> str:
        """Return twice ``count`` hexadecimal digits, as ``secrets.token_hex`` does."""
        with self._guard:
            return self._dice.randbytes(count).hex()


class Heard:
    """A listener that writes down all it hears."""

    def __init__(self) -> None:
        self.snapshots: list[Snapshot] = []
        self.failures: list[tuple[str, SnapshotError]] = []
        self.times_covered = 0
        self.plans: list[RestorePlan] = []
        self.reports: list[RestoreReport] = []
        self.rescues: list[RescueReport] = []
        self.healths: list[Health] = []
        self.lines: list[AuditLine] = []
        self.interruptions: list[str] = []
        self.notices: list[tuple[str, str]] = []

    async def created(self, snapshot: Snapshot) -> None:
        """Record a published snapshot."""
        self.snapshots.append(snapshot)

    async def failed(self, operation: str, error: SnapshotError) -> None:
        """Record a failure."""
        self.failures.append((operation, error))

    async def covered(self) -> None:
        """Count how often the current state was covered."""
        self.times_covered += 1

    async def succeeded(self, operation: str) -> None:
        """Handle the success of an operation."""

    async def health_changed(self, health: Health) -> None:
        """Record new findings in the live database."""
        self.healths.append(health)

    async def audited(self, line: AuditLine) -> None:
        """Record a line of the audit log."""
        self.lines.append(line)

    async def interrupted(self, message: str) -> None:
        """Record the message about an operation that a crash interrupted."""
        self.interruptions.append(message)

    async def noticed(self, key: str, message: str) -> None:
        """Record something that the owner should know."""
        self.notices.append((key, message))

    async def restore_starting(self, plan: RestorePlan) -> None:
        """Record the start of a restore."""
        self.plans.append(plan)

    async def restore_finished(self, report: RestoreReport) -> None:
        """Record the end of a restore."""
        self.reports.append(report)

    async def rescued(self, report: RescueReport) -> None:
        """Record a rescue."""
        self.rescues.append(report)


class ServiceWorld:
    """A folder with ``game.db`` and the repository ``backups``."""

    def __init__(self, folder: Path, *, journal_mode: str = "wal", page_size: int = 4096, game: bool = True) -> None:
        self.folder = folder
        self.database = folder / "game.db"
        self.repository = folder / "backups"
        self.clock = TickingClock()
        self.ids = SeededIds()
        self.heard = Heard()
        if game:
            make_game_database(self.database, journal_mode=journal_mode, page_size=page_size, players=PLAYERS)

    def settings(self, **sections: dict[str, Any]) -> Settings:
        """Return settings for this folder; ``schedule={"retry_first": 1.0}`` sets keys of a section."""
        values = defaults()
        given: dict[str, dict[str, Any]] = {
            "database": {
                "url": url_of(self.database),
                "critical_tables": CRITICAL_TABLES,
                "json_columns": (JsonColumn(table="creator_packs", column="cards_data", expects="list"),),
                "busy_timeout": 1.0,
            },
            "repository": {"path": str(self.repository), "min_free": 1 << 20, "lock_timeout": 5.0},
            "schedule": {
                "critical_spacing": 0.0,
                "retry_first": 0.05,
                "retry_longest": 0.2,
                "shutdown_deadline": PATIENCE,
            },
        }
        for name, changes in sections.items():
            given[name] = {**given.get(name, {}), **changes}
        for name, changes in given.items():
            section = msgspec.structs.replace(getattr(values, name), **changes)
            values = msgspec.structs.replace(values, **{name: section})
        return values

    def service(self, **sections: dict[str, Any]) -> SnapshotService:
        """Return a service that is not open yet, with the world's listener."""
        service = SnapshotService(self.settings(**sections), clock=self.clock, token_hex=self.ids)
        service.listen(self.heard)
        return service

    @contextlib.asynccontextmanager
    async def opened(self, **sections: dict[str, Any]) -> AsyncIterator[SnapshotService]:
        """Open a service, and close it at the end."""
        service = self.service(**sections)
        try:
            await service.open()
            yield service
        finally:
            await service.close()

    def play(self, statement: str = "UPDATE users SET cards_owned = cards_owned + 1 WHERE id = 1") -> None:
        """Commit something, as the game does."""
        with connected(self.database) as connection:
            connection.execute(statement)

    def add_users(self, *numbers: int) -> None:
        """Commit one more user for each number."""
        for number in numbers:
            self.play(f"INSERT INTO users (id, name, dust) VALUES ({number}, 'user {number}', 1000)")

    def forget_pages(self) -> None:
        """Delete what the engine knows of the newest state, so that the next snapshot is a full."""
        (self.repository / ".work" / "pages.index").unlink(missing_ok=True)

    def rows(self) -> dict[str, list[tuple[Any, ...]]]:
        """Return every row of the database."""
        return contents_of(self.database)

    def file_of(self, snapshot: Snapshot) -> Path:
        """Return the path of a snapshot's file."""
        return self.repository / snapshot.path

    def rows_in(self, snapshot: Snapshot) -> dict[str, list[tuple[Any, ...]]]:
        """Return every row that a snapshot restores to: of a full with nothing but gunzip and SQLite, of an incremental
        from the chain that the catalog on the disk gives.
        """
        scratch = self.folder / "unpacked.db"
        if snapshot.form is Form.FULL:
            return rows_of_gzip(self.file_of(snapshot), scratch)
        repository = Repository(self.repository, SUFFIX)
        repository.refresh()
        rebuild.rebuild(repository.chain(snapshot), scratch, Watch())
        return rows_of_sound(scratch)

    def files(self) -> set[str]:
        """Return the snapshot files that are on the disk."""
        return {
            path.relative_to(self.repository).as_posix()
            for folder in set(FOLDER_OF.values())
            for path in (self.repository / folder).glob("*")
        }

    def temporary_files(self) -> set[str]:
        """Return the names of the temporary files in ``.work``."""
        return {path.name for path in (self.repository / ".work").iterdir()} - {
            "lock",
            "operation.json",
            "catalog.previous.json",
            "pages.index",
            "members.record",
            "history",
        }

    def beside_the_database(self) -> list[str]:
        """Return the hidden files beside the database, without the note on where the repository is."""
        found = self.database.parent.glob(".*")
        return [path.name for path in found if path.name != f".{self.database.name}.savepoint"]

    def database_files(self) -> dict[str, bytes]:
        """Return the bytes of the database's files; only while no connection of this process has it open."""
        return {path.name: path.read_bytes() for path in sorted(self.folder.glob("game.db*"))}


class PlayedWorld(ServiceWorld):
    """A world in which play has gone on: an ``older`` snapshot, one user more in a ``newer`` one, another user
    since.
    """

    older: Snapshot
    newer: Snapshot


_PLAYED: dict[tuple[str, Form], tuple[tempfile.TemporaryDirectory[str], Snapshot, Snapshot]] = {}
"""By journal mode and form, what a played world is copied from: made once, since each snapshot costs a process."""


async def played_world(folder: Path, *, journal_mode: str = "wal", newer: Form = Form.FULL) -> PlayedWorld:
    """Return a world with a history in a folder; its ``newer`` snapshot stands alone or builds on the other."""
    made = _PLAYED.get((journal_mode, newer))
    if made is None:
        original = tempfile.TemporaryDirectory(prefix="played-world-")
        world = ServiceWorld(Path(original.name), journal_mode=journal_mode)
        async with world.opened() as service:
            _without_identity(service)
            older = (await service.create(note="older")).snapshot
            world.add_users(501)
            kind = Kind.MANUAL if newer is Form.FULL else Kind.CRITICAL
            second = (await service.create(kind, note="newer")).snapshot
            assert second.form is newer
            world.add_users(502)
        sweep_into_file(world.database)
        made = _PLAYED[journal_mode, newer] = original, older, second
    shutil.copytree(made[0].name, folder, symlinks=True, dirs_exist_ok=True)
    copy = PlayedWorld(folder, game=False)
    _, copy.older, copy.newer = made
    copy.clock.advance(minutes=10)
    copy.ids = SeededIds(12)
    return copy


def _without_identity(service: SnapshotService) -> None:
    """Make the snapshots belong to no database in particular, so that a copy of the folder serves as well."""

    async def unknown() -> None:
        return None

    service._context.probe.identity = unknown  # type: ignore[method-assign]


def rows_of_gzip(archive: Path, scratch: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Unpack a standalone snapshot, see that SQLite finds it sound, and return every row."""
    scratch.write_bytes(gzip.decompress(archive.read_bytes()))
    return rows_of_sound(scratch)


def rows_of_sound(image: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Assert that SQLite finds an image sound, return every row, and remove it."""
    try:
        with connected(image) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return contents_of(image)
    finally:
        image.unlink()


def flip_byte(path: Path, offset: int | None = None) -> None:
    """Change one byte of a file: the middle one where no offset is given."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2 if offset is None else offset] ^= 0xFF
    path.write_bytes(content)


def sweep_into_file(path: Path) -> None:
    """Move all that is in the write-ahead log into the file, so that damage to the file is damage to the data."""
    with connected(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def damage_pages(path: Path, name: str = "cards") -> None:
    """Overwrite the first page of a table or an index in a database that nobody has open."""
    sweep_into_file(path)
    with connected(path) as connection:
        root, page_size = connection.execute(
            "SELECT rootpage, (SELECT page_size FROM pragma_page_size) FROM sqlite_master WHERE name = ?", (name,)
        ).fetchone()
    with path.open("r+b") as file:
        file.seek((root - 1) * page_size)
        file.write(b"\xa5" * page_size)


def messages(report: IntegrityReport | None) -> list[str]:
    """Return the messages of what a report found."""
    return [] if report is None else [finding.message for finding in report.findings]


def ids(snapshots: Iterable[Snapshot]) -> list[str]:
    """Return the ids of snapshots."""
    return [snapshot.id for snapshot in snapshots]
