"""The goals, and what was measured against each of them: decided here, shown by ``report``."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..goal import Goal
from .results import BACKUP_GZIP, LOG_BEGUN_ANEW, RESTIC, Burst, Impact, Run, SizeFigures

__all__ = ["goals"]

_MB = 1e6
_SERIES_MEGABYTES = 100


def goals(run: Run) -> tuple[Goal, ...]:
    """Return every goal, those that the run did not measure included."""
    return (*_speeds(run.sizes), *_impacts(run.sizes), *_bursts(run.sizes), _series(run), *_catalog(run))


Figure = Callable[[SizeFigures], float | None]


def _by_size(sizes: Sequence[SizeFigures], figure: Figure) -> dict[int, float]:
    return {each.megabytes: value for each in sizes if (value := figure(each)) is not None}


def _seconds(work: str) -> Figure:
    def figure(size: SizeFigures) -> float | None:
        found = size.work(work)
        return None if found is None else found.seconds

    return figure


def _faster(work: str, by: str, their: str) -> Figure:
    """Return how many times as long another program needs for its work as Savepoint for its own."""

    def figure(size: SizeFigures) -> float | None:
        own, other = size.work(work), size.work(their, by)
        return None if own is None or other is None else other.seconds / own.seconds

    return figure


def _bytes(size: SizeFigures) -> float | None:
    found = size.work("repeat")
    return None if found is None else found.size / _MB


def _fewer(size: SizeFigures) -> float | None:
    own, other = size.work("repeat"), size.work("repeat", RESTIC)
    return None if own is None or other is None else other.size / own.size


def _speeds(sizes: Sequence[SizeFigures]) -> tuple[Goal, ...]:
    def limit(work: str, limit: float, unit: str, figure: Figure) -> Goal:
        return Goal(work=work, limit=limit, unit=unit, measured=_by_size(sizes, figure))

    def factor(work: str, limit: float, figure: Figure) -> Goal:
        return Goal(work=work, limit=limit, unit="×", measured=_by_size(sizes, figure), at_least=True)

    return (
        limit("repeat snapshot, published and verified", 0.25, "s", _seconds("repeat")),
        limit("the same where the log was begun anew", 0.25, "s", _seconds(LOG_BEGUN_ANEW)),
        factor("repeat: faster than backup + gzip -6", 60, _faster("repeat", BACKUP_GZIP, "repeat")),
        factor("repeat: faster than restic with its feed", 10, _faster("repeat", RESTIC, "repeat")),
        limit("repeat: its bytes", 0.40, "MB", _bytes),
        factor("repeat: fewer bytes than restic", 50, _fewer),
        factor("first snapshot, verified: faster than backup + gzip -6", 6, _faster("first", BACKUP_GZIP, "first")),
        factor("standalone full again: faster than backup + gzip -6", 30, _faster("full again", BACKUP_GZIP, "repeat")),
        factor("restore to a file, verified: faster than gunzip", 3, _faster("restore", BACKUP_GZIP, "restore")),
    )


def _impacts(sizes: Sequence[SizeFigures]) -> tuple[Goal, ...]:
    def worst(work: str, limit: float, unit: str, of: Callable[[Impact, float], float]) -> Goal:
        def figure(size: SizeFigures) -> float | None:
            idle = [each.p99 for each in size.impacts if not each.busy]
            quiet = sum(idle) / len(idle) if idle else 0.0
            found = max((of(each, quiet) for each in size.impacts if each.busy), default=None)
            return None if unit == "MB" and not found else found  # where the system does not report a process's memory

        return Goal(work=work, limit=limit, unit=unit, measured=_by_size(sizes, figure), at=None)

    return (
        worst("longest stall of the bot's event loop", 10, "ms", lambda impact, _: impact.stall),
        worst("a writer's commit p99 over idle, WAL", 2, "ms", lambda impact, quiet: max(0.0, impact.p99 - quiet)),
        worst("worker's peak memory", 120, "MB", lambda impact, _: impact.memory / _MB),
    )


def _bursts(sizes: Sequence[SizeFigures]) -> tuple[Goal, ...]:
    def of(work: str, limit: float, unit: str, value: Callable[[Burst], float], at_least: bool = False) -> Goal:
        measured = _by_size(sizes, lambda size: None if size.burst is None else value(size.burst))
        return Goal(work=work, limit=limit, unit=unit, measured=measured, at=None, at_least=at_least)

    return (
        of("1,000 requests within a second: snapshots", 3, "", lambda burst: burst.snapshots),
        of("of them resolved", 100, "%", lambda burst: 100 * burst.resolved / burst.requests, at_least=True),
        of("each in the caller, mean", 50, "µs", lambda burst: burst.mean),
    )


def _series(run: Run) -> Goal:
    series = run.series
    return Goal(
        work="100 critical snapshots of 20 transactions each: total",
        limit=32,
        unit="MB",
        measured={series.megabytes: (series.full_bytes + series.incremental_bytes) / _MB} if series else {},
        at=_SERIES_MEGABYTES,
    )


def _catalog(run: Run) -> tuple[Goal, ...]:
    def of(work: str, limit: float, value: str) -> Goal:
        measured = {run.catalog.megabytes: float(getattr(run.catalog, value))} if run.catalog else {}
        return Goal(work=f"10,000 in the catalog: {work}", limit=limit, unit="ms", measured=measured, at=None)

    return (
        of("list, read from the disk", 50, "list_cold"),
        of("autocomplete", 50, "autocomplete"),
        of("prune decision", 50, "prune"),
        of("publishing one more", 30, "publish"),
    )
