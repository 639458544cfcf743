"""What the shell answers to a program about the database: restores and integrity checks."""

from __future__ import annotations

import pytest

from tests.worlds.console_world import TIME, World
from tests.worlds.game_database import contents_of
from tests.worlds.service_world import damage_pages

pytestmark = pytest.mark.process

TABLES = ["users", "cards", "creator_packs", "user_cards"]


def test_restore_answers_what_it_restored_and_what_is_lost(world: World) -> None:
    """Every member is there, the rows as [then, now], and the safety snapshot leads back."""
    taken = world.snapshot()
    before = contents_of(world.database)
    world.execute("DELETE FROM user_cards WHERE user_id = 1")
    world.execute("INSERT INTO users (id, name, dust) VALUES (900, 'late', 0)")
    world.event("marketplace_buy_42")
    after = contents_of(world.database)

    answer = world.answer("restore", taken["id"], "--yes")
    assert list(answer) == ["restored", "safety", "lost", "ok", "left_out"]
    assert (answer["restored"], answer["ok"]) == (taken["id"], True)
    lost = answer["lost"]
    assert list(lost) == ["since", "until", "seconds", "rows", "events", "event_count"]
    assert TIME.fullmatch(lost["since"])
    assert TIME.fullmatch(lost["until"])
    assert lost["seconds"] > 0
    assert list(lost["rows"]) == TABLES
    assert lost["rows"]["users"] == [20, 21]
    assert lost["rows"]["user_cards"][0] > lost["rows"]["user_cards"][1]
    assert (lost["events"], lost["event_count"]) == (["marketplace_buy_42"], 1)
    assert contents_of(world.database) == before

    assert world.answer("list", "--kind", "safety")["snapshots"][0]["id"] == answer["safety"]
    assert world.answer("restore", answer["safety"], "--yes")["ok"] is True
    assert contents_of(world.database) == after


@pytest.mark.parametrize("damage", ["gone", "not a database"])
def test_restore_heals_a_database_that_cannot_be_opened(world: World, damage: str) -> None:
    """With the bot not running the shell alone brings it back; there is no safety snapshot of what cannot be read."""
    world.snapshot()
    before = contents_of(world.database)
    for path in world.root.glob("game.db*"):
        path.unlink()
    if damage == "not a database":
        world.database.write_bytes(b"this was a game once " * 1000)
    answer = world.answer("restore", "latest", "--yes")
    assert (answer["safety"], answer["ok"]) == (None, True)
    assert answer["lost"]["rows"]["users"] == [20, None]
    assert contents_of(world.database) == before


@pytest.mark.parametrize("options", [(), ("--quick",)])
def test_integrity_of_a_sound_database_has_no_findings(world: World, options: tuple[str, ...]) -> None:
    """The shape is the same for both depths."""
    assert world.answer("integrity", *options) == {"ok": True, "verdict": "sound", "findings": []}


def test_integrity_answers_with_warnings_and_still_is_ok(world: World) -> None:
    """A warning is for a person to look at; the data is sound, and the exit code 0."""
    world.execute("UPDATE user_cards SET card_id = 12345 WHERE id = 1")
    answer = world.answer("integrity")
    assert answer["ok"] is True
    assert [list(found) for found in answer["findings"]] == [["check", "severity", "message", "table", "remedy"]]
    found = answer["findings"][0]
    assert (found["check"], found["severity"], found["table"]) == ("foreign_keys", "warning", "user_cards")


def test_integrity_answers_with_errors_and_exit_code_4(world: World) -> None:
    """A critical table that is missing is an error that names it."""
    world.execute("DROP TABLE user_cards")
    answer = world.answer("integrity", code=4)
    assert answer["ok"] is False
    assert [(found["check"], found["severity"], found["table"]) for found in answer["findings"]] == [
        ("tables", "error", "user_cards")
    ]


def test_integrity_of_damaged_pages_ends_with_exit_code_4(world: World) -> None:
    """Damage to the file is found, and is the answer."""
    damage_pages(world.database)
    assert world.answer("integrity", code=4)["ok"] is False
