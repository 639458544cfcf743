"""What is in a dump and in the live database, and what keys are called there."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.snapshots.history.questions import AskInside, AskNames
from core.snapshots.models import Inside, Names
from tests.worlds.past.postgres_past import ECONOMY, PostgresPastWorld

pytestmark = pytest.mark.server


def test_tables_are_counted_and_keys_have_names(tmp_path: Path) -> None:
    """Of the dump and of the present; a key of another type ends nothing but its own question."""
    world = PostgresPastWorld(tmp_path)
    point = world.snapshot(ECONOMY)
    world.commit("INSERT INTO users (id, name, coins) VALUES (4, 'Di', 1)")
    then = world.answer(AskInside(), Inside, point)
    assert (then.tables["users"], then.tables["log"], then.rows) == (3, 3, ())
    now = world.answer(AskInside(table="users", shown=2, now=True), Inside)
    assert (now.tables, [row["name"] for row in now.rows]) == ({"users": 4}, ["Ann", "Bo"])
    assert world.answer(AskInside(table="users", shown=2), Inside, point).rows[1]["name"] == "Bo"
    asked = AskNames(columns=("users.name", "titles.title", "gone.x"), keys=("1", "no number", "4", "9"), now=True)
    assert world.answer(asked, Names).names == {"users.name": {"1": "Ann", "4": "Di"}}
