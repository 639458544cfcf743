"""The points in time that a repository has, each of which opens as a database; and the present, read through SQLite."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Protocol

from ..archive.page_index import PageIndex
from ..engines import ChainFile
from ..engines.sqlite.connections import read_transaction, reading
from ..engines.sqlite.source import read_image
from ..errors import SnapshotDamaged
from ..models import NOW, Point
from ..progress import Watch
from .chains.kept import Kept
from .chains.pages import ChainPages, ExpandedMembers, differing_pages
from .chains.rebuilt import RebuiltImages
from .databases import Database
from .present import present_file
from .questions import PastFiles
from .searched import TableSearch

__all__ = ["ARCHIVES", "LATER", "REBUILD", "Past", "can_read_archives"]

ARCHIVES, REBUILD = "archives", "rebuild"
"""How snapshots are read: straight from their archives, or rebuilt in scratch first."""

LATER = "later"
"""The schema under which the second of two states is attached to the first."""


class _Opener(Protocol):
    """Opens the snapshots of chains as databases: from the archives, or rebuilt."""

    def opened(self, pages: ChainPages, point: int, name: str, watch: Watch) -> AbstractContextManager[Database]:
        """Open a snapshot."""

    def attached(self, database: Database, schema: str, pages: ChainPages, point: int) -> AbstractContextManager[None]:
        """Attach another one to it."""

    def attached_file(
        self, database: Database, schema: str, path: Path, busy_timeout: float
    ) -> AbstractContextManager[None]:
        """Attach a file to it, for reading."""


def can_read_archives() -> bool:
    """Return True if APSW is installed and can be loaded, so that snapshots need not be rebuilt to be read."""
    try:
        from . import vfs
    except (ImportError, OSError):  # it was built for another machine or another libc
        return False
    return vfs is not None


class Past:
    """Every point that a job may read. ``database`` is the live file; what is rebuilt goes to ``scratch``."""

    def __init__(
        self,
        files: PastFiles,
        database: Path,
        busy_timeout: float,
        scratch: Path,
        watch: Watch,
        *,
        archives: bool | None = None,
    ) -> None:
        self.points = files.points
        self.now = files.now
        self.by = ARCHIVES if (can_read_archives() if archives is None else archives) else REBUILD
        self.watch = watch
        self._files = files
        self.database = database
        self.busy_timeout = busy_timeout
        self._scratch = scratch
        self._expanded = ExpandedMembers()
        self._digests = None if files.index is None else PageIndex.load(Path(files.index))
        self._kept: Kept | None = None
        self._cache = None if files.cache is None else Path(files.cache)
        self._chain_files = list(files.chains)
        self._chains: dict[int, ChainPages] = {}
        self._present: Point | None = None
        self._opener = self._make_opener()

    def close(self) -> None:
        """Close the archives, and keep what was read for a player."""
        self._expanded.close()
        if self._kept is not None:
            self._kept.save()

    def keep_for(self, player: str) -> None:
        """Use what was kept of a player, and keep what is read from now on."""
        if self.by == ARCHIVES:
            self._kept = Kept(self._cache, player)

    def search(self, point: Point | None) -> TableSearch | None:
        """Return what finds rows of a point in tables that no index leads to; None if SQLite is to."""
        if point is None or self._kept is None:
            return None
        return TableSearch(self.pages(point), point.position, self._kept, lambda: self.opened(point))

    def __enter__(self) -> Past:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def pages(self, point: Point) -> ChainPages:
        """Return the pages of the chain that a point lies in."""
        if point.chain not in self._chains:
            chain = self._chain_files[point.chain]
            self._chains[point.chain] = ChainPages(chain, self._expanded, self._cache, self._digests, self._kept)
        return self._chains[point.chain]

    def present(self) -> Point | None:
        """Return the present as a point that pages can be compared with, always the same one; None if they cannot."""
        newest = self._files.newest
        if self._present is None and newest is not None:
            chain = self._chain_files[newest.chain]
            found = self._present_of(chain) if newest.position == len(chain) - 1 else None
            # Damage of snapshots that are neither asked about nor needed does not count.
            upto = max((point.position for point in self.points if point.chain == newest.chain), default=0)
            self._chain_files[newest.chain] = found or chain[: upto + 1]
            self._chains.pop(newest.chain, None)
            if found is not None:
                position = len(found) - 1
                self._present = Point(snapshot=NOW, at=self.now, reasons=(), chain=newest.chain, position=position)
        return self._present

    def _present_of(self, chain: tuple[ChainFile, ...]) -> tuple[ChainFile, ...] | None:
        """Return a chain that goes on to the present."""
        if self._digests is None:
            return None
        timeout, scratch = self.busy_timeout, self._scratch
        found = present_file(self.database, chain[-1], self._digests, scratch, self.now, timeout, self.watch)
        if found is None:
            return None
        file, index = found
        whole = chain if file is chain[-1] else (*chain, file)
        try:
            ChainPages(whole, self._expanded, self._cache)
        except (SnapshotDamaged, OSError):
            return None
        self._digests = index
        return whole

    @contextmanager
    def opened(self, point: Point | None) -> Iterator[Database]:
        """Open a point for reading; None is the present, of which one committed state is seen until it is closed."""
        if point is not None:
            name = f"snapshot {point.snapshot}"
            with self._opener.opened(self.pages(point), point.position, name, self.watch) as database:
                yield database
            return
        with reading(self.database, self.busy_timeout, self.watch) as connection, read_transaction(connection):
            connection.text_factory = str
            yield Database(connection, "the live database", self.watch)

    @contextmanager
    def pair(self, first: Point, second: Point | None) -> Iterator[Database]:
        """Open a point, with another one (None: the present) attached to it as ``LATER``."""
        with ExitStack() as stack:
            database = stack.enter_context(self.opened(first))
            if second is not None:
                pages = self.pages(second)
                stack.enter_context(self._opener.attached(database, LATER, pages, second.position))
            else:
                live = self._steady_copy() or self.database
                stack.enter_context(self._opener.attached_file(database, LATER, live, self.busy_timeout))
            database.name = f"{database.name} or {'the live database' if second is None else second.snapshot}"
            database.connection.execute("BEGIN")
            stack.callback(database.connection.execute, "ROLLBACK")
            yield database

    def changed(self, first: Point, second: Point) -> set[int] | None:
        """Return the numbers of all pages that can differ between two points, or None if only reading both can tell."""
        if first.chain == second.chain:
            low, high = sorted((first.position, second.position))
            return self.pages(first).changed(low, high)
        return differing_pages(self.pages(first), first.position, self.pages(second), second.position, self.watch)

    def time(self, point: Point | None) -> dt.datetime:
        """Return when a point was; None is the present."""
        return self.now if point is None else point.at

    def _steady_copy(self) -> Path | None:
        """Copy a database in rollback mode, in which a long reader stops the game; None if that is not so."""
        with reading(self.database, self.busy_timeout, self.watch) as connection:
            if connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal":
                return None
        copy = self._scratch / "present.db"
        copy.unlink(missing_ok=True)
        return read_image(self.database, copy, self.busy_timeout, self.watch).path

    def _make_opener(self) -> _Opener:
        if self.by == REBUILD:
            return RebuiltImages(self._scratch, self.watch)
        from .vfs import SnapshotFiles

        return SnapshotFiles()


def name_of(point: Point | None) -> str:
    """Return what answers call a point: the snapshot's id, or "now"."""
    return NOW if point is None else point.snapshot
