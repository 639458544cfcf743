"""Catalog entries for tests that need no files.

Import it as ``from tests.worlds.snapshots import make_snapshot``.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from core.snapshots.models import Form, Kind, Level, Snapshot, Verification
from core.snapshots.repository.names import INCREMENTAL_SUFFIX, relative_path

NOON = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)


def make_snapshot(sequence: int = 1, *, at: dt.datetime = NOON, ok: bool = True, **changes: Any) -> Snapshot:
    """Return the entry of a snapshot that was never taken: by default a full event snapshot of one request.

    It began, ended and was verified ``at`` one moment; the verification failed unless ``ok``. ``changes`` are fields of
    ``Snapshot``. A ``base`` makes it an incremental. The path, unless it is given, follows from kind, reason and id.
    """
    base: str | None = changes.get("base")
    kind: Kind = changes.get("kind", Kind.CRITICAL)
    identity: str = changes.get("id", f"{sequence:012x}")
    reasons: tuple[str, ...] = changes.get("reasons", ("marketplace_buy_42",))
    path: str = changes.get("path") or relative_path(
        created_at=at,
        kind=kind,
        reason=next(iter(reasons), kind.value),
        snapshot_id=identity,
        suffix=".db.gz" if base is None else INCREMENTAL_SUFFIX,
    )
    fields: dict[str, Any] = {
        "id": identity,
        "sequence": sequence,
        "kind": kind,
        "form": Form.FULL if base is None else Form.INCREMENTAL,
        "base": base,
        "path": path,
        "created_at": at,
        "began_at": at,
        "reasons": reasons,
        "requests": 1,
        "size": 100,
        "database_size": 1000,
        "fingerprint": f"b3t64:{sequence:064x}",
        "verification": Verification(level=Level.CHECKSUM, at=at, ok=ok),
    }
    return Snapshot(**fields | changes)
