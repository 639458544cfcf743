"""Tables, keys and triggers are named as people and games do: with a schema or without, in any way of writing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from core.snapshots.errors import QueryError
from core.snapshots.history.questions import AskPlayer, PlayerSettings
from core.snapshots.models import Look, RescueScope
from tests.worlds.past.postgres_past import PostgresPastWorld

pytestmark = pytest.mark.server

SCHEMA = """
CREATE TYPE rarity AS ENUM ('common', 'rare');
CREATE SCHEMA shop;
CREATE TABLE users (id numeric(20, 0) PRIMARY KEY, name text);
CREATE TABLE shop.orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, user_id numeric REFERENCES users,
                          what rarity);
CREATE TABLE keyed (r rarity, a integer[], at timestamptz, user_id numeric REFERENCES users, PRIMARY KEY (r, a, at));
CREATE TABLE log (what text);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql
    AS 'BEGIN INSERT INTO log VALUES (''came back''); RETURN NEW; END';
CREATE TRIGGER notes AFTER INSERT ON shop.orders FOR EACH ROW EXECUTE FUNCTION note();
INSERT INTO users VALUES (123456789012345678, 'Ann'), (2, 'Bo');
INSERT INTO shop.orders (user_id, what) VALUES (123456789012345678, 'rare'), (2, 'rare');
INSERT INTO keyed VALUES ('rare', '{1,2}', '2024-01-01 00:00:00+00', 123456789012345678);
DELETE FROM log;
"""
ANN = "123456789012345678"


def test_names_with_a_schema_keys_written_otherwise_and_triggers(tmp_path: Path) -> None:
    """One world for all of it, because each has a database of its own."""
    world = PostgresPastWorld(tmp_path)
    then = world.snapshot(SCHEMA)
    for name in ("shop.orders", "orders", "SHOP.Orders", '"shop"."orders"'):
        assert [row["id"] for row in world.look(then, name, "1")] == [1]
    for point in (then, None):
        assert world.look(point, "public.keyed", "rare", "{1, 2}", "2024-01-01 02:00+02")[0]["user_id"] == ANN
        assert world.look(point, "users", f"{ANN}.0")[0]["name"] == "Ann"
    for key in (("rare", "1", "2024-01-01"), ("scarce", "{1,2}", "2024-01-01"), ("rare", "{1,2}", "never")):
        with pytest.raises(QueryError, match="PostgreSQL refuses this for the live database"):
            world.look(None, "keyed", *key)
        assert world.look(then, "keyed", *key) == []
    assert len(world.history("keyed", "rare", "{1, 2}", "2024-01-01 00:00Z").changes) == 1
    assert tables(world, then, PlayerSettings(player="public.users.id", never=("shop.orders",))) == {"users", "keyed"}
    assert tables(world, then, PlayerSettings(player="users.id", never=("public.keyed.user_id",))) == {
        "users",
        "orders",
    }
    world.commit("DELETE FROM shop.orders WHERE user_id > 2", "DELETE FROM keyed")
    assert world.rescue(then, RescueScope(table="keyed", key=("rare", "{1, 2}", "2024-01-01 02:00+02"))).writes == 1
    world.rescue(then, RescueScope(player="Ann"))
    assert world.rows("SELECT user_id::text, what::text FROM shop.orders ORDER BY id") == [(ANN, "rare"), ("2", "rare")]
    assert world.rows("SELECT what FROM log") == [("came back",)]


def tables(world: PostgresPastWorld, then: Any, settings: PlayerSettings) -> set[str]:
    """Return the tables in which a player has rows."""
    return set(world.answer(AskPlayer(player=ANN, settings=settings), Look, then).tables)
