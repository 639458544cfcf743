"""A database with a past: states that are committed, snapshots of them, and what a full rebuild of each gives.

Import it as ``from tests.worlds.past.history_world import HistoryWorld``. Snapshots are taken with the engine alone, in
this process, so no other connection of the process has the database open then.
"""

from __future__ import annotations

import datetime as dt
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from core.snapshots.engines import ChainFile
from core.snapshots.engines.sqlite import rebuild
from core.snapshots.engines.sqlite.engine import SqliteEngine
from core.snapshots.history.past import Past
from core.snapshots.history.questions import PastFiles
from core.snapshots.models import Form, Point
from core.snapshots.progress import Watch
from tests.worlds.chain_world import Chain
from tests.worlds.service_world import NOON

Tables = dict[str, list[dict[str, Any]]]


class HistoryWorld:
    """One database and the snapshots that were taken of it."""

    def __init__(self, folder: Path, *, journal_mode: str = "wal", page_size: int = 1024) -> None:
        self.folder = folder
        self.database = folder / "game.db"
        with closing(sqlite3.connect(self.database, isolation_level=None)) as connection:
            connection.execute(f"PRAGMA page_size = {page_size}")
            connection.execute(f"PRAGMA journal_mode = {journal_mode}")
        self.taken = Chain(folder / "snapshots", SqliteEngine(self.database, 1.0))
        self._images: dict[str, Path] = {}
        self._jobs = 0

    def commit(self, *statements: str | tuple[str, tuple[Any, ...]]) -> None:
        """Run each statement and commit it."""
        with closing(sqlite3.connect(self.database, isolation_level=None)) as connection:
            for statement in statements:
                sql, values = (statement, ()) if isinstance(statement, str) else statement
                connection.execute(sql, values)

    def snapshot(self, *statements: str | tuple[str, tuple[Any, ...]], full: bool = False) -> Point:
        """Commit statements and take a snapshot; return its point."""
        self.commit(*statements)
        self.taken.take(incremental=not full)
        return self.points[-1]

    @property
    def chains(self) -> tuple[tuple[ChainFile, ...], ...]:
        """The files of the snapshots, by the full that they build on."""
        chains: list[list[ChainFile]] = []
        for part in self.taken.parts:
            if part.form is Form.FULL:
                chains.append([])
            chains[-1].append(part)
        return tuple(map(tuple, chains))

    @property
    def points(self) -> tuple[Point, ...]:
        """The snapshots as points, oldest first, a minute apart."""
        places = [(chain, at, part) for chain, parts in enumerate(self.chains) for at, part in enumerate(parts)]
        return tuple(
            Point(
                snapshot=part.snapshot,
                at=NOON + dt.timedelta(minutes=number),
                reasons=(f"event_{number}",),
                chain=chain,
                position=at,
            )
            for number, (chain, at, part) in enumerate(places)
        )

    def files(self, *points: Point) -> PastFiles:
        """Return what a job is given to read these points (all if none are named)."""
        return PastFiles(
            chains=self.chains,
            points=points or self.points,
            cache=str(self.folder / "cache"),
            index=str(self.taken.index),
            newest=self.points[-1],
            now=NOON + dt.timedelta(days=1),
        )

    def past(self, *points: Point, archives: bool | None = True) -> Past:
        """Return the past as a job sees it; ``archives`` says if they are read, None that it is as a job decides."""
        self._jobs += 1
        scratch = self.folder / f"job-{self._jobs}"
        scratch.mkdir()
        return Past(self.files(*points), self.database, 1.0, scratch, Watch(), archives=archives)

    def image(self, point: Point) -> Path:
        """Return the image that a full rebuild gives for a point."""
        if point.snapshot not in self._images:
            image = self.folder / f"rebuilt-{point.snapshot}.db"
            rebuild.rebuild(self.chains[point.chain][: point.position + 1], image, Watch())
            self._images[point.snapshot] = image
        return self._images[point.snapshot]

    def file(self, point: Point) -> Path:
        """Return the archive of a point."""
        return Path(self.chains[point.chain][point.position].path)

    def rows(self, point: Point | None, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Return the rows of a query in the rebuilt image of a point, or in the live database."""
        path = self.database if point is None else self.image(point)
        with closing(sqlite3.connect(path)) as connection:
            return connection.execute(sql, values).fetchall()
