"""Positions in the server's write-ahead log, which order the commits and the snapshots of all processes.

A process that commits and then reads the position finds its commit in every snapshot for which a larger position was
read before it began: the log only grows, so that reading was later, and a commit is visible to all before its client
learns of it (https://www.postgresql.org/docs/current/wal-internals.html). An equal position may have been read earlier.
Only positions of one run of the server can be compared: a server that was set up anew, or went back to an earlier
state, was started for it.
"""

from __future__ import annotations

from ..base import Position

__all__ = ["POSITION_QUERY", "parse_position"]

POSITION_QUERY = """
SELECT CASE WHEN NOT pg_catalog.pg_is_in_recovery() THEN
            extract(epoch FROM pg_catalog.pg_postmaster_start_time())::text || ' '
            || pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_insert_lsn(), '0/0') END
"""
"""Asks when the server was started and how many bytes its log has had; NULL on a standby, which only knows what it has
replayed."""


def parse_position(answer: str | None) -> Position | None:
    """Return the position in the answer to POSITION_QUERY, None for NULL."""
    if answer is None:
        return None
    log, offset = answer.split()
    return Position(log, int(offset))
