"""What the PostgreSQL engine does on real servers, below the service: dumps, checks, crashes, the probe."""

from __future__ import annotations

import contextlib
import gzip
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from core.snapshots.engines import engine_for, probe_for
from core.snapshots.engines.postgres import client_tools
from core.snapshots.errors import (
    DatabaseBusy,
    DatabaseDamaged,
    DatabaseUnavailable,
    DeadlineExceeded,
    NotEnoughSpace,
    SnapshotDamaged,
)
from core.snapshots.progress import Watch
from core.snapshots.settings.database_url import parse
from demonstration import local_postgres
from tests.worlds.chain_world import Chain
from tests.worlds.engine_cases import CHECKS, bounded
from tests.worlds.postgres_world import (
    MAJORS,
    NEWEST,
    PostgresGame,
    ask,
    folder_of,
    fresh_server,
    needs,
    run_sql,
    server,
)

pytestmark = pytest.mark.server


def test_a_function_that_looks_like_a_dump_is_no_table(game: PostgresGame, chain: Chain) -> None:
    """Text in a function's body that reads like COPY is not taken for rows."""
    run_sql(
        game.url,
        "CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $$SELECT '\nCOPY public.users (id) FROM stdin;\n1\n\\.\n'$$",
    )
    chain.take(watch=bounded(30))
    image = chain.rebuild()
    assert chain.engine.check_image(image, CHECKS, bounded(30)).findings == ()
    chain.engine.discard(image, bounded(30))


def test_every_kind_of_table_and_value_comes_back_equal(game: PostgresGame, chain: Chain) -> None:
    """Partitions, heirs, generated columns, other schemas, odd names, odd values, large ones: compared to equality."""
    run_sql(
        game.url,
        'CREATE SCHEMA "The Shop"',
        'CREATE TABLE "The Shop"."Ünïcode ""table"" (x)" ("a,b" text, "c)" double precision, d bytea, e timestamptz)',
        """INSERT INTO "The Shop"."Ünïcode ""table"" (x)" VALUES
           (E'\\\\.\\n\\t\\r\\b', 'NaN', '\\x00ff5c', '2026-01-01 00:00+05'),
           (NULL, 0.1::float8 + 0.2, '', 'infinity')""",
        "CREATE TABLE parted (id int, part text) PARTITION BY LIST (part)",
        "CREATE TABLE parted_a PARTITION OF parted FOR VALUES IN ('a')",
        "CREATE TABLE parted_b PARTITION OF parted FOR VALUES IN ('b')",
        "INSERT INTO parted VALUES (1, 'a'), (2, 'b'), (3, 'b')",
        "CREATE TABLE heir (extra int) INHERITS (cards)",
        "INSERT INTO heir VALUES (900, 'n', 'r', 's', 1)",
        "CREATE TABLE made (a int, b int GENERATED ALWAYS AS (a * 2) STORED)",
        "INSERT INTO made VALUES (1), (2)",
        "CREATE TABLE bare ()",
        "INSERT INTO bare DEFAULT VALUES",
        "CREATE UNLOGGED TABLE quick AS SELECT 1 AS x",
        "CREATE TABLE wide AS SELECT i, repeat(md5(i::text), 400 + i % 7 * 1000) AS t FROM generate_series(1, 60) i",
        "UPDATE wide SET t = t || 'x' WHERE i % 3 = 0",
        "DELETE FROM wide WHERE i % 5 = 0",
        "SELECT lo_from_bytea(0, 'a large object')",
        "CREATE MATERIALIZED VIEW seen AS SELECT count(*) FROM users",
    )
    taken = chain.take(tables=("users", "cards", "PARTED", 'the shop.ünïcode "table" (x)', "nobody"), watch=bounded(30))
    assert taken.rows == {"users": 60, "cards": 33, "PARTED": 3, 'the shop.ünïcode "table" (x)': 2}
    text = gzip.decompress(Path(chain.parts[-1].path).read_bytes()).decode()
    assert '"\\"public\\".\\"heir\\"":{"rows":1,' in text
    image = chain.rebuild()
    chain.engine.discard(image, bounded(30))
    again = chain.take(skip_unchanged=True, watch=bounded(30))
    assert again.unchanged


def test_a_dump_waits_for_a_lock_only_so_long(game: PostgresGame, chain: Chain) -> None:
    """Behind a change of the schema that never ends, pg_dump gives up; nothing is left."""
    with game.session("BEGIN", "LOCK TABLE cards IN ACCESS EXCLUSIVE MODE"), pytest.raises(DatabaseBusy):
        chain.take(watch=bounded(60))
    assert chain.unfinished() == []


@pytest.mark.kill
def test_a_dump_ends_at_its_deadline_also_where_pg_dump_waits(game: PostgresGame, tmp_path: Path) -> None:
    """A deadline shorter than the patience for locks ends the program too."""
    chain = Chain(tmp_path / "taken", engine_for(parse(game.url), 60.0))
    with game.session("BEGIN", "LOCK TABLE cards IN ACCESS EXCLUSIVE MODE"), pytest.raises(DeadlineExceeded):
        chain.take(watch=bounded(1.5))
    assert chain.unfinished() == []
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = $1 AND application_name IN ('savepoint', 'pg_dump')"
    assert ask(game.server, query, game.name) == [(0,)]


@pytest.mark.kill
def test_a_dump_stops_before_it_fills_the_disk(game: PostgresGame, chain: Chain) -> None:
    """What the watch says of the free space ends the dump, and its file goes."""

    def full() -> None:
        raise NotEnoughSpace("full", free=0, needed=0, minimum=0)

    run_sql(
        game.url,
        "CREATE TABLE noise AS SELECT i % 20000 AS n, string_agg(md5(i::text), '') FROM generate_series(1, 1200000) i "
        "GROUP BY 1",
    )
    with pytest.raises(NotEnoughSpace):
        chain.take(watch=Watch(space=full))
    assert chain.unfinished() == []


@contextlib.contextmanager
def small_disk(place: Path, owner: Path) -> Iterator[None]:
    """Mount a file system of 40 MB at a folder, for the user to whom another one belongs; a named skip where not."""
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", place], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.decode().strip()}")
    try:
        os.chown(place, owner.stat().st_uid, owner.stat().st_gid)
        yield
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


@pytest.mark.skipif(sys.platform != "linux", reason="mounts a small disk, as only Linux does it")
def test_a_server_whose_disk_is_full_says_so_and_keeps_the_old_database(tmp_path: Path) -> None:
    """There is no room for a second database: the scratch database goes, the game's stays and takes writers."""
    with fresh_server() as url, small_disk(folder_of(url).parent / "small", folder_of(url)):
        own = PostgresGame(url)
        own.create()
        run_sql(url, f"CREATE TABLESPACE small LOCATION '{folder_of(url).parent / 'small'}'")
        run_sql(url, f"ALTER DATABASE {own.name} SET TABLESPACE small")
        run_sql(url, f"GRANT CREATE ON TABLESPACE small TO {own.role}")
        own.execute("INSERT INTO cards SELECT i, 'x', 'y', repeat('story ', 300) FROM generate_series(100, 8500) i")
        chain = Chain(tmp_path / "taken", engine_for(parse(own.url), 1.0))
        chain.take(watch=bounded(30))
        before = own.contents()
        with pytest.raises(NotEnoughSpace, match="server's disk is full"):
            chain.rebuild()
        assert own.leftovers() == set()
        assert own.contents() == before
        own.play()


def test_what_pg_dump_leaves_out_is_never_published(game: PostgresGame, tmp_path: Path) -> None:
    """Whatever pg_dump gives is compared with what the server counts: here it was told to leave a table out."""
    folder = tmp_path / "programs"
    folder.mkdir()
    real = local_postgres.binaries(NEWEST)
    (folder / "pg_dump").write_text(f'#!/bin/sh\nexec {real}/pg_dump --exclude-table=users "$@"\n')
    (folder / "pg_dump").chmod(0o755)
    (folder / "psql").symlink_to(real / "psql")
    chain = Chain(tmp_path / "taken", engine_for(parse(game.url), 1.0))
    with pytest.MonkeyPatch.context() as patched:
        tools = client_tools.Tools(str(folder), NEWEST, 99)
        patched.setattr(client_tools, "installed", lambda: iter([tools]))
        with pytest.raises(DatabaseDamaged, match='"users" is missing'):
            chain.take(watch=bounded(30))
    assert chain.unfinished() == []


@pytest.mark.skipif(15 not in MAJORS, reason="needs an extension, as PostgreSQL 15 of a distribution brings them")
def test_a_table_of_an_extension_is_neither_counted_nor_compared(tmp_path: Path) -> None:
    """A dump has only the rows that the extension calls the user's: that the server counts more is no damage."""
    own = PostgresGame(server(15))
    own.create()
    run_sql(
        own.superuser,
        "CREATE EXTENSION hstore",
        "CREATE TABLE places AS SELECT i FROM generate_series(1, 9) i",
        f"GRANT SELECT ON places TO {own.role}",
        "ALTER EXTENSION hstore ADD TABLE places",
        "UPDATE pg_extension SET extconfig = ARRAY['places'::regclass::oid], extcondition = ARRAY['WHERE i > 7'] "
        "WHERE extname = 'hstore'",
    )
    chain = Chain(tmp_path / "taken", engine_for(parse(own.url), 1.0))
    chain.take(watch=bounded(30))
    text = gzip.decompress(Path(chain.parts[-1].path).read_bytes())
    assert b'"\\"public\\".\\"places\\"":{"rows":2,' in text
    assert text.count(b'"own":false') == 1
    chain.engine.verify(chain.chain(), chain.scratch, bounded(30))


@pytest.mark.parametrize(
    ("body", "problem"),
    [("NEW.card_id = 1; RETURN NEW;", "has another content"), ("RETURN NULL;", "has 0 rows where 60 were counted")],
)
def test_a_copy_that_is_not_equal_is_no_proof(game: PostgresGame, chain: Chain, body: str, problem: str) -> None:
    """The archive is sound and psql takes it, yet a trigger changes or drops rows: the comparison finds it."""
    from core.snapshots.archive import full

    chain.take(watch=bounded(30))
    part = chain.parts[-1]
    text = gzip.decompress(Path(part.path).read_bytes())
    text = text.replace(
        b"CREATE TABLE public.user_cards",
        b"CREATE FUNCTION public.g() RETURNS trigger LANGUAGE plpgsql AS "
        b"$$BEGIN " + body.encode() + b" END$$;\nCREATE TABLE public.user_cards",
    )
    text = text.replace(
        b"--\n-- Data for Name: user_cards;",
        b"CREATE TRIGGER t BEFORE INSERT ON public.user_cards FOR EACH ROW EXECUTE FUNCTION public.g();\n\n"
        b"--\n-- Data for Name: user_cards;",
    )
    path = Path(part.path).with_name("changed")
    tail = full.write_full(path, [text], full.read_head(Path(part.path)), {}, Watch())
    changed = msgspec.structs.replace(part, path=str(path), fingerprint=tail.fingerprint, size=tail.size)
    chain.engine.verify((changed,), chain.scratch, bounded(30))
    with pytest.raises(SnapshotDamaged, match=f'"user_cards" {problem}'):
        chain.engine.rebuild((changed,), chain.scratch / "image", bounded(30))
    assert game.leftovers() == set()


def _only(majors: set[int]) -> Iterator[client_tools.Tools]:
    return (tools for tools in list(client_tools.installed()) if tools.major in majors)


@pytest.mark.parametrize("major", [needs(16), needs(18)])
def test_old_and_new_programs_against_another_server(tmp_path: Path, major: int) -> None:
    """A pg_dump older than the server, or one whose dump could not be restored, is refused with what to install."""
    own = PostgresGame(server(major))
    own.create()
    others = tuple(_only({16, 18} - {major}))
    assert others
    chain = Chain(tmp_path / "taken", engine_for(parse(own.url), 1.0))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(client_tools, "installed", lambda: iter(others))
        with pytest.raises(DatabaseUnavailable, match=f"postgresql-client-{major}"):
            chain.take(watch=bounded(30))
    assert chain.unfinished() == []
    chain.take(watch=bounded(30))


# The probe


async def test_the_status_names_the_programs_or_what_to_install(
    game: PostgresGame, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One sentence with versions and place; where nothing fits, the package."""
    probe = probe_for(parse(game.url))
    try:
        (said,) = await probe.remarks()
        assert said.startswith(f"PostgreSQL {NEWEST}, with pg_dump and psql {NEWEST}.")
        monkeypatch.setattr(client_tools, "installed", lambda: iter(()))
        (said,) = await probe.remarks()
        assert f"postgresql-client-{NEWEST}" in said
    finally:
        await probe.close()


async def test_restore_points_are_made_where_they_are_allowed(tmp_path: Path) -> None:
    """Each critical event names its moment in the server's log; without the right or the log, one sentence says why."""
    from tests.worlds.postgres_world import PostgresWorld

    with local_postgres.running(NEWEST, wal_level="replica") as url:
        own = PostgresGame(url)
        world = PostgresWorld(tmp_path, own)
        from core.snapshots import Kind

        async with world.opened(database={"restore_points": True}) as service:
            await service.request(Kind.CRITICAL, "first").wait()
            await service.request(Kind.CRITICAL, "second").wait()
            told = [str(error) for operation, error in world.heard.failures if operation == "restore point"]
            assert len(told) == 1
            assert "GRANT EXECUTE ON FUNCTION" in told[0]
            run_sql(own.superuser, f"GRANT EXECUTE ON FUNCTION pg_create_restore_point(text) TO {own.role}")
            await service.request(Kind.CRITICAL, "marketplace_buy_42").wait()
        log = (folder_of(url).parent / "log").read_text()
    assert re.search(r'restore point "marketplace-buy-42_20261123T\d{9}" created', log)
    quiet = PostgresGame()
    quiet.create()
    run_sql(quiet.superuser, f"GRANT EXECUTE ON FUNCTION pg_create_restore_point(text) TO {quiet.role}")
    probe = probe_for(parse(quiet.url))
    with pytest.raises(DatabaseUnavailable, match="wal_level"):
        await probe.create_restore_point("x")
    await probe.close()
