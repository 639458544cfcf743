"""A handler for each kind of job, called in the worker."""

from __future__ import annotations

import datetime as dt
import errno
import functools
from pathlib import Path

import msgspec

from ..archive import full, incremental
from ..engines import Engine
from ..errors import RepositoryError, RestoreTestUnavailable, SnapshotDamaged
from ..files import sync_folder
from ..models import Check, Exported, Finding, Form, Level, Severity, Snapshot, Verification
from ..progress import Watch
from ..repository.names import parse_name
from .protocol import (
    CleanedUp,
    CleanUpJob,
    DiscardJob,
    ExportJob,
    FinishJob,
    HistoryJob,
    ImportJob,
    InspectJob,
    IntegrityJob,
    Job,
    PutBackJob,
    RebuildJob,
    Recovered,
    RecoverJob,
    ReplaceJob,
    ScanJob,
    ScannedFile,
    ScanResult,
    SnapshotJob,
    VerifyJob,
    VerifyResult,
)

__all__ = ["do"]

_OF_THE_MACHINE = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EINTR, errno.EAGAIN, errno.ENOSPC, errno.EDQUOT)
"""Errors that say nothing about the file at which they come."""


@functools.singledispatch
def do(job: Job, engine: Engine, scratch: Path, watch: Watch) -> msgspec.Struct | bool | None:
    """Do a job with an engine and return its result. ``scratch`` is a folder for temporary files."""
    raise TypeError(f"no handler for {type(job).__name__}")


@do.register
def _snapshot(job: SnapshotJob, engine: Engine, scratch: Path, watch: Watch) -> msgspec.Struct:
    target = Path(job.target)
    return engine.snapshot(target, scratch, job.head, job.tables, job.parent, watch)


@do.register
def _verify(job: VerifyJob, engine: Engine, scratch: Path, watch: Watch) -> msgspec.Struct:
    try:
        if job.level is Level.CHECKSUM:
            engine.verify(job.chain, scratch, watch)
            return VerifyResult(ok=True, findings=())
        image = scratch / "verify.db"
        level = engine.rebuild(job.chain, image, watch, fresh=True)
    except SnapshotDamaged as error:
        return _damaged(error)
    try:
        report = engine.check_image(image, job.checks, watch)
    finally:
        engine.discard(image, watch)
    if level is not job.level:
        raise RestoreTestUnavailable(
            "The snapshot's checksum is right, but it could not be rebuilt here, so it is not verified by restored: "
            f"{report.findings[0].message if report.findings else 'the engine cannot do that here.'}"
        )
    return VerifyResult(ok=True, findings=report.findings, integrity=report)


@do.register
def _rebuild(job: RebuildJob, engine: Engine, scratch: Path, watch: Watch) -> msgspec.Struct:
    image = Path(job.image)
    try:
        level = engine.rebuild(job.chain, image, watch)
    except SnapshotDamaged as error:
        return _damaged(error)
    report = engine.check_image(image, job.checks, watch)
    return VerifyResult(ok=True, findings=report.findings, integrity=report, level=level)


def _damaged(error: SnapshotDamaged) -> VerifyResult:
    finding = Finding(check=Check.FILE, severity=Severity.ERROR, message=str(error))
    return VerifyResult(ok=False, findings=(finding,), culprit=error.data.get("path"))


@do.register
def _replace(job: ReplaceJob, engine: Engine, scratch: Path, watch: Watch) -> msgspec.Struct:
    return engine.replace(
        Path(job.image),
        job.method,
        Path(job.quarantine),
        job.details,
        job.checks,
        watch,
        record=Path(job.record),
        stopped=job.stopped,
    )


@do.register
def _discard(job: DiscardJob, engine: Engine, scratch: Path, watch: Watch) -> None:
    engine.discard(Path(job.image), watch)


@do.register
def _clean_up(job: CleanUpJob, engine: Engine, scratch: Path, watch: Watch) -> msgspec.Struct:
    return CleanedUp(dropped=engine.clean_up(job.scratch_age, job.kept_age, watch))


@do.register
def _put_back(job: PutBackJob, engine: Engine, scratch: Path, watch: Watch) -> None:
    engine.put_back(Path(job.quarantine), watch, record=Path(job.record))


@do.register
def _recover(job: RecoverJob, engine: Engine, scratch: Path, watch: Watch) -> msgspec.Struct:
    return Recovered(recovery=engine.recover(Path(job.record), watch))


@do.register
def _integrity(job: IntegrityJob, engine: Engine, scratch: Path, watch: Watch) -> msgspec.Struct:
    return engine.integrity(job.checks, scratch, watch)


@do.register
def _finish(job: FinishJob, engine: Engine, scratch: Path, watch: Watch) -> bool:
    return engine.finish(watch)


@do.register
def _inspect(job: InspectJob, engine: Engine, scratch: Path, watch: Watch) -> msgspec.Struct:
    return engine.inspect(job.tables, watch)


@do.register
def _export(job: ExportJob, engine: Engine, scratch: Path, watch: Watch) -> msgspec.Struct:
    target = Path(job.target)
    archive = scratch / "export.gz" if job.plain else target
    try:
        engine.export(job.chain, archive, scratch, job.head, Path(job.record), watch)
        if job.plain:
            full.extract(archive, target, fingerprint=job.chain[-1].fingerprint, size=job.chain[-1].size, watch=watch)
    except FileExistsError as error:
        raise RepositoryError(f"{target} is there already; give a file that is not.", path=str(target)) from error
    sync_folder(target.parent)
    return Exported(size=target.stat().st_size)


@do.register
def _history(job: HistoryJob, engine: Engine, scratch: Path, watch: Watch) -> msgspec.Struct:
    # Most jobs are snapshots, which begin sooner without these modules.
    from ..history.answers import answer

    return answer(job.question, job.files, job.url, job.busy_timeout, scratch, watch)


@do.register
def _import(job: ImportJob, engine: Engine, scratch: Path, watch: Watch) -> msgspec.Struct:
    return engine.take_in(Path(job.source), Path(job.target), scratch, job.head, job.known, job.checks, watch)


@do.register
def _scan(job: ScanJob, engine: Engine, scratch: Path, watch: Watch) -> msgspec.Struct:
    watch.phase("scan", len(job.files))
    found = []
    for name, path in job.files:
        found.append(_scan_one(name, Path(path), job.at, watch))
        watch.advance(1)
    return ScanResult(files=tuple(found))


def _scan_one(name: str, path: Path, at: dt.datetime, watch: Watch) -> ScannedFile:
    try:
        return _scan_readable(name, path, at, watch)
    except OSError as error:
        if error.errno in _OF_THE_MACHINE:
            raise
        return ScannedFile(name=name, snapshot=None, problem=str(error), unread=True)


def _scan_readable(name: str, path: Path, at: dt.datetime, watch: Watch) -> ScannedFile:
    try:
        head = full.read_head(path)
    except SnapshotDamaged as error:
        return ScannedFile(name=name, snapshot=None, problem=str(error))
    named = parse_name(path.name)
    if named is None or named.id != head.id:
        return ScannedFile(name=name, snapshot=None, problem=f"It holds the snapshot {head.id}, which is not its name.")
    delta, problem, tail = head.delta, None, None
    try:
        tail = full.read_tail(path)
        if delta is None:
            full.verify(path, fingerprint=tail.fingerprint, size=tail.size, watch=watch)
        else:
            incremental.verify_pages(path, delta=delta, watch=watch)
    except SnapshotDamaged as error:
        problem = str(error)
    whole = tail if delta is None else None
    snapshot = Snapshot(
        id=head.id,
        sequence=head.sequence,
        kind=head.kind,
        form=Form.FULL if delta is None else Form.INCREMENTAL,
        base=delta.base if delta else None,
        path=name,
        created_at=head.created_at,
        began_at=head.began_at,
        reasons=head.reasons,
        requests=head.requests,
        size=path.stat().st_size,
        database_size=delta.size if delta else whole.size if whole else 0,
        fingerprint=delta.fingerprint if delta else whole.fingerprint if whole else "",
        verification=Verification(level=Level.CHECKSUM, at=at, ok=problem is None),
        pinned=head.pinned,
        note=head.note,
        rows=tail.rows if tail else {},
        health=tail.health if tail else None,
        details=head.details,
    )
    return ScannedFile(name=name, snapshot=snapshot, problem=problem, identity=head.identity)
