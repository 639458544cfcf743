"""What SQLite itself says of a state while its bytes are captured: rows, and for a full whether the pages are sound.

The connection that holds the state still is otherwise idle, so it counts and checks in a thread of its own, beside the
reading and compressing of the files. SQLite works without Python's lock, so the two share the machine's cores.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait

from ...models import Check, Finding, Severity
from . import checks
from .structure import is_damage, page_findings

__all__ = ["Look", "looking"]

_Findings = tuple[Finding, ...]


class Look:
    """The counts and the check of one state; each is made at most once."""

    def __init__(
        self, connection: sqlite3.Connection, tables: tuple[str, ...] | None, pool: ThreadPoolExecutor
    ) -> None:
        """Start to count ``tables`` (empty: every table; None: none, unless the snapshot becomes a full)."""
        self._connection = connection
        self._pool = pool
        self._met: list[Finding] = []
        self._checking: Future[_Findings] | None = None
        self._once = threading.Lock()
        # Last, because it uses the others at once, in another thread.
        self._counting = None if tables is None else pool.submit(self._count, tables)

    def as_full(self) -> None:
        """Start what every full gets: a count of every table if none was wanted, and a check of the pages."""
        if self._counting is None:
            self._counting = self._pool.submit(self._count, ())
        self.examine()

    def examine(self) -> None:
        """Start to check the pages."""
        with self._once:
            if self._checking is None:
                self._checking = self._pool.submit(self._check)

    def rows(self) -> dict[str, int]:
        """Return the counted rows by table, waiting for them."""
        return {} if self._counting is None else self._counting.result()

    def findings(self) -> _Findings | None:
        """Return what was found, waiting for it; None if nobody looked at the pages."""
        if self._checking is None:
            return None
        return (*self._met, *self._checking.result())

    def add(self, finding: Finding) -> None:
        """Add what the capture itself met."""
        self._met.append(finding)

    @property
    def running(self) -> list[Future[object]]:
        """What has been started."""
        return [each for each in (self._counting, self._checking) if each is not None]  # type: ignore[misc]

    def _count(self, tables: tuple[str, ...]) -> dict[str, int]:
        try:
            return checks.count_rows(self._connection, tables)
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            message = f"The rows cannot be counted: {error}."
            self.add(Finding(check=Check.STRUCTURE, severity=Severity.ERROR, message=message))
            self.examine()
            return {}

    def _check(self) -> _Findings:
        return tuple(page_findings(self._connection, quick=True))


@contextlib.contextmanager
def looking(connection: sqlite3.Connection, tables: tuple[str, ...] | None) -> Iterator[Look]:
    """Yield a look at the state that ``connection`` holds; what nobody waited for is interrupted at the end."""
    with ThreadPoolExecutor(1, thread_name_prefix="look") as pool:
        look = Look(connection, tables, pool)
        try:
            yield look
        finally:
            # Nobody waits for it any more if the state is unchanged or something failed.
            while not all(each.done() for each in look.running):
                connection.interrupt()
                wait(look.running, timeout=0.01)
