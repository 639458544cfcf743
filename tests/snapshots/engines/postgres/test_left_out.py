"""What a restore leaves out, and says: objects that the role may not make, and those that miss something."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.worlds.postgres_world import MAJORS, PostgresGame, PostgresWorld, run_sql, server

pytestmark = pytest.mark.server

both_ways = pytest.mark.parametrize("createdb", [True, False], ids=["exchange", "in_place"])
of_a_distribution = pytest.mark.skipif(
    15 not in MAJORS, reason="needs an extension, as PostgreSQL 15 of a distribution has them"
)


@pytest.mark.parametrize(
    ("made", "named"),
    [
        (("CREATE PUBLICATION cdc FOR ALL TABLES",), "publication cdc"),
        (
            (
                "CREATE FUNCTION log() RETURNS event_trigger LANGUAGE plpgsql AS 'begin end'",
                "ALTER FUNCTION log() OWNER TO {role}",
                "CREATE EVENT TRIGGER watch ON ddl_command_end EXECUTE FUNCTION log()",
            ),
            "event trigger watch",
        ),
        (
            (
                "CREATE FUNCTION raw() RETURNS int LANGUAGE internal AS 'pg_backend_pid'",
                "ALTER FUNCTION raw() OWNER TO {role}",
            ),
            "function public.raw()",
        ),
    ],
)
@both_ways
async def test_what_an_administrator_made_is_said_at_now_and_listed(
    tmp_path: Path, made: tuple[str, ...], named: str, createdb: bool
) -> None:
    """The rest is restored; in place, what does not depend on the role's own stays, and is not called left out."""
    world = PostgresWorld(tmp_path, PostgresGame(createdb=createdb))
    run_sql(world.game.superuser, *(statement.replace("{role}", world.game.role) for statement in made))
    before = world.game.contents()
    async with world.opened() as service:
        snapshot = (await service.create()).snapshot
        name = named.rpartition(" ")[2]
        assert any(name in said for said in snapshot.left_out)
        world.game.play()
        report = await service.restore(snapshot.id)
    assert world.game.contents() == before
    stays = not createdb and "publication" in named
    assert [said.partition(":")[0] for said in report.left_out] == ([] if stays else [named])
    assert stays or "To add it: CREATE" in report.left_out[0]


@of_a_distribution
async def test_what_an_administrators_extension_brings_is_left_out_with_it(tmp_path: Path) -> None:
    """A foreign server, and a table with a type of an extension that the role may not create: the rest is restored."""
    world = PostgresWorld(tmp_path, PostgresGame(server(15)))
    run_sql(
        world.game.superuser,
        "CREATE EXTENSION earthdistance CASCADE",
        "CREATE EXTENSION postgres_fdw",
        "CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host 'secret')",
        "CREATE TABLE places (at earth)",
        "INSERT INTO places VALUES (ll_to_earth(1, 2))",
        f"ALTER TABLE places OWNER TO {world.game.role}",
    )
    before = world.game.contents()
    async with world.opened() as service:
        snapshot = (await service.create()).snapshot
        for name in ("earthdistance", "postgres_fdw", "far"):
            assert any(name in said for said in snapshot.left_out)
        world.game.play()
        report = await service.restore(snapshot.id)
    del before["places"]
    assert world.game.contents() == before
    said = {each.partition(":")[0] for each in report.left_out}
    assert said == {
        "extension earthdistance",
        "extension postgres_fdw",
        "server far",
        "table public.places",
        '1 row of "public"."places"',
    }
    assert "secret" not in str(report.left_out)


@both_ways
async def test_a_tablespace_that_is_gone_is_said_and_what_was_in_it_restored(tmp_path: Path, createdb: bool) -> None:
    """It lies in the default one then."""
    world = PostgresWorld(tmp_path, PostgresGame(createdb=createdb))
    space = f"space_{world.game.role}"
    run_sql(world.game.superuser, "SET allow_in_place_tablespaces = on", f"CREATE TABLESPACE {space} LOCATION ''")
    run_sql(world.game.superuser, f"GRANT CREATE ON TABLESPACE {space} TO {world.game.role}")
    run_sql(world.game.url, f"CREATE TABLE spaced TABLESPACE {space} AS SELECT 7 AS a")
    before = world.game.contents()
    async with world.opened() as service:
        snapshot = (await service.create()).snapshot
        run_sql(world.game.superuser, "DROP TABLE spaced")
        run_sql(world.game.superuser, f"DROP TABLESPACE {space}")
        report = await service.restore(snapshot.id)
    assert world.game.contents() == before
    assert [said.partition(":")[0] for said in report.left_out] == [f"tablespace {space}"]


@both_ways
async def test_one_object_that_cannot_be_made_is_no_reason_to_lose_the_others(tmp_path: Path, createdb: bool) -> None:
    """Missing roles, functions that find nothing under an empty search path, rows that contradict a key."""
    world = PostgresWorld(tmp_path, PostgresGame(server(16), createdb=createdb))  # newer ones refuse such functions
    gone = f"gone_{world.game.role}"
    run_sql(
        world.game.superuser,
        f"CREATE ROLE {gone}",
        f"SET ROLE {world.game.role}",
        "CREATE TABLE limits (a int)",
        "INSERT INTO limits VALUES (100)",
        "CREATE FUNCTION capped(i int) RETURNS int IMMUTABLE LANGUAGE plpgsql "
        "AS 'begin return i + (select max(a) from limits); end'",
        "CREATE INDEX by_cap ON users (capped(dust))",
        "ALTER TABLE users ADD CONSTRAINT under CHECK (dust < 900 + capped(dust))",
        "CREATE FUNCTION known(i int) RETURNS bool LANGUAGE plpgsql "
        "AS 'begin return exists (select from public.limits where a > i); end'",
        "CREATE TABLE checked (a int CHECK (known(a)))",
        "INSERT INTO checked VALUES (5)",
        "CREATE FUNCTION fits(i int) RETURNS bool LANGUAGE plpgsql "
        "AS 'begin return i <= (select max(a) from limits); end'",
        "CREATE DOMAIN amount AS int CONSTRAINT small CHECK (fits(value))",
        "COMMENT ON CONSTRAINT small ON DOMAIN amount IS 'as the limits have it'",
        "CREATE TABLE amounts (a amount)",
        "INSERT INTO amounts VALUES (7)",
        "CREATE FUNCTION most() RETURNS int IMMUTABLE LANGUAGE plpgsql "
        "AS 'begin return (select max(a) from limits); end'",
        "CREATE INDEX by_most ON cards ((id + most()))",
        "CREATE MATERIALIZED VIEW capped_users AS SELECT capped(dust) FROM users",
        "CREATE TABLE ruled (a int)",
        "ALTER TABLE ruled ENABLE ROW LEVEL SECURITY",
        f"CREATE POLICY theirs ON ruled TO {gone} USING (true)",
        "CREATE TABLE orphans (user_id int REFERENCES users)",
        "RESET ROLE",
        "SET session_replication_role = replica",
        "INSERT INTO orphans VALUES (4711)",
    )
    before = world.game.contents()
    async with world.opened() as service:
        snapshot = (await service.create()).snapshot
        run_sql(world.game.superuser, "DROP POLICY theirs ON ruled", f"DROP ROLE {gone}")
        report = await service.restore(snapshot.id)
    assert world.game.contents() == before
    said = {each.partition(":")[0]: each for each in report.left_out}
    assert set(said) == {
        "index public.by_cap",
        "index public.by_most",
        "check constraint public.amount.small",
        "check constraint public.users.under",
        "content of the materialized view public.capped_users",
        "policy public.ruled theirs",
        "foreign key public.orphans orphans_user_id_fkey",
    }
    assert "To add it: CREATE INDEX by_cap ON public.users" in said["index public.by_cap"]
    assert "VALIDATE CONSTRAINT" in said["check constraint public.users.under"]
    assert 'ALTER DOMAIN "public"."amount" VALIDATE CONSTRAINT "small"' in said["check constraint public.amount.small"]
    assert f"TO {gone} USING (true);" in said["policy public.ruled theirs"]
