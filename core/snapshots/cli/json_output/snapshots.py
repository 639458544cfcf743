"""The documents of snapshots: ``now``, ``list``, ``show``, ``pin``, ``unpin``, ``import``, ``export``."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

import msgspec

from ...models import AuditLine, Created, Form, Kind, Snapshot, Verification
from .checks import HealthDocument, health_document
from .times import utc

__all__ = [
    "AuditDocument",
    "DetailedDocument",
    "ExportDocument",
    "ListDocument",
    "NowDocument",
    "SnapshotAnswer",
    "SnapshotDocument",
    "detailed_document",
    "list_document",
    "now_document",
    "snapshot_document",
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
    health: HealthDocument | None


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
    left_out: tuple[str, ...]


class ListDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of ``list``."""

    snapshots: tuple[SnapshotDocument, ...]


class SnapshotAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of ``show``, ``pin`` and ``unpin``."""

    snapshot: SnapshotDocument


class ExportDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of ``export``."""

    file: str
    size: int


class AuditDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of ``audit``."""

    lines: tuple[AuditLine, ...]


def snapshot_document(snapshot: Snapshot) -> SnapshotDocument:
    """Return a snapshot as most commands show it."""
    verification = snapshot.verification
    return SnapshotDocument(
        id=snapshot.id,
        kind=snapshot.kind,
        form=snapshot.form,
        base=snapshot.base,
        path=snapshot.path,
        created_at=utc(snapshot.created_at),
        reasons=snapshot.reasons,
        size=snapshot.size,
        database_size=snapshot.database_size,
        fingerprint=snapshot.fingerprint,
        verification=msgspec.structs.replace(verification, at=utc(verification.at)),
        pinned=snapshot.pinned,
        health=health_document(snapshot.health),
    )


def detailed_document(snapshot: Snapshot) -> DetailedDocument:
    """Return a snapshot with everything that is known of it."""
    short = snapshot_document(snapshot)
    return DetailedDocument(
        **{name: getattr(short, name) for name in SnapshotDocument.__struct_fields__},
        sequence=snapshot.sequence,
        began_at=utc(snapshot.began_at),
        note=snapshot.note,
        requests=snapshot.requests,
        rows=snapshot.rows,
        restored_at=None if snapshot.restored_at is None else utc(snapshot.restored_at),
    )


def now_document(created: Created) -> NowDocument:
    """Return the answer of ``now``; it has no snapshot if none was written."""
    written = None if created.unchanged else snapshot_document(created.snapshot)
    return NowDocument(snapshot=written, unchanged=created.unchanged, left_out=created.snapshot.left_out)


def list_document(snapshots: Iterable[Snapshot]) -> ListDocument:
    """Return the answer of ``list``, in the order given."""
    return ListDocument(snapshots=tuple(snapshot_document(snapshot) for snapshot in snapshots))
