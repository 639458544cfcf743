"""A schema that changed since: names that need their schema now, other types, new keys, rights that were taken away."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.snapshots.errors import QueryError
from core.snapshots.models import Diff, RescueScope
from tests.worlds.past.postgres_past import PostgresPastWorld
from tests.worlds.postgres_world import run_sql

pytestmark = pytest.mark.server

SCHEMA = """
CREATE SCHEMA shop;
CREATE DOMAIN discord_id AS bigint;
CREATE TABLE users (id discord_id PRIMARY KEY, name text);
CREATE TABLE kinds (id numeric PRIMARY KEY);
CREATE TABLE shop.orders (id integer PRIMARY KEY, user_id bigint REFERENCES users, kind numeric(10,2) REFERENCES kinds);
CREATE TABLE seen (id integer PRIMARY KEY, user_id smallint, old integer);
INSERT INTO seen VALUES (1, 2, 5);
CREATE TABLE tokens (id integer PRIMARY KEY, user_id uuid);
CREATE TABLE loose (id integer, note text);
CREATE TABLE mixed (id integer PRIMARY KEY, score double precision, ok boolean, short varchar(9));
INSERT INTO users VALUES (70000, 'Ann'), (2, 'Bo');
INSERT INTO kinds VALUES (1), (2.0);
INSERT INTO shop.orders SELECT i, 2 + 69998 * (i % 2), 1 + i % 2 FROM generate_series(1, 12) i;
INSERT INTO loose VALUES (1, 'a'), (1, 'a'), (1, 'b'), (2, 'c'), (NULL, 'n');
INSERT INTO mixed VALUES (1, 1.5, true, 'long text'), (2, 2, false, 'b');
"""


def counts(diff: Diff) -> dict[str, tuple[int, int, int]]:
    """Return how many rows were added, removed and changed by table."""
    return {name: (each.added, each.removed, each.changed) for name, each in diff.tables.items()}


def test_a_table_is_the_same_one_whatever_it_is_called(tmp_path: Path) -> None:
    """Its name needs the schema since another one has that name; types and keys that came since are no changes."""
    world = PostgresPastWorld(tmp_path)
    then = world.snapshot(SCHEMA)
    later = world.snapshot(
        "CREATE TABLE orders (id integer PRIMARY KEY)",
        "ALTER TABLE mixed ALTER score TYPE text, ALTER ok TYPE integer USING ok::integer, ALTER short TYPE varchar(3)"
        " USING left(short, 3)",
        "UPDATE mixed SET score = 'high' WHERE id = 1",
        "ALTER TABLE seen DROP old",
        "DELETE FROM loose WHERE id = 1 OR id IS NULL",
        "ALTER TABLE loose ADD PRIMARY KEY (id)",
    )
    for diff in (world.diff(then, later), world.diff(then, None)):
        assert counts(diff) == {
            "public.orders": (0, 0, 0),
            "loose": (0, 4, 0),
            "mixed": (0, 0, 1),
            "seen": (0, 0, 0),
        }
    assert [each.after for each in world.history("seen", "1", column="old").changes] == [{"old": 5}]
    assert len(world.history("shop.orders", "3").changes) == len(world.history("orders", "3").changes) == 1
    for point in (then, None):
        assert world.look(point, "mixed", "1")[0]["score"] == ("high" if point is None else 1.5)
    assert world.look(None, "shop.orders", "3")[0]["user_id"] == 70000
    world.commit("DELETE FROM mixed")
    plan = world.rescue(then, RescueScope(table="mixed", key=("1",)))
    assert plan.left_out == ("mixed 1: short is character varying(3) now, and it does not fit.",)
    world.rescue(then, RescueScope(table="mixed", key=("2",)))
    assert world.rows("SELECT * FROM mixed") == [(2, "2", 0, "b")]
    world.commit("TRUNCATE shop.orders, users, kinds")
    plan = world.rescue(then, RescueScope(player="70000"))
    assert {name: each.put_back for name, each in plan.tables.items()} == {"users": 1, "kinds": 1, "shop.orders": 6}
    plan = world.rescue(then, RescueScope(table="orders", where="id > 0"))
    assert {name: each.put_back for name, each in plan.tables.items()} == {"users": 1, "kinds": 1, "shop.orders": 6}
    run_sql(world.game.superuser, "ALTER TABLE shop.orders OWNER TO postgres")
    for asked in (
        lambda: world.diff(then, None),
        lambda: world.look(None, "shop.orders", "1"),
        lambda: world.rescue(then, RescueScope(player="70000")),
    ):
        with pytest.raises(QueryError, match=r"may not read shop\.orders"):
            asked()
