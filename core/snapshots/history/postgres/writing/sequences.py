"""Sequences after rows came back: numbers that are given out next begin after them."""

from __future__ import annotations

from collections.abc import Iterable

from ....engines.postgres.session import Session, quoted
from ..states import LiveState

__all__ = ["move_sequences"]

_SEQUENCES = """
SELECT DISTINCT a.attname::text, s.oid::bigint, n.nspname::text, s.relname::text, q.seqincrement > 0,
       q.seqmin::bigint, q.seqmax::bigint
  FROM pg_catalog.pg_attribute a
  LEFT JOIN pg_catalog.pg_attrdef f ON f.adrelid = a.attrelid AND f.adnum = a.attnum
  JOIN pg_catalog.pg_depend d
    ON d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.deptype IN ('a', 'i')
       AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
       AND d.refobjid = a.attrelid AND d.refobjsubid = a.attnum
    OR d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND d.objid = f.oid AND d.deptype = 'n'
       AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
  JOIN pg_catalog.pg_class s
    ON s.relkind = 'S'
       AND s.oid = CASE WHEN d.refobjid = a.attrelid AND d.refobjsubid > 0 THEN d.objid ELSE d.refobjid END
  JOIN pg_catalog.pg_namespace n ON n.oid = s.relnamespace
  JOIN pg_catalog.pg_sequence q ON q.seqrelid = s.oid
  JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
  LEFT JOIN pg_catalog.pg_type b ON b.oid = t.typbasetype
 WHERE a.attrelid = $1::bigint::pg_catalog.oid AND a.attnum > 0 AND coalesce(b.typcategory, t.typcategory) = 'N'
"""


def move_sequences(now: LiveState, tables: Iterable[str]) -> None:
    """Move the sequences on that number rows of some tables, whether they belong to a column or only its default."""
    for table in tables:
        live = now.live[table]
        for column, _, schema, name, upwards, least, most in now.session.rows(_SEQUENCES, live.oid):
            extreme = "max" if upwards else "min"
            reached = now.session.value(
                f"SELECT pg_catalog.trunc({extreme}({quoted(column)})::numeric)::bigint FROM {live.quoted} "
                f"WHERE {quoted(column)} BETWEEN {least} AND {most}"
            )
            if reached is not None:
                _move(now.session, quoted(schema, name), reached, upwards=upwards)


def _move(session: Session, sequence: str, reached: int, *, upwards: bool) -> None:
    last, called = session.rows(f"SELECT last_value, is_called FROM {sequence}")[0]
    behind = reached > last if upwards else reached < last
    if behind or (reached == last and not called):
        session.value("SELECT pg_catalog.setval($1::text::pg_catalog.regclass, $2)", sequence, reached)
