"""What the bot's process and the worker say to each other: one job in, progress and one outcome out, as JSON lines.

A job is one document on the worker's standard input, which then stays open: its end tells the worker that the parent
died or wants it to stop. Paths in jobs are made by the service, never by a person.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec

from ..archive.members import Head
from ..engines.base import ChainFile, Checks, ParentSnapshot
from ..models import Finding, IntegrityReport, Level, Method, Snapshot

__all__ = [
    "CleanUpJob",
    "CleanedUp",
    "Committed",
    "DiscardJob",
    "Failed",
    "InspectJob",
    "IntegrityJob",
    "Job",
    "Outcome",
    "PutBackJob",
    "RebuildJob",
    "ReplaceJob",
    "ScanJob",
    "ScanResult",
    "ScannedFile",
    "SnapshotJob",
    "VerifyJob",
    "VerifyResult",
]


class Work(msgspec.Struct, frozen=True, kw_only=True, tag_field="job", tag=True):
    """What every job says: the database, how long to wait for its locks, how long the job may last (seconds).

    ``scratch`` is a folder of the job's own, made by the worker and removed at its end. ``min_free`` bytes stay free.
    """

    url: str
    busy_timeout: float
    deadline: float
    scratch: str
    min_free: int = 0


class SnapshotJob(Work, frozen=True, kw_only=True, tag=True):
    """Write one state to ``target``, as ``base`` allows, and prove it."""

    target: str
    head: Head
    tables: tuple[str, ...] | None
    base: ParentSnapshot


class VerifyJob(Work, frozen=True, kw_only=True, tag=True):
    """Prove the last snapshot of a chain at a level."""

    chain: tuple[ChainFile, ...]
    level: Level
    checks: Checks


class RebuildJob(Work, frozen=True, kw_only=True, tag=True):
    """Rebuild the last snapshot of a chain as ``image``, which outlives the job, and check it."""

    chain: tuple[ChainFile, ...]
    image: str
    checks: Checks


class ReplaceJob(Work, frozen=True, kw_only=True, tag=True):
    """Make the database what ``image`` is."""

    image: str
    method: Method
    quarantine: str
    details: dict[str, Any]
    checks: Checks


class DiscardJob(Work, frozen=True, kw_only=True, tag=True):
    """Let go of what a RebuildJob made elsewhere than in ``image``."""

    image: str


class CleanUpJob(Work, frozen=True, kw_only=True, tag=True):
    """Remove what is left elsewhere of work that never ended, and of restores; both ages are in seconds."""

    scratch_age: float
    kept_age: float


class PutBackJob(Work, frozen=True, kw_only=True, tag=True):
    """Undo a swap."""

    quarantine: str


class IntegrityJob(Work, frozen=True, kw_only=True, tag=True):
    """Check the database."""

    checks: Checks


class InspectJob(Work, frozen=True, kw_only=True, tag=True):
    """Look at the database; ``tables`` are counted (empty: every one, None: none)."""

    tables: tuple[str, ...] | None


class ExportJob(Work, frozen=True, kw_only=True, tag=True):
    """Write the last snapshot of a chain to ``target`` as a file that stands alone, proving it on the way."""

    chain: tuple[ChainFile, ...]
    target: str
    head: Head
    record: str


class ScanJob(Work, frozen=True, kw_only=True, tag=True):
    """Read snapshot files that the catalog does not know, given as (name, path), and prove each; it is ``at`` now."""

    files: tuple[tuple[str, str], ...]
    at: dt.datetime


Job = (
    SnapshotJob
    | VerifyJob
    | RebuildJob
    | DiscardJob
    | CleanUpJob
    | ReplaceJob
    | PutBackJob
    | IntegrityJob
    | InspectJob
    | ExportJob
    | ScanJob
)


class VerifyResult(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of a VerifyJob or a RebuildJob.

    ``ok`` is True if the bytes give back the fingerprint. Otherwise ``culprit`` is the path of the file of the chain
    that is damaged. ``level`` is what was verified. ``findings`` and ``integrity`` are of the state in the snapshot, if
    it was rebuilt; they never make ``ok`` False.
    """

    ok: bool
    findings: tuple[Finding, ...]
    culprit: str | None = None
    level: Level = Level.RESTORED
    integrity: IntegrityReport | None = None


class CleanedUp(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of a TidyJob; the names of what was removed."""

    dropped: tuple[str, ...]


class ScannedFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file as a ScanJob found it: a snapshot, or ``problem`` says why it is none or not sound."""

    name: str
    snapshot: Snapshot | None
    problem: str | None = None


class ScanResult(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of a ScanJob."""

    files: tuple[ScannedFile, ...]


class Committed(msgspec.Struct, frozen=True, tag_field="type", tag="committed"):
    """The change that the job is for is made; what comes after it only looks at the result."""


class Outcome(msgspec.Struct, frozen=True, tag_field="type", tag="outcome"):
    """The job is done; ``value`` is what it gives, as JSON."""

    value: msgspec.Raw


class Failed(msgspec.Struct, frozen=True, tag_field="type", tag="failed"):
    """The job failed; ``error`` is what ``SnapshotError.to_wire`` gave."""

    error: dict[str, Any]
