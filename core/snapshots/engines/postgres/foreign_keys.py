"""Find rows whose foreign keys refer to nothing, by the comparison that the constraints themselves use.

``=`` is not what a constraint compares with: its operators are recorded in ``conpfeqop``
(https://www.postgresql.org/docs/current/catalog-pg-constraint.html), may live in any schema, and take the referenced
column's collation where the two differ. As in the server's own check (``RI_Initial_Check`` in ``ri_triggers.c``), a
table's children count only where the table is partitioned.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import NamedTuple

from ...errors import DatabaseUnavailable
from ...models import Check, Finding, Severity
from ..integrity import orphan_finding
from .session import Session, quoted

__all__ = ["find_orphans"]

_KEYS = """
SELECT c.oid::bigint, c.conname::text, c.convalidated, c.confmatchtype::text, {period},
       cn.nspname::text, ct.relname::text, ct.relkind = 'p', pn.nspname::text, pt.relname::text, pt.relkind = 'p',
       here.attname::text, there.attname::text, opn.nspname::text, op.oprname::text,
       CASE WHEN op.oprleft <> there.atttypid AND lt.typtype <> 'p' THEN ARRAY[ln.nspname, lt.typname]::text[] END,
       CASE WHEN op.oprright <> here.atttypid AND rt.typtype <> 'p' THEN ARRAY[rn.nspname, rt.typname]::text[] END,
       CASE WHEN here.attcollation <> there.attcollation THEN ARRAY[lon.nspname, lo.collname]::text[] END
  FROM pg_catalog.pg_constraint c
  JOIN pg_catalog.pg_class ct ON ct.oid = c.conrelid JOIN pg_catalog.pg_namespace cn ON cn.oid = ct.relnamespace
  JOIN pg_catalog.pg_class pt ON pt.oid = c.confrelid JOIN pg_catalog.pg_namespace pn ON pn.oid = pt.relnamespace
 CROSS JOIN LATERAL ROWS FROM (
       pg_catalog.unnest(c.conkey), pg_catalog.unnest(c.confkey), pg_catalog.unnest(c.conpfeqop)
       ) WITH ORDINALITY AS k (here, there, operator, number)
  JOIN pg_catalog.pg_attribute here ON here.attrelid = c.conrelid AND here.attnum = k.here
  JOIN pg_catalog.pg_attribute there ON there.attrelid = c.confrelid AND there.attnum = k.there
  JOIN pg_catalog.pg_operator op ON op.oid = k.operator
  JOIN pg_catalog.pg_namespace opn ON opn.oid = op.oprnamespace
  JOIN pg_catalog.pg_type lt ON lt.oid = op.oprleft JOIN pg_catalog.pg_namespace ln ON ln.oid = lt.typnamespace
  JOIN pg_catalog.pg_type rt ON rt.oid = op.oprright JOIN pg_catalog.pg_namespace rn ON rn.oid = rt.typnamespace
  LEFT JOIN pg_catalog.pg_collation lo ON lo.oid = there.attcollation
  LEFT JOIN pg_catalog.pg_namespace lon ON lon.oid = lo.collnamespace
 WHERE c.contype = 'f' AND c.conparentid = 0 AND {enforced}
   AND pg_catalog.has_schema_privilege(cn.oid, 'USAGE') AND pg_catalog.has_schema_privilege(pn.oid, 'USAGE')
   AND pg_catalog.has_table_privilege(ct.oid, 'SELECT') AND pg_catalog.has_table_privilege(pt.oid, 'SELECT')
 ORDER BY cn.nspname, ct.relname, c.conname, c.oid, k.number
"""


class _Column(NamedTuple):
    """One column of a key: how the referencing and the referenced one are compared."""

    key: int
    name: str
    validated: bool
    match: str
    period: bool
    schema: str
    table: str
    partitioned: bool
    parent_schema: str
    parent: str
    parent_partitioned: bool
    here: str
    there: str
    operator_schema: str
    operator: str
    left_type: list[str] | None
    right_type: list[str] | None
    collation: list[str] | None

    @property
    def equal(self) -> str:
        """The comparison of the parent's column (of ``p``) with the child's (of ``c``)."""
        left = f"p.{quoted(self.there)}" + (f"::{quoted(*self.left_type)}" if self.left_type else "")
        right = f"c.{quoted(self.here)}" + (f"::{quoted(*self.right_type)}" if self.right_type else "")
        collate = f" COLLATE {quoted(*self.collation)}" if self.collation else ""
        return f"{left} OPERATOR({quoted(self.operator_schema)}.{self.operator}) {right}{collate}"


def find_orphans(session: Session) -> tuple[int, Iterator[Finding]]:
    """Return how many foreign keys there are that this role can check, and what is found when they are."""
    query = _KEYS.format(
        period="c.conperiod" if session.version >= 18 else "false",
        enforced="c.conenforced" if session.version >= 18 else "true",
    )
    columns = [_Column(*row) for row in session.rows(query)]
    keys = [list(group) for _, group in groupby(columns, key=lambda column: column.key)]
    return len(keys), (finding for key in keys for finding in _check(session, key))


def _check(session: Session, key: list[_Column]) -> Iterator[Finding]:
    first = key[0]
    if not first.validated:
        message = f"The foreign key {first.name} of {first.table} was never validated (NOT VALID)."
        yield Finding(check=Check.FOREIGN_KEYS, severity=Severity.WARNING, message=message, table=first.table)
    try:
        orphans = int(session.rows_of_game(_orphans_query(key))[0][0])
    except DatabaseUnavailable as error:
        if "code" not in error.data:
            raise
        message = f"The foreign key {first.name} of {first.table} could not be checked: {error.data.get('detail')}."
        yield Finding(check=Check.ACCESS, severity=Severity.WARNING, message=message, table=first.table)
        return
    if orphans:
        yield orphan_finding(first.table, first.parent, orphans)


def _orphans_query(key: list[_Column]) -> str:
    first = key[0]
    child = f"{'' if first.partitioned else 'ONLY '}{quoted(first.schema, first.table)} c"
    parent = f"{'' if first.parent_partitioned else 'ONLY '}{quoted(first.parent_schema, first.parent)} p"
    # MATCH SIMPLE looks only at rows without a NULL in the key, MATCH FULL at those that are not all NULL.
    joint = " OR " if first.match == "f" else " AND "
    considered = joint.join(f"c.{quoted(column.here)} IS NOT NULL" for column in key)
    same = " AND ".join(column.equal for column in key)
    found = f"EXISTS (SELECT FROM {parent} WHERE {same})"
    if first.period:
        # The last column is a range, which the ranges of the matching rows must cover together.
        last = key[-1]
        found = (
            f"EXISTS (SELECT FROM (SELECT p.{quoted(last.there)} AS part FROM {parent} WHERE {same}) parts "
            f"HAVING c.{quoted(last.here)} OPERATOR(pg_catalog.<@) pg_catalog.range_agg(part))"
        )
    return f"SELECT count(*) FROM {child} WHERE ({considered}) AND NOT {found}"
