"""What today's table demands of a row, as its catalog says it: types, checks, partitions, unique indexes, rights."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from ...engines.postgres.session import Session
from ..rescue.states import Index
from .catalog import LiveTable

__all__ = ["Demanded", "DemandedColumn", "UniqueIndex", "read_demanded", "unread_children"]

_COLUMNS = """
SELECT a.attname::text, a.attnotnull, a.attidentity::text, a.attgenerated::text <> '',
       coalesce(pg_catalog.pg_get_expr(d.adbin, d.adrelid), t.typdefault), t.typcategory::text,
       pg_catalog.format_type(a.atttypid, a.atttypmod)
  FROM pg_catalog.pg_attribute a
  JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
  LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
 WHERE a.attrelid = $1::bigint::pg_catalog.oid AND a.attnum > 0 AND NOT a.attisdropped
 ORDER BY a.attnum
"""
_CHECKS = """
SELECT k.conname::text, pg_catalog.pg_get_expr(k.conbin, k.conrelid)
  FROM pg_catalog.pg_constraint k
 WHERE k.conrelid = $1::bigint::pg_catalog.oid AND k.contype = 'c'
   AND pg_catalog.to_jsonb(k)->>'conenforced' IS DISTINCT FROM 'false'
 UNION ALL
SELECT k.conname::text, (
       SELECT pg_catalog.format('pg_catalog.num_nulls(%s) IN (0, %s)',
                                pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', '), pg_catalog.count(*))
         FROM pg_catalog.pg_attribute a
        WHERE a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey))
  FROM pg_catalog.pg_constraint k
 WHERE k.conrelid = $1::bigint::pg_catalog.oid AND k.contype = 'f' AND k.confmatchtype = 'f'
 ORDER BY 1
"""
_PARTITIONS = """
SELECT coalesce(pg_catalog.pg_get_partition_constraintdef(p.relid), 'true')
  FROM pg_catalog.pg_partition_tree($1::bigint::pg_catalog.oid::pg_catalog.regclass) p WHERE p.isleaf
"""
_INDEXES = """
SELECT c.relname::text, NOT i.indimmediate,
       coalesce((pg_catalog.to_jsonb(i)->>'indnullsnotdistinct')::boolean, false),
       coalesce(pg_catalog.pg_get_expr(i.indpred, i.indrelid), ''),
       ARRAY(SELECT pg_catalog.pg_get_indexdef(i.indexrelid, n, false)
               FROM pg_catalog.generate_series(1, i.indnkeyatts) n ORDER BY n),
       ARRAY(SELECT CASE WHEN o.oid IS NULL THEN '' ELSE pg_catalog.format('COLLATE %I.%I', s.nspname, o.collname) END
               FROM pg_catalog.unnest(i.indcollation) WITH ORDINALITY u (oid, n)
               LEFT JOIN pg_catalog.pg_collation o ON o.oid = u.oid
               LEFT JOIN pg_catalog.pg_namespace s ON s.oid = o.collnamespace
              WHERE u.n <= i.indnkeyatts ORDER BY u.n),
       ARRAY(SELECT pg_catalog.format('OPERATOR(%I.%s)', s.nspname, o.oprname)
               FROM pg_catalog.unnest(i.indclass) WITH ORDINALITY u (oid, n)
               JOIN pg_catalog.pg_opclass p ON p.oid = u.oid
               JOIN pg_catalog.pg_operator o ON o.oid = coalesce(k.conexclop[u.n], (
                    SELECT e.amopopr FROM pg_catalog.pg_amop e
                     WHERE e.amopfamily = p.opcfamily AND e.amopstrategy = 3
                       AND e.amoplefttype = p.opcintype AND e.amoprighttype = p.opcintype))
               JOIN pg_catalog.pg_namespace s ON s.oid = o.oprnamespace
              WHERE u.n <= i.indnkeyatts ORDER BY u.n),
       ARRAY(SELECT a.attname::text FROM pg_catalog.pg_attribute a
              WHERE a.attrelid = i.indrelid AND a.attnum > 0
                AND (a.attnum = ANY (i.indkey) OR EXISTS (
                     SELECT FROM pg_catalog.pg_depend d
                      WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = i.indexrelid
                        AND d.refobjid = i.indrelid AND d.refobjsubid = a.attnum))
              ORDER BY a.attnum)
  FROM pg_catalog.pg_index i
  JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
  LEFT JOIN pg_catalog.pg_constraint k ON k.conindid = i.indexrelid AND k.conrelid = i.indrelid
       AND k.contype IN ('p', 'u', 'x')
 WHERE i.indrelid = $1::bigint::pg_catalog.oid AND (i.indisunique OR i.indisexclusion) AND i.indisready
 ORDER BY 1
"""
_RIGHTS = """
SELECT pg_catalog.has_any_column_privilege(t.oid, 'INSERT'), pg_catalog.has_any_column_privilege(t.oid, 'UPDATE'),
       pg_catalog.has_table_privilege(t.oid, 'DELETE')
  FROM (SELECT $1::bigint::pg_catalog.oid AS oid) t
"""
_CHILDREN = """
SELECT DISTINCT c.oid::bigint, c.relname::text FROM pg_catalog.pg_constraint k
  JOIN pg_catalog.pg_class c ON c.oid = coalesce(pg_catalog.pg_partition_root(k.conrelid), k.conrelid)
 WHERE k.confrelid = $1::bigint::pg_catalog.oid AND k.contype = 'f'
 ORDER BY 2
"""


class DemandedColumn(NamedTuple):
    """A column: what it takes, and what it has if nothing is given."""

    name: str
    never_null: bool
    identity: str
    """How the server numbers it: '' (not), 'd' (by default), 'a' (always)."""
    generated: bool
    expression: str | None
    """What it is computed from, or its default."""
    category: str
    type: str

    @property
    def default(self) -> str | None:
        """The default, if asking for it uses nothing up; else None."""
        moves = self.generated or self.expression is None or "nextval(" in self.expression
        return None if moves else self.expression

    @property
    def is_given(self) -> bool:
        """True if the server gives it a value by itself."""
        return bool(self.identity) or self.expression is not None


class UniqueIndex(NamedTuple):
    """A unique index or an exclusion constraint: its terms, and the operators under which rows exclude each other."""

    unique: Index
    nulls_are_same: bool
    condition: str
    terms: tuple[str, ...]
    operators: tuple[str, ...]

    def from_columns(self, columns: tuple[str, ...]) -> UniqueIndex:
        """Return the index as computed from other columns, which a column of its own is computed from."""
        return self._replace(unique=self.unique._replace(columns=columns))


class Demanded(NamedTuple):
    """All that a table demands. ``checks`` are conditions by name that must not be false."""

    columns: tuple[DemandedColumn, ...]
    checks: dict[str, str]
    indexes: tuple[UniqueIndex, ...]
    allowed: dict[str, bool]
    """By kind of step whether the role may take it."""
    partitions: str | None = None
    """The condition that some partition takes a row; None if there are none."""

    @property
    def never_null(self) -> tuple[str, ...]:
        """The columns that must have a value."""
        return tuple(column.name for column in self.columns if column.never_null)

    def failed(self, marks: str, given: Collection[str]) -> str | None:
        """Return why a row with values for these columns is refused; ``marks`` has a 1 for each demand not met."""
        by_itself = {column.name for column in self.columns if column.is_given} - set(given)
        nulls = zip(self.never_null, marks, strict=False)
        missing = [name for name, mark in nulls if mark == "1" and name not in by_itself]
        if missing:
            return f"{', '.join(missing)} must have a value, and there was none then"
        rest = marks[len(self.never_null) :]
        for name, mark in zip(self.checks, rest, strict=False):
            if mark == "1":
                return f"a check of today forbids it ({name})"
        return "no partition takes it today" if rest[len(self.checks) :] == "1" else None


def read_demanded(session: Session, live: LiveTable) -> Demanded:
    """Return what a table demands today."""
    partitions = None
    if live.source == live.quoted:
        leaves = [f"({condition})" for (condition,) in session.rows(_PARTITIONS, live.oid)]
        partitions = " OR ".join(leaves) or "false"
    rights = session.rows(_RIGHTS, live.oid)[0]
    columns = tuple(DemandedColumn(*row) for row in session.rows(_COLUMNS, live.oid))
    indexes = [_index(*row) for row in session.rows(_INDEXES, live.oid)]
    computed = {column.name for column in columns if column.generated}
    every = tuple(column.name for column in columns)
    return Demanded(
        columns,
        dict(session.rows(_CHECKS, live.oid)),
        tuple(index if computed.isdisjoint(index.unique.columns) else index.from_columns(every) for index in indexes),
        dict(zip(("insert", "update", "delete"), rights, strict=True)),
        partitions,
    )


def _index(
    name: str,
    waits: bool,
    nulls_are_same: bool,
    condition: str,
    terms: list[str],
    collations: list[str],
    operators: list[str],
    columns: list[str],
) -> UniqueIndex:
    collated = tuple(f"({term}) {collation}" for term, collation in zip(terms, collations, strict=True))
    return UniqueIndex(Index(name, tuple(columns), waits), nulls_are_same, condition, collated, tuple(operators))


def unread_children(session: Session, live: LiveTable, read: set[int]) -> tuple[str, ...]:
    """Return the tables that refer to a table and are none of those that can be read."""
    return tuple(name for oid, name in session.rows(_CHILDREN, live.oid) if oid not in read)
