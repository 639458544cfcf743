"""Who the player is in a schema: which table and column name one, and which columns of other tables refer to it.

The settings can say it. Without them the schema tells: ``guess``. Where the key of the player's table is a number of
the bot's own, a column with the player's Discord id names him too.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice

import msgspec

from ..errors import QueryError
from ..models import PlayerTables
from .databases import Database, Value, quoted
from .guess import foreign_keys_to, guessed_player, names_of_table
from .questions import PlayerSettings
from .searched import TableSearch, Wanted
from .tables import Table, find_table, json_record, selected, table_called, typed

__all__ = [
    "NAMES",
    "Matching",
    "any_of",
    "find_player",
    "of_table",
    "player_key",
    "player_rows",
    "sqlite_matching",
    "wanted_rows",
]

Record = dict[str, Value]
Matching = Callable[[Table, Sequence[str], Value], Iterator[Record]]
"""Finds the rows of a table in which any of these columns has a value."""
NAMES = ("name", "username", "user_name", "display_name", "player_name", "nick", "nickname")
_DISCORD_IDS = ("discord_id", "discordid", "discord_user_id", "user_id", "userid", "member_id", "snowflake", "discord")
"""What the column is called that holds a player's Discord id, where his key is another number."""


def find_player(tables: Mapping[str, Table], settings: PlayerSettings) -> PlayerTables:
    """Return the player's table and the columns that refer to it; raise QueryError if they cannot be told."""
    called: tuple[str, ...] = ()
    if settings.player:
        table, column = _named(tables, settings.player, "history.player")
        why = "[history] player says so"
        key = tables[table].key
        if len(key) == 1 and key[0] != column and foreign_keys_to(tables, table, key[0]):
            # What is named is his Discord id, and other tables refer to his key.
            called, column = (column,), key[0]
            why = f"[history] player says so; other tables refer to {table}.{column}"
    else:
        table, column, why = guessed_player(tables)
    if not called:
        others = (name for name in tables[table].names if name != column and name.lower() in _DISCORD_IDS)
        called = tuple(others) if tables[table].key == (column,) else ()
    found = {(table, column): None}
    pointing = foreign_keys_to(tables, table, column)
    names = {name.lower() for _, name in pointing} | ({column.lower()} - {"id", "rowid"})
    names |= names_of_table(tables, table)
    for each in tables.values():
        for name in each.names:
            if (each.name, name) in pointing or name.lower() in names:
                found[each.name, name] = None
    for text in settings.also:
        # The table may not have been there yet: the doctor says it of a name that there is not now.
        name, _, also = text.rpartition(".")
        there = table_called(tables, name)
        if there is not None and (wanted := there.column(also)) is not None:
            found[there.name, wanted.name] = None
    never = {text.lower() for text in settings.never}
    references = tuple(pair for pair in found if never.isdisjoint(_called_in_settings(tables[pair[0]], pair[1])))
    return PlayerTables(table=table, column=column, references=references, why=why, called=called)


def _called_in_settings(table: Table, column: str) -> set[str]:
    """Return what settings can call a table or this column of it."""
    names = {table.name.lower(), table.full_name.lower()} - {""}
    return names | {f"{name}.{column.lower()}" for name in names}


def _named(tables: Mapping[str, Table], text: str, setting: str) -> tuple[str, str]:
    name, _, column = text.rpartition(".")
    table = table_called(tables, name)
    there = table.column(column) if table else None
    if table is None or there is None:
        raise QueryError(f"[history] names {text!r} ({setting}), and there is no such column in this state.")
    return table.name, there.name


def player_key(tables: Mapping[str, Table], found: PlayerTables, given: str, where: str, matching: Matching) -> Value:
    """Return the key of the player whom a person names by it or by the player's name, in the state called ``where``.

    Raises QueryError if nobody is called that or several are. A key that is of the right type is taken as it is, also
    if nobody has it: rows of other tables can outlive the player's own.
    """
    table = find_table(tables, found.table, where)
    column = table.column(found.column)
    if column is None:
        raise QueryError(f"{table.name} has no column {found.column!r} in {where}.", table=table.name)
    by_id = _called_by(table, found, given, matching)
    if by_id:
        return _only(by_id, given, where)
    named = [each.name for each in table.columns if each.name.lower() in NAMES]
    try:
        value = typed(column, given, table.name)
    except QueryError:
        if not (named or found.called):
            raise
    else:
        if not named or column.affinity != "TEXT" or any(True for _ in matching(table, [column.name], value)):
            return value
    matches = [row[column.name] for row in islice(matching(table, named, given), 11)] if named else []
    return _only(matches, given, where)


def _only(keys: list[Value], given: str, where: str) -> Value:
    """Return the one key of the players that are called so; raise QueryError if there are none or several."""
    if not keys:
        raise QueryError(f"There is no player {given!r} in {where}.", player=given)
    if len(keys) > 1:
        shown = ", ".join(map(str, keys[:10])) + (", …" if len(keys) > 10 else "")
        raise QueryError(f"{given!r} is the name of several players in {where}: name one by {shown}.")
    return keys[0]


def _called_by(table: Table, found: PlayerTables, given: str, matching: Matching) -> list[Value]:
    """Return the keys of the players whose Discord id this is, in a column besides the key."""
    keys: list[Value] = []
    for column in (each for name in found.called if (each := table.column(name)) is not None):
        try:
            value = typed(column, given, table.name)
        except QueryError:
            continue
        keys += [row[found.column] for row in islice(matching(table, [column.name], value), 11)]
    return list(dict.fromkeys(keys))


def player_rows(
    tables: Mapping[str, Table], found: PlayerTables, key: Value, matching: Matching
) -> dict[str, list[dict[str, object]]]:
    """Return the player's rows by table, as answers hold them; tables that have none are left out."""
    rows = {
        table.name: [json_record(row) for row in matching(table, columns, key)]
        for table, columns in _referring(tables, found)
    }
    return {name: there for name, there in rows.items() if there}


def of_table(found: PlayerTables, table: str) -> PlayerTables:
    """Return who the player is with what refers to him in one table ("": his own); raise QueryError if nothing does."""
    table = table or found.table
    kept = tuple(pair for pair in found.references if pair[0].lower() == table.lower())
    if not kept:
        there = ", ".join(dict.fromkeys(name for name, _ in found.references))
        raise QueryError(f"{table} has no rows of players. Those that have: {there}.", table=table)
    return msgspec.structs.replace(found, references=kept)


def wanted_rows(tables: Mapping[str, Table], found: PlayerTables, key: Value) -> list[Wanted]:
    """Return what there is to find of a player in a SQLite database."""
    return [(table, tuple(columns), (key,) * len(columns)) for table, columns in _referring(tables, found)]


def _referring(tables: Mapping[str, Table], found: PlayerTables) -> Iterator[tuple[Table, list[str]]]:
    """Yield the tables that refer to the player in a state, and the columns that do."""
    for name in dict.fromkeys(table for table, _ in found.references):
        table = tables.get(name)
        columns = [each for pair, each in found.references if table is not None and pair == name and table.column(each)]
        if table is not None and columns:
            yield table, columns


def sqlite_matching(database: Database, search: TableSearch | None = None) -> Matching:
    """Return what finds rows in an open SQLite database."""

    def matching(table: Table, columns: Sequence[str], value: Value) -> Iterator[Record]:
        condition, values = any_of(database, table, columns, [value] * len(columns), search)
        order = ", ".join(quoted(column) for column in table.identity)
        sql = f"SELECT {selected(table)} FROM {quoted(table.name)} WHERE {condition} ORDER BY {order}"
        return (dict(zip(table.names, row, strict=True)) for row in database.rows(sql, values))

    return matching


def any_of(
    database: Database, table: Table, columns: Sequence[str], values: Sequence[Value], search: TableSearch | None
) -> tuple[str, tuple[Value, ...]]:
    """Return the condition that any of some columns has its value, in SQL, and the values in it."""
    condition = " OR ".join(f"{quoted(column)} = ?" for column in columns)
    numbers = None if search is None else search.numbers(database, (table, tuple(columns), tuple(values)))
    if numbers is None:
        return condition, tuple(values)
    among = f"{table.rowid_quoted} IN (SELECT value FROM json_each(?))"
    return f"{among} AND ({condition})", (json.dumps(numbers), *values)
