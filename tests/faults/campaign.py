"""The campaign: every fault at as many points as the time allows, as one table in docs/reliability.md.

Run as ``python -m tests.faults.campaign [--minutes 15]``, or ``make campaign``.
"""

from __future__ import annotations

import argparse
import asyncio
import errno
import random
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

from core.snapshots import Form
from tests.faults import disks, injector
from tests.faults.bot import OPERATIONS
from tests.faults.day import Days
from tests.faults.exchanges import SCENARIOS, exchange_world
from tests.faults.live_rot import LiveRot
from tests.faults.orphans import OrphanFaults
from tests.faults.rot import Rot
from tests.faults.services import ServiceFaults
from tests.faults.soak import soak
from tests.faults.table import Row, table_of, write_into
from tests.worlds.service_world import played_world

ERRORS = ("EIO", "ENOSPC", "EDQUOT", "EMFILE", "EACCES", "EINTR")
MODES = ("wal", "delete")
PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"


def _points(calls: int, seconds: float, seed: str) -> Iterator[int]:
    """Yield the numbers of all file calls in random order, until the time is over."""
    numbers = list(range(1, calls + 1))
    random.Random(seed).shuffle(numbers)
    until = time.monotonic() + seconds
    for number in numbers:
        if time.monotonic() > until:
            return
        yield number


async def _killed_exchanges(folder: Path, seconds: float) -> AsyncIterator[Row]:
    for scenario in SCENARIOS:
        with exchange_world(folder / scenario.name, scenario) as world:
            calls = world.calls()
            row = Row(f"killed, exchange of files: {scenario.name}", calls)
            for at in _points(calls, seconds / len(SCENARIOS), scenario.name):
                row.count(f"call {at}", world.problem_after(at, injector.KILL, game=at % 3 == 0))
            yield row


async def _failed_exchanges(folder: Path, seconds: float) -> AsyncIterator[Row]:
    rows = {name: Row(f"{name} once or from then on, exchange of files", 0) for name in ERRORS}
    for scenario in SCENARIOS:
        with exchange_world(folder / scenario.name, scenario) as world:
            calls = world.calls()
            for name, row in rows.items():
                row.possible = (row.possible or 0) + len(_ways(name)) * calls
                share = seconds / len(SCENARIOS) / len(ERRORS)
                for at in _points(calls, share, f"{scenario.name} {name}"):
                    for then in _ways(name):
                        where = f"{scenario.name}, call {at}, from then on: {then}"
                        row.count(where, world.problem_after(at, getattr(errno, name), from_then_on=then))
    for row in rows.values():
        yield row


def _ways(error: str) -> tuple[bool, ...]:
    """Return whether calls fail from then on; an interrupted call is made again, so always would be for ever."""
    return (False,) if error == "EINTR" else (False, True)


async def _services(folder: Path, seconds: float, *, killed: bool) -> AsyncIterator[Row]:
    dice = random.Random(7)
    for operation in OPERATIONS:
        what = "killed, bot and workers" if killed else "an error of a file call, bot and workers"
        row = Row(f"{what}: {operation}", 0)
        for mode in MODES:
            place = folder / f"{operation}-{mode}"
            place.mkdir(parents=True)
            faults = ServiceFaults(place, operation, mode)
            calls = await faults.calls()
            row.possible = (row.possible or 0) + calls * (1 if killed else sum(len(_ways(name)) for name in ERRORS))
            for at in _points(calls, seconds / len(OPERATIONS) / 2, f"{operation} {mode}"):
                name = dice.choice(ERRORS)
                then = not killed and dice.choice(_ways(name))
                how = injector.KILL if killed else getattr(errno, name)
                where = f"{mode}, call {at}" if killed else f"{mode}, call {at}, {name}, from then on: {then}"
                row.count(where, await faults.problem_after(at, how, from_then_on=then))
        yield row


async def _orphans(folder: Path, seconds: float) -> AsyncIterator[Row]:
    row = Row("orphan: bot killed beside a frozen worker, new start, a game commits", 0)
    for operation in ("heal", "restore"):
        for mode in MODES:
            place = folder / f"{operation}-{mode}"
            place.mkdir(parents=True)
            faults = OrphanFaults(place, operation, mode)
            calls = await faults.calls()
            row.possible = (row.possible or 0) + calls
            for at in _points(calls, seconds / 4, f"orphan {operation} {mode}"):
                row.count(f"{operation}, {mode}, call {at}", await faults.problem_beside(at))
    yield row


async def _full_disks(folder: Path, seconds: float) -> AsyncIterator[Row]:
    reason, runs = disks.missing(), [(o, m, r) for o in disks.OPERATIONS for m in MODES for r in disks.LEVELS]
    row = Row("full disk, a real small file system" if reason is None else f"full disk (not run: {reason})", len(runs))
    random.Random(7).shuffle(runs)
    until = time.monotonic() + seconds
    for operation, mode, room in runs if reason is None else ():
        if time.monotonic() > until:
            break
        place = folder / f"{operation}-{mode}-{room}"
        place.mkdir(parents=True)
        problem = await disks.problem_with_room(place, operation, mode, room)
        row.count(f"{operation}, {mode}, {room:,} bytes free", problem)
    yield row


async def _rotten_repositories(folder: Path, seconds: float) -> AsyncIterator[Row]:
    folder.mkdir()
    rot = Rot(await played_world(folder, newer=Form.INCREMENTAL), seed=int(time.time()))
    row, until = Row("a bit flips, or a file ends early: snapshots and catalog"), time.monotonic() + seconds
    while time.monotonic() < until:
        row.count("rot", rot.problem())
    yield row


async def _rotten_databases(folder: Path, seconds: float) -> AsyncIterator[Row]:
    for mode in MODES:
        rot, until = LiveRot(folder / mode, mode, seed=int(time.time())), time.monotonic() + seconds / 2
        row = Row("")
        while time.monotonic() < until:
            row.count(mode, rot.problem())
        found = ", ".join(f"{name} {times:,}" for name, times in sorted(rot.found_by.items()))
        row.name = f"live database, {mode}: a bit flips, or the file ends early (found by: {found})"
        yield row


async def _soaks(folder: Path, seconds: float) -> AsyncIterator[Row]:
    row = Row("soak: three bots frozen or killed, a fast game whose sum holds")
    folder.mkdir()
    row.tried, problems = await asyncio.to_thread(soak, folder, seconds)
    row.problems += problems
    yield row


async def _days(folder: Path, seconds: float) -> AsyncIterator[Row]:
    days, until = Days(folder), time.monotonic() + seconds
    row = Row("day: simulated hours of a busy bot, restarts, clock steps", 7 * 24)
    while time.monotonic() < until and row.tried < 7 * 24:
        row.tried += await days.live(1)
    row.problems += days.problems
    yield row


def _killed_services(folder: Path, seconds: float) -> AsyncIterator[Row]:
    return _services(folder, seconds, killed=True)


def _failed_services(folder: Path, seconds: float) -> AsyncIterator[Row]:
    return _services(folder, seconds, killed=False)


Kind = Callable[[Path, float], AsyncIterator[Row]]
_SHARES: dict[Kind, float] = {
    _killed_exchanges: 0.2,
    _failed_exchanges: 0.1,
    _killed_services: 0.18,
    _failed_services: 0.18,
    _orphans: 0.08,
    _full_disks: 0.08,
    _rotten_repositories: 0.03,
    _rotten_databases: 0.04,
    _soaks: 0.06,
    _days: 0.05,
}
"""The kinds of rows, and the part of the time that each gets."""


async def _run(folder: Path, seconds: float) -> list[Row]:
    rows = []
    for kind, share in _SHARES.items():
        try:
            async for row in kind(folder / kind.__name__.strip("_"), seconds * share):
                print(row.line(), flush=True)
                rows.append(row)
        except Exception as error:  # noqa: BLE001 - what was tried before it still counts
            failed = Row(f"{kind.__name__.strip('_')}: the campaign itself")
            failed.count(type(error).__name__, str(error))
            rows.append(failed)
    return rows


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
    began, folder = time.monotonic(), Path(tempfile.mkdtemp(prefix="savepoint-campaign-"))
    try:
        rows = asyncio.run(_run(folder, options.minutes * 60))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    table = table_of(rows, (time.monotonic() - began) / 60)
    print(table)
    if not options.no_page:
        write_into(PAGE, table)
    return 1 if any(row.problems for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
