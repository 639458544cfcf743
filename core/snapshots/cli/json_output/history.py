"""The documents of ``look``, ``history``, ``diff``, ``find-change`` and ``query``."""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec

from ...models import ChangePoint, Diff, DiffMethod, FindChange, Look, QueryResult, RowHistory, TableDiff
from .times import utc

__all__ = [
    "ChangeDocument",
    "DiffDocument",
    "FindChangeDocument",
    "HistoryDocument",
    "LookDocument",
    "PointDocument",
    "QueryDocument",
    "RowsDocument",
    "TableDiffDocument",
    "diff_document",
    "find_change_document",
    "history_document",
    "look_document",
    "query_document",
]

Row = dict[str, Any]


class LookDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of ``look``."""

    at: str
    tables: dict[str, list[Row]]
    by: str


class ChangeDocument(msgspec.Struct, frozen=True, kw_only=True):
    """One change of a row."""

    snapshot: str
    since: str | None
    at: dt.datetime
    reasons: tuple[str, ...]
    before: Row | None
    after: Row | None


class HistoryDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of ``history``."""

    changes: tuple[ChangeDocument, ...]
    points: int
    read: int
    left_out: tuple[str, ...]
    by: str


class RowsDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The rows of a table that differ."""

    added: tuple[Row, ...]
    removed: tuple[Row, ...]
    changed: tuple[tuple[Row, Row], ...]


class TableDiffDocument(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What differs in one table."""

    added: int
    removed: int
    changed: int
    columns_added: tuple[str, ...] = ()
    columns_removed: tuple[str, ...] = ()
    rows: RowsDocument | None = None


class DiffDocument(msgspec.Struct, frozen=True, kw_only=True, rename={"since": "from", "until": "to"}):
    """The answer of ``diff``."""

    since: str
    until: str
    by: DiffMethod
    tables: dict[str, TableDiffDocument]


class PointDocument(msgspec.Struct, frozen=True, kw_only=True):
    """One point in time."""

    snapshot: str
    at: dt.datetime
    reasons: tuple[str, ...]


class FindChangeDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of ``find-change``."""

    first: PointDocument | None
    before: PointDocument | None
    by: str
    points: int
    read: int
    left_out: tuple[str, ...]


class QueryDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of ``query``."""

    at: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    truncated: bool
    by: str


def look_document(look: Look) -> LookDocument:
    """Return the document of a look."""
    return LookDocument(at=look.at, tables=look.tables, by=look.by)


def history_document(history: RowHistory) -> HistoryDocument:
    """Return the document of a row's history."""
    changes = tuple(
        ChangeDocument(
            snapshot=change.snapshot,
            since=change.since,
            at=utc(change.at),
            reasons=change.reasons,
            before=change.before,
            after=change.after,
        )
        for change in history.changes
    )
    return HistoryDocument(
        changes=changes, points=history.points, read=history.read, left_out=history.skipped, by=history.by
    )


def diff_document(diff: Diff, *, rows: bool) -> DiffDocument:
    """Return the document of a diff, with the rows if they were asked for."""
    tables = {name: _table_document(table, rows) for name, table in diff.tables.items()}
    return DiffDocument(since=diff.since, until=diff.until, by=diff.by, tables=tables)


def _table_document(table: TableDiff, rows: bool) -> TableDiffDocument:
    shown = RowsDocument(added=table.rows_added, removed=table.rows_removed, changed=table.rows_changed)
    return TableDiffDocument(
        added=table.added,
        removed=table.removed,
        changed=table.changed,
        columns_added=table.columns_added,
        columns_removed=table.columns_removed,
        rows=shown if rows else None,
    )


def find_change_document(found: FindChange) -> FindChangeDocument:
    """Return the document of a search."""
    return FindChangeDocument(
        first=_point_document(found.first),
        before=_point_document(found.before),
        by=found.by,
        points=found.points,
        read=found.read,
        left_out=found.skipped,
    )


def _point_document(point: ChangePoint | None) -> PointDocument | None:
    return None if point is None else PointDocument(snapshot=point.snapshot, at=utc(point.at), reasons=point.reasons)


def query_document(result: QueryResult) -> QueryDocument:
    """Return the document of a query."""
    return QueryDocument(
        at=result.at, columns=result.columns, rows=result.rows, truncated=result.truncated, by=result.by
    )
