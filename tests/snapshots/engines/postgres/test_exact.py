"""A restore brings back the schema, its meaning, owners, rights and settings exactly, or says what is not as it was."""

from __future__ import annotations

import gzip
import re
import subprocess
from pathlib import Path

import msgspec
import pytest

from core.snapshots import Level
from core.snapshots.archive import full
from core.snapshots.engines.postgres.metadata.model import DatabaseObject, Setting
from core.snapshots.engines.postgres.plain_dump.scanner import Manifest, manifest_lines
from core.snapshots.models import RestoreReport
from core.snapshots.progress import Watch
from demonstration import local_postgres
from tests.worlds.postgres_everything import catalogs, make_everything, schema_text
from tests.worlds.postgres_world import (
    EXPECTED,
    MAJORS,
    PostgresGame,
    PostgresWorld,
    ask,
    needs,
    run_sql,
    server,
    with_database,
)

pytestmark = pytest.mark.server

every_version = pytest.mark.parametrize("major", [needs(major) for major in EXPECTED])
both_ways = pytest.mark.parametrize("createdb", [True, False], ids=["exchange", "in_place"])

of_a_distribution = pytest.mark.skipif(
    15 not in MAJORS, reason="needs an extension, as PostgreSQL 15 of a distribution has them"
)


async def restored(world: PostgresWorld, *between: str) -> RestoreReport:
    """Take a snapshot, execute statements as a superuser on the server, and restore it."""
    async with world.opened() as service:
        snapshot = (await service.create()).snapshot
        run_sql(world.game.server, *between)
        return await service.restore(snapshot.id)


@every_version
@both_ways
async def test_a_schema_with_everything_comes_back_exactly(tmp_path: Path, major: int, createdb: bool) -> None:
    """pg_dump -s, and the catalogs of owners, rights and settings, are the same before and after."""
    world = PostgresWorld(tmp_path, PostgresGame(server(major), createdb=createdb))
    make_everything(world.game)
    before, text = catalogs(world.game), schema_text(world.game, major)
    report = await restored(world)
    assert report.left_out == ()
    assert catalogs(world.game) == before
    assert schema_text(world.game, major) == text


async def test_a_database_that_was_dropped_comes_back_with_its_properties(tmp_path: Path) -> None:
    """Encoding, locale, owner, rights, settings, comment and limit travel in the archive."""
    game = PostgresGame()
    world = PostgresWorld(tmp_path, game)
    game.remove()
    run_sql(
        game.server,
        f"CREATE DATABASE {game.quoted} OWNER {game.role} ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' "
        "TEMPLATE template0",
    )
    make_everything(game)
    before, text = catalogs(game), schema_text(game, max(MAJORS))
    report = await restored(world, f"DROP DATABASE {game.quoted} WITH (FORCE)")
    assert report.left_out == ()
    assert catalogs(game) == before
    assert schema_text(game, max(MAJORS)) == text


async def test_rights_that_changed_after_the_snapshot_go_back(tmp_path: Path) -> None:
    """What was granted since is revoked, and what was revoked is granted."""
    world = PostgresWorld(tmp_path)
    other = make_everything(world.game)
    before = catalogs(world.game)
    async with world.opened() as service:
        snapshot = (await service.create()).snapshot
        run_sql(
            world.game.url,
            "GRANT EXECUTE ON FUNCTION trusted() TO PUBLIC",
            f"REVOKE ALL ON items FROM {other} CASCADE",
            f"GRANT ALL ON SCHEMA shop TO {other}",
            f"ALTER DEFAULT PRIVILEGES REVOKE SELECT ON TABLES FROM {other}",
            f"ALTER DATABASE {world.game.quoted} RESET work_mem",
        )
        report = await service.restore(snapshot.id)
    assert report.left_out == ()
    assert catalogs(world.game) == before


async def test_what_the_role_may_not_give_back_is_listed_with_the_statement(tmp_path: Path) -> None:
    """Another role's view: kept by a member of that role; for anybody else the report says whose it was."""
    world = PostgresWorld(tmp_path)
    other = f"other_{world.game.role}"
    run_sql(world.game.superuser, f"CREATE ROLE {other}", "CREATE VIEW seen AS SELECT id FROM users")
    run_sql(world.game.superuser, f"ALTER VIEW seen OWNER TO {other}", f"GRANT SELECT ON seen TO {world.game.role}")
    before = catalogs(world.game)
    (said,) = (await restored(world)).left_out
    assert said.startswith(f"view public.seen belongs to {world.game.role} and belonged to {other}")
    assert f'ALTER VIEW public.seen OWNER TO "{other}";' in said
    run_sql(world.game.superuser, f"ALTER VIEW seen OWNER TO {other}", f"GRANT SELECT ON seen TO {world.game.role}")
    run_sql(world.game.superuser, f"GRANT {other} TO {world.game.role}")
    assert (await restored(world)).left_out == ()
    assert catalogs(world.game)["relations"] == before["relations"]


@every_version
async def test_another_roles_view_keeps_its_owner_in_place(tmp_path: Path, major: int) -> None:
    """With all that it needs, whatever lies between: views, keys, functions, types, defaults, partitions."""
    world = PostgresWorld(tmp_path, PostgresGame(server(major), createdb=False))
    other, game = make_everything(world.game), world.game
    run_sql(
        game.url,
        "CREATE FUNCTION doubled(i int) RETURNS int IMMUTABLE LANGUAGE sql AS 'select 2 * i'",
        "CREATE VIEW own AS SELECT u.*, doubled(dust) AS twice FROM users u",
        "CREATE TRIGGER noted BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION noted()",
        "CREATE INDEX by_double ON users (doubled(dust))",
    )
    run_sql(
        game.superuser,
        "CREATE VIEW theirs AS SELECT o.name, g.count, n.id, p.k, i.t "
        "FROM own o, grouped g, numbered n, part p, items i",
        "CREATE VIEW theirs_too AS SELECT u.*, count(*) FROM users u, user_cards c WHERE user_id = u.id GROUP BY u.id",
        *(f"ALTER VIEW {view} OWNER TO {other}" for view in ("theirs", "theirs_too")),
        *(f"GRANT SELECT ON {view} TO {game.role}" for view in ("theirs", "theirs_too")),
    )
    before, text, rows = catalogs(game), schema_text(game, major), game.contents()
    async with world.opened() as service:
        snapshot = (await service.create()).snapshot
        game.play()
        run_sql(game.url, "CREATE INDEX since ON users (dust)", "DROP INDEX by_double", "DELETE FROM numbered")
        assert (await service.restore(snapshot.id)).left_out == ()
    assert (catalogs(game), game.contents()) == (before, rows)
    assert schema_text(game, major) == text
    run_sql(game.url, "ALTER TABLE users ADD COLUMN since int DEFAULT 5")
    async with world.opened() as service:
        said = (await service.restore(snapshot.id)).left_out
    assert game.contents() == rows
    assert [each.split(" belongs to ")[0] for each in said] == ["view public.theirs", "view public.theirs_too"]


async def test_a_grant_on_a_function_of_the_server_is_listed(tmp_path: Path) -> None:
    """Rights on what the server brings belong to the database, and only a superuser can give them."""
    world = PostgresWorld(tmp_path)
    run_sql(world.game.superuser, f"GRANT EXECUTE ON FUNCTION pg_create_restore_point(text) TO {world.game.role}")
    (said,) = (await restored(world)).left_out
    assert "GRANT EXECUTE ON ROUTINE pg_catalog.pg_create_restore_point(pg_catalog.text) TO" in said


async def test_a_constraint_that_the_server_words_differently_is_said_to_mean_the_same(tmp_path: Path) -> None:
    """After being made again, some texts differ: the report is empty only if pg_dump -s is the same."""
    world = PostgresWorld(tmp_path)
    run_sql(world.game.url, "CREATE TABLE kinds (k varchar(9) CHECK (k IN ('a', 'b')))")
    (said,) = (await restored(world)).left_out
    assert said.startswith("table constraint kinds_k_check on public.kinds is worded differently")
    assert (await restored(world)).left_out == ()


@of_a_distribution
@pytest.mark.parametrize(
    "condition",
    [
        "a IS DISTINCT FROM b",
        "NULLIF(a, b) IS NULL",
        "CASE a WHEN b THEN true ELSE false END",
        "(a, 1) IN (SELECT b, 1)",
    ],
)
async def test_a_view_whose_meaning_a_dump_changes_is_named(tmp_path: Path, condition: str) -> None:
    """Operators that a dump names without their schema are others under its empty search path."""
    world = PostgresWorld(tmp_path, PostgresGame(server(15)))
    run_sql(world.game.superuser, "CREATE EXTENSION citext", "CREATE TABLE names (a citext, b citext)")
    run_sql(world.game.superuser, f"ALTER TABLE names OWNER TO {world.game.role}")
    run_sql(world.game.url, f"CREATE VIEW renamed AS SELECT a FROM names WHERE {condition}")
    async with world.opened() as service:
        snapshot = (await service.create()).snapshot
        report = await service.verify(snapshot.id, Level.RESTORED)
        assert report.ok
        (said,) = [finding.message for finding in report.findings]
        assert said.startswith("view public.renamed")
        assert (await service.restore(snapshot.id)).left_out == (said,)


@of_a_distribution
async def test_an_administrators_extensions_in_the_games_schema_survive_in_place(tmp_path: Path) -> None:
    """They stay with what they hold; nothing is dropped with its schema."""
    world = PostgresWorld(tmp_path, PostgresGame(server(15), createdb=False))
    run_sql(
        world.game.superuser,
        f"CREATE SCHEMA tools AUTHORIZATION {world.game.role}",
        "CREATE EXTENSION pg_buffercache SCHEMA tools",
        "CREATE EXTENSION earthdistance SCHEMA tools CASCADE",
        "CREATE TABLE places (id int, at tools.earth)",
        f"ALTER TABLE places OWNER TO {world.game.role}",
    )
    before, extensions = catalogs(world.game), ask(world.game.superuser, "SELECT oid, extname FROM pg_extension")
    assert (await restored(world)).left_out == ()
    assert ask(world.game.superuser, "SELECT oid, extname FROM pg_extension") == extensions
    assert catalogs(world.game)["schemas"] == before["schemas"]


async def test_the_documented_line_loads_a_dump_with_large_objects(tmp_path: Path) -> None:
    """Into a new database, without Savepoint, and without claiming to be one transaction."""
    page = (Path(__file__).parents[4] / "docs" / "postgresql.md").read_text()
    line = re.search(r"gunzip -c backups/latest.sql.gz \| psql (?P<options>[^`]*)-d restored`", page)
    assert line is not None
    world = PostgresWorld(tmp_path)
    run_sql(world.game.url, "SELECT lo_from_bytea(4711, '\\xdeadbeef')")
    async with world.opened() as service:
        await service.create()
    copy = f"{world.game.name}_copy"
    run_sql(world.game.server, f"CREATE DATABASE {copy}")
    target = with_database(world.game.server, copy)
    psql = [str(local_postgres.binaries(max(MAJORS)) / "psql"), *line["options"].split(), "-q", "-d", target]
    dump = gzip.decompress((world.repository / "latest.sql.gz").read_bytes())
    subprocess.run(psql, input=dump, stdout=subprocess.DEVNULL, check=True)
    assert world.game.contents(copy) == world.game.contents()
    assert ask(target, "SELECT lo_get(4711)") == [(b"\xde\xad\xbe\xef",)]


@both_ways
async def test_what_others_own_stays_where_nothing_of_it_is_in_the_way(tmp_path: Path, createdb: bool) -> None:
    """Others' functions, collations and operators that exist already are met, not fallen over."""
    world = PostgresWorld(tmp_path, PostgresGame(createdb=createdb))
    other = f"other_{world.game.role}"
    run_sql(
        world.game.superuser,
        f"CREATE ROLE {other}",
        f"GRANT CREATE ON SCHEMA public TO {other}",
        f"GRANT {other} TO {world.game.role}",
        f"SET ROLE {other}",
        "CREATE FUNCTION report() RETURNS int LANGUAGE sql AS 'select 1'",
        "CREATE COLLATION theirs (LOCALE = 'C')",
        "CREATE TYPE level AS ENUM ('low', 'high')",
        "CREATE OPERATOR === (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq)",
        "CREATE TEXT SEARCH CONFIGURATION their_words (COPY = simple)",
    )
    before = catalogs(world.game)
    assert (await restored(world)).left_out == ()
    assert catalogs(world.game) == before


async def test_names_in_a_manifest_are_never_statements(tmp_path: Path) -> None:
    """An archive that somebody else wrote can name objects in any way: nothing of it is executed by itself."""
    world = PostgresWorld(tmp_path)
    async with world.opened() as service:
        snapshot = (await service.create()).snapshot
        path, text = world.file_of(snapshot), world.text_of(snapshot)
        head = full.read_head(path)
        evil = DatabaseObject(
            "function",
            "pg_catalog.now() TO PUBLIC; CREATE TABLE public.evil (); --",
            "postgres",
            ("=X/postgres",),
            foreign=True,
        )
        found = text.rindex(b"-- Savepoint manifest: ")
        manifest = msgspec.json.decode(text[found:].partition(b": ")[2], type=Manifest)
        assert manifest.metadata is not None
        metadata = msgspec.structs.replace(
            manifest.metadata,
            objects=(*manifest.metadata.objects, msgspec.structs.replace(evil, initial=("postgres=X/postgres",))),
            database=msgspec.structs.replace(
                manifest.metadata.database,
                settings=(Setting("search_path", "public; CREATE TABLE public.evil ()"),),
            ),
        )
        path.unlink()
        lines = manifest_lines(msgspec.structs.replace(manifest, metadata=metadata))
        full.write_full(path, [text[:found], lines.lstrip(b"\n")], head, snapshot.rows, Watch())
        await service.rebuild_catalog()
        await service.restore(snapshot.id)
    assert ask(world.game.superuser, "SELECT to_regclass('public.evil')") == [(None,)]
