"""The lines for three in the morning, typed as README.md and docs/restoring.md have them, in the default layout."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from core.snapshots import Kind, SnapshotService, load

pytestmark = pytest.mark.process

PROJECT = Path(__file__).resolve().parents[2]
PLAYERS = [(1, "alice"), (2, "bob")]


def lines_of(page: str) -> str:
    """Return the block of lines that begins the restore by hand on a page."""
    blocks: list[str] = re.findall(r"```sh\n(.*?)```", (PROJECT / page).read_text(), flags=re.DOTALL)
    [found] = [block for block in blocks if "> data/game.db" in block]
    return found


@pytest.fixture
async def bot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bot's folder in the default layout: a good snapshot, then damage, with a log of what came after."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    game = tmp_path / "data" / "game.db"
    with closing(sqlite3.connect(game)) as database:
        database.execute("PRAGMA journal_mode = wal")
        database.execute("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT)")
        database.executemany("INSERT INTO users VALUES (?, ?)", PLAYERS)
        database.commit()
        service = SnapshotService(load(None, {"BACKUP_REPOSITORY_MIN_FREE": "1 MiB"}))
        await service.open()
        await service.create(Kind.MANUAL)
        await service.close()
        database.execute("DELETE FROM users")
        database.commit()
        shutil.copy(game.with_name("game.db-wal"), tmp_path / "log")
    (tmp_path / "log").rename(game.with_name("game.db-wal"))
    game.write_bytes(b"no database" + game.read_bytes()[11:])
    return tmp_path


@pytest.mark.parametrize("page", ["README.md", "docs/restoring.md"])
def test_the_lines_restore_the_database_as_they_are_written(bot: Path, page: str) -> None:
    """One ``game.db``, where the bot looks for it; nothing of the log that came after; the old files kept."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("BACKUP_", "DATABASE_"))}
    environment["PATH"] = os.pathsep.join((str(Path(sys.executable).parent), environment["PATH"]))
    environment["PYTHONPATH"] = str(PROJECT)  # where the bot has the copied folder, the test has the project
    done = subprocess.run(
        ["sh", "-e", "-c", lines_of(page)], cwd=bot, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert sorted(path.relative_to(bot).as_posix() for path in bot.rglob("game.db")) == [
        "aside/game.db",
        "data/game.db",
    ]
    assert (bot / "aside" / "game.db-wal").stat().st_size
    with closing(sqlite3.connect(bot / "data" / "game.db")) as database:
        assert database.execute("SELECT * FROM users").fetchall() == PLAYERS
