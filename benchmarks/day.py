"""Measure what a day of periodic snapshots costs in writes, bytes and files, each ten seconds and each twenty minutes.

``python -m benchmarks.day`` plays the same day three times, as fast as the machine can: the service's clock is moved on
by the interval, and a player commits what a bot's players do in that time. Every ten seconds it is played with and
without a new ``latest.db.gz`` at each snapshot. With ``--write`` the table goes into README.md.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import random
import resource
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from core.snapshots import Form, Kind, Snapshot, SnapshotService, load

from .game import BEGINNING
from .machine import about_machine, package_versions
from .measure import median
from .sqlite.player import OtherPlayer
from .sqlite.workspace import Workspace, workspace
from .table import README, put, table

__all__ = ["Day", "main", "report", "transactions"]

BEGIN, END = "<!-- day: begin -->", "<!-- day: end -->"
WAYS = ((10, True), (10, False), (1200, True))
"""Intervals in seconds, and whether each snapshot makes ``latest.db.gz`` anew."""
PER_MINUTE = (6, 3, 1, 0, 0, 0, 1, 2, 4, 6, 8, 8, 10, 10, 10, 12, 14, 18, 24, 30, 30, 24, 16, 10)
"""Transactions a minute in each hour of the day: few at night, most in the evening."""
_SEED = 11
_MB = 1_000_000


class Day(msgspec.Struct, frozen=True, kw_only=True):
    """What a day cost; bytes, and seconds of processor time of the bot's process and its workers together."""

    interval: int
    latest: bool
    asked: int
    snapshots: int
    fulls: int
    full_bytes: int
    incremental_bytes: int
    written: int | None
    """Bytes handed to the system in all, the catalog and derived files included; None where that cannot be told."""
    files_kept: int
    bytes_kept: int
    seconds: float
    """The median of a snapshot that was taken."""
    processor: float


def transactions(minutes: int, interval: int) -> Iterator[int]:
    """Yield how many transactions are committed in each interval of the day's last minutes, the same in every run."""
    chance = random.Random(_SEED)
    for start in range(86_400 - 60 * minutes, 86_400, interval):
        rate = PER_MINUTE[start // 3600] / 60
        yield sum(chance.random() < rate for _ in range(interval))


async def measure(place: Workspace, interval: int, latest: bool, minutes: int) -> Day:
    """Play the last minutes of a day, and take a snapshot after every interval in which something was committed."""
    now = BEGINNING + dt.timedelta(days=4000, minutes=1440 - minutes)
    settings = load(
        None,
        {
            "DATABASE_URL": f"sqlite:///{place.database}",
            "BACKUP_REPOSITORY_PATH": str(place.repository),
            "BACKUP_SCHEDULE_PERIODIC_INTERVAL": f"{interval}s",
            "BACKUP_REPOSITORY_LATEST_AFTER": '["periodic", "manual", "shutdown"]' if latest else '["shutdown"]',
        },
    )
    service = SnapshotService(settings, clock=lambda: now)
    taken: list[Snapshot] = []
    seconds: list[float] = []
    asked = 0
    with OtherPlayer(place.database) as player:
        await service.open()
        written, processor = _written(), _processor()
        for count in transactions(minutes, interval):
            now += dt.timedelta(seconds=interval)
            if count:
                await asyncio.to_thread(player.play, count)
            started = time.perf_counter()
            created = await service.create(Kind.PERIODIC)
            asked += 1
            if not created.unchanged:
                seconds.append(time.perf_counter() - started)
                taken.append(created.snapshot)
        written_after, processor_after = _written(), _processor()
        await service.close()
    files = [path for path in place.repository.rglob("*") if path.is_file()]
    fulls = [snapshot.size for snapshot in taken if snapshot.form is Form.FULL]
    return Day(
        interval=interval,
        latest=latest,
        asked=asked,
        snapshots=len(taken),
        fulls=len(fulls),
        full_bytes=sum(fulls),
        incremental_bytes=sum(snapshot.size for snapshot in taken) - sum(fulls),
        written=None if written is None or written_after is None else written_after - written,
        files_kept=len(files),
        bytes_kept=sum(path.stat().st_size for path in files),
        seconds=median(seconds),
        processor=processor_after - processor,
    )


def _written() -> int | None:
    """Return how many bytes this process and the workers that have ended gave to the system to write (Linux)."""
    try:
        lines = Path("/proc/self/io").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.partition(": ")[2]) for line in lines if line.startswith("wchar")), None)


def _processor() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def report(days: Sequence[Day], megabytes: int, minutes: int, about: Sequence[str]) -> str:
    """Return the days as Markdown, one a column."""
    part = "a day" if minutes == 1440 else f"the last {minutes} min of a day"
    rows = (
        ("times asked", [f"{day.asked:,}" for day in days]),
        ("snapshots taken: something had changed", [f"{day.snapshots:,}" for day in days]),
        ("of them fulls", [f"{day.fulls:,}" for day in days]),
        ("bytes in fulls", [_mb(day.full_bytes) for day in days]),
        ("bytes in incrementals", [_mb(day.incremental_bytes) for day in days]),
        ("written in all, catalog and indexes included", [_mb(day.written) for day in days]),
        ("files at the end", [f"{day.files_kept:,}" for day in days]),
        ("bytes at the end", [_mb(day.bytes_kept) for day in days]),
        ("a snapshot takes (median)", [f"{day.seconds * 1000:,.0f} ms" for day in days]),
        ("processor time", [f"{day.processor:,.0f} s" for day in days]),
    )
    head = (f"{part}, {megabytes:,} MB", *map(_way, days))
    return "\n".join((*(f"- {line}" for line in about), "", table(head, [(name, *cells) for name, cells in rows])))


def _mb(size: int | None) -> str:
    return "–" if size is None else f"{size / _MB:,.1f} MB"


def _way(day: Day) -> str:
    interval = f"{day.interval} s" if day.interval < 60 else f"{day.interval // 60} min"
    return f"every {interval}" if day.latest else f"every {interval}, latest.db.gz at shutdown only"


def main(arguments: list[str] | None = None) -> None:
    """Measure what the arguments ask for, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.day", description=__doc__)
    parser.add_argument("--size", type=int, default=10, help="of the database, in MB (10^6 bytes)")
    parser.add_argument("--minutes", type=int, default=1440, help="only the last so many minutes of the day")
    parser.add_argument("--folder", type=Path, help="where the database is made, and kept for the next run")
    parser.add_argument("--write", action="store_true", help="put the table into benchmarks/README.md")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="savepoint-day-") as scratch:
        folder = (given.folder or Path(scratch)).absolute()
        about = (*about_machine(folder), package_versions())
        days = []
        for interval, latest in WAYS:
            with workspace(folder, "day", given.size) as place:
                days.append(asyncio.run(measure(place, interval, latest, given.minutes)))
        text = report(days, given.size, given.minutes, about)
    print(text)
    if given.write:
        put(README, text, BEGIN, END)


if __name__ == "__main__":
    main()
