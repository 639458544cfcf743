"""How far the server's write-ahead log has come: what orders the commits and snapshots of all processes.

Whoever was told of a commit before asking for the position finds it in every snapshot that began after somebody asked
and was given a larger one: the log only grows, so they asked later, and a commit is seen by all before anybody is told
of it (https://www.postgresql.org/docs/current/wal-internals.html). An equal position may have been asked for earlier.
Only positions of one run of the server are compared: one that was made anew, or went back to an earlier state, was
started for it.
"""

from __future__ import annotations

from ..base import Position

__all__ = ["POSITION", "position_of"]

POSITION = """
SELECT CASE WHEN NOT pg_catalog.pg_is_in_recovery() THEN
            extract(epoch FROM pg_catalog.pg_postmaster_start_time())::text || ' '
            || pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_insert_lsn(), '0/0') END
"""
"""When the server was started, and the bytes of its log from the very beginning; NULL on a standby, which only knows
what it has replayed."""


def position_of(answer: str | None) -> Position | None:
    """Give the position in the server's answer."""
    if answer is None:
        return None
    log, offset = answer.split()
    return Position(log, int(offset))
