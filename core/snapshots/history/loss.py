"""What a restore would lose, row by row: what was written since a snapshot, by table and by player."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from ..errors import QueryError
from ..models import Diff, Loss, PlayerLoss, PlayerTables, Point, TableLoss
from .databases import Value
from .diff import diff
from .past import Past
from .player import NAMES, Matching, find_player, sqlite_matching
from .questions import PlayerSettings
from .tables import Table, json_value, read_tables

__all__ = ["Losses", "loss", "loss_of", "namer", "player_or_none"]

_PLAYERS = 10
Record = Mapping[str, Value]


class Losses:
    """Counts the rows that differ by the player whose they are, in either state."""

    def __init__(self, player: PlayerTables | None) -> None:
        self.player = player
        self.rows: Counter[Value] = Counter()
        self._columns: dict[str, list[str]] = {}
        for table, column in () if player is None else player.references:
            self._columns.setdefault(table.lower(), []).append(column.lower())

    def take(self, table: str, before: Record | None, after: Record | None) -> None:
        """Add a row that differs, as it is in each of the two states."""
        columns = self._columns.get(table.lower())
        if columns is None:
            return
        self.rows.update(
            {
                value
                for row in (before, after)
                for name, value in (row or {}).items()
                if name.lower() in columns and value is not None
            }
        )

    def worst(self, name_of: Callable[[Value], str | None]) -> tuple[PlayerLoss, ...]:
        """Return the players of whom most rows differ."""
        ordered = sorted(self.rows.items(), key=lambda item: (-item[1], repr(item[0])))[:_PLAYERS]
        return tuple(PlayerLoss(player=str(json_value(key)), rows=rows, name=name_of(key)) for key, rows in ordered)


def loss(past: Past, first: Point, second: Point | None, settings: PlayerSettings) -> Loss:
    """Return what was written between a point and another one or now, which a restore of the first would lose."""
    second = second or past.present()
    with past.opened(second) as database:
        tables = read_tables(database)
        losses = Losses(player_or_none(tables, settings))
    found = diff(past, first, second, found=losses.take)
    with past.opened(second) as database:
        return loss_of(found, losses, namer(tables, losses.player, sqlite_matching(database)))


def loss_of(found: Diff, losses: Losses, name_of: Callable[[Value], str | None]) -> Loss:
    """Return a loss from what differs."""
    return Loss(
        tables={
            name: TableLoss(added=table.added, removed=table.removed, changed=table.changed)
            for name, table in found.tables.items()
            if table.added or table.removed or table.changed
        },
        altered=tuple(
            name
            for name, table in found.tables.items()
            if table.columns_added or table.columns_removed or not (table.added or table.removed or table.changed)
        ),
        players=losses.worst(name_of),
        seconds=found.seconds,
    )


def namer(
    tables: Mapping[str, Table], player: PlayerTables | None, matching: Matching
) -> Callable[[Value], str | None]:
    """Return what finds the name of a player by the key, or else his Discord id, if the key is another number."""
    table = None if player is None else tables.get(player.table)
    named = [] if table is None else [each.name for each in table.columns if each.name.lower() in NAMES]
    if table is not None and player is not None:
        named += [name for name in player.called if table.column(name) is not None]

    def name_of(key: Value) -> str | None:
        if table is None or player is None or not named:
            return None
        rows: Iterator[dict[str, Value]] = matching(table, [player.column], key)
        row = next(rows, None)
        return None if row is None or row[named[0]] is None else str(row[named[0]])

    return name_of


def player_or_none(tables: Mapping[str, Table], settings: PlayerSettings) -> PlayerTables | None:
    """Return who the player is, or None if that cannot be told."""
    try:
        return find_player(tables, settings)
    except QueryError:
        return None
