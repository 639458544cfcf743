"""The verification of stored snapshots."""

from __future__ import annotations

import datetime as dt
import logging
import time
from pathlib import Path

import msgspec

from ..errors import Busy, RestoreTestUnavailable, SnapshotDamaged, SnapshotNotFound
from ..models import (
    NOBODY,
    Actor,
    Check,
    Finding,
    Health,
    Level,
    OnProgress,
    Severity,
    Snapshot,
    Verification,
    VerifyReport,
)
from ..policies.chain import dependants_of
from ..policies.health import health_of, readable
from ..policies.schedule import verification_due
from ..repository.catalog import Contents
from ..units import stopped
from ..worker.protocol import ScanJob, ScanResult, VerifyJob, VerifyResult
from .context import Context
from .exclusive import exclusive
from .latest import refresh_latest
from .rebuild_catalog import readable_contents, with_memory

__all__ = ["VerificationSchedule", "current_entry", "damaged_error", "record_outcome", "verify", "verify_bytes"]

log = logging.getLogger(__name__)


async def verify(
    context: Context,
    text: str,
    level: Level = Level.CHECKSUM,
    on_progress: OnProgress | None = None,
    *,
    actor: Actor = NOBODY,
) -> VerifyReport:
    """Verify a snapshot and record the outcome; if it fails it is marked damaged and the listeners are notified.

    ``actor`` is who asked for it.
    """
    # The long part runs without the lock, so that it holds up no event and no shutdown.
    contents = await context.in_thread(context.repository.refresh)
    snapshot = await current_entry(context, contents.find(text))
    with context.shown(f"a verification of {snapshot.id}", actor):
        report, verified = await verify_bytes(context, contents, snapshot, level, on_progress)
    if not await context.in_thread(lambda: context.repository.is_read_only):
        await _record(context, snapshot, verified, report)
    if not report.ok:
        error = damaged_error(report)
        await context.notify(lambda listener: listener.failed("verification", error))
    return report


async def _record(context: Context, snapshot: Snapshot, verified: VerifyResult, report: VerifyReport) -> None:
    """Record an outcome, unless retention removed the snapshot meanwhile or another operation goes on for too long."""
    try:
        async with exclusive(context, "recording a verification"):
            contents = await readable_contents(context)
            if any(each.id == snapshot.id for each in contents.snapshots):
                entry, seconds = contents.find(snapshot.id), report.seconds
                await record_outcome(context, entry, report.level, verified, report.at, seconds=seconds)
    except Busy as error:
        log.warning("That %s was verified could not be recorded: %s", snapshot.id, error)


async def current_entry(context: Context, snapshot: Snapshot) -> Snapshot:
    """Return a snapshot's entry, read anew from its file if the file is not what the catalog was made from.

    A file that was still being copied when the catalog was rebuilt is listed as damaged, with the size it had then.
    """
    repository = context.repository
    if not snapshot.damaged or await context.in_thread(repository.is_stored, snapshot):
        return snapshot
    if await context.in_thread(repository.store.size, snapshot.path) is None:
        return snapshot
    files = ((snapshot.path, str(await context.in_thread(repository.store.fetch, snapshot.path))),)
    deadline = float(context.settings.schedule.verify_deadline)
    scanned = await context.work(ScanJob, ScanResult, deadline=deadline, files=files, at=context.clock())
    found = scanned.files[0]
    if found.snapshot is None or found.problem is not None or found.snapshot.id != snapshot.id:
        return snapshot
    entry = with_memory(found.snapshot, snapshot)
    if not await context.in_thread(lambda: repository.is_read_only):
        async with exclusive(context, "recording a verification"):
            await readable_contents(context)
            await context.in_thread(repository.update, entry)
    return entry


class VerificationSchedule:
    """The regular verification of the newest snapshot, every ``verify_interval``."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._unavailable_at: dt.datetime | None = None
        """When a test restore was last found to be unavailable here."""

    async def run_due(self) -> VerifyReport | None:
        """Verify the newest snapshot at the level ``restored`` if that was last done over ``verify_interval`` ago.

        If a test restore is not possible here, verify its checksum instead, just as often. Return None if nothing is
        due.
        """
        context = self._context
        interval, now = float(context.settings.schedule.verify_interval), context.clock()
        due = verification_due(context.repository.catalog.contents.snapshots, now, interval)
        if due is None or (self._unavailable_at and (now - self._unavailable_at).total_seconds() < interval):
            return None
        try:
            return await verify(context, due.id, Level.RESTORED)
        except RestoreTestUnavailable as error:
            log.warning("%s", error)
            self._unavailable_at = now
            return await verify(context, due.id, Level.CHECKSUM)


async def verify_bytes(
    context: Context, contents: Contents, snapshot: Snapshot, level: Level, on_progress: OnProgress | None = None
) -> tuple[VerifyReport, VerifyResult]:
    """Verify a snapshot at a level; record nothing. Return the report and what it was made from.

    What stops the verification and says nothing about the snapshot (busy, deadline, no space) is raised.
    """
    started = time.monotonic()
    try:
        chain = await context.in_thread(context.repository.chain, snapshot)
    except (SnapshotNotFound, SnapshotDamaged) as error:
        gone = error.data.get("snapshot_id") if isinstance(error, SnapshotNotFound) else None
        verified = VerifyResult(ok=False, findings=(_file_finding(str(error)),), culprit=gone)
    else:
        verified = await context.work(
            VerifyJob,
            VerifyResult,
            on_progress,
            deadline=float(context.settings.schedule.verify_deadline),
            min_free=int(context.settings.repository.min_free),
            chain=chain,
            level=level,
            checks=context.checks(contents, quick=False, of=snapshot),
        )
    now = context.clock()
    health = health_of(verified.findings, now) if verified.integrity is not None else None
    report = VerifyReport(
        id=snapshot.id,
        level=level,
        ok=verified.ok and readable(health),
        findings=verified.findings,
        at=now,
        seconds=time.monotonic() - started,
        health=health,
    )
    return report, verified


def damaged_error(report: VerifyReport) -> SnapshotDamaged:
    """Return the error that a failed verification amounts to."""
    first = report.findings[0].message if report.findings else "it failed its check."
    if report.health is not None:
        return SnapshotDamaged(
            f"The state in snapshot {report.id} cannot be read: {stopped(first)} Its bytes are as they were written, "
            "so the database was damaged when it was taken. It is kept, and never restored by itself.",
            snapshot_id=report.id,
        )
    return SnapshotDamaged(
        f"Snapshot {report.id} did not pass {report.level.value}: {stopped(first)} It is marked damaged and kept.",
        snapshot_id=report.id,
    )


async def record_outcome(
    context: Context,
    snapshot: Snapshot,
    level: Level,
    verified: VerifyResult,
    now: dt.datetime,
    *,
    seconds: float | None = None,
) -> None:
    """Record what a verification showed: of the snapshot or, if a file below it is damaged, of that one.

    Damage of bytes is everything's that builds on them, and ``latest.*`` goes to what is sound. What was found in the
    state is recorded as the snapshot's health, and damages nothing.
    """
    contents = context.repository.catalog.contents
    health = health_of(verified.findings, now) if verified.integrity is not None else snapshot.health
    changed = [note_outcome(snapshot, level, verified.ok, now, health, seconds)]
    if not verified.ok:
        culprit = _snapshot_at(contents, verified.culprit) or snapshot
        damaged = {each.id: each for each in (snapshot, culprit, *dependants_of(culprit, contents.snapshots))}
        changed = [note_outcome(each, level, False, now, each.health) for each in damaged.values()]
    await context.in_thread(context.repository.update, *changed)
    if not verified.ok or not readable(health):
        await refresh_latest(context)


def _snapshot_at(contents: Contents, path: str | None) -> Snapshot | None:
    name = Path(path).name if path else None
    return next((each for each in contents.snapshots if each.path.rpartition("/")[2] == name), None)


def note_outcome(
    snapshot: Snapshot, level: Level, ok: bool, now: dt.datetime, health: Health | None, seconds: float | None = None
) -> Snapshot:
    """Return the snapshot with the outcome of a verification."""
    proven = ok and level is Level.RESTORED and readable(health)
    return msgspec.structs.replace(
        snapshot,
        verification=Verification(level=level, at=now, ok=ok, seconds=seconds),
        restored_at=now if proven else snapshot.restored_at,
        restored_seconds=seconds if proven else snapshot.restored_seconds,
        health=health,
    )


def _file_finding(message: str) -> Finding:
    return Finding(check=Check.FILE, severity=Severity.ERROR, message=message)
