"""What is said of an operation that took longer than its deadline."""

from __future__ import annotations

from typing import Any

import pytest

from core.snapshots.settings.schema import defaults
from core.snapshots.worker.deadlines import _JOBS, overdue
from core.snapshots.worker.protocol import CleanUpJob, HistoryJob, IntegrityJob, ReplaceJob, SnapshotJob


@pytest.mark.parametrize(
    ("job", "setting", "committed", "says"),
    [
        (SnapshotJob, None, False, ["The snapshot did", "[schedule] snapshot_deadline", "those before it are kept"]),
        (SnapshotJob, "schedule.shutdown_deadline", False, ["[schedule] shutdown_deadline"]),
        (IntegrityJob, "startup.deadline", False, ["The integrity check did", "[startup] deadline", "was only read"]),
        (ReplaceJob, None, False, ["The restore did", "[schedule] restore_deadline", "The database is as it was."]),
        (HistoryJob, "", False, ["The question about the past did", "was only read."]),
        (ReplaceJob, None, True, ["Its change was made before that."]),
        (CleanUpJob, None, False, ["The operation did not end", "and was given up. Nothing half-done is left."]),
    ],
)
def test_it_names_the_operation_the_setting_and_what_stands_now(
    job: type[Any], setting: str | None, committed: bool, says: list[str]
) -> None:
    """So that nobody has to look for the key, or to wonder what became of the database."""
    error = overdue(job, 90.0, setting, committed=committed)
    assert error.seconds == 90.0
    for part in (*says, "within 1m 30s"):
        assert part in str(error)
    assert ("[" in str(error)) is bool(error.setting)
    assert setting in (None, error.setting)


def test_every_setting_that_is_named_exists() -> None:
    """Whoever follows the advice must not get an unknown key for it."""
    for _, setting, _ in _JOBS.values():
        section, _, key = setting.partition(".")
        assert hasattr(getattr(defaults(), section), key)
