"""Putting a snapshot back for a role that may not create databases: everything in one transaction, in place.

What the role owns is dropped, the dump is loaded, the rows are counted, and only then it is committed: until that
moment everybody else sees the old state, or waits. Extensions stay: the dump's ``CREATE EXTENSION IF NOT EXISTS`` finds
them. What others own in the database stays too.
"""

from __future__ import annotations

from pathlib import Path

from ...errors import DatabaseBusy
from ...progress import Watch
from ..base import ChainFile
from .client_tools import Tools
from .connection import Address
from .database_metadata import of_objects
from .load import Content, Feeder, feed_verified, psql, skipped_extensions
from .session import Session, connected, literal, quoted

__all__ = ["load_in_place"]

_MINE = "(SELECT oid FROM pg_catalog.pg_roles WHERE rolname = current_user)"
_NOT_EXTENSION = "NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.objid = {oid} AND d.deptype IN ('e', 'i'))"
_DROPS = f"""
SELECT 0, format('DROP SCHEMA %I CASCADE', nspname) FROM pg_catalog.pg_namespace n
 WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'public') AND nspowner = {_MINE}
   AND {_NOT_EXTENSION.format(oid="n.oid")}
UNION ALL
SELECT 1, format('DROP %s IF EXISTS %I.%I CASCADE',
                 CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE'
                                WHEN 'f' THEN 'FOREIGN TABLE' ELSE 'TABLE' END, n.nspname, c.relname)
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND c.relpersistence <> 't' AND c.relowner = {_MINE}
   AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND {_NOT_EXTENSION.format(oid="c.oid")}
UNION ALL
SELECT 2, format('DROP ROUTINE IF EXISTS %s CASCADE', p.oid::pg_catalog.regprocedure)
  FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
 WHERE p.proowner = {_MINE} AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
   AND {_NOT_EXTENSION.format(oid="p.oid")}
UNION ALL
SELECT 3, format('DROP TYPE IF EXISTS %I.%I CASCADE', n.nspname, t.typname)
  FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
  LEFT JOIN pg_catalog.pg_class c ON c.oid = t.typrelid
 WHERE t.typowner = {_MINE} AND (t.typtype IN ('e', 'd', 'r') OR t.typtype = 'c' AND c.relkind = 'c')
   AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND {_NOT_EXTENSION.format(oid="t.oid")}
UNION ALL
SELECT 4, format('SELECT pg_catalog.lo_unlink(%s)', oid)
  FROM pg_catalog.pg_largeobject_metadata WHERE lomowner = {_MINE}
ORDER BY 1, 2
"""


def load_in_place(
    part: ChainFile, address: Address, tools: Tools, busy_timeout: float, folder: Path, watch: Watch
) -> Content:
    """Make the database what an archive holds, in one transaction; give what that is.

    Raises SnapshotDamaged, DatabaseBusy where somebody's lock is in the way for ``busy_timeout`` seconds, and what psql
    says. The database is as it was then.
    """
    with connected(address, watch, lock_timeout=busy_timeout) as session:
        drops = [str(statement) for _, statement in session.rows(_DROPS)]
        belongings = of_objects(session)
        skipped = skipped_extensions(session)
        _refuse_foreign(session, address)
    wait = max(1, int(busy_timeout * 1000))
    before = ["BEGIN", "SET search_path = ''", f"SET LOCAL lock_timeout = {wait}", *drops]
    with address.for_programs(folder) as environment, psql(tools, environment, watch) as program:
        feed = Feeder(program, tools, skipped, address.shown)
        feed.write(("; ".join(before) + ";\n").encode())
        content = feed_verified(part, feed, watch)
        last = [_counted(content), *(_tried(statement) for statement in belongings), "COMMIT"]
        feed.finish((";\n".join(last) + ";\n").encode())
    return content


def _refuse_foreign(session: Session, address: Address) -> None:
    """Raise DatabaseBusy where a table is somebody else's: it could neither be dropped nor made again."""
    found = session.rows(
        f"""SELECT n.nspname, c.relname, pg_catalog.pg_get_userbyid(c.relowner)
              FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
             WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND c.relowner <> {_MINE}
               AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
               AND {_NOT_EXTENSION.format(oid="c.oid")} LIMIT 1"""
    )
    for schema, table, owner in found:
        raise DatabaseBusy(
            f"{quoted(schema, table)} in {address.shown} belongs to {owner}, so that this role cannot replace it. "
            "Grant the role CREATEDB, or make it the owner of the game's tables.",
            path=address.shown,
        )


def _counted(content: Content) -> str:
    """Give the statement that fails where a table does not have the rows that the dump has."""
    checks = "\n".join(
        f"IF (SELECT count(*) FROM ONLY {name}) <> {block.rows} THEN "
        f"RAISE EXCEPTION 'the table % does not have its rows', {literal(name)}; END IF;"
        for name, block in content.blocks.items()
    )
    return _block(checks or "NULL;")


def _tried(statement: str) -> str:
    return _block(f"EXECUTE {literal(statement)};\nEXCEPTION WHEN OTHERS THEN NULL;")


def _block(body: str) -> str:
    return f"DO {literal(f'BEGIN {body} END')}"
