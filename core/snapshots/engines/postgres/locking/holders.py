"""Name who is in the way: the holders of locks, and the sessions in a database.

An ordinary role sees of other roles' sessions only the process number, the role and the application
(https://www.postgresql.org/docs/current/monitoring-stats.html#MONITORING-PG-STAT-ACTIVITY-VIEW): their ``backend_type``
and times are NULL, which says nothing about what they are.
"""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Iterable, Iterator, Sequence

from ....errors import DatabaseBusy, SnapshotError
from ..session import Session, quoted

__all__ = ["blockers_of", "exclusive_holders", "naming_holders", "sessions_in", "ways_out"]

_NAMED = 5
_SESSION = """
       a.pid, a.usename::text, a.application_name, a.state, a.xact_start, a.backend_start
"""
_CONFLICTING = f"""
SELECT {_SESSION}, x.gid, x.owner::text, x.prepared, l.relation::pg_catalog.regclass::text
  FROM pg_catalog.pg_locks l
  LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
  LEFT JOIN pg_catalog.pg_locks t ON l.pid IS NULL AND t.pid IS NULL AND t.locktype = 'transactionid'
                                  AND t.virtualtransaction = l.virtualtransaction
  LEFT JOIN pg_catalog.pg_prepared_xacts x ON x.transaction = t.transactionid
 WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock' AND l.pid IS DISTINCT FROM pg_backend_pid()
   AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
   AND l.relation >= 16384
 ORDER BY l.granted DESC, a.pid
"""
_BLOCKERS = f"""
SELECT DISTINCT {_SESSION}, x.gid, x.owner::text, x.prepared, NULL
  FROM pg_catalog.unnest(pg_catalog.pg_blocking_pids($1)) AS b (pid)
  LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = b.pid
  LEFT JOIN pg_catalog.pg_prepared_xacts x ON b.pid = 0 AND x.database = current_database()
"""
_SESSIONS = f"""
SELECT {_SESSION}, NULL, NULL, NULL, NULL
  FROM pg_catalog.pg_stat_activity a
 WHERE a.datname = ANY ($1) AND a.pid <> pg_backend_pid() AND a.usename IS NOT NULL
   AND coalesce(a.backend_type, 'client backend') IN ('client backend', 'walsender')
UNION ALL
SELECT NULL, NULL, NULL, NULL, NULL, NULL, x.gid, x.owner::text, x.prepared, NULL
  FROM pg_catalog.pg_prepared_xacts x WHERE x.database = ANY ($1)
 ORDER BY 1
"""

_WHOSE = """
SELECT 'superuser' FROM pg_catalog.pg_stat_activity a JOIN pg_catalog.pg_roles r ON r.oid = a.usesysid
 WHERE a.datname = ANY ($1) AND a.pid <> pg_backend_pid() AND r.rolsuper
UNION SELECT 'other' FROM pg_catalog.pg_stat_activity a JOIN pg_catalog.pg_roles r ON r.oid = a.usesysid
 WHERE a.datname = ANY ($1) AND a.pid <> pg_backend_pid() AND NOT r.rolsuper
UNION SELECT 'prepared' FROM pg_catalog.pg_prepared_xacts WHERE database = ANY ($1)
"""
_WAYS_OUT = {
    "superuser": (
        "A superuser's session can be ended only there or by a superuser (SELECT pg_terminate_backend(pid)): no grant "
        "lets {role} do it."
    ),
    "other": "Other roles' sessions can be ended by {role} after a superuser's GRANT pg_signal_backend TO {role}.",
    "prepared": (
        "A prepared transaction is ended by its owner or a superuser, connected to that database: ROLLBACK PREPARED "
        "'its name'."
    ),
}


def exclusive_holders(session: Session) -> str:
    """Return who holds or awaits ACCESS EXCLUSIVE locks on tables of this database, "" if nobody does."""
    return _listed(session.rows(_CONFLICTING))


def blockers_of(session: Session, pid: int) -> str:
    """Return whom the session with a process number waits for, "" for nobody."""
    return _listed(session.rows(_BLOCKERS, pid))


def sessions_in(session: Session, databases: Iterable[str]) -> str:
    """Return who is connected to databases, or has a prepared transaction there, "" if nobody is."""
    return _listed(session.rows(_SESSIONS, list(databases)))


def ways_out(session: Session, databases: Iterable[str]) -> str:
    """Return who must do what about those that ``sessions_in`` names."""
    found = {str(whose) for (whose,) in session.rows(_WHOSE, list(databases))}
    role = quoted(str(session.value("SELECT current_user")))
    return " ".join(text.format(role=role) for whose, text in _WAYS_OUT.items() if whose in found)


@contextlib.contextmanager
def naming_holders(session: Session) -> Iterator[None]:
    """Add to a DatabaseBusy of the block who holds the locks, as far as it is not in it yet; ends the transaction."""
    try:
        yield
    except DatabaseBusy as error:
        holders = error.data.get("holders", "")
        if not holders:
            with contextlib.suppress(SnapshotError):
                session.execute("ROLLBACK")
                holders = exclusive_holders(session)
        if not holders or "holders" in error.data:
            raise
        raise type(error)(f"{error.message} In the way: {holders}.", **{**error.data, "holders": holders}) from error


def _listed(rows: Sequence[tuple[object, ...]]) -> str:
    named = list(dict.fromkeys(_named(row) for row in rows))
    more = f" and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
    return "; ".join(named[:_NAMED]) + more


def _named(row: tuple[object, ...]) -> str:
    pid, role, application, state, began, connected, prepared, owner, prepared_at, table = row
    on = f", on {table}" if table else ""
    if prepared is not None:
        return f'the prepared transaction "{prepared}" of {owner}, since {_moment(prepared_at)}{on}'
    if pid is None:
        return f"a session that has just ended{on}"
    if role is None:
        return f"the server's process {pid}{on}"
    return f"role {role} ({application or 'no application name'}), pid {pid}, {_since(state, began, connected)}{on}"


def _since(state: object, began: object, connected: object) -> str:
    if isinstance(began, dt.datetime):
        doing = f", {state}" if state and state != "active" else ""
        return f"in a transaction since {_moment(began)}{doing}"
    if isinstance(connected, dt.datetime):
        return f"connected since {_moment(connected)}"
    return f"connected since before {_moment(dt.datetime.now(dt.UTC))} (only pg_read_all_stats shows since when)"


def _moment(value: object) -> str:
    if not isinstance(value, dt.datetime):
        return "an unknown time"
    return value.astimezone(dt.UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
