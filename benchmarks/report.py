"""The figures as Markdown tables, and the goals they are held against."""

from __future__ import annotations

import datetime as dt
import os
import platform
import sqlite3
from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec

from .catalog import CatalogFigures
from .peers import missing, versions
from .rounds import Figures, Series

__all__ = ["Run", "machine", "tables"]

_SAVEPOINT = "Savepoint"
_GZIP = "backup + gzip -6"
_RESTIC = "restic, with its feed"
_MB = 1e6


class Run(msgspec.Struct, frozen=True):
    """Everything one run measured."""

    machine: tuple[str, ...]
    rounds: int
    sizes: tuple[Figures, ...]
    series: Series | None
    catalog: CatalogFigures | None


class _Row(msgspec.Struct, frozen=True):
    """A goal and what was measured; ``at_least`` tells which side of the limit is the good one."""

    work: str
    goal: str
    measured: float
    limit: float
    unit: str
    at_least: bool = False

    @property
    def met(self) -> bool:
        return self.measured >= self.limit if self.at_least else self.measured <= self.limit

    @property
    def verdict(self) -> str:
        if self.met:
            return "met"
        by = self.limit / self.measured if self.at_least else self.measured / self.limit
        return f"**missed** by a factor of {by:.2f}" if self.measured else "**missed**"


def tables(run: Run) -> str:
    """Give all tables as Markdown."""
    largest = max(run.sizes, key=lambda figures: figures.megabytes)
    sizes = sorted(run.sizes, key=lambda figures: figures.megabytes)
    parts = [
        "### Machine\n\n" + "\n".join(f"- {line}" for line in run.machine) + f"\n- medians of {run.rounds} rounds",
        f"### Goals, at {largest.megabytes:,} MB\n\n" + _goals(run, largest),
        "### Growth with the database\n\n" + _growth(sizes),
        *(f"### Beside the others, {figures.megabytes:,} MB\n\n" + _beside(figures) for figures in sizes),
        "### What the game feels\n\n" + _felt(sizes),
        "### A thousand requests within a second\n\n" + _bursts(sizes),
    ]
    if run.series:
        parts.append(f"### A hundred event snapshots, {run.series.megabytes} MB\n\n" + _series(run.series))
    if run.catalog:
        parts.append(f"### {run.catalog.entries:,} snapshots in the catalog\n\n" + _catalog(run.catalog))
    return "\n\n".join(parts) + "\n"


def machine() -> tuple[str, ...]:
    """Say what this runs on, and how busy it is."""
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    absent = missing()
    return (
        f"{dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M} UTC; load average at the beginning {load}",
        f"{_processor()}, {os.cpu_count()} cores, {_memory()}, {platform.system()} {platform.release()}",
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, "
        + ", ".join(f"{name} {_version(name)}" for name in ("isal", "blake3", "msgspec")),
        "beside: " + ", ".join(versions()) + (f"; not installed: {', '.join(absent)}" if absent else ""),
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def _memory() -> str:
    return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "missing"


def _goals(run: Run, figures: Figures) -> str:
    rows = [*_speed_goals(figures), *_felt_goals(figures), *_other_goals(run, figures)]
    return _table(
        ("work", "goal", "measured", "verdict"),
        [(row.work, row.goal, f"{row.measured:,.2f} {row.unit}".strip(), row.verdict) for row in rows],
    )


def _speed_goals(figures: Figures) -> Iterable[_Row]:
    seconds = {(work.work, work.by): work.seconds for work in figures.works}
    sizes = {(work.work, work.by): work.size for work in figures.works}
    gzip, restic = seconds.get(("repeat", _GZIP)), seconds.get(("repeat", _RESTIC))
    repeat = seconds["repeat", _SAVEPOINT]
    anew = seconds["repeat, log begun anew", _SAVEPOINT]
    name = f"repeat snapshot after 20 transactions, {figures.megabytes:,} MB"
    yield _Row(name, "≤ 0.25 s", repeat, 0.25, "s")
    yield _Row("the same where the log was begun anew", "≤ 0.25 s", anew, 0.25, "s")
    if gzip:
        yield _Row("against backup + gzip -6", "≥ 60 ×", gzip / repeat, 60, "×", at_least=True)
    if restic:
        yield _Row("against restic with its feed", "≥ 10 ×", restic / repeat, 10, "×", at_least=True)
    yield _Row("its bytes", "≤ 0.40 MB", sizes["repeat", _SAVEPOINT] / _MB, 0.40, "MB")
    if restic:
        fewer = sizes["repeat", _RESTIC] / sizes["repeat", _SAVEPOINT]
        yield _Row("its bytes against restic", "≥ 50 × fewer", fewer, 50, "×", at_least=True)
    for work, goal, others in (("first", 6, "first"), ("full again", 30, "repeat"), ("restore", 3, "restore")):
        other = seconds.get((others, _GZIP))
        if other:
            beside = "gunzip" if work == "restore" else "backup + gzip -6"
            factor = other / seconds[work, _SAVEPOINT]
            yield _Row(f"{_LABELS[work]}, against {beside}", f"≥ {goal} ×", factor, goal, "×", at_least=True)


_LABELS = {
    "first": "first snapshot, proof included",
    "full again": "standalone full again after small changes",
    "restore": "restore to a file, proven",
}


def _felt_goals(figures: Figures) -> Iterable[_Row]:
    idle = [each for each in figures.felt if each.during.startswith("nothing")]
    busy = [each for each in figures.felt if not each.during.startswith("nothing")]
    quiet = sum(each.p99 for each in idle) / len(idle)
    stall = max(busy, key=lambda each: each.stall)
    writer = max(busy, key=lambda each: each.p99)
    peak = max(busy, key=lambda each: each.memory)
    yield _Row(f"longest stall of the event loop (during {stall.during})", "≤ 10 ms", stall.stall, 10, "ms")
    yield _Row(f"a writer's p99 over idle (during {writer.during})", "≤ 2 ms", writer.p99 - quiet, 2, "ms")
    yield _Row(f"worker's peak memory (during {peak.during})", "≤ 120 MB", peak.memory / _MB, 120, "MB")


def _other_goals(run: Run, figures: Figures) -> Iterable[_Row]:
    burst = figures.burst
    yield _Row(f"{burst.requests:,} requests in {burst.within:.2f} s: snapshots", "≤ 3", burst.snapshots, 3, "")
    yield _Row("of them resolved", "all", burst.resolved, burst.requests, "", at_least=True)
    yield _Row("cost of each in the caller, mean", "≤ 50 µs", burst.mean, 50, "µs")
    if run.series:
        total = (run.series.full_bytes + run.series.incremental_bytes) / _MB
        name = f"{run.series.snapshots} critical snapshots of 20 transactions, {run.series.megabytes} MB: total"
        yield _Row(name, "≤ 32 MB", total, 32, "MB")
    if run.catalog:
        found, of = run.catalog, f"with {run.catalog.entries:,} snapshots"
        yield _Row(f"list {of}, read from the disk", "≤ 50 ms", found.list_cold, 50, "ms")
        yield _Row(f"autocomplete {of}", "≤ 50 ms", found.autocomplete, 50, "ms")
        yield _Row(f"prune decision {of}", "≤ 50 ms", found.prune, 50, "ms")
        yield _Row(f"publishing one more {of}", "≤ 30 ms", found.publish, 30, "ms")


def _growth(sizes: Sequence[Figures]) -> str:
    names = list(dict.fromkeys(work.work for figures in sizes for work in figures.works if work.by == _SAVEPOINT))
    rows = []
    for name in names:
        cells = [name]
        for figures in sizes:
            found = [work for work in figures.works if (work.work, work.by) == (name, _SAVEPOINT)]
            cells.append(_cell(found[0].seconds, found[0].size) if found else "")
        rows.append(tuple(cells))
    return _table(("work", *(f"{figures.database_size / _MB:,.0f} MB" for figures in sizes)), rows)


def _beside(figures: Figures) -> str:
    programs = list(dict.fromkeys(work.by for work in figures.works))
    known = {(work.work, work.by): work for work in figures.works}
    rows = []
    for program in programs:
        cells = [program]
        for name in ("first", "repeat", "restore"):
            work = known.get((name, program))
            cells.append(_cell(work.seconds, work.size if name != "restore" else 0) if work else "")
        rows.append(tuple(cells))
    return _table(("program", "first copy", "repeat after 20 transactions", "restore to a file"), rows)


def _felt(sizes: Sequence[Figures]) -> str:
    return _table(
        ("MB", "while a writer does 100 transactions/s, during", "longest stall", "p50", "p99", "of", "worker's peak"),
        [
            (
                str(figures.megabytes),
                felt.during,
                f"{felt.stall:.1f} ms",
                f"{felt.p50:.2f} ms",
                f"{felt.p99:.2f} ms",
                f"{felt.transactions:,}",
                f"{felt.memory / _MB:.0f} MB" if felt.memory else "",
            )
            for figures in sizes
            for felt in figures.felt
        ],
    )


def _bursts(sizes: Sequence[Figures]) -> str:
    return _table(
        ("MB", "requests", "within", "each in the caller (p99)", "snapshots", "resolved", "all resolved after"),
        [
            (
                str(figures.megabytes),
                f"{figures.burst.requests:,}",
                f"{figures.burst.within:.2f} s",
                f"{figures.burst.mean:.1f} µs ({figures.burst.p99:.1f})",
                str(figures.burst.snapshots),
                f"{figures.burst.resolved:,}",
                f"{figures.burst.settled:.2f} s",
            )
            for figures in sizes
        ],
    )


def _series(series: Series) -> str:
    return _table(
        ("snapshots", "fulls", "bytes in fulls", "bytes in incrementals", "median", "mean", "worst"),
        [
            (
                str(series.snapshots),
                str(series.fulls),
                f"{series.full_bytes / _MB:.2f} MB",
                f"{series.incremental_bytes / _MB:.2f} MB",
                *(f"{seconds * 1000:.0f} ms" for seconds in (series.median, series.mean, series.worst)),
            )
        ],
    )


def _catalog(found: CatalogFigures) -> str:
    rows = [
        (f"list, read from the disk ({found.catalog_bytes / _MB:.1f} MB)", found.list_cold),
        ("list, from memory", found.list_warm),
        ("autocomplete, nothing found", found.autocomplete),
        ("prune decision", found.prune),
        ("publishing one more", found.publish),
        ("opening the repository", found.open),
        ("a whole repeat snapshot", found.large),
        ("a whole repeat snapshot, with 2 in the catalog", found.small),
        ("longest stall of the event loop in list, prune and repeat snapshots", found.stall),
    ]
    return _table(("what", "time"), [(name, f"{value:.1f} ms") for name, value in rows])


def _cell(seconds: float, size: float) -> str:
    time = f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"
    return f"{time}, {size / _MB:,.2f} MB" if size else time


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
