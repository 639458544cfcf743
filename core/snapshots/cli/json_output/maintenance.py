"""The documents of ``prune`` and ``rebuild-catalog``."""

from __future__ import annotations

import msgspec

from ...models import PruneReport, RebuildReport

__all__ = [
    "CatalogDocument",
    "ClaimDocument",
    "DecisionDocument",
    "PruneDocument",
    "catalog_document",
    "prune_document",
]


class DecisionDocument(msgspec.Struct, frozen=True, kw_only=True):
    """Retention's decision on one snapshot."""

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


class ClaimDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of ``claim``."""

    engine: str
    location: str


def prune_document(report: PruneReport) -> PruneDocument:
    """Return the answer of ``prune``."""
    decisions = tuple(
        DecisionDocument(id=decision.snapshot.id, keep=decision.keep, reasons=decision.reasons)
        for decision in report.decisions
    )
    return PruneDocument(dry_run=report.dry_run, freed=report.freed, decisions=decisions)


def catalog_document(report: RebuildReport) -> CatalogDocument:
    """Return the answer of ``rebuild-catalog``."""
    return CatalogDocument(snapshots=report.snapshots, damaged=report.damaged, unreadable=report.unreadable)
