"""The messages between the bot's process and the worker, as JSON lines: one job in, progress and one outcome out.

A job is one line on the worker's standard input, which then stays open: when it is closed, the parent died or wants the
worker to stop. Paths in jobs are made by the service, never by a person.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import msgspec

from ..archive.members import Head
from ..engines.base import ChainFile, Checks, ParentSnapshot, Recovery
from ..history.questions import PastFiles, Question
from ..models import Finding, Identity, IntegrityReport, Level, Method, Snapshot

__all__ = [
    "CleanUpJob",
    "CleanedUp",
    "Committed",
    "DiscardJob",
    "Failed",
    "FinishJob",
    "HistoryJob",
    "ImportJob",
    "InspectJob",
    "IntegrityJob",
    "Job",
    "Outcome",
    "PutBackJob",
    "RebuildJob",
    "RecoverJob",
    "Recovered",
    "ReplaceJob",
    "ScanJob",
    "ScanResult",
    "ScannedFile",
    "SnapshotJob",
    "VerifyJob",
    "VerifyResult",
    "commit_mark",
]


class Work(msgspec.Struct, frozen=True, kw_only=True, tag_field="job", tag=True):
    """The fields of every job.

    ``busy_timeout`` is how long to wait for locks of the database, and ``deadline`` how long the job may take, both in
    seconds. ``scratch`` is the job's own folder, created and removed by the worker. ``min_free`` is how many bytes of
    the disk must stay free. ``exclude_unreadable`` is the setting of that name.
    """

    url: str
    busy_timeout: float
    deadline: float
    scratch: str
    min_free: int = 0
    exclude_unreadable: bool = True


class SnapshotJob(Work, frozen=True, kw_only=True, tag=True):
    """Write the database's state to ``target``, incremental if ``parent`` allows it, and verify the file."""

    target: str
    head: Head
    tables: tuple[str, ...] | None
    parent: ParentSnapshot


class VerifyJob(Work, frozen=True, kw_only=True, tag=True):
    """Verify the last snapshot of a chain at a level."""

    chain: tuple[ChainFile, ...]
    level: Level
    checks: Checks


class RebuildJob(Work, frozen=True, kw_only=True, tag=True):
    """Rebuild the last snapshot of a chain as ``image`` and check it; the image stays after the job."""

    chain: tuple[ChainFile, ...]
    image: str
    checks: Checks


class ReplaceJob(Work, frozen=True, kw_only=True, tag=True):
    """Replace the database's content by that of ``image``; see ``Engine.replace`` for the fields."""

    image: str
    method: Method
    quarantine: str
    details: dict[str, Any]
    checks: Checks
    record: str
    stopped: bool = False


def commit_mark(record: Path) -> Path:
    """Return the file that a worker leaves when its replacement is committed, in case nobody hears it say so."""
    return record.with_suffix(".committed")


class DiscardJob(Work, frozen=True, kw_only=True, tag=True):
    """Release what a RebuildJob created for ``image`` outside its file, such as a scratch database."""

    image: str


class CleanUpJob(Work, frozen=True, kw_only=True, tag=True):
    """Remove scratch databases and replaced databases that are older than these ages, in seconds."""

    scratch_age: float
    kept_age: float


class PutBackJob(Work, frozen=True, kw_only=True, tag=True):
    """Undo a swap or an exchange: put back what is in ``quarantine``."""

    quarantine: str
    record: str


class RecoverJob(Work, frozen=True, kw_only=True, tag=True):
    """Finish or undo a replacement that was interrupted, by its ``record``."""

    record: str


class IntegrityJob(Work, frozen=True, kw_only=True, tag=True):
    """Check the database."""

    checks: Checks


class FinishJob(Work, frozen=True, kw_only=True, tag=True):
    """Clean up the database when the bot goes down."""


class InspectJob(Work, frozen=True, kw_only=True, tag=True):
    """Look at the database; ``tables`` are counted (empty: every one, None: none)."""

    tables: tuple[str, ...] | None


class ExportJob(Work, frozen=True, kw_only=True, tag=True):
    """Write the last snapshot of a chain to ``target`` as a standalone file, and verify it on the way.

    With ``plain`` the file is what the archive holds: a SQLite database, or a dump.
    """

    chain: tuple[ChainFile, ...]
    target: str
    head: Head
    record: str
    plain: bool = False


class ImportJob(Work, frozen=True, kw_only=True, tag=True):
    """Write the database or the archive at ``source`` to ``target`` as a full, and verify that.

    ``known`` are tables of the repository's database, of which the file must have one; empty if any file will do.
    """

    source: str
    target: str
    head: Head
    known: tuple[str, ...]
    checks: Checks


class HistoryJob(Work, frozen=True, kw_only=True, tag=True):
    """Answer a question about the past."""

    question: Question
    files: PastFiles


class ScanJob(Work, frozen=True, kw_only=True, tag=True):
    """Read and verify snapshot files that the catalog does not list, given as (name, path). ``at`` is the time now."""

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
    | RecoverJob
    | IntegrityJob
    | FinishJob
    | InspectJob
    | ExportJob
    | ImportJob
    | ScanJob
    | HistoryJob
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


class Recovered(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a RecoverJob; ``recovery`` is None if nothing was interrupted."""

    recovery: Recovery | None


class CleanedUp(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a CleanUpJob: the names of the databases that were removed."""

    dropped: tuple[str, ...]


class ScannedFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file that a ScanJob read. ``problem`` says why it is no snapshot, or why the snapshot is damaged.

    ``unread`` is True if the disk or its rights did not let it be read, which tells nothing about its bytes.
    """

    name: str
    snapshot: Snapshot | None
    problem: str | None = None
    unread: bool = False
    identity: Identity | None = None


class ScanResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a ScanJob."""

    files: tuple[ScannedFile, ...]


class Committed(msgspec.Struct, frozen=True, tag_field="type", tag="committed"):
    """The change that the job is for is made; what comes after it only looks at the result."""


class Outcome(msgspec.Struct, frozen=True, tag_field="type", tag="outcome"):
    """The job is done; ``value`` is its result as JSON."""

    value: msgspec.Raw


class Failed(msgspec.Struct, frozen=True, tag_field="type", tag="failed"):
    """The job failed; ``error`` comes from ``SnapshotError.to_wire``."""

    error: dict[str, Any]
