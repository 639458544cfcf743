"""The shell puts one player's rows back: it shows what it would do, asks, does it, and can take it back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.worlds.console_world import World
from tests.worlds.game_database import connected

pytestmark = pytest.mark.process


@pytest.fixture
def damaged(tmp_path: Path) -> World:
    """A game in which player 7 lost his cards after the newest snapshot, and player 8 went on playing."""
    world = World(tmp_path)
    world.snapshot("--note", "sound")
    with connected(world.database) as connection:
        connection.execute("DELETE FROM user_cards WHERE user_id = 7")
        connection.execute("UPDATE users SET dust = dust - 5 WHERE id = 8")
    return world


def rows(world: World) -> dict[str, list[tuple[Any, ...]]]:
    """Return every row of the live database."""
    with connected(world.database) as connection:
        tables = ("users", "cards", "creator_packs", "user_cards")
        return {name: connection.execute(f"SELECT * FROM {name}").fetchall() for name in tables}


def test_a_rescue_answers_with_its_plan_and_what_was_done(damaged: World) -> None:
    """First what it would do, then the same done, with a snapshot before and one after, and an audit line."""
    sound = damaged.answer("list")["snapshots"][0]["id"]
    before = rows(damaged)
    arguments = ("rescue", "--player", "7", "--from", "latest")
    planned = damaged.answer(*arguments, "--dry-run")
    assert list(planned) == ["id", "at", "plan", "conflicts", "left_out", "notes", "done", "safety", "snapshot"]
    assert planned["plan"] == {"user_cards": {"put_back": 2, "changed": 0, "removed": 0, "conflicts": 0}}
    assert (planned["at"], planned["done"], planned["id"], rows(damaged)) == (sound, False, None, before)
    assert damaged.answer(*arguments, "--dry-run", "--yes") == planned
    assert rows(damaged) == before
    done = damaged.answer(*arguments, "--yes")
    assert (done["plan"], done["done"]) == (planned["plan"], True)
    after = rows(damaged)
    assert {name: after[name] for name in ("users", "cards", "creator_packs")} == {
        name: before[name] for name in ("users", "cards", "creator_packs")
    }
    assert len(after["user_cards"]) == len(before["user_cards"]) + 2
    listed = {each["id"]: each for each in damaged.answer("list")["snapshots"]}
    assert listed[done["snapshot"]]["reasons"] == [f"rescue_{done['id']}"]
    assert (listed[done["snapshot"]]["kind"], listed[done["safety"]]["kind"]) == ("critical", "safety")
    assert listed[done["safety"]]["form"] == "incremental"
    assert damaged.answer("audit")["lines"][-1]["action"] == "rescue"
    undone = damaged.answer("rescue", "--undo", done["id"])
    assert undone["plan"]["user_cards"]["removed"] == 2
    assert rows(damaged) == before


def test_rows_of_a_table_come_back_by_their_key_or_under_a_condition(damaged: World) -> None:
    """One row, then the others; each shown before in words."""
    first, second = sorted(
        damaged.answer("query", "SELECT id FROM user_cards WHERE user_id = 7", "--at", "latest")["rows"]
    )
    arguments = ("rescue", "--table", "user_cards", "--from", damaged.answer("list")["snapshots"][0]["id"])
    assert damaged.answer(*arguments, "--key", str(first[0]), "--yes")["plan"]["user_cards"]["put_back"] == 1
    assert "user_cards" in damaged.show(*arguments, "--where", "user_id = 7", "--dry-run")
    assert damaged.answer(*arguments, "--where", "user_id = 7 -- his", "--yes")["plan"]["user_cards"]["put_back"] == 1
    with connected(damaged.database) as connection:
        assert connection.execute("SELECT id FROM user_cards WHERE user_id = 7").fetchall() == [
            tuple(first),
            tuple(second),
        ]


def test_what_is_done_about_conflicts_is_said_at_the_shell(damaged: World) -> None:
    """Each with who holds it now: left, taken by name, reason to do nothing; exact, only missing, after the damage."""
    with connected(damaged.database) as connection:
        connection.execute("UPDATE users SET dust = 1 WHERE id = 7")
        (sold,) = connection.execute("SELECT min(id) FROM user_cards WHERE user_id = 8").fetchone()
        connection.execute("UPDATE user_cards SET user_id = 7 WHERE id = ?", (sold,))
        connection.execute("INSERT INTO user_cards (id, user_id, card_id) VALUES (9001, 8, 1)")
    before = rows(damaged)
    eight = ("rescue", "--player", "8", "--from", "latest")
    assert f"{sold}: it belongs to 7 now; left as it is (--take user_cards:{sold} takes it)" in damaged.show(
        *eight, "--dry-run"
    )
    assert "it belongs to 7 now" in damaged.error(*eight, "--conflicts", "fail", "--yes", code=1)[1]
    assert rows(damaged) == before
    planned = damaged.answer(*eight, "--take", f"user_cards:{sold}", "--exact", "--dry-run")
    assert planned["conflicts"] == [
        {
            "name": f"user_cards:{sold}",
            "table": "user_cards",
            "key": {"id": sold},
            "why": "it belongs to 7 now",
            "holder": "7",
            "taken": True,
        }
    ]
    assert planned["plan"]["user_cards"] == {"put_back": 0, "changed": 1, "removed": 1, "conflicts": 1}
    seven = ("rescue", "--player", "7", "--from", "latest", "--only", "missing", "--dry-run")
    assert damaged.answer(*seven)["plan"] == {"user_cards": {"put_back": 2, "changed": 0, "removed": 0, "conflicts": 0}}
    sound = planned["at"]
    after = damaged.snapshot("--note", "damaged")["id"]
    with connected(damaged.database) as connection:
        connection.execute("UPDATE users SET dust = 2 WHERE id = 7")
    since = damaged.answer("rescue", "--player", "7", "--from", sound, "--damaged-at", after, "--dry-run")
    assert [each["why"] for each in since["conflicts"]] == ["it changed since the damage"]


def test_a_rescue_with_nothing_to_put_back_takes_no_snapshot(damaged: World) -> None:
    """It says so and changes nothing."""
    count = len(damaged.answer("list")["snapshots"])
    assert damaged.answer("rescue", "--player", "9", "--from", "latest", "--yes")["done"] is False
    assert len(damaged.answer("list")["snapshots"]) == count
    assert "There is nothing to put back." in damaged.show("rescue", "--player", "9", "--from", "latest", "--dry-run")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--player", "7", "--yes"), "Say whose rows and from when"),
        (("--from", "latest", "--yes"), "Say whose rows and from when"),
        (("--player", "7", "--table", "users", "--from", "latest", "--yes"), "Say whose rows and from when"),
        (("--table", "users", "--from", "latest", "--yes"), "With --table say which rows"),
        (("--player", "7", "--key", "1", "--from", "latest", "--yes"), "are for rows of a --table"),
        (("--undo", "abc", "--player", "7", "--yes"), "--undo stands alone"),
        (("--player", "7", "--from", "latest"), "needs --dry-run or --yes"),
        (("--undo", "abcdef", "--yes"), "There is no record of a rescue 'abcdef'"),
        (("--undo", "../x", "--yes"), "There is no record of a rescue"),
        (("--player", "7", "--from", "now", "--yes"), "from a snapshot, not from now"),
        (("--player", "999", "--from", "latest", "--yes"), "belongs to a player '999'"),
    ],
)
def test_what_cannot_be_rescued_is_a_sentence(damaged: World, arguments: tuple[str, ...], sentence: str) -> None:
    """Wrong usage, with its exit code, and nothing changed."""
    before = rows(damaged)
    assert sentence in damaged.error("rescue", *arguments, code=2)[1]
    assert rows(damaged) == before
