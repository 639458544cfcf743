"""What the shell answers with ``--json``: one struct for each shape that ``console`` documents.

The shapes are stable. They are built here rather than taken from the models, so that a model can change without
breaking somebody's script. Times are ISO 8601 in UTC with a Z, sizes bytes, durations seconds.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

import msgspec

from ..models import (
    Check,
    Created,
    Finding,
    Form,
    IntegrityReport,
    Kind,
    Level,
    Lost,
    PruneDecision,
    PruneReport,
    RebuildReport,
    RestoreReport,
    Severity,
    Snapshot,
    Status,
    Verification,
    VerifyReport,
)

__all__ = [
    "CatalogDocument",
    "DecisionDocument",
    "DetailedDocument",
    "ErrorDetail",
    "ErrorDocument",
    "ExportDocument",
    "FindingDocument",
    "IntegrityDocument",
    "ListDocument",
    "NowDocument",
    "PruneDocument",
    "RestoreDocument",
    "SnapshotAnswer",
    "SnapshotDocument",
    "StatusDocument",
    "VerifyDocument",
    "catalog_document",
    "detailed_document",
    "error_document",
    "findings_of",
    "integrity_document",
    "list_document",
    "now_document",
    "prune_document",
    "restore_document",
    "snapshot_document",
    "status_document",
    "verify_document",
]


class SnapshotDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A snapshot as ``now``, ``list``, ``status``, ``pin`` and ``unpin`` show it."""

    id: str
    kind: Kind
    form: Form
    base: str | None
    path: str
    created_at: dt.datetime
    reasons: tuple[str, ...]
    size: int
    database_size: int
    fingerprint: str
    verification: Verification
    pinned: bool


class DetailedDocument(SnapshotDocument, frozen=True, kw_only=True):
    """A snapshot as ``show`` shows it."""

    sequence: int
    began_at: dt.datetime
    note: str | None
    requests: int
    rows: dict[str, int]
    restored_at: dt.datetime | None


class NowDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of ``now``."""

    snapshot: SnapshotDocument | None
    unchanged: bool


class ListDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of ``list``."""

    snapshots: tuple[SnapshotDocument, ...]


class SnapshotAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of ``show``, ``pin`` and ``unpin``."""

    snapshot: SnapshotDocument


class FindingDocument(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a check found."""

    check: Check
    severity: Severity
    message: str
    table: str | None


class VerifyDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of ``verify``."""

    id: str
    level: Level
    ok: bool
    findings: tuple[FindingDocument, ...]


class RestoreDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of ``restore``."""

    restored: str
    safety: str | None
    lost: Lost
    ok: bool


class ExportDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of ``export``."""

    file: str
    size: int


class StatusDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of ``status``."""

    engine: str
    database: str
    repository: str
    snapshots: int
    damaged: int
    pinned: int
    kinds: dict[str, int]
    size: int
    free: int
    newest: SnapshotDocument | None
    newest_restored: SnapshotDocument | None
    next_periodic: dt.datetime
    remarks: tuple[str, ...]


class IntegrityDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of ``integrity``."""

    ok: bool
    findings: tuple[FindingDocument, ...]


class DecisionDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What retention decided on one snapshot."""

    id: str
    keep: bool
    reasons: tuple[str, ...]


class PruneDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of ``prune``."""

    dry_run: bool
    freed: int
    decisions: tuple[DecisionDocument, ...]


class CatalogDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of ``rebuild-catalog``."""

    snapshots: int
    damaged: tuple[str, ...]
    unreadable: tuple[str, ...]


class ErrorDetail(msgspec.Struct, frozen=True, kw_only=True):
    """What went wrong."""

    code: str
    message: str


class ErrorDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of every command that did not get as far as its own."""

    error: ErrorDetail


def snapshot_document(snapshot: Snapshot) -> SnapshotDocument:
    """Give a snapshot as most commands show it."""
    return SnapshotDocument(
        id=snapshot.id,
        kind=snapshot.kind,
        form=snapshot.form,
        base=snapshot.base,
        path=snapshot.path,
        created_at=_utc(snapshot.created_at),
        reasons=snapshot.reasons,
        size=snapshot.size,
        database_size=snapshot.database_size,
        fingerprint=snapshot.fingerprint,
        verification=_verification(snapshot.verification),
        pinned=snapshot.pinned,
    )


def detailed_document(snapshot: Snapshot) -> DetailedDocument:
    """Give a snapshot with everything that is known of it."""
    short = snapshot_document(snapshot)
    return DetailedDocument(
        **{name: getattr(short, name) for name in SnapshotDocument.__struct_fields__},
        sequence=snapshot.sequence,
        began_at=_utc(snapshot.began_at),
        note=snapshot.note,
        requests=snapshot.requests,
        rows=snapshot.rows,
        restored_at=None if snapshot.restored_at is None else _utc(snapshot.restored_at),
    )


def now_document(created: Created) -> NowDocument:
    """Give the answer of ``now``; where nothing was written there is no snapshot to show."""
    written = None if created.unchanged else snapshot_document(created.snapshot)
    return NowDocument(snapshot=written, unchanged=created.unchanged)


def list_document(snapshots: Iterable[Snapshot]) -> ListDocument:
    """Give the answer of ``list``, in the order given."""
    return ListDocument(snapshots=tuple(snapshot_document(snapshot) for snapshot in snapshots))


def findings_of(findings: Iterable[Finding]) -> tuple[FindingDocument, ...]:
    """Give findings as every command shows them."""
    return tuple(
        FindingDocument(check=found.check, severity=found.severity, message=found.message, table=found.table)
        for found in findings
    )


def verify_document(report: VerifyReport) -> VerifyDocument:
    """Give the answer of ``verify``."""
    return VerifyDocument(id=report.id, level=report.level, ok=report.ok, findings=findings_of(report.findings))


def restore_document(report: RestoreReport) -> RestoreDocument:
    """Give the answer of ``restore``."""
    lost = report.lost
    return RestoreDocument(
        restored=report.restored.id,
        safety=report.safety.id if report.safety else None,
        lost=msgspec.structs.replace(lost, since=_utc(lost.since), until=_utc(lost.until)),
        ok=report.ok,
    )


def status_document(status: Status) -> StatusDocument:
    """Give the answer of ``status``: what is true of the repository, whichever process asks."""
    return StatusDocument(
        engine=status.engine,
        database=status.database,
        repository=status.repository,
        snapshots=status.snapshots,
        damaged=status.damaged,
        pinned=status.pinned,
        kinds=status.kinds,
        size=status.size,
        free=status.free,
        newest=snapshot_document(status.newest) if status.newest else None,
        newest_restored=snapshot_document(status.newest_restored) if status.newest_restored else None,
        next_periodic=_utc(status.next_periodic),
        remarks=status.remarks,
    )


def integrity_document(report: IntegrityReport) -> IntegrityDocument:
    """Give the answer of ``integrity``."""
    return IntegrityDocument(ok=report.ok, findings=findings_of(report.findings))


def prune_document(report: PruneReport) -> PruneDocument:
    """Give the answer of ``prune``."""
    return PruneDocument(
        dry_run=report.dry_run,
        freed=report.freed,
        decisions=tuple(_decision(decision) for decision in report.decisions),
    )


def catalog_document(report: RebuildReport) -> CatalogDocument:
    """Give the answer of ``rebuild-catalog``."""
    return CatalogDocument(snapshots=report.snapshots, damaged=report.damaged, unreadable=report.unreadable)


def error_document(code: str, message: str) -> ErrorDocument:
    """Give the answer of a command that failed; whatever no encoding takes is replaced in the sentence."""
    return ErrorDocument(error=ErrorDetail(code=code, message=message.encode("utf-8", "replace").decode()))


def _decision(decision: PruneDecision) -> DecisionDocument:
    return DecisionDocument(id=decision.snapshot.id, keep=decision.keep, reasons=decision.reasons)


def _verification(verification: Verification) -> Verification:
    return msgspec.structs.replace(verification, at=_utc(verification.at))


def _utc(at: dt.datetime) -> dt.datetime:
    return at.astimezone(dt.UTC)
