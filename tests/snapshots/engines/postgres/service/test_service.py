"""A PostgreSQL database behind the same service: what a bot's owner gets, on every version that is installed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from core.snapshots import (
    DatabaseBusy,
    DatabaseUnavailable,
    Kind,
    Level,
    Method,
    Progress,
    RestoreTestUnavailable,
)
from demonstration import local_postgres
from tests.worlds.postgres_world import (
    EXPECTED,
    MAJORS,
    PostgresGame,
    PostgresWorld,
    ask,
    databases_of,
    needs,
    run_sql,
    server,
    with_database,
)
from tests.worlds.service_world import ids

pytestmark = pytest.mark.server

every_version = pytest.mark.parametrize("major", [needs(major) for major in EXPECTED])


def test_a_server_is_there_to_be_tested_on() -> None:
    """Without any server the PostgreSQL tests would all be skipped: that is a failure, not a silence."""
    assert set(MAJORS) >= {16, 18}, "pip install -r requirements-dev.txt brings PostgreSQL 16 and 18"


@every_version
async def test_a_snapshot_put_back_gives_every_row_again(tmp_path: Path, major: int) -> None:
    """Snapshot, list, verify, play on, restore: every row is as it was, and what was there is kept."""
    world = PostgresWorld(tmp_path, PostgresGame(server(major)))
    before = world.game.contents()
    async with world.opened() as service:
        snapshot = (await service.create()).snapshot
        assert ids(await service.list()) == [snapshot.id]
        assert snapshot.rows == {table: len(rows) for table, rows in before.items()}
        assert (await service.verify(snapshot.id, Level.RESTORED)).ok
        world.game.play()
        later = world.game.contents()
        plan = await service.restore_plan(snapshot.id)
        assert plan.method is Method.EXCHANGE
        report = await service.restore(snapshot.id, agreed=plan.token)
        assert report.integrity is not None
        assert (report.ok, report.identical, report.integrity.findings) == (True, True, ())
        assert world.game.contents() == before
        assert report.quarantine is not None
        assert world.game.leftovers() == {report.quarantine}
        run_sql(world.game.server, f'ALTER DATABASE "{report.quarantine}" ALLOW_CONNECTIONS true')
        assert world.game.contents(report.quarantine) == later
    world.game.play()


@every_version
async def test_gunzip_and_psql_restore_a_snapshot(tmp_path: Path, major: int) -> None:
    """Without Savepoint: latest.sql.gz is a plain dump that psql takes, stopping at no error."""
    world = PostgresWorld(tmp_path, PostgresGame(server(major)))
    async with world.opened() as service:
        await service.create()
    copy = f"{world.game.name}_copy"
    run_sql(world.game.server, f"CREATE DATABASE {copy}")
    psql = local_postgres.binaries(major) / "psql"
    target = with_database(world.game.server, copy)
    with (
        subprocess.Popen(["gunzip", "-c", world.repository / "latest.sql.gz"], stdout=subprocess.PIPE) as unpacked,
        subprocess.Popen(
            [psql, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", target], stdin=unpacked.stdout, stdout=subprocess.DEVNULL
        ) as loading,
    ):
        assert (unpacked.wait(), loading.wait()) == (0, 0)
    assert world.game.contents(copy) == world.game.contents()


async def test_the_safety_snapshot_undoes_a_restore(tmp_path: Path) -> None:
    """It is a snapshot like any other; what the first restore kept makes room for what the second keeps."""
    world = PostgresWorld(tmp_path)
    async with world.opened() as service:
        snapshot = (await service.create()).snapshot
        world.game.play()
        later = world.game.contents()
        report = await service.restore(snapshot.id)
        assert report.safety is not None
        phases: set[str] = set()

        def seen(progress: Progress) -> None:
            phases.add(progress.phase)

        again = await service.restore(report.safety.id, on_progress=seen)
        assert "load" not in phases  # the very database that was kept came back
        assert (await service.get(report.safety.id)).restored_at is None  # which proves nothing of the archive
        assert world.game.contents() == later
        assert world.game.leftovers() == {again.quarantine}
        assert (await service.verify(snapshot.id, Level.RESTORED, on_progress=seen)).ok
        assert "load" in phases  # a proof is always made from the archive
        phases.clear()
        # One that differs from the snapshot in a single value is not taken for it.
        run_sql(world.game.server, f'ALTER DATABASE "{again.quarantine}" ALLOW_CONNECTIONS true')
        kept = with_database(world.game.server, str(again.quarantine))
        run_sql(kept, "UPDATE cards SET story = 'another' WHERE id = 7")
        assert again.safety is not None
        await service.restore(again.safety.id, on_progress=seen)
        assert "load" in phases
        world.game.play()


async def test_a_name_with_a_quote_is_a_name(tmp_path: Path) -> None:
    """A database called by characters that SQL, shells and service files care about goes the whole way."""
    game = PostgresGame(name='it\'s "the" game; $(reboot) =1 \\ é' + "x" * 20)
    world = PostgresWorld(tmp_path, game)
    before = game.contents()
    async with world.opened() as service:
        snapshot = (await service.create()).snapshot
        game.play()
        report = await service.restore(snapshot.id)
    assert game.contents() == before
    assert report.quarantine in databases_of(game.server)


async def test_unchanged_is_told_by_the_log_and_by_the_dump(tmp_path: Path) -> None:
    """The probe's token saves the dump; where it moved for nothing, the dump itself shows that nothing changed."""
    world = PostgresWorld(tmp_path)
    async with world.opened() as service:
        first = await service.create(Kind.PERIODIC)
        again = await service.create(Kind.PERIODIC)
        run_sql(world.game.server, "CREATE DATABASE elsewhere", "DROP DATABASE elsewhere")
        third = await service.create(Kind.PERIODIC)
        assert (first.unchanged, again.unchanged, third.unchanged) == (False, True, True)
        world.game.play()
        assert not (await service.create(Kind.PERIODIC)).unchanged


@contextlib.contextmanager
def _looking_at_processes(*secrets: str) -> Iterator[tuple[set[str], list[str]]]:
    """Look at every process of this machine again and again: which programs ran, and where a secret was seen."""
    seen: set[str] = set()
    leaks: list[str] = []
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            for process in Path("/proc").glob("[0-9]*"):
                if process.name == str(os.getpid()):
                    continue
                with contextlib.suppress(OSError):
                    command = (process / "cmdline").read_bytes()
                    seen.add(command.split(b"\0")[0].decode(errors="replace").rpartition("/")[2])
                    for what, content in (("cmdline", command), ("environ", (process / "environ").read_bytes())):
                        if any(secret.encode() in content for secret in secrets):
                            leaks.append(f"{what} of {command!r}")
            done.wait(0.003)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen, leaks
    finally:
        done.set()
        thread.join()


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="only Linux shows other processes in /proc")
async def test_no_process_log_line_or_file_shows_the_password(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The password works (the server asks for it), and nobody else gets to see it."""
    caplog.set_level("DEBUG")
    game = PostgresGame()
    world = PostgresWorld(tmp_path, game, url=game.tcp_url)
    monkeypatch.setenv("DATABASE_URL", game.tcp_url)
    number = game.role.removeprefix("role_")
    raw, encoded = f"w/o\\rd?#{number}", f"w%2Fo%5Crd%3F%23{number}"
    assert raw in game.password
    assert encoded in game.tcp_url
    with _looking_at_processes(raw, encoded) as (seen, leaks):
        async with world.opened() as service:
            snapshot = (await service.create()).snapshot
            await service.restore(snapshot.id)
            status = await service.status()
            broken = world.service(database={"url": game.tcp_url.replace(game.role, "nobody")})
            with pytest.raises(DatabaseUnavailable) as caught:
                await broken.integrity()
    assert "pg_dump" in seen
    assert leaks == []
    for text in (caplog.text, repr(status), repr(caught.value.to_wire())):
        assert "w/o" not in text
        assert "w%2Fo" not in text
    for path in world.repository.rglob("*"):
        if path.is_file():
            assert b"w/o\\rd" not in path.read_bytes(), path
            assert b"w%2Fo" not in path.read_bytes(), path


async def test_a_pool_lives_through_a_restore(tmp_path: Path) -> None:
    """The game's connections are cut once with the server's own message; the pool then connects to the restored one."""
    world = PostgresWorld(tmp_path)
    before = world.game.contents()
    async with world.opened() as service, asyncpg.create_pool(world.game.url, min_size=2, max_size=4) as pool:
        snapshot = (await service.create()).snapshot
        await pool.execute("UPDATE users SET dust = 0")
        restoring = asyncio.create_task(service.restore(snapshot.id))
        cut = (asyncpg.AdminShutdownError, asyncpg.ConnectionDoesNotExistError)
        with pytest.raises(cut, match="terminating connection due to administrator command"):
            await pool.fetchval("SELECT pg_sleep(600)")
        assert (await restoring).identical
        for _ in range(4):  # a connection that was idle then notices when it is used
            with contextlib.suppress(asyncpg.PostgresConnectionError, asyncpg.InterfaceError, OSError):
                await pool.fetchval("SELECT 1")
        assert await pool.fetchval("SELECT sum(dust) FROM users") == sum(row[2] for row in before["users"])


async def test_a_role_without_createdb_restores_in_place_and_never_claims_a_test_restore(tmp_path: Path) -> None:
    """``restored`` is refused with the reason; a restore happens in one transaction, and is proven afterwards."""
    world = PostgresWorld(tmp_path, PostgresGame(createdb=False))
    world.game.execute("CREATE VIEW rich AS SELECT id FROM users WHERE dust > 10; CREATE TYPE mood AS ENUM ('ok')")
    run_sql(world.game.superuser, f"ALTER VIEW rich OWNER TO {world.game.role}")
    run_sql(world.game.superuser, f"ALTER TYPE mood OWNER TO {world.game.role}")
    before = world.game.contents()
    async with world.opened() as service:
        snapshot = (await service.create()).snapshot
        with pytest.raises(RestoreTestUnavailable, match="may not create databases"):
            await service.verify(snapshot.id, Level.RESTORED)
        due = await service.verify_due()
        assert due is not None
        assert (due.level, due.ok) == (Level.CHECKSUM, True)
        assert await service.verify_due() is None
        assert (await service.get(snapshot.id)).restored_at is None
        world.game.play()
        plan = await service.restore_plan(snapshot.id)
        assert plan.method is Method.ONLINE
        report = await service.restore(snapshot.id)
        assert (report.identical, report.quarantine) == (True, None)
        assert (await service.get(snapshot.id)).restored_at is None
        assert world.game.contents() == before
        assert world.game.leftovers() == set()
        world.game.play()
        # Whoever is in the way for too long keeps the old state for everybody.
        now = world.game.contents()
        with world.game.session("BEGIN", "SELECT * FROM users"), pytest.raises(DatabaseBusy):
            await PostgresWorld.service(world, database={"busy_timeout": 0.5}).restore(snapshot.id)
        assert world.game.contents() == now


async def test_grants_and_settings_of_the_database_live_through_a_restore(tmp_path: Path) -> None:
    """A dashboard's read-only role is not locked out by a restore, and the database's own settings stay."""
    world = PostgresWorld(tmp_path)
    reader = f"reader_{world.game.role}"
    name = world.game.quoted
    run_sql(
        world.game.superuser,
        f"CREATE ROLE {reader} LOGIN",
        f"GRANT SELECT ON users TO {reader}",
        f"GRANT UPDATE (name) ON cards TO {reader}",
        f"REVOKE ALL ON DATABASE {name} FROM PUBLIC",
        f"GRANT CONNECT ON DATABASE {name} TO {reader}",
        f"ALTER DATABASE {name} SET search_path TO public, pg_catalog",
        f"ALTER DATABASE {name} SET work_mem TO '5MB'",
    )
    async with world.opened() as service:
        snapshot = (await service.create()).snapshot
        await service.restore(snapshot.id)
    connection = await asyncpg.connect(with_database(world.game.server, world.game.name, reader))
    try:
        assert await connection.fetchval("SELECT count(*) FROM users") == 60
        assert await connection.fetchval("SHOW work_mem") == "5MB"
        assert await connection.fetchval("SHOW search_path") == "public, pg_catalog"
        assert await connection.fetchval("SELECT has_column_privilege('cards', 'name', 'UPDATE')")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetchval("SELECT count(*) FROM cards")
    finally:
        await connection.close()


async def test_a_foreign_extension_is_left_out_where_the_role_may_not_make_it(tmp_path: Path) -> None:
    """An administrator's extension is no reason for a restore to fail; the game's own tables come back."""
    if 15 not in MAJORS:
        pytest.skip("needs PostgreSQL 15 of a distribution, which brings extensions")
    world = PostgresWorld(tmp_path, PostgresGame(server(15)))
    run_sql(world.game.superuser, "CREATE EXTENSION pg_buffercache", "CREATE EXTENSION hstore")
    run_sql(world.game.superuser, "ALTER TABLE cards ADD extra public.hstore DEFAULT 'a=>1'")
    before = world.game.contents()
    async with world.opened() as service:
        snapshot = (await service.create()).snapshot
        assert b"CREATE EXTENSION IF NOT EXISTS pg_buffercache" in world.text_of(snapshot)
        world.game.play()
        await service.restore(snapshot.id)
    assert world.game.contents() == before
    extensions = {row[0] for row in ask(world.game.superuser, "SELECT extname FROM pg_extension")}
    assert extensions == {"plpgsql", "hstore"}
