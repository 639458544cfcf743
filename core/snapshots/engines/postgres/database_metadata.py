"""What belongs to a database besides its content, and is in no dump of ours: owners, grants, settings.

Dumps are written without owners and grants, so that whoever restores one elsewhere can. Where a snapshot takes the
place of a database that is there, the new one gets those of the old one, object by object of the same name: a
dashboard's read-only role would otherwise be locked out by a restore.
"""

from __future__ import annotations

from ...errors import SnapshotError
from .session import Session, literal, quoted

__all__ = ["carry_over", "of_database", "of_objects"]

_LISTS = ("search_path", "temp_tablespaces", "session_preload_libraries", "local_preload_libraries")
"""Settings that are stored as lists, already quoted."""

_RELATIONS = """
WITH own AS (
    SELECT c.oid, c.relkind, n.nspname, c.relname, c.relowner, c.relacl,
           CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE'
                          WHEN 'f' THEN 'FOREIGN TABLE' ELSE 'TABLE' END AS kind
      FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND c.relpersistence <> 't'
       AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
)
SELECT 1, format('ALTER %s %I.%I OWNER TO %I', kind, nspname, relname, pg_catalog.pg_get_userbyid(relowner))
  FROM own WHERE relowner <> (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = current_user)
   -- a serial column's sequence goes with its table
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.objid = own.oid AND d.deptype IN ('a', 'i')
                      AND own.relkind = 'S')
UNION ALL
SELECT 2, format('GRANT %s ON %s %I.%I TO %s%s', a.privilege_type,
                 CASE relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, nspname, relname,
                 CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(g.rolname) END,
                 CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
  FROM own CROSS JOIN LATERAL pg_catalog.aclexplode(relacl) a LEFT JOIN pg_catalog.pg_roles g ON g.oid = a.grantee
 WHERE a.grantee <> relowner
UNION ALL
SELECT 3, format('GRANT %s (%I) ON TABLE %I.%I TO %s%s', a.privilege_type, t.attname, nspname, relname,
                 CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(g.rolname) END,
                 CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
  FROM own JOIN pg_catalog.pg_attribute t ON t.attrelid = own.oid AND t.attnum > 0 AND NOT t.attisdropped
 CROSS JOIN LATERAL pg_catalog.aclexplode(t.attacl) a LEFT JOIN pg_catalog.pg_roles g ON g.oid = a.grantee
UNION ALL
SELECT 4, format('GRANT %s ON SCHEMA %I TO %s%s', a.privilege_type, n.nspname,
                 CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(g.rolname) END,
                 CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
  FROM pg_catalog.pg_namespace n CROSS JOIN LATERAL pg_catalog.aclexplode(n.nspacl) a
  LEFT JOIN pg_catalog.pg_roles g ON g.oid = a.grantee
 WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND a.grantee <> n.nspowner
UNION ALL
SELECT 0, format('ALTER SCHEMA %I OWNER TO %I', n.nspname, pg_catalog.pg_get_userbyid(n.nspowner))
  FROM pg_catalog.pg_namespace n
 WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
   AND n.nspowner <> (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = current_user)
UNION ALL
SELECT 5, format('GRANT EXECUTE ON ROUTINE %s TO %s', p.oid::pg_catalog.regprocedure,
                 CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(g.rolname) END)
  FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
 CROSS JOIN LATERAL pg_catalog.aclexplode(p.proacl) a LEFT JOIN pg_catalog.pg_roles g ON g.oid = a.grantee
 WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND a.grantee <> p.proowner
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
ORDER BY 1
"""

_GRANTS_ON_DATABASE = """
SELECT a.privilege_type, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(g.rolname) END, a.is_grantable
  FROM pg_catalog.pg_database d CROSS JOIN LATERAL pg_catalog.aclexplode(d.datacl) a
  LEFT JOIN pg_catalog.pg_roles g ON g.oid = a.grantee
 WHERE d.datname = $1 AND a.grantee <> d.datdba
"""
_SETTINGS = """
SELECT r.rolname, pg_catalog.unnest(s.setconfig)
  FROM pg_catalog.pg_db_role_setting s JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase
  LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole
 WHERE d.datname = $1
"""


def of_objects(session: Session) -> tuple[str, ...]:
    """Give the statements that make the owners and grants of this database's objects again."""
    return tuple(str(statement) for _, statement in session.rows(_RELATIONS))


def of_database(session: Session, database: str, target: str) -> tuple[str, ...]:
    """Give the statements that give ``target`` the owner, grants, settings and comment of ``database``."""
    statements = []
    grants = session.rows(_GRANTS_ON_DATABASE, database)
    if session.value("SELECT datacl IS NOT NULL FROM pg_catalog.pg_database WHERE datname = $1", database):
        statements.append(f"REVOKE ALL ON DATABASE {quoted(target)} FROM PUBLIC")
    for privilege, grantee, grantable in grants:
        option = " WITH GRANT OPTION" if grantable else ""
        statements.append(f"GRANT {privilege} ON DATABASE {quoted(target)} TO {grantee}{option}")
    for role, setting in session.rows(_SETTINGS, database):
        name, _, value = str(setting).partition("=")
        whose = f"ROLE {quoted(role)} IN DATABASE" if role else "DATABASE"
        written = value if name in _LISTS else literal(value)
        statements.append(f"ALTER {whose} {quoted(target)} SET {quoted(*name.split('.'))} TO {written or literal('')}")
    said = session.rows(
        """SELECT pg_catalog.shobj_description(oid, 'pg_database'), pg_catalog.pg_get_userbyid(datdba),
                  pg_catalog.pg_get_userbyid(datdba) <> current_user
             FROM pg_catalog.pg_database WHERE datname = $1""",
        database,
    )
    for comment, owner, another in said:
        if comment:
            statements.append(f"COMMENT ON DATABASE {quoted(target)} IS {literal(comment)}")
        if another:  # last, since the rest takes an owner
            statements.append(f"ALTER DATABASE {quoted(target)} OWNER TO {quoted(owner)}")
    return tuple(statements)


def carry_over(session: Session, statements: tuple[str, ...]) -> list[str]:
    """Carry out what can be: objects that the snapshot does not have are passed over. Gives what was refused."""
    refused = []
    for statement in statements:
        try:
            session.execute(statement)
        except SnapshotError as error:
            if "does not exist" not in str(error):
                refused.append(f"{statement}: {error.data.get('detail', error)}")
    return refused
