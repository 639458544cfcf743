"""Look: the rows of one key or of one player at one point, what is in its tables, and what keys are called there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from ..errors import QueryError
from ..models import Inside, Key, Look, Names, Point
from .databases import Value, quoted
from .past import Past, name_of
from .player import find_player, of_table, player_key, player_rows, sqlite_matching, wanted_rows
from .query import STEPS
from .questions import AskNames, PlayerSettings
from .tables import (
    Column,
    Table,
    as_record,
    find_table,
    json_record,
    key_values,
    read_tables,
    rows_by_key,
    selected,
    typed,
)

__all__ = ["inside", "look", "look_at_player", "names", "names_in"]

_NAME_LENGTH = 100


def look(past: Past, point: Point | None, table: str, key: Key) -> Look:
    """Return the row of a table with a key at a point (None: now); raises QueryError.

    The key is that of the schema of the point's own day.
    """
    with past.opened(point) as database:
        found = find_table(read_tables(database), table, database.name)
        rows = rows_by_key(database, found, found.identity, key_values(found, key))
        return Look(
            at=name_of(point),
            time=past.time(point),
            tables={found.name: [json_record(row) for row in rows]},
            by=past.by,
            notes=() if rows or found.key else (f"{found.name} has no key, so its rows are told by their number.",),
        )


def look_at_player(
    past: Past, point: Point | None, player: str, settings: PlayerSettings, table: str | None = None
) -> Look:
    """Return every row that is a player's at a point (None: now), or only those of one ``table`` ("": his own).

    Raises QueryError; that none is his is an error if all tables were asked for.
    """
    with past.opened(point) as database:
        tables = read_tables(database)
        found = find_player(tables, settings)
        if table is not None:
            found = of_table(found, table)
        search = past.search(point)
        matching = sqlite_matching(database, search)
        key = player_key(tables, found, player, database.name, matching)
        if search is not None:
            search.prepare(database, wanted_rows(tables, found, key))
        rows = player_rows(tables, found, key, matching)
        if table is not None:
            rows = {name: rows.get(name, []) for name, _ in found.references}
        elif not rows:
            message = f"No row in {database.name} belongs to a player {player!r}."
            raise QueryError(message, player=player, table=found.table)
        return Look(
            at=name_of(point),
            time=past.time(point),
            tables=rows,
            by=past.by,
            player=found,
            keys={name: tables[name].key for name in rows},
        )


def inside(past: Past, point: Point | None, table: str | None, shown: int) -> Inside:
    """Return the tables at a point (None: now) with their numbers of rows, or one with its first rows."""
    with past.opened(point) as database:
        tables = read_tables(database)
        chosen = tables if table is None else {(found := find_table(tables, table, database.name)).name: found}
        database.allow_only_reading(STEPS)
        counts = {name: _count(database.one(f"SELECT count(*) FROM {quoted(name)}")) for name in chosen}
        rows = []
        if table is not None:
            one = next(iter(chosen.values()))
            listed = database.rows(f"SELECT {selected(one)} FROM {quoted(one.name)} LIMIT {int(shown)}")
            rows = [json_record(as_record(one, row)) for row in listed]
        return Inside(at=name_of(point), time=past.time(point), tables=counts, rows=tuple(rows), by=past.by)


def _count(row: Sequence[Value] | None) -> int:
    return row[0] if row and isinstance(row[0], int) else 0


def names(past: Past, point: Point | None, question: AskNames) -> Names:
    """Return what the columns say at a point (None: now) of the rows with these keys."""
    with past.opened(point) as database:
        return names_in(
            read_tables(database), question, lambda table, key, value: rows_by_key(database, table, (key,), (value,))
        )


def names_in(
    tables: Mapping[str, Table],
    question: AskNames,
    rows_with: Callable[[Table, str, Value], Iterable[Mapping[str, Value]]],
) -> Names:
    """Return what the columns say of the keys; ``rows_with`` returns the rows in which a column has a value.

    A table, a column or a key that there is not has no name, and neither has one that several rows have.
    """
    found: dict[str, dict[str, str]] = {}
    for asked in question.columns:
        name, _, called = asked.rpartition(".")
        try:
            table = find_table(tables, name, "")
        except QueryError:
            continue
        column, key = table.column(called), _key_of(table, question.settings.player)
        if column is None or key is None:
            continue
        said = found.setdefault(asked, {})
        for number in question.keys:
            try:
                rows = list(rows_with(table, key.name, typed(key, number, table.name)))
            except QueryError as error:
                if error.data.get("column") == key.name:
                    continue  # of another type than the key
                return Names(names=found)  # the server refuses it, and with it all that follows
            text = rows[0].get(column.name) if len(rows) == 1 else None
            if isinstance(text, str | int) and str(text).strip():
                said[number] = str(text)[:_NAME_LENGTH]
    return Names(names=found)


def _key_of(table: Table, player: str) -> Column | None:
    named, _, called = player.rpartition(".")
    if named.lower() == table.name.lower():
        return table.column(called)
    return table.column(table.identity[0]) if len(table.identity) == 1 else None
