"""SQLite reads a snapshot straight from its archives: a read-only virtual file system for APSW.

APSW (https://rogerbinns.github.io/apsw/) is optional and imported here only, in the worker: it brings an SQLite of its
own. A snapshot's file is a name without a path; its pages come from a ``ChainPages``. It is opened as immutable, so
that there are no locks and no log. Which pages a query reads is noted: a query is a function of these pages alone, so
it gives the same at every point at which they are the same.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import apsw

from ..progress import Watch
from .chains.pages import ChainPages
from .databases import Database

__all__ = ["SnapshotFiles"]

_CACHE_KIB = 4096
_FILE_NAMES = itertools.count(1)


class SnapshotFiles(apsw.VFS):
    """The snapshots that can be opened, each under a name that it is given when it is."""

    def __init__(self) -> None:
        self._vfs_name = f"savepoint-{next(_FILE_NAMES)}"
        self._system = apsw.vfs_names()[0]
        self._files: dict[str, _SnapshotFile] = {}
        super().__init__(self._vfs_name, "")

    def xFullPathname(self, name: str) -> str:  # noqa: N802 - SQLite's name
        """Return the name: there are no folders."""
        return name

    def xAccess(self, pathname: str, flags: int) -> bool:  # noqa: N802 - SQLite's name
        """Return False: there is nothing beside a snapshot."""
        return False

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile | _SnapshotFile:  # type: ignore[override]  # noqa: N802
        """Open a snapshot; a temporary file is one of the system's own."""
        if not flags[0] & apsw.SQLITE_OPEN_MAIN_DB or not isinstance(name, apsw.URIFilename):
            return apsw.VFSFile("", name, flags)
        flags[1] = flags[0]
        return self._files[name.filename()]

    @contextmanager
    def opened(self, pages: ChainPages, point: int, name: str, watch: Watch) -> Iterator[Database]:
        """Open the snapshot at a point of a chain; ``name`` is what errors call it."""
        with self._offered(pages, point) as file, closing(self._connected(file)) as connection:
            connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
            connection.execute("PRAGMA trusted_schema = OFF")
            yield Database(connection, name, watch, file.read)

    @contextmanager
    def attached(self, database: Database, schema: str, pages: ChainPages, point: int) -> Iterator[None]:
        """Attach another snapshot to an open one under the name of a schema."""
        with self._offered(pages, point) as file:
            uri = f"file:{file.name}?immutable=1&vfs={self._vfs_name}"
            yield from _attached(database, schema, uri)

    @contextmanager
    def attached_file(self, database: Database, schema: str, path: Path, busy_timeout: float) -> Iterator[None]:
        """Attach a database file for reading to an open snapshot under the name of a schema."""
        database.connection.set_busy_timeout(int(busy_timeout * 1000))
        yield from _attached(database, schema, f"{path.absolute().as_uri()}?mode=ro&vfs={self._system}")

    def _connected(self, file: _SnapshotFile) -> apsw.Connection:
        flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
        return apsw.Connection(f"file:{file.name}?immutable=1", flags=flags, vfs=self._vfs_name)

    @contextmanager
    def _offered(self, pages: ChainPages, point: int) -> Iterator[_SnapshotFile]:
        file = _SnapshotFile(f"snapshot-{next(_FILE_NAMES)}", pages, point)
        self._files[file.name] = file
        try:
            yield file
        finally:
            del self._files[file.name]


def _attached(database: Database, schema: str, uri: str) -> Iterator[None]:
    with database.translated():
        database.connection.execute(f"ATTACH ? AS {schema}", (uri,))
    try:
        yield
    finally:
        database.connection.execute(f"DETACH {schema}")


class _SnapshotFile:
    """One snapshot as SQLite's file: as much of VFSFile as a read-only immutable file needs."""

    def __init__(self, name: str, pages: ChainPages, point: int) -> None:
        self.name = name
        self.read: set[int] = set()
        self._pages = pages
        self._point = point
        self._page_size = pages.page_size
        self._size = pages.page_size * pages.page_count(point)

    def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802
        """Return a part of the image; less at its end."""
        size = self._page_size
        if amount == size and not offset % size and offset < self._size:
            number = offset // size + 1
            self.read.add(number)
            return self._pages.page(number, self._point)
        end = min(offset + amount, self._size)
        if offset >= end:
            return b""
        numbers = range(offset // size + 1, (end - 1) // size + 2)
        self.read.update(numbers)
        content = b"".join(self._pages.page(number, self._point) for number in numbers)
        start = offset - (numbers[0] - 1) * size
        return content[start : start + end - offset]

    def xFileSize(self) -> int:  # noqa: N802
        """Return the image's size in bytes."""
        return self._size

    def xSectorSize(self) -> int:  # noqa: N802
        """Return the size of a page."""
        return self._pages.page_size

    def xDeviceCharacteristics(self) -> int:  # noqa: N802
        """Return that nobody changes the file."""
        return apsw.SQLITE_IOCAP_IMMUTABLE

    def xFileControl(self, op: int, pointer: int) -> bool:  # noqa: N802
        """Return False: no control is known."""
        return False

    def xLock(self, level: int) -> None:  # noqa: N802
        """Do nothing: nobody else has the file."""

    def xUnlock(self, level: int) -> None:  # noqa: N802
        """Do nothing."""

    def xCheckReservedLock(self) -> bool:  # noqa: N802
        """Return False: nobody writes."""
        return False

    def xClose(self) -> None:  # noqa: N802
        """Do nothing: the archives stay open for the next snapshot."""
