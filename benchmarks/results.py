"""What a run measured: plain values, kept as JSON, from which the tables are written."""

from __future__ import annotations

import msgspec

__all__ = [
    "BACKUP_GZIP",
    "LOG_BEGUN_ANEW",
    "RESTIC",
    "SAVEPOINT",
    "Burst",
    "CatalogFigures",
    "Felt",
    "Run",
    "Series",
    "SizeFigures",
    "Work",
]

SAVEPOINT, BACKUP_GZIP, RESTIC = "Savepoint", "backup + gzip -6", "restic, with its feed"
LOG_BEGUN_ANEW = "repeat, log begun anew"


class Work(msgspec.Struct, frozen=True):
    """One kind of work, done by one program: the medians of seconds, and of bytes added to what it keeps."""

    work: str
    by: str
    seconds: float
    size: float


class Felt(msgspec.Struct, frozen=True):
    """What others feel while work is done.

    The loop's longest stall and the writer's percentiles in ms, the latter over so many transactions; the worker's peak
    memory in bytes. Where ``busy`` is False nothing was done.
    """

    during: str
    busy: bool
    stall: float
    p50: float
    p99: float
    transactions: int
    memory: int


class Burst(msgspec.Struct, frozen=True):
    """Many requests within a second: seconds it took to make them, µs in the caller for each, and what came of them.

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
    felt: tuple[Felt, ...] = ()
    burst: Burst | None = None

    def work(self, work: str, by: str = SAVEPOINT) -> Work | None:
        """Give one kind of work as one program did it."""
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
    """Everything one run measured; what it was not asked for is not there. ``seconds`` is what it took itself."""

    machine: tuple[str, ...]
    rounds: int
    sizes: tuple[SizeFigures, ...] = ()
    series: Series | None = None
    catalog: CatalogFigures | None = None
    seconds: float = 0.0
