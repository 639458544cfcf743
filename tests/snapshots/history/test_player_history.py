"""The history of a player names each change of his rows in one table."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.snapshots.errors import QueryError
from core.snapshots.history.answers import answer
from core.snapshots.history.questions import AskPlayerHistory
from core.snapshots.models import RowHistory
from core.snapshots.progress import Watch
from tests.worlds.past.history_world import HistoryWorld
from tests.worlds.past.rescue_world import ECONOMY


def asked(world: HistoryWorld, table: str, player: str = "1") -> list[tuple[str, object, object]]:
    """Return the changes of a player's rows: where each was seen first, and the row before and after it."""
    question = AskPlayerHistory(player=player, table=table, now=True)
    files = world.files(*world.points)
    found = answer(question, files, f"sqlite:///{world.database}", 1.0, world.folder, Watch())
    assert isinstance(found, RowHistory)
    return [(each.snapshot, each.before, each.after) for each in found.changes]


def test_rows_that_come_change_and_go_are_named(tmp_path: Path) -> None:
    """With a key and without; also before the game had its tables, and up to now."""
    world = HistoryWorld(tmp_path)
    world.snapshot("CREATE TABLE old (id INTEGER PRIMARY KEY)")
    second = world.snapshot(*ECONOMY).snapshot
    third = world.snapshot(
        "UPDATE user_cards SET level = 9 WHERE id = 2", "INSERT INTO log VALUES (1, 'played'), (2, 'played')"
    ).snapshot
    world.snapshot("UPDATE user_cards SET level = 5 WHERE id = 3")
    world.commit("DELETE FROM user_cards WHERE id = 4", "DELETE FROM log WHERE what = 'played'")
    one, two, four = (
        {"id": id_, "user_id": 1, "card_id": card, "level": 1} for id_, card in ((1, 10), (2, 11), (4, 12))
    )
    assert asked(world, "USER_CARDS") == [
        (second, None, one),
        (second, None, two),
        (second, None, four),
        (third, two, two | {"level": 9}),
        ("now", four, None),
    ]
    joined, played = {"user_id": 1, "what": "joined"}, {"user_id": 1, "what": "played"}
    assert asked(world, "log") == [(second, None, joined)] * 2 + [(third, None, played), ("now", played, None)]
    assert asked(world, "") == [(second, None, {"id": 1, "name": "Ann", "coins": 100})]
    assert asked(world, "titles", "99") == []


def test_a_table_that_has_no_players_is_a_sentence(tmp_path: Path) -> None:
    """It says which ones have."""
    world = HistoryWorld(tmp_path)
    world.snapshot(*ECONOMY)
    with pytest.raises(QueryError, match=r"cards has no rows of players\. Those that have: users, "):
        asked(world, "cards")
