"""Views of other roles, kept with their owners while the tables under them are restored in place.

A role that is no member of a view's owner cannot make the view again as that owner's. So what such a view needs is not
dropped where it is defined as in the snapshot: its tables are emptied, and stripped of what the dump makes again. Where
something is defined in another way now, it must be dropped, and the view with it; the report then says whose it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ..metadata.model import DatabaseObject, Metadata
from ..session import Session, quoted

__all__ = ["Kept", "strip", "what_views_need"]

_Key = tuple[str, str, str]

_NEEDED = """
WITH RECURSIVE needed (root, class, oid) AS (
    SELECT c.oid, 'pg_class'::regclass::oid, c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('v', 'm') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
       AND NOT pg_has_role(c.relowner, 'USAGE')
       AND NOT EXISTS (SELECT FROM pg_depend x WHERE x.deptype = 'e' AND x.classid = 'pg_class'::regclass
                          AND x.objid = c.oid)
    UNION
    SELECT n.root, e.class, e.oid FROM needed n CROSS JOIN LATERAL (
        SELECT d.refclassid, d.refobjid FROM pg_depend d
         WHERE d.classid = n.class AND d.objid = n.oid AND d.deptype <> 'e'
        UNION ALL
        SELECT 'pg_rewrite'::regclass, w.oid FROM pg_rewrite w
         WHERE n.class = 'pg_class'::regclass AND w.ev_class = n.oid AND w.rulename = '_RETURN'
        UNION ALL
        SELECT 'pg_attrdef'::regclass, a.oid FROM pg_attrdef a
         WHERE n.class = 'pg_class'::regclass AND a.adrelid = n.oid
        UNION ALL
        SELECT 'pg_constraint'::regclass, k.oid FROM pg_constraint k
         WHERE n.class = 'pg_class'::regclass AND k.conrelid = n.oid AND k.contype IN ('c', 'n')
            OR n.class = 'pg_type'::regclass AND k.contypid = n.oid
        UNION ALL
        SELECT s.classid, s.objid FROM pg_depend s JOIN pg_class q ON q.oid = s.objid AND q.relkind = 'S'
         WHERE n.class = 'pg_class'::regclass AND s.classid = n.class AND s.refclassid = n.class AND s.refobjid = n.oid
           AND s.deptype IN ('a', 'i')
        UNION ALL
        SELECT 'pg_class'::regclass, t.typrelid FROM pg_type t
         WHERE n.class = 'pg_type'::regclass AND t.oid = n.oid AND t.typrelid <> 0
    ) e (class, oid)
)
SELECT r.type, r.identity, i.type, i.identity,
       n.class = 'pg_class'::regclass AND EXISTS (
           SELECT FROM pg_constraint f JOIN pg_class c ON c.oid = f.conrelid
            WHERE f.contype = 'f' AND f.confrelid = n.oid AND NOT pg_has_role(c.relowner, 'USAGE'))
  FROM needed n
 CROSS JOIN LATERAL pg_identify_object('pg_class'::regclass, n.root, 0) r
 CROSS JOIN LATERAL pg_identify_object(n.class, n.oid, 0) i
"""
"""For each view of others what it needs, through whatever: tables, their defaults and checks, functions, types; and if
it is a table that a table of others refers to, which could not be emptied."""

_PARTS = """
SELECT 0, format('ALTER TABLE %s DROP CONSTRAINT %I', k.conrelid::regclass, k.conname) FROM pg_constraint k
 WHERE k.contype = 'f' AND k.conparentid = 0 AND k.conrelid = ANY ($1)
UNION ALL
SELECT 1, format('DROP TRIGGER %I ON %s', g.tgname, g.tgrelid::regclass) FROM pg_trigger g
 WHERE NOT g.tgisinternal AND g.tgparentid = 0 AND g.tgrelid = ANY ($1)
UNION ALL
SELECT 1, format('DROP RULE %I ON %s', w.rulename, w.ev_class::regclass) FROM pg_rewrite w
 WHERE w.rulename <> '_RETURN' AND w.ev_class = ANY ($1)
UNION ALL
SELECT 1, format('DROP POLICY %I ON %s', y.polname, y.polrelid::regclass) FROM pg_policy y WHERE y.polrelid = ANY ($1)
UNION ALL
SELECT 1, format('ALTER TABLE %s DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY', c.oid::regclass)
  FROM pg_class c WHERE (c.relrowsecurity OR c.relforcerowsecurity) AND c.oid = ANY ($1)
UNION ALL
SELECT 2, format('ALTER TABLE %s DROP CONSTRAINT %I', k.conrelid::regclass, k.conname) FROM pg_constraint k
 WHERE k.contype IN ('p', 'u', 'x') AND k.conparentid = 0 AND k.conrelid = ANY ($1)
   AND NOT (SELECT i.identity FROM pg_identify_object('pg_constraint'::regclass, k.oid, 0) i) = ANY ($2)
UNION ALL
SELECT 2, format('DROP INDEX %s', i.indexrelid::regclass) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
 WHERE i.indrelid = ANY ($1) AND NOT c.relispartition
   AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid)
UNION ALL
SELECT 3, format('TRUNCATE ONLY %s', c.oid::regclass) FROM pg_class c WHERE c.relkind = 'r' AND c.oid = ANY ($1)
 ORDER BY 1, 2
"""
"""What takes everything off tables that the dump makes again after their rows, and then the rows."""


class Kept(NamedTuple):
    """The role's own objects that are not dropped, by key, and the tables among them, quoted for SQL."""

    keys: frozenset[_Key]
    tables: frozenset[str]


def what_views_need(session: Session, before: Metadata, planned: Metadata | None, me: str) -> Kept:
    """Return what the views of others need of the role's own, as far as all of it is as in the snapshot."""
    here = {each.key: each for each in before.objects}
    there = {} if planned is None or planned.server != before.server else {each.key: each for each in planned.objects}
    needs: dict[_Key, set[_Key]] = {}
    lost: set[_Key] = set()
    for root_kind, root, kind, identity, referred_to in session.rows(_NEEDED):
        needs.setdefault((root_kind, root, ""), set()).add((kind, identity, ""))
        if referred_to:
            lost.add((root_kind, root, ""))
    kept: set[_Key] = set()
    for view, parts in needs.items():
        if view not in lost and all(_is_same(here.get(key), there.get(key)) for key in parts):
            kept |= parts
    own = frozenset(key for key in kept if key in here)
    tables = [key for key in own if key[0] == "table" and here[key].owner == me]
    return Kept(own, frozenset(_names(session, tables)))


def _is_same(now: DatabaseObject | None, then: DatabaseObject | None) -> bool:
    if now is None:
        return True  # not an object of its own, or the server's or an extension's
    return then is not None and (now.owner, now.definition, now.meaning) == (then.owner, then.definition, then.meaning)


def _names(session: Session, tables: Iterable[_Key]) -> Iterator[str]:
    query = """SELECT n.nspname::text, c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                WHERE c.oid = ANY ($1::text[]::regclass[])"""
    for schema, name in session.rows(query, [identity for _, identity, _ in tables]):
        yield quoted(schema, name)


def strip(session: Session, kept: Kept) -> None:
    """Empty the kept tables, and take off them what the dump makes again after their rows."""
    if not kept.tables:
        return
    oids = [oid for (oid,) in session.rows("SELECT unnest($1::text[])::regclass::oid", list(kept.tables))]
    constraints = [identity for kind, identity, _ in kept.keys if kind == "table constraint"]
    for _, statement in session.rows(_PARTS, oids, constraints):
        session.execute(statement)
