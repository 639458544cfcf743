"""The points in time that a repository of dumps has, and the present: each is a state that can be asked."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ...engines.postgres.connection import Address
from ...engines.postgres.session import Session, connected
from ...models import Point
from ...progress import Watch
from ..chains.pages import ExpandedMembers
from ..questions import PastFiles
from .archive import DumpArchive
from .catalog import TableNames
from .states import DumpState, LiveState, PostgresState
from .store import RowStore

__all__ = ["PostgresPast", "transaction"]

_READING = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


class PostgresPast:
    """Every point that a job may read, and a session of the live database that is opened when it is first needed."""

    def __init__(self, files: PastFiles, address: Address, busy_timeout: float, scratch: Path, watch: Watch) -> None:
        self.points = files.points
        self.address = address
        self.busy_timeout = busy_timeout
        self.scratch = scratch
        self.watch = watch
        self.store = RowStore(scratch, watch)
        self.names = TableNames()
        self._files = files
        self._expanded = ExpandedMembers()
        self._states: dict[str, DumpState] = {}
        self._stack = ExitStack()
        self._session: Session | None = None

    def __enter__(self) -> PostgresPast:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
        self._expanded.close()
        self.store.close()

    @property
    def session(self) -> Session:
        """A session of the live database."""
        if self._session is None:
            self._session = self._stack.enter_context(
                connected(self.address, self.watch, lock_timeout=self.busy_timeout, patience=self.busy_timeout)
            )
        return self._session

    def archive(self, point: Point) -> DumpArchive:
        """Return the archive of a point. Raises SnapshotDamaged, OSError."""
        part = self._files.chains[point.chain][point.position]
        cache = None if self._files.cache is None else Path(self._files.cache)
        return DumpArchive(part, self._expanded, cache, self.watch)

    def state(self, point: Point) -> DumpState:
        """Return a point as a state; opened once."""
        if point.snapshot not in self._states:
            name = f"snapshot {point.snapshot}"
            self._states[point.snapshot] = DumpState(
                self.archive(point), name, self.store, lambda: self.session, self.names
            )
        return self._states[point.snapshot]

    def live(self) -> LiveState:
        """Return the present, as the transaction sees it that the session is in."""
        return LiveState(self.session, self.scratch, self.names)

    @contextmanager
    def opened(self, point: Point | None) -> Iterator[PostgresState]:
        """Open a point; None is the present, of which one committed state is seen until it is closed."""
        if point is not None:
            yield self.state(point)
            return
        with transaction(self.session):
            yield self.live()

    @contextmanager
    def opened_within(self, point: Point | None) -> Iterator[PostgresState]:
        """Open a point, the present as the transaction sees it that the session is in."""
        yield self.live() if point is None else self.state(point)

    def time(self, point: Point | None) -> dt.datetime:
        """Return when a point was; None is the present."""
        return self._files.now if point is None else point.at


@contextmanager
def transaction(session: Session, begin: str = _READING) -> Iterator[None]:
    """Hold a transaction that is rolled back in the end, unless it was committed."""
    session.execute(begin)
    try:
        yield
    finally:
        session.roll_back()
