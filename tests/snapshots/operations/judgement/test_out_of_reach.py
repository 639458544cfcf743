"""Databases that cannot be looked at: busy, forbidden, on a volume that is not mounted, or not there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.snapshots import Check, DatabaseBusy, StartupOutcome, Verdict
from core.snapshots.policies.health import judge
from tests.worlds.database_harm import emptied, header_destroyed
from tests.worlds.game_database import OtherProcess, make_game_database
from tests.worlds.service_world import PLAYERS, ServiceWorld, played_world

pytestmark = [pytest.mark.process, pytest.mark.kill]

ROOT = Path(__file__).parents[4]


async def test_a_busy_database_is_unknown_and_keeps_what_is_known_of_it(tmp_path: Path) -> None:
    """Who cannot look says so, and takes nothing back that an earlier check found."""
    world = await played_world(tmp_path, journal_mode="delete")
    before = world.database.read_bytes()
    async with world.opened(database={"busy_timeout": 0.2}) as service:
        with OtherProcess(world.database, "BEGIN EXCLUSIVE"):
            report = await service.start_up()
            live = (await service.status()).live
            with pytest.raises(DatabaseBusy):
                await service.integrity()
        assert report.outcome is StartupOutcome.UNCHECKED
        assert live is not None
        assert (live.verdict, live.findings[0].check) == (Verdict.UNKNOWN, Check.ACCESS)
    assert world.database.read_bytes() == before
    world.play("UPDATE creator_packs SET cards_data = '[{' WHERE id = 1")
    async with world.opened(database={"busy_timeout": 0.2}) as service:
        assert not (await service.integrity()).ok
        with OtherProcess(world.database, "BEGIN EXCLUSIVE"):
            await service.start_up()
        live = (await service.status()).live
        assert live is not None
        assert live.verdict is Verdict.SUSPICIOUS
        assert {finding.check for finding in live.findings} == {Check.JSON, Check.ACCESS}


_START_UP = """
import asyncio, sys
from pathlib import Path
from core.snapshots import SnapshotService, load

async def main():
    service = SnapshotService(load(Path(sys.argv[1]), {}))
    await service.open()
    report = await service.start_up()
    live = (await service.status()).live
    print(report.outcome.value, live.verdict.value, report.restore is None)
    await service.close()

asyncio.run(main())
"""


@pytest.mark.skipif(os.name == "nt", reason="has no permissions like these")
def test_a_database_that_may_not_be_read_is_unknown(tmp_path: Path) -> None:
    """A file of somebody else is not damaged; it is left alone, and the bot starts."""
    database = make_game_database(tmp_path / "game.db", journal_mode="delete")
    config = tmp_path / "backup.toml"
    config.write_text(f'[database]\nurl = "sqlite:///{database}"\n[repository]\npath = "{tmp_path}/backups"\n')
    prefix: list[str] = []
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("root needs setpriv to obey permissions")
        prefix = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"]
    database.chmod(0)
    ran = subprocess.run(
        [*prefix, sys.executable, "-c", _START_UP, str(config)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.stdout.split() == ["unchecked", "unknown", "True"], ran.stderr
    database.chmod(0o600)
    assert database.read_bytes().startswith(b"SQLite format 3")


@pytest.fixture
def volume(tmp_path: Path) -> Iterator[Path]:
    """Return a mount point with a small volume on it."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root can mount a volume")
    point = tmp_path / "volume"
    point.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none", str(point)], check=True)
    yield point
    subprocess.run(["umount", str(point)], check=False)


@pytest.mark.parametrize("left", ["nothing", "an empty file"])
async def test_a_volume_that_is_not_mounted_is_not_taken_for_a_deleted_database(
    volume: Path, tmp_path: Path, left: str
) -> None:
    """Nothing is put on the mount point, not even if a game that started there has left an empty file."""
    world = ServiceWorld(tmp_path, game=False)
    world.database = volume / "data" / "game.db"
    make_game_database(world.database, players=PLAYERS)
    async with world.opened() as service:
        await service.create()
    subprocess.run(["umount", str(volume)], check=True)
    if left == "an empty file":
        world.database.parent.mkdir()
        world.database.touch()
    async with world.opened() as service:
        report = await service.start_up()
        assert report.outcome is StartupOutcome.UNCHECKED
        assert "not mounted" in report.message
        found = (await service.integrity()).findings
        assert [finding.check for finding in found] == [Check.MOUNT]
        live = (await service.status()).live
        assert live is not None
        assert live.verdict is Verdict.UNKNOWN
    assert world.database.exists() is (left == "an empty file")
    assert not world.database.exists() or world.database.stat().st_size == 0


@pytest.mark.parametrize("file", [None, b""])
async def test_no_database_and_no_snapshots_is_missing(tmp_path: Path, file: bytes | None) -> None:
    """Neither sound nor damaged: there is none yet."""
    world = ServiceWorld(tmp_path, game=False)
    if file is not None:
        world.database.write_bytes(file)
    async with world.opened() as service:
        assert judge((await service.integrity()).findings) is Verdict.MISSING
        assert (await service.start_up()).outcome is StartupOutcome.NEW
        live = (await service.status()).live
        assert live is not None
        assert live.verdict is Verdict.MISSING
        assert world.heard.healths == []
    assert world.database.exists() is (file is not None)


async def test_a_rebuilt_catalog_still_knows_on_which_disk_the_database_was(tmp_path: Path) -> None:
    """So that a volume that is not mounted is not taken for a deleted database after a lost catalog."""
    world = ServiceWorld(tmp_path)
    async with world.opened() as service:
        made = (await service.create()).snapshot
        assert made.details["device"] == tmp_path.stat().st_dev
        (world.repository / "backup_metadata.json").unlink()
        (world.repository / ".work" / "catalog.previous.json").unlink()
        await service.rebuild_catalog()
        assert (await service.get(made.id)).details == made.details


async def test_restore_never_means_never(tmp_path: Path) -> None:
    """The owner is told what is wrong and which snapshot would help; every byte stays."""
    world = await played_world(tmp_path)
    header_destroyed(world)
    before = world.database_files()
    async with world.opened(startup={"restore": "never"}) as service:
        report = await service.start_up()
    assert report.outcome is StartupOutcome.DAMAGED
    assert f"restore {world.newer.id}" in report.message
    assert world.database_files() == before


async def test_an_empty_file_beside_a_snapshot_is_restored_even_if_restoring_is_for_errors(tmp_path: Path) -> None:
    """Whatever the setting, a database that is gone comes back, unless it is "never"."""
    world = await played_world(tmp_path)
    emptied(world)
    async with world.opened(startup={"restore": "errors"}) as service:
        assert (await service.start_up()).outcome is StartupOutcome.RESTORED
    assert world.rows() == world.rows_in(world.newer)
