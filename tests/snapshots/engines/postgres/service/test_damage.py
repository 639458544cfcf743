"""A PostgreSQL database behind the service, with broken files, a killed server, and what is left over."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

import asyncpg
import pytest

from core.snapshots import (
    DatabaseUnavailable,
    Level,
    SnapshotDamaged,
)
from core.snapshots.archive import full
from core.snapshots.progress import Watch
from tests.worlds.postgres_world import (
    PostgresGame,
    PostgresWorld,
    ask,
    databases_of,
    fresh_server,
    run_sql,
)
from tests.worlds.service_world import flip_byte
from tests.worlds.waiting import wait_until

pytestmark = pytest.mark.server


async def test_a_file_that_was_damaged_is_not_restored(tmp_path: Path) -> None:
    """A flipped bit is found before anything is committed anywhere, and the snapshot is marked."""
    world = PostgresWorld(tmp_path)
    async with world.opened() as service:
        snapshot = (await service.create()).snapshot
        flip_byte(world.file_of(snapshot))
        world.game.play()
        before = world.game.contents()
        with pytest.raises(SnapshotDamaged):
            await service.restore(snapshot.id)
        assert (await service.get(snapshot.id)).damaged
    assert world.game.contents() == before
    assert world.game.leftovers() == set()


async def test_a_dump_that_was_cut_inside_a_table_is_found(tmp_path: Path) -> None:
    """Cut at the end of a line inside COPY, in an archive that is sound by itself: psql would take it in silence."""
    world = PostgresWorld(tmp_path)
    async with world.opened() as service:
        snapshot = (await service.create()).snapshot
        text = world.text_of(snapshot)
        at = text.index(b"COPY public.users")
        cut = text[: text.index(b"\n", at + 2000) + 1]
        path = world.file_of(snapshot)
        head = full.read_head(path)
        path.unlink()
        full.write_full(path, [cut], head, snapshot.rows, Watch())
        await service.rebuild_catalog()
        for level in Level:
            report = await service.verify(snapshot.id, level)
            assert not report.ok
            assert 'ends inside the table "public"."users"' in report.findings[0].message


async def test_left_over_databases_are_found_by_name_and_age(tmp_path: Path) -> None:
    """The scratch database of a crash goes at the next start when no operation can be using it any more, not before."""
    world = PostgresWorld(tmp_path)
    old, new = int(time.time()) - 100_000, int(time.time()) - 60
    mine = f"savepoint_scratch_{world.game.name}_"
    names = {f"{mine}{old}_0123abcd", f"{mine}{new}_0123abcd", f"savepoint_scratch_other_{old}_0123abcd"}
    run_sql(world.game.server, *(f'CREATE DATABASE "{name}" OWNER {world.game.role}' for name in names))
    async with world.opened():
        left = names & databases_of(world.game.server)
    run_sql(world.game.server, *(f'DROP DATABASE "{name}"' for name in left))
    assert left == names - {f"{mine}{old}_0123abcd"}


async def test_prune_drops_what_restores_kept_when_its_time_is_over(tmp_path: Path) -> None:
    """The old database stays as long as safety snapshots do."""
    world = PostgresWorld(tmp_path)
    world.clock.set(world.clock().replace(year=2020))
    async with world.opened() as service:
        snapshot = (await service.create()).snapshot
        report = await service.restore(snapshot.id)
        assert world.game.leftovers() == {report.quarantine}
        await service.prune()
        assert world.game.leftovers() == set()


@pytest.mark.kill
async def test_a_server_killed_in_a_dump_and_in_a_restore_leaves_nothing_half_done(tmp_path: Path) -> None:
    """Every connection dies at once and the server recovers: an error that says so, no file, the old database."""
    with fresh_server() as url:
        world = PostgresWorld(tmp_path, PostgresGame(url))
        world.game.execute(
            "INSERT INTO cards SELECT i, 'x', 'y', repeat(md5(i::text), 40) FROM generate_series(100, 40000) i"
        )
        before = world.game.contents()
        async with world.opened() as service:
            snapshot = (await service.create()).snapshot
            for phase, operation in (
                ("compress", lambda progress: service.create(on_progress=progress)),
                ("load", lambda progress: service.restore(snapshot.id, on_progress=progress)),
            ):
                killed: list[int] = []

                def kill(progress: object, phase: str = phase, killed: list[int] = killed) -> None:
                    if progress.phase == phase and progress.done > 1 << 20 and not killed:  # type: ignore[attr-defined]
                        killed.append(_kill_a_backend(url))

                with pytest.raises(DatabaseUnavailable):
                    await operation(kill)
                assert killed
                _wait_for(url)
                assert world.game.contents() == before
                assert len(await service.list()) == 1
                assert world.temporary_files() == set()


def _kill_a_backend(url: str) -> int:
    """Kill one of our sessions as the system's memory killer would, which makes the whole server start anew."""
    ((pid,),) = ask(
        url,
        "SELECT pid FROM pg_stat_activity WHERE application_name IN ('savepoint', 'pg_dump', 'psql') "
        "AND backend_type = 'client backend' ORDER BY backend_start DESC LIMIT 1",
    )
    os.kill(pid, 9)
    return int(pid)


def _wait_for(url: str) -> None:
    def answers() -> bool:
        with contextlib.suppress(asyncpg.PostgresError, OSError):
            run_sql(url, "SELECT 1")
            return True
        return False

    wait_until(answers, "the server came back")
