"""A schema with nearly everything that PostgreSQL 15 and newer have, and everything that can be told apart about it.

What an extension brings is not in it: only servers of a distribution have extensions.
"""

from __future__ import annotations

import subprocess
from typing import Any

from demonstration import local_postgres
from tests.worlds.postgres_world import PostgresGame, ask, run_sql

__all__ = ["catalogs", "make_everything", "schema_text"]

_OWN = (
    "CREATE SCHEMA shop",
    'CREATE SCHEMA "We ird"',
    "COMMENT ON SCHEMA shop IS 'goods'",
    "CREATE TYPE mood AS ENUM ('sad', 'ok')",
    "CREATE DOMAIN posint AS int CHECK (value > 0)",
    "CREATE TYPE point2 AS (x int, y text)",
    "CREATE TYPE floats AS RANGE (subtype = float8)",
    """CREATE TABLE items (
           id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL, m mood, p posint, c point2, t text[],
           up text GENERATED ALWAYS AS (upper(name)) STORED, price numeric DEFAULT 1.5)""",
    """INSERT INTO items (name, m, p, c, t) VALUES ('a', 'sad', 1, (1, 'x"'), '{a,NULL}'), (E'a''\\\\ \\t', 'ok', 2,
       NULL, '{}')""",
    "CREATE TABLE part (id int, k text) PARTITION BY LIST (k)",
    "CREATE TABLE part_a PARTITION OF part FOR VALUES IN ('a')",
    "CREATE TABLE part_d PARTITION OF part DEFAULT",
    "CREATE INDEX ON part (id)",
    "INSERT INTO part VALUES (1, 'a'), (2, 'b')",
    "CREATE TABLE parent (a int CHECK (a > 0))",
    "CREATE TABLE child (b int) INHERITS (parent)",
    "INSERT INTO child VALUES (1, 2)",
    "CREATE TABLE ring_a (id int PRIMARY KEY, b int)",
    "CREATE TABLE ring_b (id int PRIMARY KEY, a int REFERENCES ring_a DEFERRABLE INITIALLY DEFERRED)",
    "ALTER TABLE ring_a ADD FOREIGN KEY (b) REFERENCES ring_b",
    "INSERT INTO ring_a VALUES (1, NULL)",
    "INSERT INTO ring_b VALUES (1, 1)",
    "UPDATE ring_a SET b = 1",
    "CREATE TABLE unproven (a int)",
    "INSERT INTO unproven VALUES (-1)",
    "ALTER TABLE unproven ADD CONSTRAINT positive CHECK (a > 0) NOT VALID",
    "CREATE UNLOGGED TABLE quick AS SELECT 1 AS a",
    "CREATE MATERIALIZED VIEW counted AS SELECT count(*) FROM items",
    "CREATE MATERIALIZED VIEW unfilled AS SELECT 1 AS a WITH NO DATA",
    "CREATE VIEW named AS SELECT id, name FROM items",
    "CREATE VIEW grouped AS SELECT i.*, count(*) FROM items i GROUP BY i.id",
    "CREATE RULE also AS ON INSERT TO unproven DO ALSO SELECT 1",
    "CREATE SEQUENCE odd START 5 INCREMENT 7 CYCLE",
    "SELECT nextval('odd'), nextval('odd')",
    "CREATE TABLE numbered (id serial PRIMARY KEY, owner text)",
    "CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS 'begin return new; end'",
    "CREATE TRIGGER off BEFORE INSERT ON items FOR EACH ROW EXECUTE FUNCTION noted()",
    "ALTER TABLE items DISABLE TRIGGER off",
    """CREATE FUNCTION atomic(a int) RETURNS int LANGUAGE sql
       BEGIN ATOMIC SELECT CASE WHEN a > 1 THEN 2 ELSE 3 END; SELECT 1; END""",
    "SET check_function_bodies = off",
    """CREATE FUNCTION body() RETURNS void LANGUAGE plpgsql AS $x$begin
CREATE EXTENSION IF NOT EXISTS postgres_fdw WITH SCHEMA public;
COMMENT ON EXTENSION pg_trgm IS 'mine';
-- Data for Name: items; Type: TABLE DATA; Schema: public; Owner: -
COPY public.items (id) FROM stdin;
1
\\.
end; $$ $x$""",
    "CREATE FUNCTION trusted() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'select 1'",
    "REVOKE EXECUTE ON FUNCTION trusted() FROM PUBLIC",
    "CREATE PROCEDURE work(int) LANGUAGE plpgsql AS 'begin null; end'",
    "CREATE AGGREGATE total(int) (SFUNC = int4pl, STYPE = int)",
    "CREATE OPERATOR === (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq)",
    "CREATE STATISTICS related (dependencies) ON id, name FROM items",
    "COMMENT ON TABLE items IS 'it''s'",
    "COMMENT ON COLUMN items.name IS E'a\\nb'",
    'CREATE TABLE "We ird"."x""y" (" a b" int, "c,d" int)',
    "ALTER TABLE ring_a SET (fillfactor = 70)",
    "ALTER TABLE items ALTER name SET STATISTICS 500",
    "ALTER TABLE ring_a CLUSTER ON ring_a_pkey",
    "SELECT lo_from_bytea(4711, '\\xdeadbeef')",
    "CREATE COLLATION plain (LOCALE = 'C')",
    "CREATE TEXT SEARCH CONFIGURATION words (COPY = simple)",
    "CREATE TEXT SEARCH DICTIONARY stems (TEMPLATE = simple, STOPWORDS = english)",
    "ALTER TABLE numbered ENABLE ROW LEVEL SECURITY",
    "CREATE POLICY own_rows ON numbered FOR SELECT TO {other} USING (owner = current_user)",
    "ALTER TABLE parent REPLICA IDENTITY FULL",
    "CREATE PUBLICATION changes FOR TABLE items",
    # Rights: granted, revoked, passed on, by default, and on every kind of object
    "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO {other}",
    "ALTER DEFAULT PRIVILEGES IN SCHEMA shop GRANT USAGE ON SEQUENCES TO {other}",
    "ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC",
    "GRANT SELECT ON items TO {other} WITH GRANT OPTION",
    "GRANT UPDATE (name) ON items TO {other}",
    "GRANT USAGE ON SCHEMA shop TO {other}",
    "REVOKE USAGE ON TYPE mood FROM PUBLIC",
    "GRANT USAGE ON TYPE mood TO {other}",
    "GRANT SELECT ON LARGE OBJECT 4711 TO {other}",
    "CREATE TABLE late (a int)",
    "GRANT INSERT ON late TO {other}",
    "REVOKE ALL ON late FROM {role}",
    "GRANT SELECT ON late TO {role}",
    "CREATE FUNCTION granted() RETURNS int LANGUAGE sql AS 'select 1'",
    "GRANT EXECUTE ON FUNCTION granted() TO {other}",
)
_OF_THE_DATABASE = (
    "ALTER DATABASE {database} SET work_mem = '5MB'",
    "ALTER DATABASE {database} SET search_path = public, shop",
    "ALTER ROLE {role} IN DATABASE {database} SET statement_timeout = '1min'",
    "COMMENT ON DATABASE {database} IS 'the game''s'",
    "ALTER DATABASE {database} CONNECTION LIMIT 50",
    "REVOKE CONNECT ON DATABASE {database} FROM PUBLIC",
    "GRANT CONNECT ON DATABASE {database} TO {other}",
)

_ACL = "ARRAY(SELECT unnest({}::text[]) ORDER BY 1)"
_USER = "n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
_CATALOGS = {
    "relations": f"SELECT n.nspname, relname, relowner::regrole::text, {_ACL.format('relacl')} FROM pg_class c "
    f"JOIN pg_namespace n ON n.oid = relnamespace WHERE {_USER} ORDER BY 1, 2",
    "columns": f"SELECT attrelid::regclass::text, attname, {_ACL.format('attacl')} FROM pg_attribute "
    "WHERE attacl IS NOT NULL AND attrelid >= 16384 ORDER BY 1, 2",
    "routines": f"SELECT oid::regprocedure::text, proowner::regrole::text, {_ACL.format('proacl')}, prosrc "
    "FROM pg_proc WHERE oid >= 16384 ORDER BY 1",
    "types": f"SELECT typname, typowner::regrole::text, {_ACL.format('typacl')} FROM pg_type WHERE oid >= 16384 "
    "ORDER BY 1",
    "schemas": f"SELECT nspname, nspowner::regrole::text, {_ACL.format('nspacl')} FROM pg_namespace n WHERE {_USER} "
    "ORDER BY 1",
    "large objects": f"SELECT oid, lomowner::regrole::text, {_ACL.format('lomacl')}, lo_get(oid) "
    "FROM pg_largeobject_metadata ORDER BY 1",
    "default rights": f"SELECT defaclrole::regrole::text, defaclnamespace::regnamespace::text, defaclobjtype, "
    f"{_ACL.format('defaclacl')} FROM pg_default_acl ORDER BY 1, 2, 3",
    "database": f"SELECT datdba::regrole::text, encoding, datcollate, datctype, datconnlimit, datistemplate, "
    f"{_ACL.format('datacl')}, shobj_description(oid, 'pg_database') FROM pg_database "
    "WHERE datname = current_database()",
    "settings": "SELECT setrole::regrole::text, setconfig FROM pg_db_role_setting "
    "JOIN pg_database d ON d.oid = setdatabase WHERE datname = current_database() ORDER BY 1",
}


def make_everything(game: PostgresGame) -> str:
    """Make the schema in the game's database, owned by its role; return another role that has rights on it."""
    other = f"other_{game.role}"
    run_sql(game.server, f"CREATE ROLE {other} LOGIN")
    names = {"role": game.role, "other": other, "database": game.quoted}
    run_sql(game.url, *(_filled(statement, names) for statement in _OWN))
    run_sql(game.superuser, *(_filled(statement, names) for statement in _OF_THE_DATABASE))
    return other


def _filled(statement: str, names: dict[str, str]) -> str:
    for name, value in names.items():
        statement = statement.replace("{" + name + "}", value)
    return statement


def catalogs(game: PostgresGame) -> dict[str, list[tuple[Any, ...]]]:
    """Return owners, rights and settings of everything in the database, from the catalogs themselves."""
    return {name: ask(game.superuser, query) for name, query in _CATALOGS.items()}


def schema_text(game: PostgresGame, major: int, *options: str) -> str:
    """Return what ``pg_dump --schema-only`` writes of the database, owners and rights included."""
    command: list[str] = [
        str(local_postgres.binaries(major) / "pg_dump"),
        "--schema-only",
        "--restrict-key=x",
        *options,
        game.superuser,
    ]
    output = subprocess.run(command, capture_output=True, check=True).stdout
    return output.decode(errors="surrogateescape")
