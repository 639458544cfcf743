"""Who the player is in a schema: which table and column name one, and which columns of other tables refer to it.

The settings can say it. Without them it is the table that most tables refer to by foreign keys; without these, the
column name that recurs and looks like a key (``user_id``), and the table that it is the key of or is named after.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice

import msgspec

from ..errors import QueryError
from ..models import PlayerTables
from ..units import count_text
from .databases import Database, Value, quoted
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
_HINTS = ("user", "player", "member", "profile", "account")
"""What the key of a player is called most often, where several names recur as often."""


def find_player(tables: Mapping[str, Table], settings: PlayerSettings) -> PlayerTables:
    """Return the player's table and the columns that refer to it; raise QueryError if they cannot be told."""
    if settings.player:
        table, column = _named(tables, settings.player, "history.player")
        why = "[history] player says so"
    else:
        table, column, why = _by_foreign_keys(tables) or _by_recurring_names(tables) or _unknown(tables)
    found = {(table, column): None}
    pointing = _foreign_keys_to(tables, table, column)
    names = {name.lower() for _, name in pointing} | ({column.lower()} - {"id", "rowid"})
    names |= _recurring(tables, table)
    for each in tables.values():
        for name in each.names:
            if (each.name, name) in pointing or name.lower() in names:
                found[each.name, name] = None
    for text in settings.also:
        found[_named(tables, text, "history.also")] = None
    never = {text.lower() for text in settings.never}
    references = tuple(pair for pair in found if never.isdisjoint(_called_in_settings(tables[pair[0]], pair[1])))
    return PlayerTables(table=table, column=column, references=references, why=why)


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


def _foreign_keys_to(tables: Mapping[str, Table], name: str, column: str) -> set[tuple[str, str]]:
    target, found = tables[name], set()
    for table in tables.values():
        for key in table.foreign_keys:
            if key.table.lower() != name.lower() or len(key.columns) != 1:
                continue
            to = key.to[0] or (target.key[0] if len(target.key) == 1 else "")
            if to.lower() == column.lower():
                found.add((table.name, key.columns[0]))
    return found


def _by_foreign_keys(tables: Mapping[str, Table]) -> tuple[str, str, str] | None:
    counted: Counter[tuple[str, str]] = Counter()
    for name, table in tables.items():
        columns = {to for each in tables.values() for key in each.foreign_keys for to in key.to if to} | set(table.key)
        for column in columns:
            if table.column(column) is not None:
                counted[name, column] = len({pair[0] for pair in _foreign_keys_to(tables, name, column)} - {name})
    if not counted or not max(counted.values()):
        return None
    (table_name, column), count = max(
        counted.items(), key=lambda item: (item[1], any(hint in item[0][0].lower() for hint in _HINTS))
    )
    return table_name, column, f"{count_text(count, 'table')} refer{'s' * (count == 1)} to it by foreign keys"


def _by_recurring_names(tables: Mapping[str, Table]) -> tuple[str, str, str] | None:
    counted = Counter(name.lower() for table in tables.values() for name in table.names if _is_key_name(name))
    for name, count in sorted(
        counted.items(), key=lambda item: (-item[1], not any(hint in item[0] for hint in _HINTS), item[0])
    ):
        owner = next((each for each in tables.values() if [key.lower() for key in each.key] == [name]), None)
        if owner is not None and count > 1:
            return owner.name, owner.key[0], f"{name} is its key and a column of {count - 1} more"
        named = _named_after(tables, name)
        if named is not None:
            return named.name, named.key[0], f"{name} is a column of {count} table{'s' * (count > 1)}"
    return None


def _named_after(tables: Mapping[str, Table], column: str) -> Table | None:
    stem = column.removesuffix("id").rstrip("_")
    names = {stem, f"{stem}s", f"{stem}es"}
    return next((each for each in tables.values() if each.name.lower() in names and len(each.key) == 1), None)


def _recurring(tables: Mapping[str, Table], table: str) -> set[str]:
    """Return the column names that name this table: ``user_id`` for ``users``."""
    names = {name.lower() for each in tables.values() for name in each.names if _is_key_name(name)}
    return {name for name in names if (after := _named_after(tables, name)) is not None and after.name == table}


def _is_key_name(name: str) -> bool:
    return name.lower().endswith(("_id", "id")) and len(name) > len("id")


def _unknown(tables: Mapping[str, Table]) -> tuple[str, str, str]:
    raise QueryError(
        "Which table holds the players cannot be told from the schema: set [history] player, as in "
        f'player = "users.id". The tables: {", ".join(sorted(tables)) or "none"}.'
    )


def player_key(tables: Mapping[str, Table], found: PlayerTables, given: str, where: str, matching: Matching) -> Value:
    """Return the key of the player whom a person names by it or by the player's name, in the state called ``where``.

    Raises QueryError if nobody is called that or several are. A key that is of the right type is taken as it is, also
    if nobody has it: rows of other tables can outlive the player's own.
    """
    table = find_table(tables, found.table, where)
    column = table.column(found.column)
    if column is None:
        raise QueryError(f"{table.name} has no column {found.column!r} in {where}.", table=table.name)
    named = [each.name for each in table.columns if each.name.lower() in NAMES]
    try:
        value = typed(column, given, table.name)
    except QueryError:
        if not named:
            raise
    else:
        if not named or column.affinity != "TEXT" or any(True for _ in matching(table, [column.name], value)):
            return value
    matches = [row[column.name] for row in islice(matching(table, named, given), 11)]
    if not matches:
        raise QueryError(f"There is no player {given!r} in {where}.", player=given)
    if len(matches) > 1:
        keys = ", ".join(map(str, matches[:10])) + (", …" if len(matches) > 10 else "")
        raise QueryError(f"{given!r} is the name of several players in {where}: name one by {keys}.")
    return matches[0]


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
