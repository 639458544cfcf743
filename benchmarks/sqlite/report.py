"""A run as Markdown: the goals, and a table for each subject."""

from __future__ import annotations

from collections.abc import Sequence

from ..subject import SAVEPOINT
from ..table import table
from .goals import goals
from .results import LOG_BEGUN_ANEW, CatalogFigures, Run, Series, SizeFigures, Work

__all__ = ["report"]

_MB = 1e6
_OWN = {
    "first": "first snapshot",
    LOG_BEGUN_ANEW: "repeat after 20 transactions, log begun anew",
    "repeat": "repeat after 20 transactions",
    "full again": "standalone full again",
    "restore": "restore of a full to a file, verified",
    "restore, chain": "restore of an incremental on a full, verified",
}


def report(run: Run) -> str:
    """Return all tables as Markdown."""
    sizes = sorted(run.sizes, key=lambda figures: figures.megabytes)
    parts = [_about(run), "### Goals, and growth with the database\n\n" + _goals(run, sizes)]
    if any(figures.works for figures in sizes):
        parts.append("### Savepoint's own work\n\n" + _own(sizes))
        parts += [f"### Beside the others, {each.megabytes:,} MB\n\n{_beside(each)}" for each in sizes if each.works]
    if any(figures.impacts for figures in sizes):
        parts.append("### Impact on the game while a player commits 100 times a second\n\n" + _impacts(sizes))
    if any(figures.burst for figures in sizes):
        parts.append("### A thousand requests within a second\n\n" + _bursts(sizes))
    if run.series:
        parts.append(f"### {run.series.snapshots} event snapshots, {run.series.megabytes} MB\n\n{_series(run.series)}")
    if run.catalog:
        parts.append(f"### {run.catalog.entries:,} snapshots in the catalog\n\n{_catalog(run.catalog)}")
    return "\n\n".join(parts) + "\n"


def _about(run: Run) -> str:
    lines = [*run.machine, f"medians of {run.rounds} rounds; the run took {run.seconds / 60:.1f} minutes"]
    return "### Machine\n\n" + "\n".join(f"- {line}" for line in lines)


def _goals(run: Run, sizes: Sequence[SizeFigures]) -> str:
    every = goals(run)
    columns = sorted({figures.megabytes for figures in sizes}.union(*(goal.measured for goal in every)))
    return table(
        ("work", "goal", *(f"{megabytes:,} MB" for megabytes in columns), "verdict"),
        [
            (
                goal.work,
                goal.goal,
                *(goal.shown(goal.measured[each]) if each in goal.measured else "" for each in columns),
                goal.verdict,
            )
            for goal in every
        ],
    )


def _own(sizes: Sequence[SizeFigures]) -> str:
    return table(
        ("work", *(f"{figures.megabytes:,} MB" for figures in sizes)),
        [(name, *(_cell(figures.work(work)) for figures in sizes)) for work, name in _OWN.items()],
    )


def _beside(figures: SizeFigures) -> str:
    programs = [work.by for work in figures.works if work.work == "repeat"]
    return table(
        ("program", "first copy", "repeat after 20 transactions", "the repeat takes", "restore to a file"),
        [
            (
                program,
                _cell(figures.work("first", program)),
                _cell(figures.work("repeat", program)),
                _times(figures.work("repeat", program), figures.work("repeat")),
                _cell(figures.work("restore", program)),
            )
            for program in programs
        ],
    )


def _times(other: Work | None, own: Work | None) -> str:
    if other is None or own is None or other.by == SAVEPOINT:
        return ""
    return f"{other.seconds / own.seconds:.1f} × the time, {other.size / own.size:.1f} × the bytes"


def _impacts(sizes: Sequence[SizeFigures]) -> str:
    return table(
        ("MB", "during", "longest stall of the loop", "commit p50", "commit p99", "commits", "worker's peak memory"),
        [
            (
                f"{figures.megabytes:,}",
                impact.during,
                f"{impact.stall:.1f} ms",
                f"{impact.p50:.2f} ms",
                f"{impact.p99:.2f} ms",
                f"{impact.transactions:,}",
                f"{impact.memory / _MB:.0f} MB" if impact.memory else "",
            )
            for figures in sizes
            for impact in figures.impacts
        ],
    )


def _bursts(sizes: Sequence[SizeFigures]) -> str:
    return table(
        ("MB", "requests", "within", "each in the caller (p99)", "snapshots", "resolved", "all resolved after"),
        [
            (
                f"{figures.megabytes:,}",
                f"{burst.requests:,}",
                f"{burst.within:.2f} s",
                f"{burst.mean:.1f} µs ({burst.p99:.1f})",
                str(burst.snapshots),
                f"{burst.resolved:,}",
                f"{burst.settled:.2f} s",
            )
            for figures in sizes
            if (burst := figures.burst) is not None
        ],
    )


def _series(series: Series) -> str:
    return table(
        ("the first", "then", "fulls among them", "bytes in fulls", "in incrementals", "median", "mean", "worst"),
        [
            (
                f"{series.first_bytes / _MB:.2f} MB",
                str(series.snapshots),
                str(series.fulls),
                f"{series.full_bytes / _MB:.2f} MB",
                f"{series.incremental_bytes / _MB:.2f} MB",
                *(f"{seconds * 1000:.0f} ms" for seconds in (series.median, series.mean, series.worst)),
            )
        ],
    )


def _catalog(found: CatalogFigures) -> str:
    rows = (
        (f"list, read from the disk ({found.catalog_bytes / _MB:.1f} MB)", found.list_cold),
        ("list, from memory", found.list_warm),
        ("autocomplete, nothing found", found.autocomplete),
        ("prune decision", found.prune),
        ("publishing one more", found.publish),
        (f"a whole repeat snapshot, {found.megabytes} MB", found.large),
        ("the same with a handful in the catalog", found.small),
        ("opening the repository", found.open),
        ("longest stall of the event loop while it is opened", found.stall_opening),
        ("longest stall of the event loop in list, prune decision and repeat snapshots", found.stall),
    )
    return table(("what", "time"), [(name, f"{value:.1f} ms") for name, value in rows])


def _cell(work: Work | None) -> str:
    if work is None:
        return ""
    time = f"{work.seconds:.2f} s" if work.seconds >= 1 else f"{work.seconds * 1000:.0f} ms"
    return f"{time}, {work.size / _MB:,.2f} MB" if work.size else time
