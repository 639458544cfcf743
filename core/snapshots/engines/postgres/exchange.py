"""Exchange the game's database for a rebuilt one, in one transaction of a few milliseconds.

``ALTER DATABASE … RENAME`` locks the database: new connections wait, and then find the rebuilt one under the name. The
server refuses to rename while other sessions are connected, but waits five seconds for them to go; meanwhile a second
connection ends them. So nobody is locked out before the exchange, and a crash at any point leaves either the old or the
new database under the name, because the server rolls back what was not committed.

The replaced database keeps its content under another name and accepts no connections.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator

from ...errors import DatabaseBusy, DatabaseMissing, DatabaseUnavailable, DeadlineExceeded, SnapshotError
from ...progress import Watch
from .connection import Address
from .locking.holders import sessions_in, ways_out
from .scratch import drop, exists
from .session import Session, literal, maintenance_session, quoted

__all__ = ["exchange", "go_back"]

_TERMINATE_EVERY = 0.02
_RESTART_TIMEOUT = 15.0


def exchange(address: Address, new: str, kept: str, busy_timeout: float, watch: Watch) -> bool:
    """Rename the game's database to ``kept`` and ``new`` to its name; return False if the game had no database.

    Raises DatabaseBusy, with nothing changed, if another session cannot be ended within ``busy_timeout`` seconds.
    """
    name = address.database
    with maintenance_session(address, watch, lock_timeout=busy_timeout) as session:
        if not exists(session, name):
            session.execute(f"ALTER DATABASE {quoted(new)} RENAME TO {quoted(name)}")
            return False
        statements = (
            f"ALTER DATABASE {quoted(name)} RENAME TO {quoted(kept)}",
            f"ALTER DATABASE {quoted(kept)} WITH ALLOW_CONNECTIONS false",
            f"ALTER DATABASE {quoted(new)} RENAME TO {quoted(name)}",
            f"ALTER DATABASE {quoted(name)} WITH ALLOW_CONNECTIONS true",
        )
        try:
            _rename(address, session, statements, {name, new}, busy_timeout)
        except (DatabaseUnavailable, DeadlineExceeded):
            # The connection can be lost after the server has committed: then the exchange is done all the same.
            if not _is_exchanged(address, new, kept):
                raise
        return True


def _is_exchanged(address: Address, new: str, kept: str) -> bool:
    with (
        contextlib.suppress(SnapshotError),
        maintenance_session(address, Watch(), lock_timeout=1.0, patience=_RESTART_TIMEOUT) as session,
    ):
        return exists(session, kept) and not exists(session, new)
    return False


def go_back(address: Address, kept: str, busy_timeout: float, watch: Watch) -> None:
    """Undo an exchange: rename the kept database back and drop the one that took its name."""
    name = address.database
    undone = f"{kept[:50]}_undone"
    with maintenance_session(address, watch, lock_timeout=busy_timeout) as session:
        if not exists(session, kept):
            raise DatabaseMissing(f"There is no database {kept} to go back to.", path=kept)
        if exists(session, name):
            statements = (
                f"ALTER DATABASE {quoted(name)} RENAME TO {quoted(undone)}",
                f"ALTER DATABASE {quoted(kept)} RENAME TO {quoted(name)}",
                f"ALTER DATABASE {quoted(name)} WITH ALLOW_CONNECTIONS true",
            )
            _rename(address, session, statements, {name, kept}, busy_timeout)
            drop(session, undone)
        else:
            session.execute(f"ALTER DATABASE {quoted(kept)} RENAME TO {quoted(name)}")
            session.execute(f"ALTER DATABASE {quoted(name)} WITH ALLOW_CONNECTIONS true")


def _rename(
    address: Address, session: Session, statements: tuple[str, ...], databases: set[str], busy_timeout: float
) -> None:
    """Execute the statements in one transaction while other sessions are ended; try again until the time is up."""
    until = time.monotonic() + busy_timeout
    # Without a limit the server waits five seconds for the other sessions, however short ``busy_timeout`` is.
    session.execute(f"SET statement_timeout = {max(1000, int(busy_timeout * 1000))}")
    while True:
        try:
            with _ending_sessions(address, databases):
                session.execute("BEGIN; " + "; ".join(statements) + "; COMMIT")
                return
        except DatabaseBusy as error:
            session.execute("ROLLBACK")
            if time.monotonic() >= until:
                raise DatabaseBusy(_blocked_by(session, databases, address.shown), path=address.shown) from error
        except BaseException:
            with contextlib.suppress(SnapshotError):
                session.execute("ROLLBACK")
            raise


@contextlib.contextmanager
def _ending_sessions(address: Address, databases: set[str]) -> Iterator[None]:
    """End the sessions in these databases repeatedly, from a second connection, while the block runs."""
    done = threading.Event()

    def terminate_all() -> None:
        with contextlib.suppress(SnapshotError), maintenance_session(address, Watch(), lock_timeout=1.0) as second:
            names = ", ".join(literal(name) for name in databases)
            while not done.is_set():
                second.rows(
                    f"""SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity
                         WHERE datname IN ({names})
                           AND (pg_catalog.pg_has_role(usesysid, 'USAGE')
                                OR pg_catalog.pg_has_role('pg_signal_backend', 'USAGE'))
                           AND (NOT (SELECT rolsuper FROM pg_catalog.pg_roles r WHERE r.oid = usesysid)
                                OR (SELECT rolsuper FROM pg_catalog.pg_roles r WHERE rolname = current_user))"""
                )
                done.wait(_TERMINATE_EVERY)

    thread = threading.Thread(target=terminate_all, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join(10.0)


def _blocked_by(session: Session, databases: set[str], shown: str) -> str:
    return (
        f"{shown} cannot be exchanged while these are connected, and their sessions cannot be ended from here: "
        f"{sessions_in(session, databases) or 'a process of the server'}. {ways_out(session, databases)} Then restore "
        "again."
    )
