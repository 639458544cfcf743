"""One player gets back what he lost, everybody else keeps what he has; over real sockets."""

from __future__ import annotations

from typing import Any

import pytest

from tests.end_to_end.discord_stories.deeds import join, take
from tests.end_to_end.discord_stories.town import Town

pytestmark = [pytest.mark.process, pytest.mark.socket]


def coins(town: Town) -> Any:
    """Return what the player has."""
    return town.bot.rows(f"SELECT coins FROM users WHERE id = {town.player.user.id}")


def lose(town: Town) -> str:
    """Let the player have 500 coins in a snapshot, and 5 after it; return the snapshot's id."""
    member = town.player.user.id
    town.bot.write(
        f"INSERT OR IGNORE INTO users (id, name, coins, joined_at) VALUES ({member}, 'player', 0, '2026')",
        f"UPDATE users SET coins = 500 WHERE id = {member}",
    )
    join(town)
    snapshot = take(town.owner)
    town.bot.write(f"UPDATE users SET coins = 5 WHERE id = {member}")
    return snapshot


def test_an_owner_gives_a_player_back_what_he_lost_and_takes_that_back_again(town: Town) -> None:
    """Looked at first, agreed to by a click, undone by another."""
    snapshot, member = lose(town), str(town.player.user.id)
    other = join(town)
    town.admin.slash("backup look", member=member, at=snapshot).reads("player", "500", "5")
    preview = town.owner.slash("backup rescue", member=member, **{"from": snapshot}).reads("player")
    assert coins(town) == [(5,)]
    town.owner.click(preview, "Put back")
    town.owner.waits(lambda: coins(town) == [(500,)], "the player has his coins back")
    assert town.bot.rows(f"SELECT name FROM users WHERE name = '{other}'") == [(other,)]
    town.owner.waits(lambda: preview.has_button("Undo"), "there is a way back")
    town.owner.click(preview, "Undo").acknowledged()
    town.owner.waits(lambda: coins(town) == [(5,)], "it is undone")


def test_a_second_click_leaves_the_outcome_of_the_first_to_be_read(town: Town) -> None:
    """The second one is told so beside it; nor can a click on Cancel that comes late hide the way back."""
    snapshot, member = lose(town), str(town.player.user.id)
    preview = town.owner.slash("backup rescue", member=member, **{"from": snapshot}).reads("player")
    buttons = {each["label"]: each["custom_id"] for row in preview.components for each in row["components"]}
    for label in ("Put back", "Put back", "Cancel"):
        late = town.owner.forge_click(buttons[label], preview)
    late.reads("Too late")
    town.owner.waits(lambda: preview.has_button("Undo"), "there is a way back")
    assert coins(town) == [(500,)]
    assert "Too late" not in preview.text


def test_an_old_preview_of_a_rescue_offers_nothing_that_does_not_exist(town: Town) -> None:
    """After a restart its buttons are dead; what they are told is to ask again, and not to look at a snapshot."""
    message = town.owner.slash("backup list").reads("snapshot")
    late = town.owner.forge_click("savepoint:put_back:rescue:0123456789abcdef", message).reads("Too late")
    assert not late.has_button("Look again")


def test_what_does_not_fit_into_a_message_is_attached_to_it(town: Town) -> None:
    """A player with many cards: every one of them is in the file."""
    member = town.player.user.id
    snapshot = lose(town)
    cards = town.bot.rows("SELECT id FROM cards")
    row = "INSERT INTO user_cards (user_id, card_id, obtained_at) VALUES"
    for year in (2026, 2027):
        town.bot.write(*(f"{row} ({member}, {card}, '{year}')" for (card,) in cards))
    message = town.admin.slash("backup look", member=str(member), at=snapshot).reads("player")
    (attached,) = message.attachments
    text = town.discord.files[attached["id"]].decode()
    assert text.count("'2026'") + text.count("'2027'") >= 2 * len(cards)
