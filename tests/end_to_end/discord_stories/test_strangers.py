"""Everybody is the administrator of some guild: that is worth nothing, in any command, click or modal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.end_to_end.discord_server.people import Person
from tests.end_to_end.discord_stories.deeds import ask, join, take
from tests.end_to_end.discord_stories.town import Town

pytestmark = [pytest.mark.process, pytest.mark.socket]

GROUPS = ("backup", "db")
VALUES: dict[int, Any] = {3: "latest", 4: 1, 5: False, 10: 1.0}
"""Something for a required option of each type: text, number, switch, decimal."""
USER, USER_MENU = 6, 2


def commands(town: Town) -> Iterator[tuple[str, dict[str, Any], list[str]]]:
    """Yield every command of ours, with values for what it requires, and its options that suggest."""
    for group in town.discord.commands[None]:
        if group["name"] in GROUPS:
            for command in group["options"]:
                options = command.get("options", [])
                values = {**VALUES, USER: str(town.player.user.id)}
                required = {each["name"]: values[each["type"]] for each in options if each.get("required")}
                suggesting = [each["name"] for each in options if each.get("autocomplete")]
                yield f"{group['name']} {command['name']}", required, suggesting


def test_no_command_of_ours_answers_who_is_not_the_owner(everywhere: Town) -> None:
    """Whatever commands there are, in guilds and in private; nor the administrators at home, if home is not set."""
    snapshot = take(everywhere.owner)
    stranger = everywhere.stranger
    every = list(commands(everywhere))
    assert {"backup now", "backup restore", "db integrity"} <= {name for name, _, _ in every}
    for name, required, suggesting in every:
        refused = [person.slash(name, **required) for person in (stranger, everywhere.admin, everywhere.player)]
        for shown in refused:
            assert snapshot not in shown.reads("Not allowed").text
        for option in suggesting:
            assert stranger.types(name, option, snapshot[:4]).choices() == []
    private = Person(everywhere, stranger.user, everywhere.discord.direct_with(stranger.user))
    for shown in [private.slash(name, **required) for name, required, _ in every]:
        shown.reads("Not allowed")
    entries = [each["name"] for each in everywhere.discord.commands[None] if each["type"] == USER_MENU]
    assert entries == ["Backup history"]
    for entry in entries:
        stranger.menu(entry, everywhere.player.user).reads("Not allowed")


def test_no_click_and_no_modal_of_a_stranger_does_anything(everywhere: Town) -> None:
    """Not even with the custom ids of a preview that is open in another guild."""
    owner, stranger = everywhere.owner, everywhere.stranger
    snapshot = take(owner)
    join(everywhere)
    preview = ask(owner, snapshot)
    everywhere.stranger.writes("hello")
    own = everywhere.abroad.channels[0].messages[-1]
    for each in preview.components[0]["components"]:
        stranger.forge_click(each["custom_id"], own).acknowledged()
    asked = owner.click(preview, "Confirm")
    custom_id = asked.modal()["custom_id"]
    stranger.forge_submit(custom_id, "snapshot_id", snapshot, own).reads("Not allowed")
    stranger.forge_click(f"savepoint:look:{snapshot}", own).reads("Not allowed")
    stranger.forge_click("savepoint:claim:", own).reads("Not allowed")
    owner.click(preview, "Cancel").reads("Cancelled")


def test_mentions_and_direct_messages_are_for_the_owner(everywhere: Town) -> None:
    """A stranger is not answered at all; an owner is, and uses his commands in direct messages too."""
    everywhere.stranger.writes("@bot backup status")
    everywhere.stranger.writes("@bot backup sync all")
    everywhere.stranger.writes("@bot backup")
    everywhere.owner.writes("@bot backup status")
    everywhere.owner.finds("The slash commands are registered.")
    direct = everywhere.discord.direct_with(everywhere.owner.user)
    Person(everywhere, everywhere.owner.user, direct).slash("backup status").reads("snapshot")
    stranger = everywhere.stranger.user
    in_private = Person(everywhere, stranger, everywhere.discord.direct_with(stranger))
    in_private.slash("backup restore", snapshot="latest").reads("Not allowed")
    bot = everywhere.discord.bot
    assert [each for each in everywhere.stranger.sees() if each.author is bot and each.only_for is None] == []
