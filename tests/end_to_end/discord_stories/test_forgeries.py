"""Custom ids say what to do and not who may: each word of ours is sent by everybody, with junk."""

from __future__ import annotations

import itertools
from typing import Any, cast
from unittest.mock import MagicMock

import pytest

from cogs.backup_cog.clicks import Clicks
from tests.end_to_end.discord_server.people import Person, Shown
from tests.end_to_end.discord_server.state import Message
from tests.end_to_end.discord_stories.deeds import ask, join, take
from tests.end_to_end.discord_stories.town import Town
from tests.worlds.waiting import wait_until

pytestmark = [pytest.mark.process, pytest.mark.socket]

LASTING = sorted(Clicks._words(cast(Any, MagicMock())))
"""The words that are answered whenever they are clicked."""
OF_VIEWS = ("confirm", "cancel", "typed", "newer", "put_back", "put_back_all", "conflicts", "page", "nothing")
"""Words that belong to a view which is long gone, and one that nobody knows."""
JUNK = ("", ":", "latest:0", "../../etc/passwd", "\u202e\u0000`@everyone`", "9" * 60, "a" * 80)
TAKES = {"claim", "run", "list", "history", "member", "refresh"}
"""Words that need no argument: what they do for the owner is no forgery."""


def forged(person: Person, message: Message, snapshot: str) -> list[tuple[str, Shown]]:
    """Send each word with each argument, as a click and as a choice of nothing; return what was answered."""
    made = []
    for word, argument in itertools.product([*LASTING, *OF_VIEWS], [*JUNK, snapshot, f"{snapshot}:0"]):
        custom_id = f"savepoint:{word}:{argument}"[:100]
        made.append((custom_id, person.forge_click(custom_id, message)))
    made += [(word, person.forge_choice(f"savepoint:{word}:", message)) for word in LASTING]
    made += [(word, person.forge_submit(f"savepoint:{word}:{snapshot}", "x", "y", message)) for word in LASTING]
    return made


def said(shown: Shown) -> str:
    """Wait for an answer beside the message that was clicked, and return it."""
    source = shown.interaction.source

    def answers() -> list[str]:
        messages = [each for each in shown.interaction.messages if each is not source and not each.loading]
        return [each.text for each in messages]

    wait_until(answers, f"an answer beside the message; acknowledged by {shown.interaction.answered}")
    return "\n".join(answers())


def test_whoever_may_not_look_gets_nothing_by_any_word(town: Town) -> None:
    """A player, one of the team who may only read, and administrators of another guild: there, at home, in private."""
    snapshot = take(town.owner)
    join(town)
    before = town.bot.dump()
    preview = ask(town.owner, snapshot)
    town.stranger.writes("hello")
    own = town.abroad.channels[0].messages[-1]
    private = town.discord.direct_with(town.player.user)
    town.player.writes("hello")
    hello = town.home.channels[0].messages[-1]
    hello_in_private = Message(town.discord.snowflake(), private, town.discord.bot)
    private.messages.append(hello_in_private)
    people = ((town.player, hello), (town.auditor, preview), (town.stranger, own), (town.player, hello_in_private))
    for person, message in people:
        for custom_id, shown in forged(person, message, snapshot):
            text = said(shown)
            assert text.startswith(("Not allowed", "Too late")), (person.user.name, custom_id, text)
            assert snapshot not in text, (person.user.name, custom_id)
    assert town.bot.dump() == before
    town.owner.click(preview, "Cancel").reads("Cancelled")


def test_junk_is_answered_in_words_to_who_may_look(town: Town) -> None:
    """An administrator and an owner: never an unforeseen failure, never a message that Discord refuses."""
    snapshot = take(town.owner)
    before = town.bot.dump()
    message = town.admin.slash("backup list").reads(snapshot)
    shared = Message(town.discord.snowflake(), town.home.channels[0], town.discord.bot)
    town.home.channels[0].messages.append(shared)
    for person in (town.admin, town.owner):
        for word, argument in itertools.product([*LASTING, *OF_VIEWS], JUNK):
            if word in TAKES and person is town.owner:
                continue
            shown = person.forge_click(f"savepoint:{word}:{argument}"[:100], shared).acknowledged()
            if shown.interaction.modal is None:
                assert "unforeseen" not in shown.reads("").text, (word, argument)
        for word in LASTING:
            shown = person.forge_choice(f"savepoint:{word}:", shared).acknowledged()
            if shown.interaction.modal is None:
                assert "unforeseen" not in shown.reads("").text, word
    assert snapshot in message.text
    assert "unforeseen" not in town.bot.log.read_text()
    assert town.bot.dump() == before
