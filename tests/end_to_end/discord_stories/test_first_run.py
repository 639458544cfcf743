"""The first day: the commands are registered, the status is shown, and only to whom it concerns."""

from __future__ import annotations

import pytest

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
