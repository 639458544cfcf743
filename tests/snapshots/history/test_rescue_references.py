"""The plan of a rescue foresees what foreign keys and triggers make of it: nobody's rows go along, nothing dangles."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from core.snapshots.errors import RestoreFailed
from core.snapshots.models import RescueOptions, RescueScope
from tests.worlds.past.history_world import HistoryWorld
from tests.worlds.past.rescue_world import rescue

ANN = RescueScope(player="1")
EXACT = RescueOptions(exact=True)
USERS = ("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT)", "INSERT INTO users VALUES (1, 'Ann'), (2, 'Bo')")
CASCADE = (
    *USERS,
    "CREATE TABLE clans (id INTEGER PRIMARY KEY, user_id INTEGER REFERENCES users, name TEXT UNIQUE)",
    "CREATE TABLE members (clan TEXT REFERENCES clans (NAME) ON UPDATE CASCADE ON DELETE CASCADE, user_id INTEGER)",
    "INSERT INTO clans VALUES (5, 1, 'Owls')",
)


def test_rows_of_others_that_would_go_along_are_named(tmp_path: Path) -> None:
    """Exact removes no clan that others joined since; it says who, and goes on with the rest."""
    world = HistoryWorld(tmp_path)
    then = world.snapshot(*CASCADE)
    world.commit(
        "INSERT INTO clans VALUES (6, 1, 'Bats'), (7, 1, 'Cats')",
        "INSERT INTO members VALUES ('Bats', 2), ('Bats', 3), ('Bats', 4), ('Bats', 5), ('Bats', 1), ('Cats', 1)",
    )
    plan = rescue(world, then, ANN, EXACT)
    assert [(each.table, each.key, each.why, each.holder, each.takeable) for each in plan.conflicts] == [
        (
            "clans",
            {"id": 6},
            "rows of members refer to it: 1 (user_id 2), 2 (user_id 3), 3 (user_id 4), …",
            "2",
            False,
        )
    ]
    assert world.rows(None, "SELECT name FROM clans ORDER BY id") == [("Owls",), ("Bats",)]
    assert world.rows(None, "SELECT * FROM members") == [("Bats", 2), ("Bats", 3), ("Bats", 4), ("Bats", 5)]


def test_a_value_that_others_refer_to_is_not_changed_back(tmp_path: Path) -> None:
    """It would cascade to their rows, or leave them without what they refer to."""
    world = HistoryWorld(tmp_path)
    then = world.snapshot(*CASCADE)
    world.commit("UPDATE clans SET name = 'Bats'", "INSERT INTO members VALUES ('Bats', 2)")
    plan = rescue(world, then, ANN)
    assert [(each.why, each.holder) for each in plan.conflicts] == [("rows of members refer to it: 1 (user_id 2)", "2")]
    assert world.rows(None, "SELECT name FROM clans") == [("Bats",)]


def test_a_row_that_comes_back_keeps_what_it_refers_to(tmp_path: Path) -> None:
    """What was not there then is not removed from under it, where references were broken then."""
    world = HistoryWorld(tmp_path)
    then = world.snapshot(*CASCADE, "INSERT INTO members VALUES ('Bats', 1)")
    world.commit("DELETE FROM members", "INSERT INTO clans VALUES (6, 1, 'Bats')")
    plan = rescue(world, then, ANN, EXACT)
    assert [(each.table, each.why) for each in plan.conflicts] == [("clans", "rows of members refer to it")]
    assert world.rows(None, "SELECT * FROM members") == [("Bats", 1)]


DECKS = (
    *USERS,
    "CREATE TABLE decks (owner INTEGER, slot INTEGER, name TEXT, PRIMARY KEY (owner, slot))",
    "CREATE TABLE cards (id INTEGER PRIMARY KEY, user_id INTEGER, slot INTEGER, level INTEGER, "
    "FOREIGN KEY (user_id, slot) REFERENCES decks DEFERRABLE INITIALLY DEFERRED)",
    "INSERT INTO decks VALUES (1, 1, 'one'), (1, 2, 'two'), (2, 1, 'other')",
    "INSERT INTO cards VALUES (1, 1, 2, 0), (2, 1, 1, 0), (3, 1, NULL, 0)",
)


def test_of_a_key_of_several_columns_one_can_change(tmp_path: Path) -> None:
    """The deck that a card was in comes along; where it cannot, the card stays as it is and is named."""
    world = HistoryWorld(tmp_path)
    then = world.snapshot(*DECKS)
    world.commit("UPDATE cards SET slot = 1, level = 3 WHERE id = 1", "DELETE FROM decks WHERE slot = 2")
    assert rescue(world, then, ANN).writes == 2
    assert world.rows(None, "SELECT slot, level FROM cards WHERE id = 1") == [(2, 0)]
    world.commit(
        "UPDATE cards SET slot = 1 WHERE id = 1",
        "DELETE FROM decks WHERE slot = 2",
        "CREATE UNIQUE INDEX names ON decks (upper(name))",
        "INSERT INTO decks VALUES (2, 9, 'TWO')",
    )
    plan = rescue(world, then, ANN)
    assert [(each.table, each.holder) for each in plan.conflicts] == [("decks", "2, 9")]
    assert plan.left_out == ("cards 1: what it refers to is gone, and cannot be put back.",)
    assert (plan.writes, world.rows(None, "PRAGMA foreign_key_check")) == (0, [])


@pytest.mark.parametrize(
    ("parent", "after", "left_out", "cards"),
    [
        (
            "CREATE TABLE packs (id INTEGER PRIMARY KEY)",
            "DROP TABLE packs",
            "cards 1: it refers to a row of packs, and there is no such table any more.",
            0,
        ),
        ("CREATE TABLE boxes (id INTEGER PRIMARY KEY)", "DROP TABLE boxes", None, 1),
        ("CREATE TABLE packs (id INTEGER)", "CREATE INDEX several ON packs (id)", None, 1),
        ("CREATE TABLE packs (id INTEGER)", "ALTER TABLE packs RENAME COLUMN id TO number", None, 1),
        ("CREATE TABLE pairs (id INTEGER, kind TEXT, PRIMARY KEY (id, kind))", "DELETE FROM pairs", None, 1),
    ],
    ids=["dropped", "never there", "not unique", "no such column", "another key"],
)
def test_a_reference_to_what_no_row_can_keep(
    tmp_path: Path, parent: str, after: str, left_out: str | None, cards: int
) -> None:
    """A table that is gone since leaves its rows out; one that never was, or has no such key, is checked by nobody."""
    world = HistoryWorld(tmp_path)
    then = world.snapshot(
        *USERS,
        parent,
        "CREATE TABLE cards (id INTEGER PRIMARY KEY, user_id INTEGER, pack INTEGER REFERENCES "
        f"{'pairs' if 'pairs' in parent else 'packs (id)'})",
        "INSERT INTO cards VALUES (1, 1, 5)",
        *(["INSERT INTO packs VALUES (5)"] if "packs" in parent else []),
    )
    world.commit("DELETE FROM cards", after)
    plan = rescue(world, then, ANN)
    assert list(plan.left_out) == ([] if left_out is None else [left_out])
    assert world.rows(None, "SELECT count(*) FROM cards") == [(cards,)]


def test_a_rescue_that_mended_a_reference_is_taken_back(tmp_path: Path) -> None:
    """Games without foreign keys leave rows that refer to nothing: the undo gives back that state as well."""
    world = HistoryWorld(tmp_path)
    then = world.snapshot(*DECKS, "CREATE TABLE pets (id INTEGER, deck INTEGER REFERENCES cards, user_id INTEGER)")
    world.commit("DELETE FROM cards WHERE id = 2", "INSERT INTO pets VALUES (1, 2, 2), (2, 99, 1)")
    safety, before = world.snapshot(), world.rows(None, "SELECT * FROM pets")
    done = rescue(world, then, ANN, EXACT)
    assert (done.tables["cards"].put_back, done.tables["pets"].removed) == (1, 1)
    after = world.snapshot()
    assert rescue(world, safety, RescueScope(rows=done.rows), damaged=after).conflicts == ()
    assert world.rows(None, "SELECT * FROM pets") == before
    assert world.rows(None, "SELECT id FROM cards") == [(1,), (3,)]


@pytest.mark.parametrize(
    ("parent", "child", "value", "found"),
    [
        ("INTEGER PRIMARY KEY", "TEXT", "'5.0'", True),
        ("INTEGER PRIMARY KEY", "TEXT", "'x'", False),
        ("TEXT COLLATE NOCASE PRIMARY KEY", "TEXT", "'B'", True),
        ("TEXT PRIMARY KEY", "TEXT COLLATE NOCASE", "'B'", False),
    ],
)
def test_references_are_compared_as_sqlite_does(
    tmp_path: Path, parent: str, child: str, value: str, found: bool
) -> None:
    """By the type and the collation of what is referred to."""
    world = HistoryWorld(tmp_path)
    key = "5" if "INTEGER" in parent else "'b'"
    then = world.snapshot(
        *USERS,
        f"CREATE TABLE clans (id {parent}, user_id INTEGER)",
        f"CREATE TABLE members (id INTEGER PRIMARY KEY, clan {child} REFERENCES clans)",
    )
    world.commit(f"INSERT INTO clans VALUES ({key}, 1)", f"INSERT INTO members VALUES (1, {value})")
    plan = rescue(world, then, ANN, EXACT)
    assert [each.why for each in plan.conflicts] == ["rows of members refer to it: 1"] * found


def test_a_key_that_changes_in_its_case_alone_is_referred_to_as_before(tmp_path: Path) -> None:
    """What comes back may name it either way."""
    world = HistoryWorld(tmp_path)
    then = world.snapshot(
        *USERS,
        "CREATE TABLE clans (id TEXT COLLATE NOCASE PRIMARY KEY, user_id INTEGER)",
        "CREATE TABLE members (id INTEGER PRIMARY KEY, user_id INTEGER, clan TEXT REFERENCES clans)",
        "INSERT INTO clans VALUES ('Owls', 1)",
        "INSERT INTO members VALUES (1, 1, 'OWLS')",
    )
    world.commit("UPDATE clans SET id = 'OWLS'", "DELETE FROM members")
    plan = rescue(world, then, ANN)
    assert (plan.conflicts, plan.left_out, plan.writes) == ((), (), 2)
    assert world.rows(None, "SELECT * FROM clans") == [("Owls", 1)]


def test_a_parent_that_is_another_ones_is_not_changed_to_fit(tmp_path: Path) -> None:
    """It has the key that was referred to no more, and is no row of the player: what refers to it is left out."""
    world = HistoryWorld(tmp_path)
    then = world.snapshot(
        *USERS,
        "CREATE TABLE catalogue (id INTEGER PRIMARY KEY, code TEXT UNIQUE)",
        "CREATE TABLE cards (id INTEGER PRIMARY KEY, user_id INTEGER, code TEXT REFERENCES catalogue (code))",
        "INSERT INTO catalogue VALUES (1, 'moon')",
        "INSERT INTO cards VALUES (1, 1, 'moon')",
    )
    world.commit("DELETE FROM cards", "UPDATE catalogue SET code = 'sun'")
    plan = rescue(world, then, ANN)
    assert plan.left_out == ("cards 1: what it refers to is gone, and cannot be put back.",)
    assert (plan.writes, plan.conflicts) == (0, ())


@pytest.mark.parametrize(
    ("trigger", "said"),
    [
        (
            "BEFORE INSERT ON pets WHEN new.id = 2 BEGIN SELECT RAISE(ABORT, 'full'); END",
            r"The row of pets that is told by 2 cannot be put back: a trigger refuses it \(full\). Nothing was",
        ),
        (
            "BEFORE DELETE ON pets BEGIN SELECT RAISE(ROLLBACK, 'kept'); END",
            r"The row of pets that is told by 9 cannot be removed: a trigger refuses it \(kept\). Nothing was changed.",
        ),
        (
            "AFTER INSERT ON pets BEGIN UPDATE nowhere SET x = 1; END",
            r"The row of pets that is told by 1 cannot be put back: no such table: main.nowhere. Nothing was changed.",
        ),
        (
            "AFTER INSERT ON pets BEGIN INSERT INTO users VALUES (2, 'again'); END",
            r"told by 1 cannot be put back: UNIQUE constraint failed: users.id. Nothing was changed.",
        ),
    ],
)
def test_what_a_trigger_refuses_names_the_row(tmp_path: Path, trigger: str, said: str) -> None:
    """Only writing can show it; then nothing is changed."""
    world = HistoryWorld(tmp_path)
    then = world.snapshot(
        *USERS,
        "CREATE TABLE pets (id INTEGER PRIMARY KEY, user_id INTEGER)",
        "INSERT INTO pets VALUES (1, 1), (2, 1)",
    )
    world.commit("DELETE FROM pets", "INSERT INTO pets VALUES (9, 1)", f"CREATE TRIGGER t {trigger}")
    before = world.rows(None, "SELECT * FROM pets")
    with pytest.raises(RestoreFailed, match=said):
        rescue(world, then, ANN, EXACT)
    assert world.rows(None, "SELECT * FROM pets") == before


def test_what_a_trigger_replaces_by_itself_it_still_does(tmp_path: Path) -> None:
    """How a rescue writes its rows does not change what the game's triggers do about conflicts."""
    world = HistoryWorld(tmp_path)
    then = world.snapshot(
        *USERS,
        "CREATE TABLE pets (id INTEGER PRIMARY KEY, user_id INTEGER)",
        "CREATE TABLE counts (kind TEXT PRIMARY KEY, number INTEGER)",
        "CREATE TRIGGER t AFTER INSERT ON pets BEGIN "
        "INSERT OR REPLACE INTO counts SELECT 'pets', count(*) FROM pets; END",
        "INSERT INTO pets VALUES (1, 1), (2, 1)",
    )
    world.commit("DELETE FROM pets")
    rescue(world, then, ANN)
    assert world.rows(None, "SELECT * FROM counts") == [("pets", 2)]


SWAPS: dict[str, tuple[str, Sequence[str]]] = {
    "expression": ("slot INTEGER NOT NULL", ["CREATE UNIQUE INDEX i ON decks (user_id, abs(slot))"]),
    "generated": (
        "slot INTEGER NOT NULL, place AS (abs(slot))",
        ["CREATE UNIQUE INDEX i ON decks (user_id, place)"],
    ),
    "below": ("slot INTEGER NOT NULL CHECK (slot < 31)", ["CREATE UNIQUE INDEX i ON decks (user_id, slot)"]),
}


@pytest.mark.parametrize("kind", SWAPS)
def test_values_are_exchanged_in_any_unique_index(tmp_path: Path, kind: str) -> None:
    """Also in one on an expression, and where a check forbids most of the values for the moment between."""
    column, indexes = SWAPS[kind]
    world = HistoryWorld(tmp_path)
    then = world.snapshot(
        *USERS,
        f"CREATE TABLE decks (id INTEGER PRIMARY KEY, user_id INTEGER, {column})",
        "INSERT INTO decks (id, user_id, slot) VALUES (1, 1, 10), (2, 1, -20), (3, 1, 30)",
        *indexes,
    )
    world.commit(
        "UPDATE decks SET slot = slot - 1000",
        "UPDATE decks SET slot = CASE id WHEN 1 THEN 20 WHEN 2 THEN -30 ELSE 10 END",
    )
    assert rescue(world, then, ANN).conflicts == ()
    assert world.rows(None, "SELECT id, slot FROM decks") == [(1, 10), (2, -20), (3, 30)]


def test_a_row_that_goes_gives_up_its_value_before_what_refers_to_its_successor(tmp_path: Path) -> None:
    """The new deck has the old one's name, and a card that moved: in a circle, the new one is set aside first."""
    world = HistoryWorld(tmp_path)
    then = world.snapshot(
        *USERS,
        "CREATE TABLE decks (id INTEGER PRIMARY KEY, user_id INTEGER, name TEXT NOT NULL UNIQUE)",
        "CREATE TABLE cards (id INTEGER PRIMARY KEY, user_id INTEGER, deck INTEGER REFERENCES decks)",
        "INSERT INTO decks VALUES (1, 1, 'one')",
        "INSERT INTO cards VALUES (7, 1, 1)",
    )
    world.commit(
        "UPDATE decks SET name = 'old'",
        "INSERT INTO decks VALUES (2, 1, 'one')",
        "UPDATE cards SET deck = 2",
        "DELETE FROM decks WHERE id = 1",
    )
    assert rescue(world, then, ANN, EXACT).conflicts == ()
    assert world.rows(None, "SELECT * FROM decks") == [(1, 1, "one")]
    assert world.rows(None, "SELECT deck FROM cards") == [(1,)]


def test_rows_that_are_set_aside_are_in_nobodys_way(tmp_path: Path) -> None:
    """Two circles at once: neither takes the moment's value of the other, nor one that a row gets back."""
    world = HistoryWorld(tmp_path)
    then = world.snapshot(
        *USERS,
        "CREATE TABLE decks (id INTEGER PRIMARY KEY, user_id INTEGER, slot INTEGER NOT NULL)",
        "INSERT INTO decks VALUES (1, 1, 1), (2, 1, 2), (3, 1, 5), (4, 1, 6), (5, 1, 13)",
        "CREATE UNIQUE INDEX i ON decks (user_id, abs(slot - 6))",
    )
    world.commit(
        "UPDATE decks SET slot = slot + 1000",
        "UPDATE decks SET slot = CASE id WHEN 1 THEN 2 WHEN 2 THEN 1 WHEN 3 THEN 6 WHEN 4 THEN 5 ELSE 9 END",
    )
    plan = rescue(world, then, ANN)
    assert (plan.conflicts, plan.tables["decks"].changed) == ((), 5)
    assert world.rows(None, "SELECT slot FROM decks") == [(1,), (2,), (5,), (6,), (13,)]


def test_triggers_fire_and_the_rows_are_what_the_plan_said(tmp_path: Path) -> None:
    """A trigger that counts cards counts those that come back too; what one sets in them is said."""
    world = HistoryWorld(tmp_path)
    then = world.snapshot(
        "CREATE TABLE users (id INTEGER PRIMARY KEY, owned INTEGER DEFAULT 0)",
        "CREATE TABLE cards (id INTEGER PRIMARY KEY, user_id INTEGER REFERENCES users, at TEXT)",
        "CREATE TRIGGER counting AFTER INSERT ON cards BEGIN "
        "UPDATE users SET owned = owned + 1 WHERE id = new.user_id; "
        "UPDATE cards SET at = at || '.' WHERE id = new.id; END",
        "INSERT INTO users VALUES (1, 0), (2, 0)",
        "INSERT INTO cards VALUES (1, 1, ''), (2, 1, ''), (3, 2, '')",
    )
    world.commit("DELETE FROM cards WHERE user_id = 1", "UPDATE users SET owned = 0 WHERE id = 1")
    plan = rescue(world, then, ANN)
    assert plan.notes == ("cards: a trigger of the game set at of rows that are back.",)
    assert world.rows(None, "SELECT * FROM users") == [(1, 2), (2, 1)]
    world.commit(
        "DELETE FROM cards WHERE user_id = 1",
        "CREATE TRIGGER trimming AFTER INSERT ON cards BEGIN DELETE FROM cards WHERE id = 1; END",
    )
    before = world.rows(None, "SELECT * FROM users")
    with pytest.raises(RestoreFailed, match="told by 1 cannot be put back: a trigger removes it again"):
        rescue(world, then, ANN)
    assert world.rows(None, "SELECT * FROM users") == before
