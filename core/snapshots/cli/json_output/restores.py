"""The document of ``restore``."""

from __future__ import annotations

import msgspec

from ...models import Lost, RestoreReport
from .times import utc

__all__ = ["RestoreDocument", "restore_document"]


class RestoreDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of ``restore``."""

    restored: str
    safety: str | None
    lost: Lost
    ok: bool
    left_out: tuple[str, ...]


def restore_document(report: RestoreReport) -> RestoreDocument:
    """Return the answer of ``restore``."""
    lost = report.lost
    return RestoreDocument(
        restored=report.restored.id,
        safety=report.safety.id if report.safety else None,
        lost=msgspec.structs.replace(lost, since=utc(lost.since), until=utc(lost.until)),
        ok=report.ok,
        left_out=report.left_out,
    )
