"""What a restore by this role will leave out, found when a snapshot is taken, before anybody needs it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from ....units import count_text
from ..session import Session

__all__ = ["forecast"]

_LISTED = 20
_IS_SUPERUSER = "SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user"
_MAY_CREATE = "SELECT rolcreatedb FROM pg_catalog.pg_roles WHERE rolname = current_user"

_UNMAKEABLE = """
SELECT 'event trigger', evtname::text FROM pg_event_trigger v
 WHERE NOT EXISTS (SELECT FROM pg_depend d WHERE d.deptype = 'e' AND d.objid = v.oid)
UNION ALL SELECT 'publication for all tables', pubname FROM pg_publication WHERE puballtables
UNION ALL SELECT 'foreign-data wrapper', fdwname FROM pg_foreign_data_wrapper f
 WHERE NOT EXISTS (SELECT FROM pg_depend d WHERE d.deptype = 'e' AND d.objid = f.oid)
UNION ALL SELECT 'foreign server', srvname FROM pg_foreign_server
 WHERE NOT has_foreign_data_wrapper_privilege(srvfdw, 'USAGE')
UNION ALL SELECT 'foreign table', c.oid::regclass::text
  FROM pg_foreign_table f JOIN pg_class c ON c.oid = f.ftrelid JOIN pg_foreign_server s ON s.oid = f.ftserver
 WHERE NOT has_foreign_data_wrapper_privilege(s.srvfdw, 'USAGE')
UNION ALL SELECT 'language', lanname FROM pg_language l WHERE l.oid >= 16384
   AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.deptype = 'e' AND d.objid = l.oid)
UNION ALL SELECT 'function in ' || l.lanname, p.oid::regprocedure::text
  FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
 WHERE p.oid >= 16384 AND l.lanname <> 'sql' AND NOT (l.lanpltrusted AND has_language_privilege(l.oid, 'USAGE'))
   AND p.prokind <> 'a'
   AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.deptype IN ('e', 'i') AND d.objid = p.oid)
UNION ALL SELECT 'base type', t.oid::regtype::text FROM pg_type t
 WHERE t.oid >= 16384 AND t.typtype = 'b' AND t.typelem = 0
   AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.deptype = 'e' AND d.objid = t.oid)
UNION ALL SELECT 'operator class', o.opcname::text FROM pg_opclass o
 WHERE o.oid >= 16384 AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.deptype = 'e' AND d.objid = o.oid)
UNION ALL SELECT 'access method', m.amname FROM pg_am m
 WHERE m.oid >= 16384 AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.deptype = 'e' AND d.objid = m.oid)
ORDER BY 1, 2
"""

_EXTENSIONS = """
SELECT e.oid, e.extname FROM pg_extension e
 WHERE EXISTS (SELECT FROM pg_available_extension_versions v
                WHERE v.name = e.extname AND v.version = e.extversion AND v.superuser AND NOT v.trusted)
 ORDER BY 2
"""
_USING_EXTENSION = """
WITH RECURSIVE using_it (catalog, oid) AS (
    SELECT d.classid, d.objid FROM pg_depend m
      JOIN pg_depend d ON d.refclassid = m.classid AND d.refobjid = m.objid AND d.deptype = 'n'
     WHERE m.deptype = 'e' AND m.refclassid = 'pg_extension'::regclass AND m.refobjid = $1
       AND NOT EXISTS (SELECT FROM pg_depend x WHERE x.deptype = 'e' AND x.classid = d.classid AND x.objid = d.objid)
)
SELECT DISTINCT i.type, i.identity
  FROM using_it u CROSS JOIN LATERAL pg_identify_object(u.catalog, u.oid, 0) i
 WHERE i.type NOT IN ('default value', 'rule', 'domain constraint') AND i.type NOT LIKE 'toast%'
 ORDER BY 1, 2
"""

_OWNED_BY_OTHERS = """
SELECT pg_get_userbyid(o.owner), count(*), min(o.name)
  FROM (SELECT c.relowner, c.oid, 'pg_class'::regclass, c.oid::regclass::text FROM pg_class c
         WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND c.oid >= 16384 AND c.relpersistence <> 't'
        UNION ALL SELECT p.proowner, p.oid, 'pg_proc'::regclass, p.oid::regprocedure::text FROM pg_proc p
         WHERE p.oid >= 16384
        UNION ALL SELECT n.nspowner, n.oid, 'pg_namespace'::regclass, n.nspname FROM pg_namespace n
         WHERE n.oid >= 16384 AND n.nspname !~ '^pg_'
       ) AS o (owner, oid, catalog, name)
 WHERE NOT pg_has_role(o.owner, 'USAGE')
   AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.deptype IN ('e', 'i') AND d.classid = o.catalog AND d.objid = o.oid)
 GROUP BY 1 ORDER BY 1
"""


def forecast(session: Session) -> tuple[str, ...]:
    """Return sentences on what a restore by this session's role will leave out or change."""
    if session.value(_IS_SUPERUSER):
        return ()
    return tuple(_sentences(session))


def _sentences(session: Session) -> Iterator[str]:
    for kind, rows in groupby(session.rows(_UNMAKEABLE), key=lambda row: str(row[0])):
        names = [str(name) for _, name in rows]
        yield f"{count_text(len(names), kind)}: only an administrator can create {_listed(names)}."
    # A restore in place leaves extensions and what others own where they are.
    if not session.value(_MAY_CREATE):
        return
    for oid, name in session.rows(_EXTENSIONS):
        using = [f"{kind} {identity}" for kind, identity in session.rows(_USING_EXTENSION, oid)]
        what = f" Without it these cannot be restored: {_listed(using)}." if using else ""
        yield f"extension {name}: only an administrator can create it.{what}"
    for owner, count, first in session.rows(_OWNED_BY_OTHERS):
        yield (
            f"{count_text(int(count), 'object')} of {owner}, such as {first}: a restore gives to the role itself what "
            f"is {owner}'s, because it is not a member of {owner}."
        )


def _listed(names: list[str]) -> str:
    more = f" and {count_text(len(names) - _LISTED, 'more object')}" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more
