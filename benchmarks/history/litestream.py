"""The same looks by Litestream's VFS, which reads a past state of its replica as a database, too.

It needs ``litestream`` and the ``sqlite3`` shell, found as other programs are, and the extension of the package
``litestream-vfs`` in this environment or where ``BENCHMARK_LITESTREAM_VFS`` says. The shell loads it, because what the
extension (0.5.17) gives back when a connection is opened makes any other program's ``sqlite3_open`` fail; the shell
goes on. The replica is a folder, so nothing is fetched over a network.
"""

from __future__ import annotations

import datetime as dt
import os
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Sequence
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path

from ..measure import median
from ..sqlite.peers import found
from ..sqlite.player import OtherPlayer
from .figure import Figure

__all__ = ["looks", "missing"]

_TRANSACTIONS = 20
_LATER = 1.5
"""Seconds between the states: a time names one of them."""


def _extension() -> str | None:
    named = os.environ.get("BENCHMARK_LITESTREAM_VFS")
    spec = find_spec("litestream_vfs")
    if named is None and spec is not None and spec.origin is not None:
        named = str(Path(spec.origin).with_name("litestream-vfs.so"))
    return named if named is not None and Path(named).exists() else None


def missing() -> list[str]:
    """Return what is not installed."""
    programs = [name for name in ("litestream", "sqlite3") if found(name) is None]
    return programs if _extension() else [*programs, "litestream-vfs"]


def looks(original: Path, folder: Path, user: int, rounds: int) -> list[Figure]:
    """Replicate three states of a copy of a database, and look at a player in the second one; [] if it cannot be."""
    if missing():
        return []
    database = Path(shutil.copy(original, folder / "followed.db"))
    replica = f"file://{folder / 'replica'}"
    _replicate(database, replica)
    moments = []
    with OtherPlayer(database) as player:
        for _ in range(2):
            player.play(_TRANSACTIONS)
            _replicate(database, replica)
            time.sleep(_LATER)
            moments.append(dt.datetime.now(dt.UTC))
            time.sleep(_LATER)
    row = f"SELECT * FROM users WHERE id = {user};"
    cards = [f"SELECT * FROM {table} WHERE user_id = {user};" for table in ("user_cards", "dust_transactions")]
    searched = [
        f"SELECT * FROM marketplace_listings WHERE seller_id = {user} OR buyer_id = {user};",
        f"SELECT * FROM creator_packs WHERE creator_id = {user};",
    ]
    asked = {
        "a player's row": [row],
        "his cards, tables with an index": [row, *cards],
        "all his rows": [row, *cards, *searched],
    }
    return [
        _asked(f"Litestream's VFS: {what}, its start included (beside)", database, replica, moments[0], queries, rounds)
        for what, queries in asked.items()
    ]


def _replicate(database: Path, replica: str) -> None:
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    program = found("litestream")
    subprocess.run([str(program), "replicate", "-once", database, replica], check=True, capture_output=True)


def _asked(work: str, database: Path, replica: str, moment: dt.datetime, queries: Sequence[str], rounds: int) -> Figure:
    script = [
        f".load {str(_extension()).removesuffix('.so')}",
        f".open file:{database.name}?vfs=litestream",
        f"PRAGMA litestream_time = '{moment:%Y-%m-%dT%H:%M:%S.%fZ}';",
        *queries,
    ]
    taken = [_timed("\n".join(script), replica) for _ in range(rounds)]
    seconds, processor, memory = zip(*taken, strict=True)
    return Figure(work, median(list(seconds)), median(list(processor)), max(memory), None)


def _timed(script: str, replica: str) -> tuple[float, float, float]:
    """Return the seconds and the processor's seconds that a script takes, and its memory in MiB."""
    environment = os.environ | {"LITESTREAM_REPLICA_URL": replica}
    started = time.perf_counter()
    shell = subprocess.Popen(
        [str(found("sqlite3"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment,
    )
    assert shell.stdin is not None
    assert shell.stdout is not None
    shell.stdin.write(script.encode() + b"\n.quit\n")
    shell.stdin.close()
    said = shell.stdout.read()
    _, status, used = os.wait4(shell.pid, 0)
    shell.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - started
    if shell.returncode or b"rror" in said.replace(b"automatic extension loading failed", b""):
        raise RuntimeError(f"Litestream's VFS did not answer: {said[-500:]!r}")
    return seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024
