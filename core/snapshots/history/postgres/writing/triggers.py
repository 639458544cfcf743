"""The game's triggers while rows are put back: which there are, and how they are kept from firing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from ....engines.postgres.session import quoted
from ..states import LiveState

__all__ = ["watched_tables", "without_triggers"]

_TRIGGERS = """
SELECT n.nspname::text, c.relname::text, t.tgname::text, t.tgenabled::text
  FROM pg_catalog.pg_trigger t
  JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE (c.oid = $1::bigint::pg_catalog.oid
        OR c.oid IN (SELECT relid FROM pg_catalog.pg_partition_tree($1::bigint::pg_catalog.oid::pg_catalog.regclass)))
   AND NOT t.tgisinternal AND t.tgenabled <> 'D'
 ORDER BY c.oid, t.tgname
"""
_ENABLED = {"O": "ENABLE", "A": "ENABLE ALWAYS", "R": "ENABLE REPLICA"}


@contextmanager
def without_triggers(now: LiveState, tables: Iterable[str]) -> Iterator[None]:
    """Keep the game's triggers of some tables and of their partitions from firing; those of foreign keys do."""
    found = [trigger for name in sorted(tables) for trigger in now.session.rows(_TRIGGERS, now.live[name].oid)]
    for schema, table, trigger, _ in found:
        now.session.execute(f"ALTER TABLE ONLY {quoted(schema, table)} DISABLE TRIGGER {quoted(trigger)}")
    yield
    now.session.execute("SET CONSTRAINTS ALL IMMEDIATE")  # a table with checks that wait cannot be altered
    for schema, table, trigger, enabled in found:
        how = _ENABLED[enabled]
        now.session.execute(f"ALTER TABLE ONLY {quoted(schema, table)} {how} TRIGGER {quoted(trigger)}")


def watched_tables(now: LiveState, tables: Iterable[str]) -> set[str]:
    """Return the tables whose rows triggers could change while they are put back: those with a key, if any fires."""
    found = {name: now.session.rows(_TRIGGERS, now.live[name].oid) for name in tables}
    return {name for name in found if now.tables[name].key} if any(found.values()) else set()
