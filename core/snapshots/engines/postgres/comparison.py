"""Reading tables back while others are still being loaded, and saying where they are not what the dump holds."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait

from ...errors import OperationCancelled
from ...watch import Watch
from .address import Address
from .copy_blocks import Block, Table, differences
from .load import read_table
from .relations import relations
from .session import Session, connected, quoted

__all__ = ["Comparison"]

_LOOK_EVERY = 0.05


class Comparison:
    """Compares each table of a database that is being loaded as soon as its rows are committed."""

    def __init__(self, address: Address, lock_timeout: float, watch: Watch) -> None:
        """Take the database that is being loaded; nothing is done before ``begun``."""
        self._address = address
        self._lock_timeout = lock_timeout
        self._stopping = threading.Event()
        self._blocks: queue.SimpleQueue[Block | None] = queue.SimpleQueue()
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
                self._blocks.put(None)
                while not comparing.done():
                    self._outside.check()
                    wait([comparing], timeout=_LOOK_EVERY)
                comparing.result()
            except BaseException:
                self._stopping.set()
                self._blocks.put(None)
                raise

    def add(self, block: Block) -> None:
        """Compare a table, whose rows are on their way into the database."""
        self._blocks.put(block)

    @property
    def problems(self) -> tuple[str, ...]:
        """Where the database is not what the dump holds, once ``begun`` has ended."""
        return tuple(self._problems)

    def _work(self) -> None:
        with connected(self._address, self._watch, lock_timeout=self._lock_timeout) as session:
            empty = []
            while (block := self._blocks.get()) is not None:
                if block.rows:
                    self._wait_for(session, quoted(block.schema, block.name))
                    self._compare(session, block)
                else:
                    empty.append(block)
            for block in empty:  # now that nothing more can come into them
                self._compare(session, block)

    def _compare(self, session: Session, block: Block) -> None:
        name = quoted(block.schema, block.name)
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
            self._watch.check()
            if self._stopping.wait(_LOOK_EVERY):
                raise OperationCancelled("The tables are not compared any more: they could not be loaded.")
