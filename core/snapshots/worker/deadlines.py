"""The message about a job that took longer than its deadline: which operation, which setting, what stands now. Pure."""

from __future__ import annotations

from ..errors import DeadlineExceeded
from ..units import duration_text
from .protocol import (
    ExportJob,
    HistoryJob,
    InspectJob,
    IntegrityJob,
    RebuildJob,
    ReplaceJob,
    ScanJob,
    SnapshotJob,
    VerifyJob,
)

__all__ = ["overdue"]

_ONLY_READ = "Nothing was changed; the database was only read"
_AS_IT_WAS = "The database is as it was"
_UNMARKED = "The snapshot is neither verified nor marked as damaged"
_JOBS: dict[object, tuple[str, str, str]] = {
    SnapshotJob: (
        "The snapshot",
        "schedule.snapshot_deadline",
        "Nothing of it is left; those before it are kept",
    ),
    VerifyJob: ("The verification", "schedule.verify_deadline", _UNMARKED),
    ScanJob: ("The verification", "schedule.verify_deadline", _UNMARKED),
    ExportJob: ("The export", "schedule.verify_deadline", "No file was written"),
    IntegrityJob: ("The integrity check", "schedule.integrity_deadline", _ONLY_READ),
    InspectJob: ("The look at the database", "schedule.integrity_deadline", _ONLY_READ),
    HistoryJob: ("The question about the past", "schedule.integrity_deadline", _ONLY_READ),
    RebuildJob: ("The restore", "schedule.restore_deadline", _AS_IT_WAS),
    ReplaceJob: ("The restore", "schedule.restore_deadline", _AS_IT_WAS),
}


def overdue(job: object, seconds: float, setting: str | None = None, *, committed: bool = False) -> DeadlineExceeded:
    """Return the error for a job of this class.

    ``setting`` names the key of its deadline if it is not the usual one, "" if no setting has it. ``committed`` says
    that its change was made.
    """
    what, usual, now = _JOBS.get(job, ("The operation", "", "Nothing half-done is left"))
    now = "Its change was made before that" if committed else now
    setting = usual if setting is None else setting
    section, _, key = setting.partition(".")
    more = f" If the disk is only slow, allow it more time: [{section}] {key}." if key else ""
    message = f"{what} did not end within {duration_text(seconds)} and was given up. {now}.{more}"
    return DeadlineExceeded(message, seconds=seconds, setting=setting)
