"""Proving snapshots that are stored, and writing down the outcome."""

from __future__ import annotations

import datetime as dt
import time
from pathlib import Path

import msgspec

from ..errors import SnapshotDamaged, SnapshotNotFound
from ..models import Check, Finding, Level, Severity, Snapshot, Verification, VerifyReport
from ..policies.chain import dependants_of
from ..repository.catalog import Contents
from ..worker.client import OnProgress
from ..worker.protocol import Verified, VerifyJob
from .context import Context
from .latest import refresh_latest

__all__ = ["damaged_error", "record_outcome", "verify_locked"]


async def verify_locked(
    context: Context, contents: Contents, snapshot: Snapshot, level: Level, on_progress: OnProgress | None = None
) -> VerifyReport:
    """Prove a snapshot at a level and record the outcome; one that fails is marked damaged, never removed.

    What stops the proof without saying anything about the snapshot (busy, deadline, no space) is raised.
    """
    started = time.monotonic()
    try:
        chain = await context.in_thread(context.repository.chain, snapshot)
    except (SnapshotNotFound, SnapshotDamaged) as error:
        gone = error.data.get("snapshot_id") if isinstance(error, SnapshotNotFound) else None
        verified = Verified(ok=False, findings=(_file_finding(str(error)),), culprit=gone)
    else:
        verified = await context.work(
            VerifyJob,
            Verified,
            on_progress,
            deadline=float(context.settings.schedule.verify_deadline),
            min_free=int(context.settings.repository.min_free),
            chain=chain,
            level=level,
            checks=context.checks(contents, quick=False, of=snapshot),
        )
    now = context.clock()
    await record_outcome(context, snapshot, level, verified, now)
    return VerifyReport(
        id=snapshot.id,
        level=level,
        ok=verified.ok,
        findings=verified.findings,
        at=now,
        seconds=time.monotonic() - started,
    )


def damaged_error(report: VerifyReport) -> SnapshotDamaged:
    """Give the error that a failed verification amounts to."""
    first = report.findings[0].message if report.findings else "it failed its check."
    return SnapshotDamaged(
        f"Snapshot {report.id} did not pass {report.level.value}: {first} It is marked damaged and kept.",
        snapshot_id=report.id,
    )


async def record_outcome(
    context: Context, snapshot: Snapshot, level: Level, verified: Verified, now: dt.datetime
) -> None:
    """Write down what a proof of a snapshot showed: of itself or, where a file below it is damaged, of that one.

    Damage is everything's that builds on it, and ``latest.*`` goes to what is sound.
    """
    contents = context.repository.catalog.contents
    changed = [note_outcome(snapshot, level, verified.ok, now)]
    if not verified.ok:
        culprit = _snapshot_at(contents, verified.culprit) or snapshot
        damaged = {each.id: each for each in (snapshot, culprit, *dependants_of(culprit, contents.snapshots))}
        changed = [note_outcome(each, level, False, now) for each in damaged.values()]
    await context.in_thread(context.repository.update, *changed)
    if not verified.ok:
        await refresh_latest(context)


def _snapshot_at(contents: Contents, path: str | None) -> Snapshot | None:
    name = Path(path).name if path else None
    return next((each for each in contents.snapshots if each.path.rpartition("/")[2] == name), None)


def note_outcome(snapshot: Snapshot, level: Level, ok: bool, now: dt.datetime) -> Snapshot:
    """Give the snapshot with the outcome of a verification."""
    return msgspec.structs.replace(
        snapshot,
        verification=Verification(level=level, at=now, ok=ok),
        restored_at=now if ok and level is Level.RESTORED else snapshot.restored_at,
    )


def _file_finding(message: str) -> Finding:
    return Finding(check=Check.FILE, severity=Severity.ERROR, message=message)
