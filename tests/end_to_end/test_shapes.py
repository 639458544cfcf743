"""The drop-in into bots that load their cogs in other ways than by a line in front of the game."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.hosts import HOSTS, drop_in, make
from tests.worlds.waiting import PATIENCE

pytestmark = pytest.mark.process

PROJECT = Path(__file__).resolve().parents[2]
CARDS = {
    "setup hook with a list": 1,
    "AutoShardedBot": 2,
    "loader of docs/hosts.md": 3,
    "guard in on_ready": 4,
    "plain bot.run": 5,
    "loader of every file": 6,
}
"""The shapes, with the card that is sold in each."""


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], str]:
    """What each shape saw, and what the process wrote to its standard error."""
    folder = tmp_path_factory.mktemp("host")
    host = HOSTS["plain cogs and core"]
    make(host, folder)
    assert drop_in(host, folder) == []
    shutil.copy(PROJECT / "tests" / "end_to_end" / "shapes.py", folder / "bot.py")
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("BACKUP_", "DATABASE_"))}
    done = subprocess.run(
        [sys.executable, "bot.py"],
        cwd=folder,
        env={
            **environment,
            "PAGE": str(PROJECT / "docs" / "hosts.md"),
            "BACKUP_REPOSITORY_MIN_FREE": "1 MiB",
            "BACKUP_SCHEDULE_CRITICAL_SPACING": "0s",
            "BACKUP_SCHEDULE_SHUTDOWN": "false",
        },
        capture_output=True,
        text=True,
        timeout=4 * PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1]), done.stderr


@pytest.mark.parametrize("shape", CARDS)
def test_its_event_leaves_a_snapshot(played: tuple[dict[str, Any], str], shape: str) -> None:
    """Whichever way the bot loads its cogs: Savepoint is there once, and so is the game."""
    seen = played[0][shape]
    assert seen["reasons"] == [f"marketplace_buy_{CARDS[shape]}"]
    assert seen["cogs"] == ["BackupCog"]
    assert len(seen["extensions"]) == 2
    assert "cogs.game" in seen["extensions"]


def test_only_a_loader_of_every_file_meets_files_that_are_no_extensions(played: tuple[dict[str, Any], str]) -> None:
    """Ours say so, one by one, and do no harm; the loader of docs/hosts.md tries none of them."""
    for shape, seen in played[0].items():
        if shape == "loader of every file":
            assert {each.partition(": ")[2] for each in seen["failed"]} == {"NoEntryPointError"}
            assert all(each.startswith("cogs.backup_cog.") for each in seen["failed"])
        else:
            assert seen["failed"] == []


def test_a_bot_that_is_run_shows_where_savepoint_logs(played: tuple[dict[str, Any], str]) -> None:
    """``bot.run`` shows only the library's log, so ours goes there too, and says so, once a start."""
    lines = played[1].splitlines()
    [said] = [line for line in lines if "Savepoint logs here" in line]
    assert "cogs.backup_cog, core.snapshots" in said
    assert any("cogs.backup_cog" in line and "INFO" in line for line in lines if line != said)
