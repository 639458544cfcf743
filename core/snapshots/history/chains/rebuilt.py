"""The way without APSW: a snapshot is rebuilt in scratch and read by the standard library's sqlite3.

An image that was rebuilt goes on to a later point of its chain by the pages that changed, so that a walk over all
points of a chain writes its full once. Slower by as long as that takes, and exact all the same.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from ...archive import full
from ...progress import Watch
from ..databases import Database
from .pages import ChainPages

__all__ = ["RebuiltImages"]

_KEPT = 2


class RebuiltImages:
    """Snapshots as private files in a folder; at most two that nobody has open stay for what comes next."""

    def __init__(self, scratch: Path, watch: Watch) -> None:
        self._scratch = scratch
        self._watch = watch
        self._idle: list[_Image] = []
        self._count = 0

    @contextmanager
    def opened(self, pages: ChainPages, point: int, name: str, watch: Watch) -> Iterator[Database]:
        """Open the snapshot at a point of a chain; ``name`` is what errors call it."""
        with self._image(pages, point) as image:
            uri = f"{image.path.absolute().as_uri()}?mode=ro&immutable=1"
            with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection:
                connection.execute("PRAGMA trusted_schema = OFF")
                yield Database(connection, name, watch)

    @contextmanager
    def attached(self, database: Database, schema: str, pages: ChainPages, point: int) -> Iterator[None]:
        """Attach another snapshot to an open one under the name of a schema."""
        with self._image(pages, point) as image:
            yield from _attached(database, schema, f"{image.path.absolute().as_uri()}?mode=ro&immutable=1")

    @contextmanager
    def attached_file(self, database: Database, schema: str, path: Path, busy_timeout: float) -> Iterator[None]:
        """Attach a database file for reading to an open snapshot under the name of a schema."""
        database.connection.execute(f"PRAGMA busy_timeout = {int(busy_timeout * 1000)}")
        yield from _attached(database, schema, f"{path.absolute().as_uri()}?mode=ro")

    @contextmanager
    def _image(self, pages: ChainPages, point: int) -> Iterator[_Image]:
        fit = [image for image in self._idle if image.pages is pages and image.point <= point]
        image = max(fit, key=lambda each: each.point, default=None)
        if image is None:
            self._make_room()
            self._count += 1
            image = _Image(self._scratch / f"point-{self._count}.db", pages, self._watch)
        else:
            self._idle.remove(image)
        image.advance(point, self._watch)
        yield image
        self._idle.append(image)

    def _make_room(self) -> None:
        while len(self._idle) >= _KEPT:
            self._idle.pop(0).path.unlink()


class _Image:
    """The image of a chain's snapshot at a point that can move on."""

    def __init__(self, path: Path, pages: ChainPages, watch: Watch) -> None:
        self.path = path
        self.pages = pages
        self.point = 0
        first = pages.chain[0]
        full.extract(Path(first.path), path, fingerprint=first.fingerprint, size=first.size, watch=watch)

    def advance(self, point: int, watch: Watch) -> None:
        """Make it the image at a later point."""
        pages, size = self.pages, self.pages.page_size
        changed = sorted(number for number in pages.changed(self.point, point) if number <= pages.page_count(point))
        with self.path.open("r+b") as file:
            for number in changed:
                file.seek((number - 1) * size)
                file.write(pages.page(number, point))
                watch.wrote(size)
            file.truncate(size * pages.page_count(point))
        self.point = point


def _attached(database: Database, schema: str, uri: str) -> Iterator[None]:
    with database.translated():
        database.connection.execute(f"ATTACH ? AS {schema}", (uri,))
    try:
        yield
    finally:
        database.connection.execute(f"DETACH {schema}")
