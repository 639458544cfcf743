"""The document of ``rescue``."""

from __future__ import annotations

from typing import Any

import msgspec

from ...models import RescuePlan, RescueReport

__all__ = ["ConflictDocument", "RescueDocument", "TablePlanDocument", "rescue_document", "rescue_plan_document"]


class TablePlanDocument(msgspec.Struct, frozen=True, kw_only=True):
    """How many rows of a table are put back, changed, removed and in conflict."""

    put_back: int
    changed: int
    removed: int
    conflicts: int


class ConflictDocument(msgspec.Struct, frozen=True, kw_only=True):
    """One row in conflict."""

    name: str
    table: str
    key: dict[str, Any]
    why: str
    holder: str | None
    taken: bool


class RescueDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of ``rescue``."""

    id: str | None
    at: str
    plan: dict[str, TablePlanDocument]
    conflicts: tuple[ConflictDocument, ...]
    left_out: tuple[str, ...]
    notes: tuple[str, ...]
    done: bool
    safety: str | None
    snapshot: str | None


def rescue_plan_document(plan: RescuePlan) -> RescueDocument:
    """Return the document of a plan that is only shown."""
    return _document(plan, None)


def rescue_document(report: RescueReport) -> RescueDocument:
    """Return the document of a rescue."""
    return _document(report.plan, report)


def _document(plan: RescuePlan, report: RescueReport | None) -> RescueDocument:
    done = report is not None and report.done
    return RescueDocument(
        id=report.id if report is not None and done else None,
        at=plan.then,
        plan={
            name: TablePlanDocument(
                put_back=table.put_back, changed=table.changed, removed=table.removed, conflicts=table.conflicts
            )
            for name, table in plan.tables.items()
        },
        conflicts=tuple(
            ConflictDocument(
                name=each.name, table=each.table, key=each.key, why=each.why, holder=each.holder, taken=each.taken
            )
            for each in plan.conflicts
        ),
        left_out=plan.left_out,
        notes=plan.notes,
        done=done,
        safety=None if report is None else report.safety,
        snapshot=None if report is None else report.snapshot,
    )
