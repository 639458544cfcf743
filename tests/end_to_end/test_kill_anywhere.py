"""Killed at any moment, without a chance to tidy up: what is stored stays provable, what is played stays whole."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from core.snapshots import Form, StartupOutcome
from tests.worlds.game_database import assert_consistent, contents_of
from tests.worlds.service_world import played_world
from tests.worlds.workers import left_behind_by, wait_until_gone

pytestmark = [
    pytest.mark.process,
    pytest.mark.kill,
    pytest.mark.skipif(sys.platform != "linux", reason="looks for orphans in /proc"),
]

ROOT = Path(__file__).parents[2]
SNAPSHOT_ROUNDS, RESTORE_ROUNDS, EXCHANGE_ROUNDS = 5, 3, 2
"""In each journal mode, with moments drawn anew: fifteen and more kills in all."""


def start(what: str, folder: Path, done: int) -> subprocess.Popen[str]:
    """Start the bot, and wait until it is in the middle of its work and has done so many things."""
    program = str(Path(__file__).with_name("killed_bot.py"))
    process = subprocess.Popen(
        [sys.executable, program, what, str(folder)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "began\n"
    for _ in range(done):
        assert process.stdout.readline() == "done\n"
    return process


def kill(process: subprocess.Popen[str]) -> list[int]:
    """Kill the bot where it stands, and return the numbers of the workers that it leaves behind."""
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()
    return left_behind_by(process)


@pytest.mark.parametrize("journal_mode", ["wal", "delete"])
async def test_killed_while_it_takes_snapshots_the_repository_is_sound(tmp_path: Path, journal_mode: str) -> None:
    """It opens, every snapshot in it is proven, no scrap is left, no file is unlisted, and the game lost nothing."""
    world = await played_world(tmp_path, journal_mode=journal_mode)
    dice = random.Random(f"snapshots {journal_mode}")
    newest = 0
    forms: set[Form] = set()
    for round_number in range(SNAPSHOT_ROUNDS):
        bot = start("snapshots", tmp_path, round_number % 3)
        await asyncio.sleep(dice.uniform(0.0, 0.4))
        orphans = kill(bot)
        if round_number % 2:
            wait_until_gone(*orphans)
        async with world.opened() as service:
            if round_number % 2:
                assert world.temporary_files() == set()
            listed = await service.list()
            assert world.files() == {snapshot.path for snapshot in listed}
            forms |= {snapshot.form for snapshot in listed}
            for snapshot in listed:
                assert not snapshot.damaged
                rows = world.rows_in(snapshot)
                assert sum(row[2] for row in rows["users"]) == 1000 * len(rows["users"])
                assert sum(row[3] for row in rows["users"]) == len(rows["user_cards"])
            assert (await service.verify(listed[0].id)).ok
            assert listed[0].sequence >= newest
            newest = listed[0].sequence
            assert len(world.rows()["user_cards"]) >= listed[0].rows["user_cards"]
        wait_until_gone(*orphans)
        assert_consistent(world.database)
    async with world.opened():
        assert world.temporary_files() == set()
    assert newest > 2
    assert forms == set(Form)


@pytest.mark.parametrize("journal_mode", ["wal", "delete"])
async def test_killed_while_it_restores_the_database_is_the_old_or_the_new_one(
    tmp_path: Path, journal_mode: str
) -> None:
    """Never a mixture, whatever the moment; the next start finds it sound and takes nothing for damage."""
    world = await played_world(tmp_path, journal_mode=journal_mode, newer=Form.INCREMENTAL)
    states = {
        repr(rows): name
        for name, rows in (
            ("present", world.rows()),
            ("older", world.rows_in(world.older)),
            ("newer", world.rows_in(world.newer)),
        )
    }
    dice = random.Random(f"restores {journal_mode}")
    seen: set[str] = set()
    for round_number in range(RESTORE_ROUNDS):
        bot = start("restores", tmp_path, round_number % 2)
        await asyncio.sleep(dice.uniform(0.3, 1.2))
        wait_until_gone(*kill(bot))
        assert_consistent(world.database)
        seen.add(states.get(repr(contents_of(world.database)), "a mixture"))
        async with world.opened() as service:
            assert world.temporary_files() == set()
            assert (await service.start_up()).outcome is StartupOutcome.CLEAN
        assert world.beside_the_database() == []
    assert "a mixture" not in seen


async def test_killed_while_files_are_exchanged_the_next_start_mends_it(tmp_path: Path) -> None:
    """A database that could not be opened is damaged, missing for an instant, or restored: never lost, never mixed."""
    world = await played_world(tmp_path, newer=Form.INCREMENTAL)
    wanted = {repr(world.rows_in(snapshot)) for snapshot in (world.older, world.newer)}
    dice = random.Random("exchanges")
    for _ in range(EXCHANGE_ROUNDS):
        for path in tmp_path.glob("game.db*"):
            path.write_bytes(b"no database" * 1000)
        bot = start("restores", tmp_path, 0)
        await asyncio.sleep(dice.uniform(0.3, 1.0))
        wait_until_gone(*kill(bot))
        world.clock.advance(hours=2)
        async with world.opened() as service:
            report = await service.start_up()
            assert report.outcome in (StartupOutcome.CLEAN, StartupOutcome.RESTORED)
            assert world.temporary_files() == set()
        assert repr(world.rows()) in wanted
        kept = (world.repository / "quarantine").rglob("game.db")
        assert any(path.read_bytes().startswith(b"no database") for path in kept)
