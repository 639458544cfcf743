"""What a run measured: plain values, kept as JSON, from which the tables are written."""

from __future__ import annotations

import msgspec

from ..subject import SAVEPOINT

__all__ = [
    "BACKUP_GZIP",
    "LOG_BEGUN_ANEW",
    "RESTIC",
    "Burst",
    "CatalogFigures",
    "Impact",
    "Run",
    "Series",
    "SizeFigures",
    "Work",
]

BACKUP_GZIP, RESTIC = "backup + gzip -6", "restic, with its feed"
LOG_BEGUN_ANEW = "repeat, log begun anew"


class Work(msgspec.Struct, frozen=True):
    """One kind of work by one program: the medians of its seconds, and of the bytes added to what it keeps."""

    work: str
    by: str
    seconds: float
    size: float


class Impact(msgspec.Struct, frozen=True):
    """What one kind of work costs the game meanwhile.

    ``stall`` is the event loop's longest, ``p50`` and ``p99`` are a writer's commits, all in ms; ``memory`` is the
    worker's peak in bytes. ``busy`` is False where nothing was done, for comparison.
    """

    during: str
    busy: bool
    stall: float
    p50: float
    p99: float
    transactions: int
    memory: int


class Burst(msgspec.Struct, frozen=True):
    """Many requests within a second.

    ``within`` is how many seconds it took to make them, ``mean`` and ``p99`` the µs that each cost its caller.
    ``resolved`` tickets had a snapshot, the last one after ``settled`` seconds.
    """

    requests: int
    within: float
    mean: float
    p99: float
    snapshots: int
    resolved: int
    settled: float


class SizeFigures(msgspec.Struct, frozen=True):
    """All that was measured on a database of one size, in MB (10^6 bytes)."""

    megabytes: int
    works: tuple[Work, ...] = ()
    impacts: tuple[Impact, ...] = ()
    burst: Burst | None = None

    def work(self, work: str, by: str = SAVEPOINT) -> Work | None:
        """Return one kind of work by one program, or None if it was not measured."""
        return next((each for each in self.works if (each.work, each.by) == (work, by)), None)


class Series(msgspec.Struct, frozen=True):
    """Event snapshots in a row after a first one: their bytes and seconds; ``fulls`` of them stand alone."""

    megabytes: int
    first_bytes: int
    snapshots: int
    fulls: int
    full_bytes: int
    incremental_bytes: int
    median: float
    mean: float
    worst: float


class CatalogFigures(msgspec.Struct, frozen=True):
    """With many snapshots in the catalog: all in ms, each but ``open`` and ``stall`` the median of the rounds.

    ``small`` is a repeat snapshot with few in the catalog, ``large`` one with all. ``stall`` is the loop's longest
    while it lists, decides what to prune and takes snapshots, ``stall_opening`` while the repository is opened.
    """

    megabytes: int
    entries: int
    catalog_bytes: int
    open: float
    list_cold: float
    list_warm: float
    autocomplete: float
    prune: float
    publish: float
    small: float
    large: float
    stall: float
    stall_opening: float


class Run(msgspec.Struct, frozen=True):
    """Everything that one run measured; subjects it was not asked for are missing. It took ``seconds``."""

    machine: tuple[str, ...]
    rounds: int
    sizes: tuple[SizeFigures, ...] = ()
    series: Series | None = None
    catalog: CatalogFigures | None = None
    seconds: float = 0.0
