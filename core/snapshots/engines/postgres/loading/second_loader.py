"""Load tables of a dump, and build indexes, through a second connection beside the first loader's.

Loading rows is work for one process of the server at a time, so two of them are faster where cores allow. The first
loader goes through the dump. The second one begins with the largest table, which it alone reads (``apart_table``), and
then takes the largest that is left, which it reads where the archive's tail says that it is. That reader verifies
nothing but the checksums of each block: the first one reads these tables too, and whatever the second one loaded is
compared with what the first one found.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

from ....archive.members import TableSpan
from ....errors import DatabaseUnavailable, SnapshotDamaged
from ....progress import Watch
from ...base import ChainFile
from ..connection import Address
from ..plain_dump.lexer import CopyEnd, CopyStart, Event, Lexer, Malformed, Rows
from ..plain_dump.scanner import TableEnd
from ..session import Session, connected, quoted
from .apart_table import ApartTable
from .block_reader import BlockReader
from .fresh_tables import fresh_table

__all__ = ["SETTINGS", "SecondLoader", "may_load_on_two"]

_CHECK_EVERY = 0.05
_CORES = os.cpu_count() or 1

SETTINGS = f"""
SET synchronous_commit = off;
SET enable_hashjoin = off;
SET effective_io_concurrency = 0;
SELECT pg_catalog.set_config('max_parallel_maintenance_workers', least(pg_catalog.current_setting(
    'max_parallel_maintenance_workers')::int, {max(0, _CORES // 2 - 1)})::text, false);
SELECT pg_catalog.set_config('maintenance_work_mem', greatest(pg_catalog.pg_size_bytes(pg_catalog.current_setting(
    'maintenance_work_mem')), 134217728) / 1024 || 'kB', false);
"""
"""For both connections. The exchange of the databases syncs all that was loaded; if it never comes, nothing is missed.
Foreign keys are checked by a join with the referenced table's index: a merge join does not even look at frozen tables
(0.4 s in place of 1.8 s for 700,000 rows that refer to 5,200,000), but the planner prefers to hash the larger one.
What is read was written just before, so it is in memory, and asking other processes for it costs a tenth more (18).
Indexes are built beside each other, where several processes for one of them would only cost more time in all."""

_WORTHWHILE = 8 * 1024 * 1024
"""The size of a dump, in bytes, from which a second connection is worth its start."""


def may_load_on_two(part: ChainFile) -> bool:
    """Return True if there are two cores, and the dump is large enough for two connections."""
    return part.size >= _WORTHWHILE and (os.cpu_count() or 1) >= 2


class SecondLoader:
    """Loads tables that the first loader has not begun, in a thread of its own.

    ``loaded`` is called with each of them once its rows are committed and the first reader has passed them.
    """

    def __init__(
        self,
        part: ChainFile,
        address: Address,
        loaded: Callable[[CopyStart, TableEnd], object],
        apart: ApartTable | None,
    ) -> None:
        self.apart = apart
        self._part = part
        self._address = address
        self._loaded = loaded
        self._lock = threading.Lock()
        self._begun = threading.Event()
        self._asked = threading.Event()
        """It is known if the server has room for a second connection."""
        self._closed = False
        self._stopped = False
        self._made: frozenset[str] = frozenset()
        self._encoding = ""
        self._taken: set[str] = set()
        self._loading: set[str] = set()
        self._stored: set[str] = set()
        self._passed: dict[str, tuple[CopyStart, TableEnd]] = {}
        self._watch = Watch()
        self._working: Future[None]

    @contextlib.contextmanager
    def running(self, watch: Watch, ended: Callable[[], object]) -> Iterator[None]:
        """Load while the block runs, from when ``begin`` is called; stop at its end. Call ``ended`` after all rows."""
        self._watch = Watch(cancelled=lambda: self._is_over(watch))
        with ThreadPoolExecutor(1, thread_name_prefix="load-2") as pool:
            self._working = pool.submit(self._work)
            self._working.add_done_callback(lambda _: ended())
            try:
                yield
            finally:
                self._stopped = self._closed = True
                self._begun.set()

    def begin(self, made: frozenset[str], encoding: str) -> None:
        """Begin to load: these tables are made, and the dump is in this encoding."""
        self._made, self._encoding = made, encoding
        self._begun.set()

    def take(self, table: str) -> bool:
        """Return True if the first loader is to load this table; raises what ended the second one."""
        if self.apart is not None and table == self.apart.name:
            while not self._asked.wait(_CHECK_EVERY):
                self.is_done()
        self.is_done()
        return self._take(table)

    def read_apart(self, encoding: str) -> Iterator[Event]:
        """Yield the rows of the table that is read apart, for a first loader that has to load it."""
        assert self.apart is not None
        return self.apart.events(encoding, self._watch)

    def passed(self, table: str, start: CopyStart, end: TableEnd) -> None:
        """Record that the first reader has passed the rows of a table that the second loader took."""
        if self.apart is not None and table == self.apart.name:
            return  # what the first reader found of it is not all
        with self._lock:
            self._passed[table] = start, end
            stored = table in self._stored
        if stored:
            self._loaded(start, end)

    def is_loaded(self, table: str) -> bool:
        """Return True unless the second loader is loading this table; raises what ended it."""
        if self.is_done():
            return True
        with self._lock:
            return table not in self._loading

    def is_done(self) -> bool:
        """Return True if the second loader has ended; raises what ended it."""
        if not self._working.done():
            return False
        self._working.result()
        return True

    def finish(self) -> None:
        """Begin no further table, and wait until all that were begun are loaded; raises what the second loader met."""
        with self._lock:
            self._closed = True
        self._begun.set()
        self._working.result()

    @contextlib.contextmanager
    def connection(self) -> Iterator[Session]:
        """Yield a second connection, for building indexes."""
        with connected(self._address, self._watch, lock_timeout=None) as session:
            session.execute(SETTINGS)
            yield session

    def _is_over(self, watch: Watch) -> bool:
        watch.check()
        return self._stopped

    def _take(self, table: str, *, here: bool = False) -> bool:
        with self._lock:
            if table in self._taken:
                return False
            self._taken.add(table)
            if here:
                self._loading.add(table)
            return True

    def _work(self) -> None:
        with contextlib.ExitStack() as stack:
            try:
                session = stack.enter_context(self.connection())
            except DatabaseUnavailable:
                self._asked.set()
                return  # the server has no room for it, and the first loader loads all
            reader = stack.enter_context(BlockReader(Path(self._part.path)))
            self._begun.wait()
            apart = self.apart
            takes_it = apart is not None and apart.name in self._made and self._take(apart.name, here=True)
            self._asked.set()
            if apart is not None and takes_it and not self._closed:
                self._load(session, apart.name, apart.events(self._encoding, self._watch, count=False))
            for before, (name, _, end) in by_size(reader.tables):
                if self._closed:
                    return
                if name in self._made and self._take(name, here=True):
                    self._load(session, name, self._events(reader, before, end))

    def _load(self, session: Session, name: str, events: Iterator[Event]) -> None:
        table = next((event for event in events if isinstance(event, CopyStart)), None)
        if table is None or quoted(table.schema, table.name) != name:
            raise SnapshotDamaged(f"The archive's tail does not say where {name} is.", path=self._part.path)
        if table.via_root:  # a partitioned table, whose rows the first loader never leaves to this one
            with self._lock:
                self._loading.discard(name)
            return
        with fresh_table(session, name):
            rows = session.copy_in(*table[:3], _rows(events), encoding=self._encoding, freeze=True)
            if self.apart is not None and name == self.apart.name:
                self.apart.counted = rows
            for _ in events:
                pass  # nothing follows, as the end shows
        with self._lock:
            self._stored.add(name)
            self._loading.discard(name)
            ends = self._passed.get(name)
        if self.apart is not None and name == self.apart.name:
            ends = table, TableEnd(0, self.apart.block)
        if ends is not None:
            self._loaded(*ends)

    def _events(self, reader: BlockReader, begin: int, end: int) -> Iterator[Event]:
        """Yield what the dump holds from the end of one table to the end of the next one."""
        lexer = Lexer()
        lexer.feed(f"SET client_encoding = '{self._encoding}';\n".encode())
        try:
            for piece in reader.pieces(begin, end):
                self._watch.check()
                yield from lexer.feed(piece)
        except Malformed as error:
            raise SnapshotDamaged(
                f"The dump in {self._part.path} is damaged: {error}.", path=self._part.path
            ) from error


def by_size(tables: Sequence[TableSpan]) -> list[tuple[int, TableSpan]]:
    """Return the tables but the first one, largest first, each with where the table before it ends in the dump."""
    ordered = sorted(tables, key=lambda table: table[1])
    after = [(before[2], table) for before, table in pairwise(ordered)]
    return sorted(after, key=lambda each: each[1][1] - each[1][2])


def _rows(events: Iterator[Event]) -> Iterator[memoryview]:
    for event in events:
        if isinstance(event, Rows):
            yield event.view
        elif isinstance(event, CopyEnd):
            return
    raise SnapshotDamaged("The rows of a table end before the table does.")
