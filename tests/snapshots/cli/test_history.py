"""The shell answers questions about the past, to a program and to a person."""

from __future__ import annotations

import datetime as dt
import shutil
from pathlib import Path

import pytest

from core.snapshots.cli.json_output.history import find_change_document
from core.snapshots.cli.text_output.history import find_change_output
from core.snapshots.models import ChangePoint, FindChange
from tests.worlds.console_world import TIME, World
from tests.worlds.game_database import connected

pytestmark = pytest.mark.process


@pytest.fixture
def past(tmp_path: Path) -> World:
    """A game in which player 7 got dust and lost his cards, with a snapshot before, between and after."""
    world = World(tmp_path)
    world.snapshot("--note", "beginning")
    play(world, "UPDATE users SET dust = dust + 5 WHERE id = 7")
    world.snapshot("--kind", "critical", "--note", "gift_7")
    play(world, "DELETE FROM user_cards WHERE user_id = 7")
    return world


def play(world: World, statement: str) -> None:
    """Commit a statement, as the game does."""
    with connected(world.database) as connection:
        connection.execute(statement)


def ids(world: World) -> list[str]:
    """Return the ids of the snapshots, oldest first."""
    return [snapshot["id"] for snapshot in reversed(world.answer("list")["snapshots"])]


def test_look_answers_with_the_rows_of_a_moment(past: World) -> None:
    """A row by its key, and all rows of a player, at a snapshot and now."""
    first, second = ids(past)
    answer = past.answer("look", "users", "7", "--at", first)
    assert list(answer) == ["at", "tables", "by"]
    assert (answer["at"], answer["by"]) == (first, "archives")
    assert answer["tables"]["users"][0]["dust"] == 1000
    player = past.answer("look", "--player", "7")
    assert player["at"] == second
    assert {name: len(rows) for name, rows in player["tables"].items()} == {
        "users": 1,
        "creator_packs": 1,
        "user_cards": 2,
    }
    assert "user_cards" not in past.answer("look", "--player", "7", "--at", "now")["tables"]
    assert past.answer("look", "users", "7", "--at", "before:gift_7")["at"] == first
    assert "user_cards: 2 rows" in past.show("look", "--player", "7")


def test_history_answers_with_each_change(past: World) -> None:
    """Oldest first, with the snapshot, its time and its events."""
    first, second = ids(past)
    answer = past.answer("history", "users", "7", "--column", "dust")
    assert list(answer) == ["changes", "points", "read", "left_out", "by"]
    assert [list(change) for change in answer["changes"]] == [
        ["snapshot", "since", "at", "reasons", "before", "after"]
    ] * 2
    assert all(TIME.fullmatch(change["at"]) for change in answer["changes"])
    assert [(change["snapshot"], change["before"], change["after"]) for change in answer["changes"]] == [
        (first, None, {"dust": 1000}),
        (second, {"dust": 1000}, {"dust": 1005}),
    ]
    gone = past.answer("history", "user_cards", "11")["changes"]
    assert [(change["snapshot"], change["after"] is None) for change in gone] == [(first, False), ("now", True)]
    assert "dust 1000 → 1005" in past.show("history", "users", "7")
    assert "dust 1000 → 1005" in past.show("history", "--player", "7")
    assert "user_cards of player 7" in past.show("history", "user_cards", "--player", "7")


def test_diff_answers_with_what_differs_by_table(past: World) -> None:
    """Between two snapshots and up to now, with the rows if they are asked for."""
    first, second = ids(past)
    assert past.answer("diff", first, second) == {
        "from": first,
        "to": second,
        "by": "pages",
        "tables": {"users": {"added": 0, "removed": 0, "changed": 1}},
    }
    answer = past.answer("diff", "latest", "--rows")
    assert answer["to"] == "now"
    assert answer["tables"]["user_cards"]["removed"] == 2
    assert answer["tables"]["user_cards"]["rows"]["removed"][0] == {"id": 11, "user_id": 7, "card_id": 11}
    assert "removed" in past.show("diff", first)
    assert "No row differs." in past.show("diff", first, first)


def test_find_change_answers_with_the_first_moment(past: World) -> None:
    """Which can be now, or never."""
    first, second = ids(past)
    found = past.answer("find-change", "dust > 1000 FROM users WHERE id = 7")
    assert (found["first"]["snapshot"], found["before"]["snapshot"]) == (second, first)
    assert past.answer("find-change", "count(*) = 0 FROM user_cards WHERE user_id = 7")["first"]["snapshot"] == "now"
    assert past.answer("find-change", "count(*) > 999 FROM users")["first"] is None


def test_query_answers_with_rows_and_refuses_to_write(past: World) -> None:
    """At a snapshot and now."""
    assert past.answer("query", "SELECT count(*) AS n FROM users")["rows"] == [[20]]
    assert past.answer("query", "SELECT id FROM users WHERE 0")["columns"] == ["id"]
    for moment in ("latest", "now"):
        code, message = past.error("query", "DELETE FROM users", "--at", moment, code=2)
        assert (code, "Only a query can be asked" in message) == ("QueryError", True)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("look", "players", "7"), "There is no table 'players'"),
        (("look", "users", "seven"), "'seven' is no key of users"),
        (("look", "users", "NULL"), "NULL in id"),
        (("look", "users", "7", "--at", "2001-01-01"), "No snapshot was taken by 2001-01-01"),
        (("look", "users", "7", "--at", "before:nothing"), "has the reason 'nothing'"),
        (("diff", "now"), "A diff begins at a snapshot"),
        (("history", "users", "7", "--column", "coins"), "no column 'coins'"),
        (("look",), "Name either a TABLE and a KEY, or a --player."),
        (("history", "users"), "Name either a TABLE and a KEY, or a --player."),
        (("history", "users", "7", "--player", "7"), "With --player there is a TABLE at most"),
        (("look", "users", "7", "--player", "7"), "Name either a TABLE and a KEY, or a --player."),
    ],
)
def test_what_cannot_be_asked_is_a_sentence(past: World, arguments: tuple[str, ...], sentence: str) -> None:
    """Wrong usage, and the exit code of it."""
    assert sentence in past.error(*arguments, code=2)[1]


def test_the_past_is_read_beside_an_operation_and_from_a_copy(past: World, tmp_path: Path) -> None:
    """No lock is taken, and nothing is created in a copy that has no folder for temporary files."""
    copy = tmp_path / "copy"
    shutil.copytree(past.repository, copy, ignore=shutil.ignore_patterns(".work"), symlinks=True)
    before = sorted(path.relative_to(copy) for path in copy.rglob("*"))
    past.repository = copy
    past.configure()
    assert past.answer("look", "users", "7")["tables"]["users"][0]["dust"] == 1005
    assert past.answer("diff", *ids_in(copy))["by"] == "pages"
    assert sorted(path.relative_to(copy) for path in copy.rglob("*")) == before


def ids_in(repository: Path) -> list[str]:
    """Return the ids of the snapshots by their files, oldest first, without asking the shell."""
    files = [*repository.glob("*/*.db.gz"), *repository.glob("*/*.pages.gz")]
    return [path.name.partition(".db.gz")[0].partition(".pages.gz")[0][-12:] for path in sorted(files, key=_name)]


def _name(path: Path) -> str:
    return path.name


def test_a_number_that_cannot_be_watched_is_said_at_the_shell_too(past: World) -> None:
    """The bot would not say it any more: it is said once."""
    past.configure(more='[history]\nwatch = ["sum(gold) FROM nothing"]\n')
    noted = [past.run("--config", str(past.config), "now").stderr for _ in range(2)]
    assert "Note: [history] watch asks for 'sum(gold) FROM nothing'" in noted[0]
    assert noted[1] == ""
    assert [each["check"] for each in past.answer("status", code=1)["problems"]] == ["watch"]


def test_what_is_damaged_is_said_to_be_left_out() -> None:
    """A first moment that was found without it may not be the first."""
    point = ChangePoint(snapshot="22", at=dt.datetime(2026, 1, 1, tzinfo=dt.UTC), reasons=(), holds=True)
    found = FindChange(condition="x", first=point, before=None, by="all", points=2, read=2, skipped=("11",))
    assert find_change_document(found).left_out == ("11",)
    assert any("Damaged, so not read: 11." in str(each) for each in find_change_output(found, point.at))
