"""Read tables back while others are still being loaded, and find those that differ from the dump."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait

from blake3 import blake3

from ....errors import DatabaseUnavailable
from ....progress import Watch
from ..connection import Address
from ..plain_dump.row_set import RowSet
from ..plain_dump.scanner import Block, Table, differences
from ..session import Session, connected, quoted
from ..tables import relations
from .archive_events import Content

__all__ = ["Comparison", "compare", "holds", "read_table"]

_CHECK_EVERY = 0.05

_SELECT = "SELECT {} FROM {}"


def read_table(session: Session, block: Block) -> Table:
    """Read a table in the order of its dump, and return its rows and the hash of what COPY returns."""
    if block.partitions:
        row_set = RowSet()
        session.copy_query(_SELECT.format(", ".join(map(quoted, block.columns)), block.quoted), row_set.update)
        return Table(row_set.rows, row_set.hexdigest())
    digest = blake3()
    rows = session.copy(block.schema, block.name, block.columns, digest.update)
    return Table(rows, digest.hexdigest(16))


def compare(session: Session, content: Content) -> list[str]:
    """Read every table of a database and return how they differ from the dump."""
    found = {name: read_table(session, block) for name, block in content.blocks.items()}
    return list(differences(found, content.tables))


def holds(session: Session, content: Content) -> bool:
    """Return True if a database's tables are those of a dump with the same content; the counts are compared first."""
    tables = {each.quoted for each in relations(session) if each.kind == "r" and not each.from_extension}
    if not tables <= content.blocks.keys():
        return False
    try:
        counts = all(
            session.value(f"SELECT count(*) FROM ONLY {name}") == block.rows for name, block in content.blocks.items()
        )
    except DatabaseUnavailable:  # a table of the dump is missing
        return False
    return counts and not compare(session, content)


class Comparison:
    """Compares the tables of a database that is being loaded, each once its rows are committed."""

    def __init__(self, address: Address, watch: Watch) -> None:
        self._address = address
        self._stopping = threading.Event()
        self._tables: queue.SimpleQueue[Block] = queue.SimpleQueue()
        self._problems: list[str] = []
        self._of_extensions: set[str] | None = None
        self._loaded = threading.Event()
        self._may_begin = threading.Event()
        self._outside = watch
        self._watch = Watch(cancelled=self._stopping.is_set)

    @contextlib.contextmanager
    def begun(self) -> Iterator[None]:
        """Compare while the block runs and until all tables are compared; stop if the block fails."""
        with ThreadPoolExecutor(1, thread_name_prefix="compare") as pool:
            comparing = pool.submit(self._work)
            try:
                yield
                self._loaded.set()
                while not comparing.done():
                    self._outside.check()
                    wait([comparing], timeout=_CHECK_EVERY)
                comparing.result()
            except BaseException:
                self._stopping.set()
                raise

    def add(self, block: Block) -> None:
        """Compare a table whose rows are committed, while others are loaded and indexes are built."""
        self._tables.put(block)

    def begin(self) -> None:
        """Begin to compare: before, both cores are busy with what others wait for."""
        self._may_begin.set()

    @property
    def problems(self) -> tuple[str, ...]:
        """How the database differs from the dump, known once ``begun`` has ended."""
        return tuple(self._problems)

    def _work(self) -> None:
        # Only the loading locks anything here, and an index can take it long.
        while not self._may_begin.wait(_CHECK_EVERY) and not self._loaded.is_set():
            self._watch.check()
        with connected(self._address, self._watch, lock_timeout=None) as session:
            session.execute("SET effective_io_concurrency = 0")  # see SETTINGS of the loaders
            while not self._is_over():
                with contextlib.suppress(queue.Empty):
                    self._compare(session, self._tables.get(timeout=_CHECK_EVERY))

    def _is_over(self) -> bool:
        self._watch.check()
        return self._loaded.is_set() and self._tables.empty()

    def _compare(self, session: Session, block: Block) -> None:
        if self._of_extensions is None:  # all tables are made before the first rows are loaded
            self._of_extensions = {each.quoted for each in relations(session) if each.from_extension}
        if block.quoted not in self._of_extensions:  # such a table also has the extension's own rows
            found = read_table(session, block)
            self._problems += differences({block.quoted: found}, {block.quoted: Table(block.rows, block.digest)})
