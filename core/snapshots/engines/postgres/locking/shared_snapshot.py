"""Hold one state of a database, with its tables locked before the state is chosen.

TRUNCATE, CLUSTER and an ALTER TABLE that rewrites are not MVCC-safe: after one that commits between a snapshot and the
lock on the table, the snapshot sees an empty table
(https://www.postgresql.org/docs/current/mvcc-caveats.html). So every table is locked first, against nothing but these
(ACCESS SHARE), and the snapshot is taken by the next statement of the same transaction.

The locks must not become a queue. A statement of the game that waits for us makes pg_dump wait behind it, while we wait
for pg_dump. So a lock is waited for only a moment, holding nothing in between; and while pg_dump takes its own locks,
we look if it has come to stand behind somebody who waits for us, give everything back, and begin again after them.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from ....errors import DatabaseBusy, DatabaseUnavailable, SnapshotError
from ....progress import Watch
from ..connection import APPLICATION
from ..session import Session, quoted
from ..tables import Relation
from .holders import blockers_of, exclusive_holders, naming_holders

__all__ = ["QueueBehindUs", "SharedSnapshot", "locked_snapshot", "wait_for_start"]

_LOCK_TIMEOUT = 0.1
"""How long one attempt waits for a lock, in seconds: well under the server's deadlock_timeout of a second, so that a
deadlock with the game always ends with us."""
_RETRY_AFTER = 0.1
_LOOK_EVERY = 0.02
_UNDEFINED = frozenset({"42P01", "3F000"})

_WAITING = """
WITH RECURSIVE cleared AS MATERIALIZED (SELECT pg_catalog.pg_stat_clear_snapshot()::text),
ours AS MATERIALIZED (
    SELECT DISTINCT l.pid FROM cleared, pg_catalog.pg_locks l
      JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
     WHERE NOT l.granted AND a.application_name = $1 AND a.usename = current_user AND a.datname = current_database()
       AND l.pid <> pg_backend_pid()
),
chain (waits, blocks) AS (
    SELECT pid, pg_catalog.unnest(pg_catalog.pg_blocking_pids(pid)) FROM ours
    UNION
    SELECT waits, pg_catalog.unnest(pg_catalog.pg_blocking_pids(blocks)) FROM chain WHERE blocks <> pg_backend_pid()
)
SELECT waits, bool_or(blocks = pg_backend_pid()) FROM chain GROUP BY waits
"""
"""Which of our programs wait for a lock, and if the chain of those they wait for leads back to this session."""


class QueueBehindUs(DatabaseBusy):
    """Somebody waits for our locks, and our own program waits behind them."""


class SharedSnapshot(NamedTuple):
    """One state of the database: the name under which others import it, and its tables, which are locked."""

    name: str
    present: tuple[Relation, ...]


@contextlib.contextmanager
def locked_snapshot(
    session: Session, tables: Callable[[], tuple[Relation, ...]], until: float, shown: str, watch: Watch
) -> Iterator[SharedSnapshot]:
    """Lock what ``tables`` lists, hold one state of it while the block runs, and yield that state.

    ``until`` is a reading of ``time.monotonic`` at which waiting for locks ends. Raises DatabaseBusy, with the holders'
    names, and what the watch raises.
    """
    snapshot = None
    while snapshot is None:
        watch.check()
        try:
            snapshot = _attempt(session, tables)
        except DatabaseBusy as error:
            _roll_back(session)
            holders = exclusive_holders(session)
            if time.monotonic() >= until:
                raise DatabaseBusy(
                    f"Tables of {shown} are locked by {holders or error.message}. Try again when they are free.",
                    path=shown,
                    holders=holders,
                ) from error
            time.sleep(_RETRY_AFTER)
        except BaseException:
            _roll_back(session)
            raise
        else:
            if snapshot is None and time.monotonic() >= until:
                raise DatabaseBusy(f"Tables of {shown} are made and dropped all the time. Try again.", path=shown)
    try:
        with naming_holders(session):
            yield snapshot
    finally:
        _roll_back(session)


def _attempt(session: Session, tables: Callable[[], tuple[Relation, ...]]) -> SharedSnapshot | None:
    """Lock the tables and take a snapshot; return None if other tables were there by then."""
    listed = tables()
    session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    session.execute(f"SET LOCAL lock_timeout = {int(_LOCK_TIMEOUT * 1000)}")
    try:
        _lock(session, listed)
        session.execute("SET LOCAL lock_timeout TO DEFAULT")
    except DatabaseUnavailable as error:
        if error.data.get("code") not in _UNDEFINED:
            raise
        _roll_back(session)
        return None
    name = str(session.value("SELECT pg_catalog.pg_export_snapshot()"))
    present = tables()
    if {each.oid for each in present} <= {each.oid for each in listed}:
        return SharedSnapshot(name, present)
    _roll_back(session)
    return None


def _lock(session: Session, tables: Sequence[Relation]) -> None:
    if tables:
        names = ", ".join(f"ONLY {quoted(each.schema, each.name)}" for each in tables)
        session.execute(f"LOCK TABLE {names} IN ACCESS SHARE MODE")


def wait_for_start(
    session: Session, started: Callable[[float], bool], lock_timeout: float, shown: str, watch: Watch
) -> None:
    """Wait until ``started(seconds)`` is True: pg_dump has its locks then.

    Raises QueueBehindUs if it waits behind somebody who waits for this session, and DatabaseBusy if it has waited for
    anybody else for ``lock_timeout`` seconds.
    """
    waited_since: float | None = None
    while not started(_LOOK_EVERY):
        watch.check()
        waiting = session.rows(_WAITING, APPLICATION)
        for pid, behind_us in waiting:
            if behind_us:
                holders = blockers_of(session, pid)
                raise QueueBehindUs(
                    f"Tables of {shown} are wanted exclusively all the time, last by {holders}. Try again.",
                    path=shown,
                    holders=holders,
                )
            waited_since = waited_since or time.monotonic()
            if time.monotonic() - waited_since >= lock_timeout:
                holders = blockers_of(session, pid)
                raise DatabaseBusy(
                    f"pg_dump waited in vain for a lock in {shown}. In the way: {holders}. Try again.",
                    path=shown,
                    holders=holders,
                )
        if not waiting:
            waited_since = None


def _roll_back(session: Session) -> None:
    """End the transaction, which releases the locks; if the connection is lost, the server does it."""
    with contextlib.suppress(SnapshotError):
        session.execute("ROLLBACK")
