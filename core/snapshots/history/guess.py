"""Which table holds the players, as the schema tells, where the settings do not.

It is the table that most tables refer to by foreign keys; without these, the column name that recurs and looks like a
key (``user_id``), and the table that it is the key of or is named after. What is called as players are comes before
what is not: a card game has more references to cards, and a bot that keeps its players by guild more to guilds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from ..errors import QueryError
from ..units import count_text
from .tables import Table

__all__ = ["foreign_keys_to", "guessed_player", "names_of_table"]

_HINTS = ("user", "player", "member", "profile", "account", "trainer", "owner", "discord", "person")
"""What players are called, at the end of a name: ``guild_members``, and not ``user_cards``."""
_ENDINGS = ("_id", "id", "data", "info", "stats", "table", "s", "_")
"""What may follow that: ``user_id``, ``playerdata``."""
_OTHERS = ("guild", "server", "channel", "message", "role")
"""Parts of what is called otherwise: no player is a guild, also where most tables refer to one."""
_BARE = ("user", "player", "member")
"""Columns that hold a player's key and have no ``id`` in their names."""
_ASIDE = ("log", "cooldown", "warn", "warning", "ban", "mute", "blacklist", "reminder", "timer", "session", "cache")
"""What tables are called that have rows about players and are not theirs."""
_Found = tuple[str, str, str]


def guessed_player(tables: Mapping[str, Table]) -> _Found:
    """Return the table and column that name a player, and why; raise QueryError if they cannot be told."""
    by_keys, by_names = _by_foreign_keys(tables), _by_recurring_names(tables)
    if by_keys is not None and _is_pointed_to_as_player(tables, *by_keys[:2]):
        return by_keys
    if by_names is not None and _is_hinted(*by_names[:2]):
        return by_names
    found = _by_shared_names(tables) or by_keys or by_names
    if found is None:
        raise QueryError(
            "Which table holds the players cannot be told from the schema: set [history] player, as in "
            f'player = "users.id". The tables: {", ".join(sorted(tables)) or "none"}. Single '
            "rows come back without it: rescue --table."
        )
    return found


def _is_hinted(*names: str) -> bool:
    """Return True if one of the names is what players are called."""
    return any(_stem(name).endswith(_HINTS) for name in names)


def _stem(name: str) -> str:
    stem = name.lower()
    for ending in _ENDINGS:
        stem = stem.removesuffix(ending).rstrip("_")
    return stem


def _is_other(*names: str) -> bool:
    return any(other in name.lower() for name in names for other in _OTHERS) and not _is_hinted(*names)


def foreign_keys_to(tables: Mapping[str, Table], name: str, column: str) -> set[tuple[str, str]]:
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
                counted[name, column] = len({pair[0] for pair in foreign_keys_to(tables, name, column)} - {name})
    counted = Counter({named: count for named, count in counted.items() if count and not _is_other(*named)})
    if not counted:
        return None
    (table_name, column), count = max(
        counted.items(), key=lambda item: (_is_pointed_to_as_player(tables, *item[0]), item[1])
    )
    why = "1 table refers to it by foreign keys" if count == 1 else f"{count} tables refer to it by foreign keys"
    return table_name, column, why


def _is_pointed_to_as_player(tables: Mapping[str, Table], table: str, column: str) -> bool:
    """Return True if a table, or a column that refers to it, is called as players are."""
    return _is_hinted(table, column, *(name for _, name in foreign_keys_to(tables, table, column)))


def _by_recurring_names(tables: Mapping[str, Table]) -> tuple[str, str, str] | None:
    counted = Counter(name.lower() for table in tables.values() for name in table.names if _is_key_name(name))
    for name, count in sorted(counted.items(), key=lambda item: (not _is_hinted(item[0]), -item[1], item[0])):
        if _is_other(name):
            continue
        keyed = (each for each in tables.values() if [key.lower() for key in each.key] == [name])
        owner = next((each for each in keyed if not _stem(each.name).endswith(_ASIDE)), None)
        if owner is not None and count > 1:
            return owner.name, owner.key[0], f"{name} is its key and a column of {count - 1} more"
        named = _named_after(tables, name)
        if named is not None:
            return named.name, named.key[0], f"{name} is a column of {count_text(count, 'table')}"
    return None


def _named_after(tables: Mapping[str, Table], column: str) -> Table | None:
    stem = column.removesuffix("id").rstrip("_")
    names = {stem, f"{stem}s", f"{stem}es"}
    return next((each for each in tables.values() if each.name.lower() in names and len(each.key) == 1), None)


def names_of_table(tables: Mapping[str, Table], table: str) -> set[str]:
    """Return the column names that name this table: ``user_id`` for ``users``."""
    names = {name.lower() for each in tables.values() for name in each.names if _is_key_name(name)}
    return {name for name in names if (after := _named_after(tables, name)) is not None and after.name == table}


def _is_key_name(name: str) -> bool:
    return name.lower().endswith(("_id", "id")) and len(name) > len("id")


def _by_shared_names(tables: Mapping[str, Table]) -> _Found | None:
    """Return a player whose column is part of a longer key, or of none: a row for each guild, or a table without a key.

    Of the tables that have the column, one that is called as players are, or has it in a short key, is taken for his.
    """
    counted = Counter(name.lower() for table in tables.values() for name in table.names)
    candidates = [
        (table, name)
        for table in tables.values()
        if not _stem(table.name).endswith(_ASIDE)
        for name in table.names
        if name.lower() in _BARE or (_is_key_name(name) and _is_hinted(name))
    ]
    if not candidates:
        return None

    def likely(candidate: tuple[Table, str]) -> tuple[int, bool, bool, bool, int]:
        table, name = candidate
        named = name.lower() not in _BARE
        return counted[name.lower()], _is_hinted(table.name), name in table.key, named, -len(table.key)

    table, name = max(candidates, key=likely)
    return table.name, name, f"{name} is a column of {count_text(counted[name.lower()], 'table')}"
