"""A game that uses another SQLite library than Python's own keeps its locks, whatever the probe does beside it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(sys.platform != "linux", reason="/proc/locks is Linux's"),
]

PROJECT = Path(__file__).resolve().parents[2]
PROGRAM = """
import asyncio, os, sys
from pathlib import Path
from core.snapshots.engines.sqlite.probe import SqliteProbe

path, order = Path(sys.argv[1]), sys.argv[2]

def locks():
    sides = [path.with_name(path.name + side) for side in ("", "-wal", "-shm")]
    inodes = [side.stat().st_ino for side in sides if side.exists()]
    found = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
    return sorted(
        (fields[3], fields[6], fields[7])
        for fields in found
        if fields[1] == "POSIX" and int(fields[4]) == os.getpid() and int(fields[5].rpartition(":")[2]) in inodes
    )

async def main():
    probe = SqliteProbe(path)
    if order == "probe first":
        assert await probe.token() is not None
    import apsw
    game = apsw.Connection(str(path))
    game.execute("BEGIN")
    game.execute("SELECT count(*) FROM users").fetchall()
    before = locks()
    assert before, "the game holds no lock"
    for _ in range(2):
        assert await probe.token() is None
        assert locks() == before, (before, locks())
        await probe.close()
        assert locks() == before, (before, locks())
    game.execute("COMMIT")
    game.close()
    if order == "game first":
        assert await probe.token() is not None
        await probe.close()
    print("kept")

asyncio.run(main())
"""


@pytest.mark.parametrize("order", ["probe first", "game first"])
@pytest.mark.parametrize("journal_mode", ["WAL", "DELETE"])
def test_the_probe_drops_no_locks_of_another_sqlite(tmp_path: Path, order: str, journal_mode: str) -> None:
    """Using or closing our connection drops locks of the process, and apsw's SQLite does not know of ours."""
    database = tmp_path / "game.db"
    make = f"""
import sqlite3
connection = sqlite3.connect({str(database)!r})
connection.execute("PRAGMA journal_mode = {journal_mode}")
connection.execute("CREATE TABLE users (name TEXT)")
connection.commit()
"""
    subprocess.run([sys.executable, "-c", make], check=True)
    command = [sys.executable, "-c", PROGRAM, str(database), order]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.strip() == "kept", done.stderr
