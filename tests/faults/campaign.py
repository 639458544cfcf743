"""The campaign: every fault at as many points as the time allows, as one table in docs/reliability.md.

Run as ``python -m tests.faults.campaign [--minutes 15]``, or ``make campaign``.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import errno
import itertools
import os
import platform
import random
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from core.snapshots import Form
from tests.faults import injector
from tests.faults.bot import OPERATIONS
from tests.faults.exchanges import SCENARIOS, exchange_world
from tests.faults.rot import Rot
from tests.faults.services import ServiceFaults
from tests.worlds.service_world import played_world

ERRORS = ("EIO", "ENOSPC", "EDQUOT", "EMFILE", "EACCES", "EINTR")
PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
_SHARES = {"exchange": 0.4, "errors": 0.2, "service": 0.3, "rot": 0.1}
"""The part of the time that each kind of row gets."""
_BEGIN, _END = "<!-- campaign -->\n", "<!-- end of campaign -->\n"


class Row:
    """One row of the table."""

    def __init__(self, name: str, possible: int | None = None) -> None:
        self.name, self.possible, self.tried = name, possible, 0
        self.problems: list[str] = []

    def count(self, where: str, problem: str | None) -> None:
        """Count one run."""
        self.tried += 1
        if problem is not None:
            self.problems.append(f"{where}: {problem}")
            print(f"    FAILED {self.name}, {where}: {problem}", flush=True)

    def line(self) -> str:
        """Return the row of the table."""
        of = "" if self.possible is None else f" of {self.possible:,}"
        failed = len(self.problems)
        return f"| {self.name} | {self.tried:,}{of} | {self.tried - failed:,} | {failed:,} |"


def _points(calls: int, seconds: float, seed: str) -> Iterator[int]:
    """Yield the numbers of all file calls in random order, until the time is over."""
    numbers = list(range(1, calls + 1))
    random.Random(seed).shuffle(numbers)
    until = time.monotonic() + seconds
    for number in numbers:
        if time.monotonic() > until:
            return
        yield number


def _exchanges(folder: Path, seconds: float) -> Iterator[Row]:
    for scenario in SCENARIOS:
        with exchange_world(folder / scenario.name, scenario) as world:
            calls = world.calls()
            row = Row(f"killed, exchange of files: {scenario.name}", calls)
            for at in _points(calls, seconds / len(SCENARIOS), scenario.name):
                row.count(f"call {at}", world.problem_after(at, injector.KILL, game=at % 3 == 0))
            yield row


def _errors(folder: Path, seconds: float) -> Iterator[Row]:
    rows = {name: Row(f"{name} once or from then on, exchange of files", 0) for name in ERRORS}
    for scenario in SCENARIOS:
        with exchange_world(folder / scenario.name, scenario) as world:
            calls = world.calls()
            for name, row in rows.items():
                row.possible = (row.possible or 0) + (1 if name == "EINTR" else 2) * calls
                share = seconds / len(SCENARIOS) / len(ERRORS)
                for at in _points(calls, share, f"{scenario.name} {name}"):
                    # An interrupted call is made again, so one that is always interrupted never ends.
                    for then in (False,) if name == "EINTR" else (False, True):
                        where = f"{scenario.name}, call {at}, from then on: {then}"
                        row.count(where, world.problem_after(at, getattr(errno, name), from_then_on=then))
    yield from rows.values()


async def _services(folder: Path, seconds: float) -> list[Row]:
    rows = []
    for operation in OPERATIONS:
        row = Row(f"killed, bot and workers: {operation}", 0)
        for mode in ("wal", "delete"):
            faults = ServiceFaults(folder / f"{operation}-{mode}", operation, mode)
            faults_folder = folder / f"{operation}-{mode}"
            faults_folder.mkdir(parents=True)
            calls = await faults.calls()
            row.possible = (row.possible or 0) + calls
            for at in _points(calls, seconds / len(OPERATIONS) / 2, f"{operation} {mode}"):
                row.count(f"{mode}, call {at}", await faults.problem_after(at, injector.KILL))
        print(row.line(), flush=True)
        rows.append(row)
    return rows


async def _rot(folder: Path, seconds: float) -> Row:
    folder.mkdir()
    rot = Rot(await played_world(folder, newer=Form.INCREMENTAL), seed=int(time.time()))
    row, until = Row("a bit flips, or a file ends early: snapshots and catalog"), time.monotonic() + seconds
    while time.monotonic() < until:
        row.count("rot", rot.problem())
    return row


def _table(rows: list[Row], minutes: float) -> str:
    machine = f"{platform.system()} {platform.release()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    tried, failed = sum(row.tried for row in rows), sum(len(row.problems) for row in rows)
    head = (
        f"Run on {dt.datetime.now(dt.UTC):%Y-%m-%d} ({machine}, SQLite {sqlite3.sqlite_version}) for {minutes:.0f} "
        f"minutes: {tried:,} tried, {failed:,} failed.\n\n"
    )
    head += "| fault | tried | passed | failed |\n| --- | --- | --- | --- |\n"
    problems = [f"- {row.name}, {problem}" for row in rows for problem in row.problems[:20]]
    listed = "\n\nWhat failed:\n\n" + "\n".join(problems) if problems else ""
    return head + "\n".join(row.line() for row in rows) + listed + "\n"


def _write(table: str) -> None:
    page = PAGE.read_text()
    before, _, rest = page.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    PAGE.write_text(f"{before}{_BEGIN}{table}{_END}{after}")


def main() -> int:
    """Run the campaign, print its table and write it into the page; return 1 if anything failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--no-page", action="store_true", help="do not write docs/reliability.md")
    options = parser.parse_args()
    reason = injector.missing()
    if reason is not None:
        print(f"There is no campaign here: {reason}.")
        return 1
    seconds, began = options.minutes * 60, time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="savepoint-campaign-"))
    rows: list[Row] = []
    try:
        exchanges = _exchanges(folder / "kill", seconds * _SHARES["exchange"])
        for row in itertools.chain(exchanges, _errors(folder / "errno", seconds * _SHARES["errors"])):
            print(row.line(), flush=True)
            rows.append(row)
        rows += asyncio.run(_services(folder / "service", seconds * _SHARES["service"]))
        rows.append(asyncio.run(_rot(folder / "rot", seconds * _SHARES["rot"])))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    table = _table(rows, (time.monotonic() - began) / 60)
    print(table)
    if not options.no_page:
        _write(table)
    return 1 if any(row.problems for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
