"""In PostgreSQL, too, the plan of a rescue foresees every constraint: what it shows can be done, and is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from core.snapshots.errors import RestoreFailed
from core.snapshots.models import RescueOptions, RescueScope
from tests.worlds.past.postgres_past import PostgresPastWorld
from tests.worlds.postgres_world import OLDEST, needs, server

pytestmark = pytest.mark.server

ANN = RescueScope(player="1")
EXACT = RescueOptions(exact=True)
USERS = (
    "CREATE TABLE users (id bigint PRIMARY KEY, name text)",
    "INSERT INTO users VALUES (1, 'Ann'), (2, 'Bo')",
)
COLUMNS = "id int PRIMARY KEY, user_id bigint, name text, level int"
MINE = "(1, 1, 'Rex', 5), (2, 1, 'Tom', NULL)"
TAKEN = (1, "a value that must be unique is that of 2 now", "2")


class Case(NamedTuple):
    """What happens to a table, which is called {t}, after the snapshot, and what the plan says of it then."""

    commits: Sequence[str] = ()
    conflicts: Sequence[tuple[Any, ...]] = ()
    left_out: Sequence[str] = ()
    back: Sequence[int] = (1, 2)
    """Which of Ann's rows there are after the rescue."""
    columns: str = COLUMNS
    rows: str = MINE
    bos: str = "(9, 2, 'REX', 5)"


CASES = {
    "expression": Case(["CREATE UNIQUE INDEX ON {t} (lower(name))"], [TAKEN], back=[2]),
    "partial": Case(["CREATE UNIQUE INDEX ON {t} (lower(name), (level + 1)) WHERE level > 4"], [TAKEN], back=[2]),
    "beside_partial": Case(["CREATE UNIQUE INDEX ON {t} (lower(name)) WHERE level > 5"]),
    "function_of_game": Case(
        [
            "CREATE FUNCTION small(x text) RETURNS text LANGUAGE sql IMMUTABLE AS $$SELECT lower(x)$$",
            "CREATE UNIQUE INDEX ON {t} (small(name))",
        ],
        [TAKEN],
        back=[2],
    ),
    "generated": Case(
        [
            "ALTER TABLE {t} ADD COLUMN small text GENERATED ALWAYS AS (lower(name)) STORED",
            "CREATE UNIQUE INDEX ON {t} (small)",
        ],
        [TAKEN],
        back=[2],
    ),
    "nulls": Case(
        ["CREATE UNIQUE INDEX ON {t} (level, lower(name)) NULLS NOT DISTINCT"],
        [(2, "a value that must be unique is that of 2 now", "2")],
        back=[1],
        bos="(9, 2, 'TOM', NULL)",
    ),
    "twins": Case(
        ["CREATE UNIQUE INDEX ON {t} (length(name), user_id)"],
        [(2, "a value that must be unique is that of 1 now", "1")],
        back=[1],
    ),
    "waiting": Case(["ALTER TABLE {t} ADD UNIQUE (level) DEFERRABLE INITIALLY DEFERRED"], [TAKEN], back=[2]),
    "excluded": Case(
        ["ALTER TABLE {t} ADD EXCLUDE USING gist (int4range(level, level + 3) WITH &&) WHERE (level > 0)"],
        [TAKEN],
        back=[2],
        bos="(9, 2, 'far', 7)",
    ),
    "checked": Case(
        ["ALTER TABLE {t} ADD CONSTRAINT small CHECK (level < 5)"],
        left_out=["1: a check of today forbids it (small)."],
        back=[2],
        bos="(9, 2, 'x', 1)",
    ),
    "check_of_game": Case(
        [
            "CREATE TABLE limits AS SELECT 5 AS most",
            "CREATE FUNCTION fits(x int) RETURNS boolean LANGUAGE plpgsql AS "
            "$$BEGIN RETURN x < (SELECT most FROM limits); END$$",
            "ALTER TABLE {t} ADD CONSTRAINT fits CHECK (fits(level))",
        ],
        left_out=["1: a check of today forbids it (fits)."],
        back=[2],
        bos="(9, 2, 'x', 1)",
    ),
    "check_that_raises": Case(
        [
            "CREATE FUNCTION raises(x int) RETURNS boolean LANGUAGE plpgsql AS "
            "$$BEGIN IF x = 5 THEN RAISE EXCEPTION 'never 5'; END IF; RETURN true; END$$",
            "ALTER TABLE {t} ADD CONSTRAINT five CHECK (raises(level))",
        ],
        left_out=["1: the database does not take it today (never 5)."],
        back=[2],
        bos="(9, 2, 'x', 1)",
    ),
    "never_null": Case(
        ["ALTER TABLE {t} ALTER level SET NOT NULL"],
        left_out=["2: level must have a value, and there was none then."],
        back=[1],
    ),
    "of_domain": Case(
        [
            "CREATE DOMAIN low AS int CHECK (VALUE < 5)",
            "ALTER TABLE {t} ALTER level TYPE low",
        ],
        left_out=[
            '1: the database does not take it today (value for domain low violates check constraint "low_check").'
        ],
        back=[2],
        bos="(9, 2, 'x', 1)",
    ),
    "value_of_enum_gone": Case(
        [
            "DELETE FROM {t}",
            "ALTER TABLE {t} ALTER name TYPE text",
            "CREATE TYPE pet_now AS ENUM ('Tom', 'Ivy')",
            "ALTER TABLE {t} ALTER name TYPE pet_now USING name::pet_now",
        ],
        left_out=['1: the database does not take it today (invalid input value for enum pet_now: "Rex").'],
        back=[2],
        columns="id int PRIMARY KEY, user_id bigint, name pet, level int",
        bos="(9, 2, 'Ivy', 1)",
    ),
    "text_too_long": Case(
        ["ALTER TABLE {t} ALTER name TYPE varchar(2) USING left(name, 2)"],
        left_out=["1: name is character varying(2) now, and it does not fit."],
        back=[2],
        rows="(1, 1, 'Rex', 5), (2, 1, 'T ', NULL)",
    ),
    "other_type": Case(
        ["DELETE FROM {t}", "ALTER TABLE {t} ALTER name TYPE int USING 0"],
        left_out=[
            f'{key}: the database does not take it today (invalid input syntax for type integer: "{name}").'
            for key, name in ((1, "Rex"), (2, "Tom"))
        ],
        back=[],
        bos="",
    ),
    "key_of_other_type": Case(
        ["DELETE FROM {t}", "ALTER TABLE {t} ALTER id TYPE int USING 0"],
        left_out=['x: the database does not take it today (invalid input syntax for type integer: "x").'],
        back=[2],
        columns="id text PRIMARY KEY, user_id bigint, name text, level int",
        rows="('x', 1, 'Rex', 5), ('2', 1, 'Tom', NULL)",
        bos="",
    ),
    "number_in_another_form": Case(
        ["ALTER TABLE {t} ALTER level TYPE text", "INSERT INTO {t} VALUES (1, 1, 'Rex', '5')"]
    ),
    "partition_gone": Case(
        ["DROP TABLE partition_gone_5"],
        left_out=["1, 5: no partition takes it today."],
        back=[2],
        columns="id int, user_id bigint, name text, level int, PRIMARY KEY (id, level)) PARTITION BY LIST (level",
        rows="(1, 1, 'Rex', 5), (2, 1, 'Tom', 0)",
        bos="(9, 2, 'x', 0)",
    ),
    "all_or_none": Case(
        [
            "CREATE TABLE pairs (a int, b text, PRIMARY KEY (a, b)); INSERT INTO pairs VALUES (5, 'Rex')",
            "ALTER TABLE {t} ADD CONSTRAINT pair FOREIGN KEY (level, name) REFERENCES pairs MATCH FULL",
        ],
        left_out=["2: a check of today forbids it (pair)."],
        back=[1],
        bos="",
    ),
    "numbered": Case(
        [
            "ALTER TABLE {t} ALTER level SET NOT NULL, ALTER level ADD GENERATED ALWAYS AS IDENTITY",
            "INSERT INTO {t} VALUES (1, 1, 'Rex', DEFAULT), (2, 1, 'Tim', DEFAULT)",
        ],
        rows="(1, 1, 'Rex', 5), (2, 1, 'Tom', 6)",
    ),
    "new_column": Case(
        [
            "CREATE SEQUENCE numbers",
            "ALTER TABLE {t} ADD number int NOT NULL DEFAULT nextval('numbers'), ADD again int NOT NULL DEFAULT 7",
            "CREATE UNIQUE INDEX ON {t} (again, lower(name))",
        ],
        [TAKEN],
        back=[2],
    ),
    "not_allowed": Case(left_out=[f"{key}: the role may not write to this table." for key in (1, 2)], back=[]),
}
AFTER = {"not_allowed": "REVOKE INSERT ON not_allowed FROM CURRENT_USER"}
BEFORE = {
    "value_of_enum_gone": "CREATE TYPE pet AS ENUM ('Rex', 'Tom', 'Ivy')",
}
PARTS = (
    "CREATE TABLE partition_gone_5 PARTITION OF partition_gone FOR VALUES IN (5)",
    "CREATE TABLE partition_gone_0 PARTITION OF partition_gone FOR VALUES IN (0)",
)


def made(name: str, case: Case) -> list[str]:
    """Return what makes a table with Ann's rows."""
    made = [*([BEFORE[name]] if name in BEFORE else []), f"CREATE TABLE {name} ({case.columns})"]
    return [*made, *(PARTS if "PARTITION" in case.columns else []), f"INSERT INTO {name} VALUES {case.rows}"]


def damaged(name: str, case: Case) -> list[str]:
    """Return what happens to a table after the snapshot."""
    bos = [f"INSERT INTO {name} VALUES {case.bos}"] if case.bos else []
    commits = [each.replace("{t}", name) for each in case.commits]
    return [f"DELETE FROM {name}", *bos, *commits, *([AFTER[name]] if name in AFTER else [])]


def test_what_the_live_database_would_refuse_is_foreseen(tmp_path: Path) -> None:
    """A unique value names its holder, a row that today's table refuses is left out; all else is put back."""
    world = PostgresPastWorld(tmp_path)
    then = world.snapshot(*USERS, *(statement for name, case in CASES.items() for statement in made(name, case)))
    world.commit(*(statement for name, case in CASES.items() for statement in damaged(name, case)))
    sequence = world.rows("SELECT last_value, is_called FROM numbers")
    plan = world.rescue(then, ANN, perform=False)
    for name, case in CASES.items():
        found = [(*each.key.values(), each.why, each.holder) for each in plan.conflicts if each.table == name]
        assert (name, found) == (name, list(case.conflicts))
        left_out = [each for each in plan.left_out if each.startswith(f"{name} ")]
        assert left_out == [f"{name} {each}" for each in case.left_out]
    assert world.rows("SELECT last_value, is_called FROM numbers") == sequence
    assert world.rescue(then, ANN, agreed=plan.token) == plan
    for name, case in CASES.items():
        assert (name, world.rows(f"SELECT id::int FROM {name} WHERE user_id = 1 ORDER BY 1")) == (
            name,
            [(key,) for key in case.back],
        )
    assert world.rescue(then, ANN, perform=False).writes == 0


@pytest.mark.parametrize("major", [needs(OLDEST)])
def test_texts_that_are_the_same_to_the_database_are_the_same_value(tmp_path: Path, major: int) -> None:
    """By a collation that knows no case, and by a type whose operators only the game's search path finds."""
    world = PostgresPastWorld(tmp_path, server_url=server(major))
    then = world.snapshot(
        *USERS,
        "CREATE EXTENSION citext",
        "CREATE COLLATION no_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false)",
        f"CREATE TABLE collated ({COLUMNS}); INSERT INTO collated VALUES {MINE}",
        f"CREATE TABLE of_type ({COLUMNS}); INSERT INTO of_type VALUES {MINE}",
        "CREATE TABLE keys (id citext PRIMARY KEY, user_id bigint); INSERT INTO keys VALUES ('a', 1), ('b', 1)",
        "ALTER TABLE collated ALTER name TYPE text COLLATE no_case, ADD UNIQUE (name)",
        "ALTER TABLE of_type ALTER name TYPE citext, ADD UNIQUE (name)",
    )
    for name in ("collated", "of_type"):
        world.commit(f"DELETE FROM {name}", f"INSERT INTO {name} VALUES (9, 2, 'REX', 5)")
    world.commit("DELETE FROM keys", "INSERT INTO keys VALUES ('A', 2)")
    assert world.look(then, "keys", "A") == [{"id": "a", "user_id": 1}]
    assert world.look(None, "keys", "a") == [{"id": "A", "user_id": 2}]
    plan = world.rescue(then, ANN)
    assert [(each.table, *each.key.values(), each.why, each.holder) for each in plan.conflicts] == [
        ("keys", "A", "it belongs to 2 now", "2"),
        ("collated", *TAKEN),
        ("of_type", *TAKEN),
    ]
    assert world.rows("SELECT id FROM collated ORDER BY 1") == [(2,), (9,)]
    assert world.rows("SELECT id::text FROM keys ORDER BY 1") == [("A",), ("b",)]


def test_rows_of_others_that_would_go_along_are_named(tmp_path: Path) -> None:
    """Exact removes nothing that others refer to, be it in tables that cannot be read; no value changes under them."""
    world = PostgresPastWorld(tmp_path)
    then = world.snapshot(
        *USERS,
        "CREATE TABLE clans (id int PRIMARY KEY, user_id bigint REFERENCES users, name text UNIQUE)",
        "CREATE TABLE members (clan text REFERENCES clans (name) ON UPDATE CASCADE ON DELETE CASCADE, user_id bigint)",
        "CREATE TABLE secrets (clan int REFERENCES clans ON DELETE CASCADE)",
        "INSERT INTO clans VALUES (5, 1, 'Owls')",
    )
    world.commit(
        "UPDATE clans SET name = 'Bats'",
        "INSERT INTO clans VALUES (6, 1, 'Owls'), (7, 1, 'Cats'), (8, 1, 'Dogs')",
        "INSERT INTO members VALUES ('Bats', 2), ('Cats', 2), ('Cats', 2), ('Dogs', 1)",
    )
    plan = world.rescue(then, ANN, EXACT)
    assert {(*each.key.values(), each.why, each.holder) for each in plan.conflicts} == {
        (5, "rows of members refer to it: Bats, 2 (user_id 2)", "2"),
        (7, "rows of members refer to it: Cats, 2 (user_id 2), Cats, 2 (user_id 2)", "2"),
    }
    assert world.rows("SELECT id, name FROM clans ORDER BY 1") == [(5, "Bats"), (7, "Cats")]
    assert world.rows("SELECT * FROM members ORDER BY 1") == [("Bats", 2), ("Cats", 2), ("Cats", 2)]
    world.commit("DELETE FROM members", "INSERT INTO secrets VALUES (7)", "REVOKE ALL ON secrets FROM CURRENT_USER")
    plan = world.rescue(then, ANN, EXACT)
    assert [(*each.key.values(), each.why) for each in plan.conflicts] == [
        (7, "rows of secrets may refer to it, which cannot be read")
    ]
    assert world.rows("SELECT id, name FROM clans ORDER BY 1") == [(5, "Owls"), (7, "Cats")]


def test_values_are_exchanged_in_any_unique_index(tmp_path: Path) -> None:
    """On an expression, over a generated column, checked in the end, and of ranges that must not overlap."""
    world = PostgresPastWorld(tmp_path)
    swaps = {
        "by_expression": "CREATE UNIQUE INDEX ON {t} (abs(slot))",
        "by_generated": "ALTER TABLE {t} ADD place int GENERATED ALWAYS AS (abs(slot)) STORED UNIQUE",
        "by_check": "ALTER TABLE {t} ADD UNIQUE (slot), ADD CHECK (slot < 21)",
        "in_the_end": "ALTER TABLE {t} ADD UNIQUE (slot) DEFERRABLE, ADD CHECK (slot IN (10, 20))",
        "of_ranges": "ALTER TABLE {t} ADD EXCLUDE USING gist (during WITH &&)",
    }
    then = world.snapshot(
        *USERS,
        *(
            statement.replace("{t}", name)
            for name, index in swaps.items()
            for statement in (
                "CREATE TABLE {t} (id int PRIMARY KEY, user_id bigint, slot int NOT NULL, during int4range NOT NULL)",
                "INSERT INTO {t} VALUES (1, 1, 10, '[1,5)'), (2, 1, 20, '[5,9)')",
                index,
            )
        ),
    )
    before = world.everything()
    slots = "UPDATE {t} SET slot = 30 - slot, during = CASE id WHEN 1 THEN '[5,9)' ELSE '[1,5)' END::int4range"
    for name in swaps:
        deferred = "SET CONSTRAINTS ALL DEFERRED" if name == "in_the_end" else "SELECT 1"
        aside = "SELECT 1" if name == "in_the_end" else "UPDATE {t} SET slot = slot - 1000, during = 'empty'"
        after = slots if name == "in_the_end" else slots.replace("30 - slot", "-970 - slot")
        world.commit(";".join(each.replace("{t}", name) for each in (deferred, aside, after)))
    assert world.everything() != before
    assert world.rescue(then, ANN).conflicts == ()
    assert world.everything() == before


@pytest.mark.parametrize(
    ("statements", "said"),
    [
        (
            (
                "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'full'; END$$",
                "CREATE TRIGGER t BEFORE INSERT ON pets FOR EACH ROW WHEN (new.id = 2) EXECUTE FUNCTION refuse()",
            ),
            "The row of pets that is told by 2 cannot be put back: a trigger refuses it .full.. Nothing was changed.",
        ),
        (
            (
                "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'kept'; END$$",
                "CREATE TRIGGER t BEFORE DELETE ON pets FOR EACH ROW EXECUTE FUNCTION refuse()",
            ),
            "The row of pets that is told by 9 cannot be removed: a trigger refuses it .kept.. Nothing was changed.",
        ),
        (
            (
                "CREATE FUNCTION notes(x int) RETURNS boolean LANGUAGE plpgsql AS "
                "$$BEGIN INSERT INTO users VALUES (x, 'a pet'); RETURN true; END$$",
                "ALTER TABLE pets ADD CONSTRAINT noted CHECK (notes(id))",
            ),
            r'told by 1 cannot be put back: .*constraint "users_pkey" \(Key \(id\)=\(1\) already exists\). Nothing',
        ),
    ],
    ids=["insert", "delete", "check that writes"],
)
def test_what_only_writing_can_show_names_the_row(tmp_path: Path, statements: Sequence[str], said: str) -> None:
    """A trigger, or a function that writes; then nothing is changed."""
    world = PostgresPastWorld(tmp_path)
    then = world.snapshot(
        *USERS, "CREATE TABLE pets (id int PRIMARY KEY, user_id bigint)", "INSERT INTO pets VALUES (1, 1), (2, 1)"
    )
    world.commit("DELETE FROM pets", "INSERT INTO pets VALUES (9, 1)", *statements)
    before = world.everything()
    assert world.rescue(then, ANN, EXACT, perform=False).writes == 3
    with pytest.raises(RestoreFailed, match=said):
        world.rescue(then, ANN, EXACT)
    assert world.everything() == before
