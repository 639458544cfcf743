"""Reading tables back while others are still being loaded, and saying where they are not what the dump holds."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait

from ...errors import OperationCancelled
from ...progress import Watch
from .connection import Address
from .copy_data import Block, Table, differences
from .load import read_table
from .session import Session, connected, quoted
from .tables import relations

__all__ = ["Comparison"]

_LOOK_EVERY = 0.05

_CHECKS_KEYS = """
SELECT EXISTS (SELECT FROM pg_catalog.pg_stat_activity
                WHERE datname = pg_catalog.current_database() AND state = 'active' AND pid <> pg_backend_pid()
                  AND query LIKE 'ALTER TABLE % FOREIGN KEY %')
"""


class Comparison:
    """Compares each table of a database that is being loaded as soon as its rows are committed."""

    def __init__(self, address: Address, watch: Watch) -> None:
        """Take the database that is being loaded; nothing is done before ``begun``."""
        self._address = address
        self._stopping = threading.Event()
        self._tables: queue.SimpleQueue[tuple[Block, bool]] = queue.SimpleQueue()
        self._problems: list[str] = []
        self._foreign: set[str] | None = None
        self._loaded = threading.Event()
        self._outside = watch
        self._watch = Watch(cancelled=self._stopping.is_set)

    @contextlib.contextmanager
    def begun(self) -> Iterator[None]:
        """Compare beside what the block does; where that fails, stop."""
        with ThreadPoolExecutor(1, thread_name_prefix="compare") as pool:
            comparing = pool.submit(self._work)
            try:
                yield
                self._loaded.set()
                while not comparing.done():
                    self._outside.check()
                    wait([comparing], timeout=_LOOK_EVERY)
                comparing.result()
            except BaseException:
                self._stopping.set()
                raise

    def add(self, block: Block, beside: bool) -> None:
        """Compare a table, whose rows are on their way into the database: ``beside`` the loading of others, or late."""
        self._tables.put((block, beside))

    @property
    def problems(self) -> tuple[str, ...]:
        """Where the database is not what the dump holds, once ``begun`` has ended."""
        return tuple(self._problems)

    def _work(self) -> None:
        late: list[Block] = []
        empty: list[Block] = []
        # Nobody but the loading locks anything here, and an index can take it long.
        with connected(self._address, self._watch, lock_timeout=None) as session:
            while not self._all_known(session, late):
                with contextlib.suppress(queue.Empty):
                    block, beside = self._tables.get(timeout=_LOOK_EVERY)
                    if not block.rows:
                        empty.append(block)
                    elif beside:
                        self._compare(session, block)
                    else:
                        late.append(block)
            for block in late:
                self._compare(session, block)
            while not self._loaded.is_set():  # nothing more can come into the others then
                self._pause()
            for block in empty:
                self._compare(session, block)

    def _all_known(self, session: Session, late: Sequence[Block]) -> bool:
        """Whether no table comes any more, and those that are ``late`` can be read without hindering the loading.

        Tables are locked against reading while constraints are added to them, but for the foreign keys: these are
        checked last, and checking them takes one of the server's processes, so that there is time to read.
        """
        self._watch.check()
        over = self._loaded.is_set() or (bool(late) and bool(session.value(_CHECKS_KEYS)))
        return over and self._tables.empty()

    def _compare(self, session: Session, block: Block) -> None:
        name = quoted(block.schema, block.name)
        if block.rows:
            self._wait_for(session, name)
        if self._foreign is None:  # by now all tables are there
            self._foreign = {each.quoted for each in relations(session) if each.from_extension}
        if name in self._foreign:
            return  # it has the extension's rows besides those of the dump
        found = read_table(session, block)
        self._problems += differences({name: found}, {name: Table(block.rows, block.digest)})

    def _wait_for(self, session: Session, name: str) -> None:
        """Wait until the table has rows, which it gets all at once, or everything is loaded."""
        while not self._loaded.is_set() and not (
            session.value("SELECT pg_catalog.to_regclass($1) IS NOT NULL", name)
            and session.value(f"SELECT EXISTS (SELECT FROM ONLY {name})")
        ):
            self._pause()

    def _pause(self) -> None:
        self._watch.check()
        if self._stopping.wait(_LOOK_EVERY):
            raise OperationCancelled("The tables are not compared any more: they could not be loaded.")
