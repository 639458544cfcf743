"""How the rows are written: past rules and triggers, in circles, with numbers that the server gives."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.snapshots.errors import RestoreFailed
from core.snapshots.models import RescueOptions, RescueScope
from tests.worlds.past.postgres_past import PostgresPastWorld

pytestmark = pytest.mark.server

ANN = RescueScope(player="1")
SCHEMA = """
CREATE TABLE users (id bigint PRIMARY KEY, number integer GENERATED ALWAYS AS IDENTITY, coins integer,
    owned integer DEFAULT 0, favourite integer);
CREATE TABLE cards (id integer PRIMARY KEY, user_id bigint NOT NULL REFERENCES users, at timestamptz);
ALTER TABLE users ADD FOREIGN KEY (favourite) REFERENCES cards;
CREATE TABLE log (what text);
CREATE RULE noted AS ON UPDATE TO users DO ALSO INSERT INTO log VALUES ('rule');
CREATE SEQUENCE loose;
CREATE SEQUENCE letters;
CREATE TABLE numbered (id integer DEFAULT nextval('loose') PRIMARY KEY, user_id bigint,
    code text DEFAULT 'C' || nextval('letters'), kind numeric DEFAULT 1);
ALTER SEQUENCE letters OWNED BY numbered.code;
CREATE TABLE parts (id integer, user_id bigint, PRIMARY KEY (id)) PARTITION BY RANGE (id);
CREATE TABLE few PARTITION OF parts FOR VALUES FROM (0) TO (10);
CREATE TABLE more PARTITION OF parts FOR VALUES FROM (10) TO (20);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql
    AS 'BEGIN INSERT INTO log VALUES (TG_NAME); RETURN NEW; END';
CREATE TRIGGER all_parts AFTER INSERT ON parts FOR EACH ROW EXECUTE FUNCTION note();
CREATE TRIGGER one_part AFTER INSERT ON few FOR EACH ROW EXECUTE FUNCTION note();
ALTER TABLE more DISABLE TRIGGER all_parts;
INSERT INTO users (id, coins) VALUES (1, 100), (2, 200);
INSERT INTO cards VALUES (10, 1), (11, 1), (20, 2);
UPDATE users SET favourite = 10, owned = 2 WHERE id = 1;
INSERT INTO numbered (user_id) VALUES (1), (2), (1);
INSERT INTO parts VALUES (1, 1), (11, 1);
DELETE FROM log;
"""
COUNTING = """
CREATE FUNCTION counted() RETURNS trigger LANGUAGE plpgsql
    AS 'BEGIN UPDATE users SET owned = owned + 1 WHERE id = NEW.user_id; RETURN NEW; END';
CREATE TRIGGER counting AFTER INSERT ON cards FOR EACH ROW EXECUTE FUNCTION counted();
CREATE FUNCTION stamped() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.at := ''2030-01-01Z''; RETURN NEW; END';
CREATE TRIGGER stamping BEFORE INSERT ON cards FOR EACH ROW EXECUTE FUNCTION stamped();
"""


def test_rows_in_a_circle_numbered_and_beside_rules_come_back(tmp_path: Path) -> None:
    """A player and his favourite card, which is his; sequences go on after them; the undo goes round as well."""
    world = PostgresPastWorld(tmp_path)
    then = world.snapshot(SCHEMA)
    world.commit(
        "UPDATE users SET favourite = NULL WHERE id = 1",
        "DELETE FROM cards WHERE user_id = 1",
        "DELETE FROM users WHERE id = 1",
        "DELETE FROM numbered WHERE user_id = 1",
        "SELECT setval('loose', 1, false)",
        "TRUNCATE log",
    )
    safety, before = world.snapshot(), world.everything()
    plan = world.rescue(then, ANN)
    assert (plan.left_out, plan.notes) == ((), ())
    assert world.rows("SELECT id, number, coins, favourite FROM users ORDER BY 1") == [
        (1, 1, 100, 10),
        (2, 2, 200, None),
    ]
    assert world.rows("SELECT nextval('loose'), max(id)::bigint FROM numbered") == [(4, 3)]
    assert world.rows("SELECT what FROM log WHERE what = 'rule'")
    world.commit("TRUNCATE log")
    world.rescue(safety, RescueScope(rows=plan.rows))
    world.commit("TRUNCATE log")
    assert world.everything() == before
    world.commit("INSERT INTO users (id, coins) VALUES (1, 0)")
    plan = world.rescue(then, RescueScope(table="users", key=("1",)))
    assert plan.notes == ("users: number is numbered by the server, and stays as it is where a row is.",)
    assert world.rows("SELECT number > 2, coins, favourite FROM users WHERE id = 1") == [(True, 100, 10)]


def test_triggers_fire_and_the_rows_are_what_the_plan_said(tmp_path: Path) -> None:
    """A trigger that counts cards counts those that come back too; without triggers those of partitions stay silent."""
    world = PostgresPastWorld(tmp_path)
    then = world.snapshot(SCHEMA, COUNTING)
    world.commit(
        "UPDATE users SET favourite = NULL, coins = 0 WHERE id = 1",  # not what the trigger counts
        "DELETE FROM cards WHERE user_id = 1",
        "DELETE FROM parts",
        "TRUNCATE log",
    )
    plan = world.rescue(then, ANN)
    assert plan.notes == ("cards: a trigger of the game set at of rows that are back.",)
    assert world.rows("SELECT owned, favourite FROM users WHERE id = 1") == [(2, 10)]
    assert world.rows("SELECT at::date::text FROM cards WHERE user_id = 1") == [("2030-01-01",)] * 2
    assert sorted(world.rows("SELECT what FROM log WHERE what <> 'rule'")) == [("all_parts",), ("one_part",)]
    enabled = "SELECT tgrelid::regclass::text, tgname::text, tgenabled::text FROM pg_trigger ORDER BY 1, 2, 3"
    world.commit("DELETE FROM parts", "TRUNCATE log")
    before = world.rows(enabled)
    assert world.rescue(then, ANN, RescueOptions(triggers=False)).tables["parts"].put_back == 2
    assert (world.rows("SELECT what FROM log"), world.rows(enabled)) == ([], before)
    world.commit(
        "CREATE FUNCTION gone() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN DELETE FROM parts; RETURN NEW; END'",
        "CREATE TRIGGER gone AFTER INSERT ON few FOR EACH ROW EXECUTE FUNCTION gone()",
        "DELETE FROM parts",
    )
    with pytest.raises(RestoreFailed, match="a trigger removes it again"):
        world.rescue(then, ANN)
    assert world.rows("SELECT * FROM parts") == []
