"""How long it takes to start: the shell, and the worker that every snapshot waits for, in processor time.

Run as ``python -m benchmarks.start [--rounds N] [--write]``. The peers are Python itself and ``import click``, which
any shell of this kind needs. Processor time, not the clock: other programs on a busy machine change it least.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks.table import README, put, table
from core.snapshots.models import Form, Kind, Level, Snapshot, Verification
from core.snapshots.repository.catalog import Contents, encode

__all__ = ["Work", "measured", "shown", "works"]

PROJECT = Path(__file__).resolve().parents[1]
BEGIN, END = "<!-- start: begin -->", "<!-- start: end -->"
_GOAL = 0.15
"""Seconds of processor time that help and a list may take."""


class Work(NamedTuple):
    """Something that is started: its name, its arguments for Python, its folder, and whether the goal is for it."""

    name: str
    arguments: tuple[str, ...]
    folder: Path
    has_goal: bool = False


def works(folder: Path) -> Iterator[Work]:
    """Yield what is measured; repositories for it are made in a folder."""
    shell = ("-m", "core.snapshots")
    yield Work("python -c pass", ("-c", "pass"), folder)
    yield Work("python -c 'import click'", ("-c", "import click"), folder)
    yield Work("--help", (*shell, "--help"), folder, has_goal=True)
    for number in (100, 10_000):
        place = folder / str(number)
        (place / "backups").mkdir(parents=True)
        contents = Contents(snapshots=tuple(_entry(minute) for minute in range(1, number + 1)))
        (place / "backups" / "backup_metadata.json").write_bytes(encode(contents))
        yield Work(f"list --all of {number:,}", (*shell, "list", "--all"), place, has_goal=number == 100)
    yield Work("status", (*shell, "status"), folder)
    launcher = PROJECT / "core" / "snapshots" / "worker" / "bootstrap.py"
    yield Work("a worker, until it has its job", ("-X", "utf8", "-P", str(launcher), "worker.main"), folder)


def _entry(minute: int) -> Snapshot:
    at = dt.datetime(2026, 11, 1, tzinfo=dt.UTC) + dt.timedelta(minutes=minute)
    return Snapshot(
        id=f"{minute:012x}",
        sequence=minute,
        kind=Kind.CRITICAL,
        form=Form.FULL,
        base=None,
        path=f"critical/{minute:012x}.db.gz",
        created_at=at,
        began_at=at,
        reasons=(f"marketplace_buy_{minute}",),
        requests=1,
        size=35_000,
        database_size=180_000,
        fingerprint=f"b3t64:{minute:064x}",
        verification=Verification(level=Level.CHECKSUM, at=at, ok=True),
    )


def measured(work: Work, rounds: int) -> float:
    """Return the median processor time of a process, in seconds, with its children."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("BACKUP_", "DATABASE_"))}
    environment["PYTHONPATH"] = str(PROJECT)
    times = []
    for _ in range(rounds + 1):
        before = os.times()
        subprocess.run(
            [sys.executable, *work.arguments],
            cwd=work.folder,
            env=environment,
            input=b"\n",
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )
        after = os.times()
        spent = after.children_user + after.children_system - before.children_user - before.children_system
        times.append(spent)
    return statistics.median(times[1:])  # the first one reads everything from the disk


def shown(results: list[tuple[Work, float]]) -> str:
    """Return the table of the results, in milliseconds."""
    rows = []
    for work, seconds in results:
        goal = "" if not work.has_goal else f"{_GOAL * 1000:.0f} ms: {'met' if seconds < _GOAL else 'MISSED'}"
        rows.append((f"`{work.name}`", f"{seconds * 1000:.0f} ms", goal))
    return table(("started", "processor time", "goal"), rows)


def main() -> None:
    """Measure and print, and put the table into the page with ``--write``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        results = [(work, measured(work, options.rounds)) for work in works(Path(folder))]
    text = shown(results)
    print(text)
    if options.write:
        put(README, text, BEGIN, END)


if __name__ == "__main__":
    main()
