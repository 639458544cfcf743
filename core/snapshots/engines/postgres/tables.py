"""List the tables of a database, find those that the settings name, and count their rows."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import NamedTuple

from ...errors import DatabaseUnavailable
from .plain_dump.encodings import ANY_BYTES, bytes_of
from .session import Session, quoted

__all__ = [
    "Relation",
    "Unreadable",
    "count_own_rows",
    "count_rows",
    "descendants",
    "relations",
    "resolve_tables",
    "sum_rows",
    "unreadable",
]

_COUNTED_AT_ONCE = 100
"""Tables per query: a round trip for each would take longer than counting small ones."""
_READABLE = """
pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND (
    CASE WHEN c.relkind = 'S' THEN pg_catalog.has_sequence_privilege(c.oid, 'SELECT')
         ELSE pg_catalog.has_table_privilege(c.oid, 'SELECT') AND NOT pg_catalog.row_security_active(c.oid) END
    OR pg_catalog.pg_has_role(c.relowner, 'USAGE'))
"""
"""True if this role can dump a table or a sequence, or is one that should be able to, as an owner."""
_TABLES = f"""
SELECT n.nspname, c.relname, c.relkind::text, c.relhassubclass,
       EXISTS (SELECT FROM pg_catalog.pg_depend d
                WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.deptype = 'e'),
       c.oid::bigint, {_READABLE}
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't'
   AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
 ORDER BY 1, 2
"""
_UNREADABLE = """
SELECT n.nspname::text, NULL, 'schema', pg_catalog.pg_get_userbyid(n.nspowner)::text,
       pg_catalog.quote_ident(n.nspname)
  FROM pg_catalog.pg_namespace n
 WHERE NOT pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND {own_schema}
   AND EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.relnamespace = n.oid AND {dumped})
UNION ALL
SELECT n.nspname::text, c.relname::text, CASE c.relkind WHEN 'S' THEN 'sequence' ELSE 'table' END,
       pg_catalog.pg_get_userbyid(c.relowner)::text, pg_catalog.format('%I.%I', n.nspname, c.relname)
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND {own_schema} AND {dumped} AND NOT ({readable})
 ORDER BY 3, 1, 2
""".format(
    own_schema="n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'",
    dumped=(
        "c.relkind IN ('r', 'p', 'S') AND c.relpersistence <> 't' AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d "
        "WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.deptype = 'e')"
    ),
    readable=_READABLE,
)
_DESCENDANTS = """
WITH RECURSIVE tree (root, oid) AS (
    SELECT oid, oid FROM pg_catalog.unnest($1::bigint[]) AS r (oid)
    UNION
    SELECT root, inhrelid::bigint FROM tree JOIN pg_catalog.pg_inherits ON inhparent = tree.oid::oid
)
SELECT root, oid FROM tree
"""
_STORED = """
SELECT n.nspname::text, c.relname::text,
       (SELECT a.attname::text FROM pg_catalog.pg_attribute a
         WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
         ORDER BY a.attlen < 0, a.attnum LIMIT 1)
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'r' AND c.oid = ANY ($1::bigint[]::pg_catalog.oid[])
"""
"""Tables with rows of their own, and the column that is copied fastest."""
_SEARCH_PATH = """
SELECT nspname FROM pg_catalog.pg_namespace,
       pg_catalog.unnest(pg_catalog.string_to_array($1, ',')) WITH ORDINALITY AS p (part, n)
 WHERE nspname = pg_catalog.btrim(pg_catalog.replace(part, '"$user"', current_user::text), ' "')
 ORDER BY n
"""


class Relation(NamedTuple):
    """One table: ``kind`` is ``r``, or ``p`` if it is partitioned; tables may inherit from it if ``has_children``."""

    schema: str
    name: str
    kind: str
    has_children: bool
    from_extension: bool
    oid: int
    readable: bool

    @property
    def quoted(self) -> str:
        """The schema and the name, quoted for SQL."""
        return quoted(self.schema, self.name)


class Unreadable(NamedTuple):
    """What this role may not read: a schema if ``name`` is None, else a table or a sequence in it; and its owner.

    ``pattern`` is the name for the arguments of pg_dump, as a pattern that matches nothing else.
    """

    schema: str
    name: str | None
    kind: str
    owner: str
    shown: str
    pattern: str


def unreadable(session: Session) -> tuple[Unreadable, ...]:
    """Return what others keep to themselves, so that it cannot be in a dump by this role."""
    found = []
    for schema, name, kind, owner, shown in session.rows(_UNREADABLE):
        pattern = quoted(schema) if name is None else quoted(schema, name)
        if session.encoding == ANY_BYTES:
            pattern = os.fsdecode(bytes_of(pattern, ANY_BYTES))
        found.append(Unreadable(schema, name, kind, owner, shown, pattern))
    return tuple(found)


def relations(session: Session) -> tuple[Relation, ...]:
    """Return every table except the server's own and temporary ones."""
    return tuple(Relation(*row) for row in session.rows(_TABLES))


def resolve_tables(session: Session, names: Iterable[str], present: Iterable[Relation]) -> dict[str, Relation]:
    """Return the table for each name in the settings; names without a table are left out.

    ``users`` is the table that the database's own search path finds, else one of that name in any schema;
    ``shop.users`` is exactly that one. Upper and lower case matter only if two tables differ in nothing else. Without
    names it is every table that belongs to no extension.
    """
    present = tuple(each for each in present if each.readable)
    names = tuple(names) or _names_of(present)
    path = [schema for (schema,) in session.rows(_SEARCH_PATH, session.search_path)]
    found = {}
    for name in names:
        fitting = sorted(
            (each for each in present if _fits(name, each)),
            key=lambda each: (
                path.index(each.schema) if each.schema in path else len(path),
                name not in (each.name, f"{each.schema}.{each.name}"),
                each.schema,
                each.name,
            ),
        )
        if fitting:
            found[name] = fitting[0]
    return found


def _names_of(present: Iterable[Relation]) -> tuple[str, ...]:
    own = [each for each in present if not each.from_extension]
    shared = Counter(each.name for each in own)
    return tuple(each.name if shared[each.name] == 1 else f"{each.schema}.{each.name}" for each in own)


def _fits(name: str, relation: Relation) -> bool:
    return name.lower() in (relation.name.lower(), f"{relation.schema}.{relation.name}".lower())


def count_rows(session: Session, wanted: Mapping[str, Relation]) -> dict[str, int]:
    """Count the rows of tables, with those of their partitions and children."""
    return {name: _count(session, each.quoted, partial(_family, session, each)) for name, each in wanted.items()}


def _family(session: Session, table: Relation) -> tuple[int, ...]:
    return (table.oid, *descendants(session, table))


def _count(session: Session, table: str, stored_in: Callable[[], Iterable[int]]) -> int:
    """Count the rows of a table; if no query on it can be planned, copy the tables that ``stored_in`` lists by OID."""
    try:
        return int(session.rows_of_game(f"SELECT count(*) FROM {table}")[0][0])
    except DatabaseUnavailable as error:
        if "code" not in error.data:
            raise
        rows = 0

        def take(piece: bytes) -> None:
            nonlocal rows
            rows += piece.count(b"\n")

        for schema, name, column in session.rows(_STORED, list(stored_in())):
            session.copy(schema, name, [column] if column else [], take)
        return rows


def sum_rows(session: Session, wanted: Mapping[str, Relation], own: Mapping[int, int]) -> dict[str, int]:
    """Return the rows of tables, with those of their partitions and children, from counts of own rows by OID.

    Only a table with a child that was not counted, such as a foreign one, is asked for. So no lock is taken on others.
    """
    names = {each.oid: name for name, each in wanted.items()}
    trees: dict[int, set[int]] = {}
    for root, oid in session.rows(_DESCENDANTS, list(names)):
        trees.setdefault(root, set()).add(oid)
    known = {names[root]: sum(own[oid] for oid in tree) for root, tree in trees.items() if tree <= own.keys()}
    return known | count_rows(session, {name: each for name, each in wanted.items() if name not in known})


def descendants(session: Session, table: Relation) -> tuple[int, ...]:
    """Return the OIDs of a table's partitions and children, at whatever depth."""
    return tuple(int(oid) for root, oid in session.rows(_DESCENDANTS, [table.oid]) if oid != root)


def count_own_rows(session: Session, wanted: Iterable[Relation]) -> dict[int, int]:
    """Count the rows that are stored in the tables themselves, by OID; none are in a partitioned one."""
    tables = list(wanted)
    counts = {each.oid: 0 for each in tables}
    stored = [each for each in tables if each.kind == "r"]
    for start in range(0, len(stored), _COUNTED_AT_ONCE):
        names = [(each.oid, each.quoted) for each in stored[start : start + _COUNTED_AT_ONCE]]
        queries = (f"SELECT {oid}::bigint, count(*) FROM ONLY {name}" for oid, name in names)
        try:
            with session.savepoint():
                counts |= {int(oid): int(rows) for oid, rows in session.rows(" UNION ALL ".join(queries))}
        except DatabaseUnavailable as error:
            if "code" not in error.data:
                raise
            counts |= {oid: _count(session, f"ONLY {name}", partial(tuple, [oid])) for oid, name in names}
    return counts
