"""A small economy that is damaged and rescued, and what must hold afterwards.

Import it as ``from tests.worlds.past.rescue_world import ECONOMY, rescue``.
"""

from __future__ import annotations

from typing import Any

from core.snapshots.history.questions import AskRescue, PlayerSettings
from core.snapshots.history.rescue.apply import perform_rescue, plan_rescue
from core.snapshots.models import Point, RescueOptions, RescuePlan, RescueScope
from tests.worlds.past.history_world import HistoryWorld

ECONOMY = (
    "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT UNIQUE, coins INTEGER NOT NULL)",
    "CREATE TABLE cards (id INTEGER PRIMARY KEY, name TEXT)",
    "CREATE TABLE user_cards (id INTEGER PRIMARY KEY AUTOINCREMENT, user_id INTEGER NOT NULL REFERENCES users (id), "
    "card_id INTEGER NOT NULL REFERENCES cards (id), level INTEGER DEFAULT 1)",
    "CREATE TABLE listings (id INTEGER PRIMARY KEY, user_card_id INTEGER REFERENCES user_cards (id), "
    "seller_id INTEGER REFERENCES users (id), buyer_id INTEGER REFERENCES users (id), status TEXT)",
    "CREATE UNIQUE INDEX one_open ON listings (user_card_id) WHERE status = 'open'",
    "CREATE TABLE log (user_id INTEGER, what TEXT)",
    "CREATE TABLE titles (user_id INTEGER REFERENCES users (id), title TEXT, PRIMARY KEY (title, user_id)) "
    "WITHOUT ROWID",
    "INSERT INTO users VALUES (1, 'Ann', 100), (2, 'Bo', 200), (3, 'Cy', 300)",
    "INSERT INTO cards VALUES (10, 'moon'), (11, 'sun'), (12, 'star')",
    "INSERT INTO user_cards (id, user_id, card_id) VALUES (1, 1, 10), (2, 1, 11), (3, 2, 12), (4, 1, 12)",
    "INSERT INTO listings VALUES (1, 1, 1, NULL, 'open'), (2, 3, 2, 1, 'sold')",
    "INSERT INTO log VALUES (1, 'joined'), (1, 'joined'), (2, 'joined')",
    "INSERT INTO titles VALUES (1, 'the first'), (2, 'the second')",
)
TABLES = ("users", "cards", "user_cards", "listings", "log", "titles")


def rescue(
    world: HistoryWorld,
    then: Point,
    scope: RescueScope,
    options: RescueOptions | None = None,
    *,
    damaged: Point | None = None,
    perform: bool = True,
    agreed: str | None = None,
    archives: bool = True,
) -> RescuePlan:
    """Plan a rescue, or carry it out, and return its plan."""
    points = (then,) if damaged is None else (then, damaged)
    question = AskRescue(
        scope=scope,
        options=options or RescueOptions(),
        settings=PlayerSettings(player="users.id"),
        perform=perform,
        agreed=agreed,
    )
    with world.past(*points, archives=archives) as past:
        return perform_rescue(past, question) if perform else plan_rescue(past, question)


def everything(world: HistoryWorld) -> dict[str, list[tuple[Any, ...]]]:
    """Return every row of the live database, with the numbers of rows that have no key."""
    rows = {name: world.rows(None, f"SELECT * FROM {name}") for name in TABLES if name != "log"}
    rows["log"] = world.rows(None, "SELECT rowid, * FROM log")
    return {name: sorted(each, key=repr) for name, each in rows.items()}
