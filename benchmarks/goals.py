"""The goals, and what was measured against each of them: decided here, written down in ``report``."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from .results import BACKUP_GZIP, LOG_BEGUN_ANEW, RESTIC, Burst, Felt, Run, SizeFigures

__all__ = ["Goal", "goals"]

_MB = 1e6
_LARGEST = 1000
_SERIES_MEGABYTES = 100
_NOT_MEASURED = "not measured"


class Goal(msgspec.Struct, frozen=True, kw_only=True):
    """A limit and what was measured, by size of the database in MB; with ``at_least`` more is better.

    ``at`` is the size the goal is set for; None: it holds for each.
    """

    work: str
    limit: float
    unit: str
    measured: dict[int, float]
    at: int | None = _LARGEST
    at_least: bool = False

    @property
    def goal(self) -> str:
        """The limit, in words."""
        size = f", {self.at:,} MB" if self.at is not None else ""
        return f"{'≥' if self.at_least else '≤'} {self.shown(self.limit)}{size}"

    @property
    def judged(self) -> float | None:
        """What counts: the value at the goal's size, or the worst of all; None where that was not measured."""
        if self.at is not None:
            return self.measured.get(self.at)
        worst = min if self.at_least else max
        return worst(self.measured.values(), default=None)

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None where nobody knows."""
        value = self.judged
        if value is None:
            return None
        return value >= self.limit if self.at_least else value <= self.limit

    @property
    def verdict(self) -> str:
        """Whether it is met, and by how much it is missed."""
        value = self.judged
        if value is None:
            return _NOT_MEASURED
        if self.met:
            return "met"
        return f"**missed** by {self.shown(abs(value - self.limit))} ({value / self.limit:.2f} of the goal)"

    def shown(self, value: float) -> str:
        """Give a value with its unit, in three digits or so."""
        digits = 0 if value >= 100 or value == int(value) else 1 if value >= 10 else 2
        return f"{value:,.{digits}f} {self.unit}".strip()


def goals(run: Run) -> tuple[Goal, ...]:
    """Give every goal, also those that a run did not measure."""
    return (*_speeds(run.sizes), *_felt(run.sizes), *_bursts(run.sizes), _series(run), *_catalog(run))


Figure = Callable[[SizeFigures], float | None]


def _by_size(sizes: Sequence[SizeFigures], figure: Figure) -> dict[int, float]:
    return {each.megabytes: value for each in sizes if (value := figure(each)) is not None}


def _seconds(work: str) -> Figure:
    def figure(size: SizeFigures) -> float | None:
        found = size.work(work)
        return None if found is None else found.seconds

    return figure


def _faster(work: str, by: str, their: str) -> Figure:
    """How many times as long somebody needs for their work as Savepoint for its own."""

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
        limit("repeat snapshot, published and proven", 0.25, "s", _seconds("repeat")),
        limit("the same where the log was begun anew", 0.25, "s", _seconds(LOG_BEGUN_ANEW)),
        factor("repeat: faster than backup + gzip -6", 60, _faster("repeat", BACKUP_GZIP, "repeat")),
        factor("repeat: faster than restic with its feed", 10, _faster("repeat", RESTIC, "repeat")),
        limit("repeat: its bytes", 0.40, "MB", _bytes),
        factor("repeat: fewer bytes than restic", 50, _fewer),
        factor("first snapshot, proven: faster than backup + gzip -6", 6, _faster("first", BACKUP_GZIP, "first")),
        factor("standalone full again: faster than backup + gzip -6", 30, _faster("full again", BACKUP_GZIP, "repeat")),
        factor("restore to a file, proven: faster than gunzip", 3, _faster("restore", BACKUP_GZIP, "restore")),
    )


def _felt(sizes: Sequence[SizeFigures]) -> tuple[Goal, ...]:
    def worst(work: str, limit: float, unit: str, of: Callable[[Felt, float], float]) -> Goal:
        def figure(size: SizeFigures) -> float | None:
            idle = [each.p99 for each in size.felt if not each.busy]
            quiet = sum(idle) / len(idle) if idle else 0.0
            found = max((of(each, quiet) for each in size.felt if each.busy), default=None)
            return None if unit == "MB" and not found else found  # where nobody tells a process's memory

        return Goal(work=work, limit=limit, unit=unit, measured=_by_size(sizes, figure), at=None)

    return (
        worst("longest stall of the bot's event loop", 10, "ms", lambda felt, _: felt.stall),
        worst("a writer's commit p99 over idle, WAL", 2, "ms", lambda felt, quiet: max(0.0, felt.p99 - quiet)),
        worst("worker's peak memory", 120, "MB", lambda felt, _: felt.memory / _MB),
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
