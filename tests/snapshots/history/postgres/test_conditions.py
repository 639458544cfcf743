"""Questions in SQL: which tables they mention, computed columns, what must not be read as it is now, exact values."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.snapshots.errors import QueryError
from core.snapshots.history.postgres.mentioned import mentioned
from core.snapshots.history.postgres.values import column_of
from core.snapshots.history.questions import AskSums
from core.snapshots.history.tables import Table
from core.snapshots.models import RescueScope, Sums
from tests.worlds.past.postgres_past import PostgresPastWorld

SCHEMA = """
CREATE SCHEMA shop;
CREATE FUNCTION double(i integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT i * 2';
CREATE TABLE users (id integer PRIMARY KEY, total integer GENERATED ALWAYS AS (double(id) * 10) STORED);
CREATE TABLE shop.orders (id integer PRIMARY KEY, luck numeric DEFAULT 'NaN');
CREATE TABLE orders (id integer PRIMARY KEY, row_number_ integer DEFAULT 1);
CREATE VIEW seen AS SELECT * FROM users;
CREATE TYPE pair AS (x integer, y text);
CREATE TABLE odd (id integer PRIMARY KEY, since timestamptz, died date, every interval, span int4range, two pair);
INSERT INTO users VALUES (1), (2);
INSERT INTO orders VALUES (1);
INSERT INTO odd VALUES (1, 'infinity', '0044-03-15 BC', '1 mon 2 days', '[1,5)', '(1,"a b")');
"""


def table(full_name: str) -> Table:
    """Return a table with a column."""
    return Table(
        name=full_name,
        sql="",
        root=0,
        columns=(column_of("id", "integer", generated=False),),
        key=("id",),
        rowid=None,
        without_rowid=False,
        integer_key=False,
        full_name=full_name,
    )


@pytest.mark.parametrize(
    ("text", "without", "names"),
    [
        ("FROM shop.orders WHERE orders.id = 1", 'FROM "orders" WHERE orders.id = 1', {"shop.orders"}),
        ("FROM Shop . Orders, users", 'FROM "orders", users', {"shop.orders", "public.users"}),
        ('shop.orders.id, "shop"."orders"', '"orders"."id", "orders"', {"shop.orders"}),
        ("FROM orders", "FROM orders", {"public.orders"}),
        ("'shop.orders' $$users$$ -- users", "'shop.orders' $$users$$ -- users", set()),
        ('FROM "Users" users.id shop.f(1)', 'FROM "Users" users.id shop.f(1)', set()),
    ],
)
def test_tables_are_mentioned_with_and_without_their_schemas(text: str, without: str, names: set[str]) -> None:
    """A bare name is that of the first schema in the path; nothing in quotes, comments and columns is one."""
    tables = {name: table(name) for name in ("shop.orders", "public.orders", "public.users")}
    found = mentioned(text, tables, ["public", "shop"])
    assert (found.text, {each.full_name for each in found.tables.values()}) == (without, names)
    with pytest.raises(QueryError, match="have the same name"):
        mentioned("FROM shop.orders JOIN orders", tables, ["public"])


@pytest.mark.server
def test_questions_see_what_was_there_then(tmp_path: Path) -> None:
    """Computed columns too, and tables of any schema; never what is there now."""
    world = PostgresPastWorld(tmp_path)
    first = world.snapshot("CREATE TABLE started (at integer)")
    world.snapshot(SCHEMA)
    last = world.snapshot("INSERT INTO users VALUES (9)", "INSERT INTO shop.orders VALUES (1)", "DELETE FROM orders")
    for condition in (
        "max(total) >= 180 FROM users",
        "max(double(users.id)) >= 18 FROM public.users",
        "count(*) = 1 FROM shop.orders WHERE orders.id > 0",
        "count(*) = 0 FROM orders",
    ):
        found = world.find_change(condition).first
        assert found is not None
        assert found.snapshot == last.snapshot, condition
    for condition in ("count(*) > 2 FROM seen", "count(*) > 2 FROM users WHERE id IN (SELECT id FROM seen)"):
        with pytest.raises(QueryError, match=r'public\.users would be read as it is now|"seen" does not exist'):
            world.find_change(condition)
    with pytest.raises(QueryError, match=r"public\.started would be read as it is now"):
        world.rescue(last, RescueScope(table="users", where="id IN (SELECT at FROM started)"))
    with pytest.raises(QueryError, match="no parameters"):
        world.rescue(last, RescueScope(table="users", where="id = $1"))
    world.commit("DELETE FROM users", "INSERT INTO orders VALUES (1)")
    then = world.points[1]
    assert world.rescue(then, RescueScope(table="public.orders", where="row_number_ = 1"), perform=False).writes == 0
    assert world.rescue(last, RescueScope(table="users", where="total = 180")).writes == 1
    assert world.query(None, "SELECT * FROM odd").rows == (
        (1, "infinity", "0044-03-15 BC", "1 mon 2 days", "[1,5)", '(1,"a b")'),
    )
    assert world.query(first, "SELECT 1 AS a, NULL AS a, true, 1.50 ORDER BY 1").rows == ((1, None, True, "1.50"),)
    assert world.query(None, "SELECT odd FROM odd").columns == ("odd",)
    answer = world.answer(AskSums(questions=("max(luck) FROM shop.orders", "max(id) FROM odd"), now=True), Sums)
    assert (answer.values, list(answer.problems)) == ({"max(id) FROM odd": 1}, ["max(luck) FROM shop.orders"])
