"""Look: the rows of one key, or of one player, at one point."""

from __future__ import annotations

from ..errors import QueryError
from ..models import Key, Look, Point
from .past import Past, name_of
from .player import find_player, of_table, player_key, player_rows, sqlite_matching, wanted_rows
from .questions import PlayerSettings
from .tables import find_table, json_record, key_values, read_tables, rows_by_key

__all__ = ["look", "look_at_player"]


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
