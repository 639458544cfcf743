"""The tables of the live database, as its own catalog describes them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from ...engines.postgres.session import Session, quoted
from ..tables import Column, ForeignKey, Table
from .schema import full_name, known_key, named_tables
from .values import column_of

__all__ = ["Equality", "LiveTable", "LiveTables", "TableNames", "read_live_tables"]

_COLUMNS = """
SELECT c.oid::bigint, n.nspname::text, c.relname::text, c.relkind::text, a.attname::text,
       pg_catalog.format_type(a.atttypid, a.atttypmod), a.attgenerated::text <> '', a.attnotnull,
       a.attidentity::text = 'a',
       pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_table_privilege(c.oid, 'SELECT')
       AND NOT pg_catalog.row_security_active(c.oid)
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
 WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't'
   AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                    WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid
                      AND d.deptype = 'e')
 ORDER BY 2, 3, a.attnum
"""
_KEYS = """
SELECT coalesce(pg_catalog.pg_partition_root(k.conrelid), k.conrelid)::bigint, k.contype::text,
       coalesce(pg_catalog.pg_partition_root(k.confrelid), k.confrelid)::bigint,
       ARRAY(SELECT a.attname::text FROM pg_catalog.unnest(k.conkey) WITH ORDINALITY u (num, at)
               JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.num ORDER BY u.at),
       ARRAY(SELECT a.attname::text FROM pg_catalog.unnest(k.confkey) WITH ORDINALITY u (num, at)
               JOIN pg_catalog.pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.num ORDER BY u.at)
  FROM pg_catalog.pg_constraint k
  JOIN pg_catalog.pg_class c ON c.oid = k.conrelid AND (k.contype = 'f' OR NOT c.relispartition)
 WHERE k.contype IN ('p', 'u', 'f') AND k.conparentid = 0
   AND (k.contype <> 'f' OR coalesce(pg_catalog.to_jsonb(k) ->> 'conperiod', 'false') <> 'true')
 ORDER BY k.conname
"""


_EQUALITY = """
SELECT pg_catalog.format('OPERATOR(%I.%s)', n.nspname, o.oprname)
  FROM pg_catalog.pg_type t
  JOIN pg_catalog.pg_opclass c
    ON c.opcdefault AND c.opcintype = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END
  JOIN pg_catalog.pg_am m ON m.oid = c.opcmethod AND m.amname = 'btree'
  JOIN pg_catalog.pg_amop a
    ON a.amopfamily = c.opcfamily AND a.amopstrategy = 3
       AND a.amoplefttype = c.opcintype AND a.amoprighttype = c.opcintype
  JOIN pg_catalog.pg_operator o ON o.oid = a.amopopr
  JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace
 WHERE t.oid = pg_catalog.to_regtype($1)::pg_catalog.oid
"""


class LiveTable(NamedTuple):
    """A table as answers call it, and as SQL does; ``source`` reads its rows without those of tables that inherit."""

    table: Table
    oid: int
    quoted: str
    source: str


class LiveTables(NamedTuple):
    """The tables that the role can read, by the names that people call them, and the full names of the others."""

    readable: dict[str, LiveTable]
    unreadable: tuple[str, ...]


class TableNames:
    """What tables are called in the states of one question: with their schema where another one has the same name.

    So one table can have two names, on different days.
    """

    def __init__(self) -> None:
        self._full: dict[str, set[str]] = {}

    def learn(self, tables: Iterable[Table]) -> None:
        """Note what the tables of one state are called in it."""
        for table in tables:
            self._full.setdefault(table.name, set()).add(table.full_name)

    def full_names(self, name: str) -> set[str]:
        """Return the full names of the tables that are called so in any state."""
        return self._full.get(name, set())


class Equality:
    """The operators that say whether two values of a type are the same.

    Those of an extension are out of the search path of our sessions: citext would be compared as text.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._known: dict[str, str] = {}

    def of(self, declared: str) -> str:
        """Return the operator of a type."""
        if "." not in declared:
            return "="
        if declared not in self._known:
            self._known[declared] = self._session.value(_EQUALITY, declared) or "="
        return self._known[declared]


def read_live_tables(session: Session) -> LiveTables:
    """Return the tables of the live database; partitions are none."""
    columns: dict[int, list[Column]] = {}
    unreadable: dict[str, None] = {}
    filled: dict[int, set[str]] = {}
    names: dict[int, tuple[str, str]] = {}
    for oid, schema, name, kind, column, declared, generated, never_null, fixed, readable in session.rows(_COLUMNS):
        if not readable:
            unreadable[f"{schema}.{name}"] = None
            continue
        names[oid] = quoted(schema, name), kind
        there = columns.setdefault(oid, [])
        if column is not None:
            described = column_of(column, declared, generated=generated)
            there.append(msgspec.structs.replace(described, fixed=fixed))
        if never_null:
            filled.setdefault(oid, set()).add(column)
    keys: dict[int, tuple[str, ...]] = {}
    unique: dict[int, tuple[str, ...]] = {}
    foreign: dict[int, list[tuple[tuple[str, ...], int, tuple[str, ...]]]] = {}
    for oid, kind, target, own, theirs in session.rows(_KEYS):
        if kind == "p":
            keys[oid] = tuple(own)
        elif kind == "u":
            if oid in names and set(own) <= filled.get(oid, set()):
                unique.setdefault(oid, tuple(own))
        elif oid in names and target in names:
            foreign.setdefault(oid, []).append((tuple(own), target, tuple(theirs)))
    called = named_tables(name for name, _ in names.values())
    found = {}
    for oid, (name, kind) in names.items():
        table = Table(
            name=called[name],
            sql="",
            root=0,
            columns=tuple(columns[oid]),
            key=known_key(columns[oid], keys.get(oid, ()), unique.get(oid, ())),
            rowid=None,
            without_rowid=False,
            integer_key=False,
            foreign_keys=tuple(
                ForeignKey(own, called[names[to][0]], theirs) for own, to, theirs in foreign.get(oid, [])
            ),
            full_name=full_name(name),
        )
        source = name if kind == "p" else f"ONLY {name}"
        found[table.name] = LiveTable(table, oid, name, source)
    return LiveTables(found, tuple(unreadable))
