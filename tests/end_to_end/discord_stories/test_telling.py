"""How the owner learns that something fails, goes on failing, and works again."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.end_to_end.discord_stories.deeds import take
from tests.end_to_end.discord_stories.town import Town
from tests.worlds.waiting import wait_until

pytestmark = [pytest.mark.process, pytest.mark.socket, pytest.mark.kill]


def is_written_down(town: Town) -> bool:
    """Return True if the bot will know after a crash that the notice was sent, and as which message."""
    state = town.bot.repository / "state"
    if not all((state / name).exists() for name in ("messages.json", "outbox.json")):
        return False
    return not json.loads((state / "outbox.json").read_text())["notices"]


def test_an_outage_is_one_message_from_its_beginning_to_its_end(found: Callable[..., Town]) -> None:
    """The bot is killed in the middle of it; the buttons work, and the next process edits and closes the message."""
    town = found()
    town.open()
    channel = town.home.channels[1]
    log = town.bot.repository / "audit.jsonl"
    log.unlink(missing_ok=True)
    log.mkdir()
    take(town.owner)
    message = town.owner.finds("The audit log could not be written", channel=channel)
    wait_until(lambda: is_written_down(town), "it is written down which message it is")
    town.bot.kill()
    town.bot.start()
    town.admin.click(message, "Look").reads("Open alerts", "The audit log could not be written: for")
    town.player.click(message, "Snooze a day").reads("Not allowed")
    town.admin.click(message, "Verify newest sound").reads("is sound")
    town.admin.click(message, "Snooze a day").reads("No reminder before")
    town.admin.waits(lambda: "Snoozed by admin" in message.text, "the message says that it is snoozed")
    log.rmdir()
    take(town.owner)
    town.owner.waits(lambda: "The audit log is written again" in message.text, "the message is closed")
    assert not message.components
    assert [each for each in town.owner.sees(channel) if "audit log" in each.text] == [message]
