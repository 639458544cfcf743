"""CHECK constraints that call functions of the game, kept off a table or domain until all rows are loaded.

pg_dump makes them with their table or domain. A function that reads other tables finds these empty then, and one that
names something without its schema finds nothing under the empty search path of a load: the rows would be refused
although the game holds them.
"""

from __future__ import annotations

from typing import NamedTuple

from ..metadata.restore import Attempts
from ..session import Session, literal, quoted
from .left_out import LeftOut

__all__ = ["HeldChecks"]

_CALLING_FUNCTIONS = """
SELECT n.nspname, coalesce(t.relname, d.typname), c.conname, pg_catalog.pg_get_constraintdef(c.oid),
       pg_catalog.obj_description(c.oid, 'pg_constraint'), c.contypid <> 0
  FROM pg_catalog.pg_constraint c
  LEFT JOIN pg_catalog.pg_class t ON t.oid = c.conrelid
  LEFT JOIN pg_catalog.pg_type d ON d.oid = c.contypid
  JOIN pg_catalog.pg_namespace n ON n.oid = coalesce(t.relnamespace, d.typnamespace)
 WHERE c.contype = 'c' AND c.coninhcount = 0 AND pg_catalog.pg_has_role(coalesce(t.relowner, d.typowner), 'USAGE')
   AND EXISTS (SELECT FROM pg_catalog.pg_depend d
                WHERE d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass AND d.objid = c.oid
                  AND d.refclassid IN ('pg_catalog.pg_proc'::pg_catalog.regclass,
                                       'pg_catalog.pg_operator'::pg_catalog.regclass)
                  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend e
                                   WHERE e.classid = d.refclassid AND e.objid = d.refobjid AND e.deptype = 'e'))
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend e
                    WHERE e.classid = 'pg_catalog.pg_type'::pg_catalog.regclass AND e.objid = c.contypid
                      AND e.deptype = 'e')
 ORDER BY 1, 2, 3
"""


class _Check(NamedTuple):
    schema: str
    on_name: str
    name: str
    definition: str
    comment: str | None
    of_domain: bool

    @property
    def on(self) -> str:
        """The table or domain, for ALTER."""
        return f"{'DOMAIN' if self.of_domain else 'TABLE'} {quoted(self.schema, self.on_name)}"

    @property
    def commented(self) -> str:
        """The same for COMMENT."""
        return f"{'DOMAIN ' if self.of_domain else ''}{quoted(self.schema, self.on_name)}"


class HeldChecks:
    """The constraints of one database that are dropped before its rows are loaded and added again afterwards."""

    def __init__(self, session: Session, *, in_transaction: bool) -> None:
        self._session = session
        self._attempts = Attempts(session, in_transaction=in_transaction)
        self._held: list[_Check] = []

    def drop(self) -> None:
        """Drop the constraints; those that tables inherit come up once their parent's is gone."""
        while found := [_Check(*row) for row in self._session.rows(_CALLING_FUNCTIONS)]:
            for check in found:
                on = check.on if check.of_domain else f"TABLE ONLY {check.commented}"
                self._session.execute(f"ALTER {on} DROP CONSTRAINT {quoted(check.name)}")
            self._held = found + self._held

    def add_again(self) -> list[LeftOut]:
        """Add the constraints, unvalidated if the rows cannot be checked; return what the owner must do."""
        return [left for check in self._held for left in self._add(check)]

    def _add(self, check: _Check) -> list[LeftOut]:
        adding = f"ALTER {check.on} ADD CONSTRAINT {quoted(check.name)} {check.definition}"
        left = []
        if not self._attempts.run(adding):
            reason = self._attempts.refused[adding].splitlines()[0]
            what = f"check constraint {check.schema}.{check.on_name}.{check.name}"
            if self._attempts.run(f"{adding} NOT VALID"):
                validating = f"ALTER {check.on} VALIDATE CONSTRAINT {quoted(check.name)};"
                why = f"it is there for new rows, but the rows that were loaded could not be checked ({reason})"
                left.append(LeftOut(what, why, validating, check.name))
            else:
                left.append(LeftOut(what, reason, f"{adding};", check.name))
                return left
        if check.comment:
            self._attempts.run(
                f"COMMENT ON CONSTRAINT {quoted(check.name)} ON {check.commented} IS {literal(check.comment)}"
            )
        return left
