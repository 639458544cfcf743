"""The first day: the commands are registered, the status is shown, and only to whom it concerns."""

from __future__ import annotations

import pytest

from tests.end_to_end.discord_server.state import walk
from tests.end_to_end.discord_stories.deeds import take
from tests.end_to_end.discord_stories.town import Town

pytestmark = [pytest.mark.process, pytest.mark.socket]


def test_an_owner_registers_the_commands_and_sees_the_status(town: Town) -> None:
    """By mention at first, since nothing is registered yet; the answer to the command is for his eyes only."""
    names = [command["name"] for command in town.discord.commands[town.home.id]]
    assert {"backup", "db"} <= set(names)
    shown = town.owner.slash("backup status")
    message = shown.reads("snapshot")
    assert message in town.owner.sees()
    assert message not in town.player.sees()


def test_every_button_under_the_status_works_for_the_owner_and_for_nobody_else(town: Town) -> None:
    """Each answers beside the status, for the eyes of who clicked; one shows it anew."""
    take(town.owner)
    status = town.owner.slash("backup status").reads("snapshot")
    buttons = {each["label"]: each["custom_id"] for each in walk(status.components) if "custom_id" in each}
    assert len(buttons) >= 5
    for label, custom_id in buttons.items():
        for person in (town.player, town.auditor):
            person.forge_click(custom_id, status).reads("Not allowed")
        answer = town.owner.click(status, label).reads("")
        assert (answer is status) == (label == "Refresh")
        assert answer.only_for is town.owner.user
        assert "Not allowed" not in answer.text
        assert "did not work" not in answer.text
    assert "snapshot" in status.text
