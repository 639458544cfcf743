"""Look and history for dumps: rows of one key or of one player at a point, and each change of a row over all points."""

from __future__ import annotations

from ...errors import DatabaseBusy, DatabaseUnavailable, QueryError
from ...models import Change, Key, Look, Point, RowHistory
from ..databases import Value
from ..past import ARCHIVES, name_of
from ..player import find_player, of_table, player_key, player_rows
from ..player_history import change_at
from ..questions import PlayerSettings
from ..rescue.states import Wanted
from ..tables import Column, Table, json_record, json_value, key_values, same_record
from .conditions import as_written
from .past import PostgresPast, transaction
from .states import DumpState, PostgresState
from .values import same_key

__all__ = ["look", "look_at_player", "row_history"]

Record = dict[str, Value]


def look(past: PostgresPast, point: Point | None, table: str, key: Key) -> Look:
    """Return the row of a table with a key at a point (None: now); raises QueryError.

    The key is that of the schema of the point's own day.
    """
    with past.opened(point) as state:
        found = state.named(table)
        told, values = _told(found), key_values(found, key)
        rows = state.rows(Wanted(found.name, told, values))
        if not rows and point is not None:
            rows = state.rows(Wanted(found.name, told, _as_written(past, found, values)))
        return Look(
            at=name_of(point),
            time=past.time(point),
            tables={found.name: [json_record(row.values) for row in rows]},
            by=ARCHIVES,
        )


def look_at_player(
    past: PostgresPast, point: Point | None, player: str, settings: PlayerSettings, table: str | None = None
) -> Look:
    """Return every row that is a player's at a point (None: now), or only those of one ``table`` ("": his own).

    Raises QueryError; that none is his is an error if all tables were asked for.
    """
    with past.opened(point) as state:
        found = find_player(state.tables, settings)
        if table is not None:
            found = of_table(found, table)
        key = player_key(state.tables, found, player, state.name, state.matching)
        rows = player_rows(state.tables, found, key, state.matching)
        if table is not None:
            rows = {name: rows.get(name, []) for name, _ in found.references}
        elif not rows:
            message = f"No row in {state.name} belongs to a player {player!r}."
            raise QueryError(message, player=player, table=found.table)
        return Look(
            at=name_of(point),
            time=past.time(point),
            tables=rows,
            by=ARCHIVES,
            player=found,
            keys={name: state.tables[name].key for name in rows},
        )


def row_history(past: PostgresPast, name: str, key: Key, column: str | None, *, now: bool) -> RowHistory:
    """Return every change of the row with a key over all points, and up to ``now``; of one column if it is named.

    A point at which the table has the same hash as at the one before it is skipped. Raises QueryError if no point has
    the table.
    """
    points: list[Point | None] = [*past.points, *([None] if now else [])]
    table = _newest(past, points, name)
    values = _as_written(past, table, key_values(table, key))
    wanted = None if column is None else _column(past, points, table, column)
    changes: list[Change] = []
    state: Record | None = None
    before: Point | None = None
    digest: object = None
    read = 0
    for number, point in enumerate(points):
        past.watch.check()
        with past.opened(point) as opened:
            fresh = _digest(opened, table)
            if number and fresh is not None and fresh == digest:
                before = point
                continue
            found = _row(opened, table, values, None if wanted is None else wanted.name)
        read, digest = read + 1, fresh
        if (number and not same_record(state, found)) or (not number and found is not None):
            changes.append(_change(past, before if number else None, point, state, found))
        state, before = found, point
    return RowHistory(
        table=table.name,
        key={name: json_value(value) for name, value in zip(_told(table), values, strict=True)},
        changes=tuple(changes),
        points=len(points),
        read=read,
        by=ARCHIVES,
    )


def _told(table: Table) -> tuple[str, ...]:
    if not table.key:
        raise QueryError(f"{table.name} has no key, so nothing tells one row of it; ask with a query.")
    return table.key


def _as_written(past: PostgresPast, table: Table, values: tuple[Value, ...]) -> tuple[Value, ...]:
    """Return a key as PostgreSQL writes it; without a server as it was given."""
    try:
        with transaction(past.session):
            return as_written(past.session, table, _told(table), values)
    except (DatabaseUnavailable, DatabaseBusy):
        return values  # the past can be read without a server


def _newest(past: PostgresPast, points: list[Point | None], name: str) -> Table:
    """Return the table as the newest state has it that does."""
    problem: QueryError | None = None
    for point in reversed(points):
        with past.opened(point) as state:
            try:
                table = state.named(name)
            except QueryError as error:
                problem = problem or error
                continue
        _told(table)
        return table
    raise problem or QueryError("There is no snapshot yet, so there is no past to read.")


def _column(past: PostgresPast, points: list[Point | None], table: Table, name: str) -> Column:
    """Return a column of a table as the newest state has it that does; raise QueryError if none has it."""
    for point in reversed(points):
        with past.opened(point) as state:
            there = state.like(table)
        found = None if there is None else there.column(name)
        if found is not None:
            return found
    raise QueryError(f"{table.name} has no column {name!r}. Its columns: {', '.join(table.names)}.")


def _digest(state: PostgresState, newest: Table) -> object:
    """Return what changes if any row or column of a table does; None if that is unknown."""
    table = state.like(newest)
    if not isinstance(state, DumpState) or table is None:
        return None
    digest = state.archive.digest(table)
    return None if digest is None else (digest, table.columns)


def _row(state: PostgresState, table: Table, values: tuple[Value, ...], column: str | None) -> Record | None:
    there = state.like(table)
    if there is None or not all(there.column(name) for name in _told(table)):
        return None
    rows = state.rows(Wanted(there.name, _told(table), values))
    row = next((row.values for row in rows if _is(there, row.values, table, values)), None)
    return None if row is None else {name: value for name, value in row.items() if column in (None, name)}


def _is(there: Table, row: Record, table: Table, values: tuple[Value, ...]) -> bool:
    told = zip(_told(table), values, strict=True)
    return all(
        column is not None and same_key(row.get(column.name), value, column)
        for name, value in told
        for column in (there.column(name),)
    )


def _change(
    past: PostgresPast, since: Point | None, point: Point | None, before: Record | None, after: Record | None
) -> Change:
    shown = [None if row is None else json_record(row) for row in (before, after)]
    return change_at(since, point, past.time(point), *shown)
