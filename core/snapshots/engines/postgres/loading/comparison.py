"""Read tables back while others are still being loaded, and find those that differ from the dump."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait

from blake3 import blake3

from ....errors import DatabaseUnavailable, OperationCancelled
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
_CHECKS_KEYS = """
SELECT EXISTS (SELECT FROM pg_catalog.pg_stat_activity
                WHERE datname = pg_catalog.current_database() AND state = 'active' AND pid <> pg_backend_pid()
                  AND query LIKE 'ALTER TABLE % FOREIGN KEY %')
"""


def read_table(session: Session, block: Block) -> Table:
    """Read a table in the order of its dump, and return its rows and the hash of what COPY returns."""
    if block.partitions:
        row_set = RowSet()
        session.copy_query(_SELECT.format(", ".join(map(quoted, block.columns)), block.quoted), row_set.update)
        return Table(row_set.rows, row_set.hexdigest())
    digest, rows = blake3(), 0

    def take(piece: bytes) -> None:
        nonlocal rows
        digest.update(piece)
        rows += piece.count(b"\n")

    session.copy(block.schema, block.name, block.columns, take)
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
        self._tables: queue.SimpleQueue[tuple[Block, bool]] = queue.SimpleQueue()
        self._problems: list[str] = []
        self._of_extensions: set[str] | None = None
        self._loaded = threading.Event()
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

    def add(self, block: Block, *, early: bool) -> None:
        """Compare a table whose rows are committed: ``early``, while others are loaded, or late."""
        self._tables.put((block, early))

    @property
    def problems(self) -> tuple[str, ...]:
        """How the database differs from the dump, known once ``begun`` has ended."""
        return tuple(self._problems)

    def _work(self) -> None:
        late: list[Block] = []
        # Only the loading locks anything here, and an index can take it long.
        with connected(self._address, self._watch, lock_timeout=None) as session:
            while not self._may_begin_late(session, late):
                with contextlib.suppress(queue.Empty):
                    block, early = self._tables.get(timeout=_CHECK_EVERY)
                    if early:
                        self._compare(session, [block])
                    else:
                        late.append(block)
            self._compare(session, late)

    def _may_begin_late(self, session: Session, late: Sequence[Block]) -> bool:
        """Return True once no table follows and the late ones can be read without hindering the loading.

        Tables are locked against reading while constraints are added to them, except foreign keys: these are checked
        last, by one process of the server, so that there is time to read.
        """
        self._watch.check()
        over = self._loaded.is_set() or (bool(late) and bool(session.value(_CHECKS_KEYS)))
        return over and self._tables.empty()

    def _compare(self, session: Session, blocks: Iterable[Block]) -> None:
        if self._of_extensions is None:  # all tables are made before the first rows are loaded
            self._of_extensions = {each.quoted for each in relations(session) if each.from_extension}
        for block in blocks:
            if self._stopping.is_set():
                raise OperationCancelled("The tables are not compared any further: they could not be loaded.")
            if block.quoted not in self._of_extensions:  # such a table also has the extension's own rows
                found = read_table(session, block)
                self._problems += differences({block.quoted: found}, {block.quoted: Table(block.rows, block.digest)})
