"""The Discord of these tests is as strict as the real one: a bot that does wrong must not pass here."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from tests.end_to_end.discord_server import rules
from tests.end_to_end.discord_server.server import DiscordServer
from tests.end_to_end.discord_server.state import Discord


def row(*components: dict[str, Any]) -> dict[str, Any]:
    """Return an action row."""
    return {"type": 1, "components": list(components)}


def button(number: int = 0, **changed: Any) -> dict[str, Any]:
    """Return a button."""
    return {"type": 2, "style": 1, "label": "Yes", "custom_id": f"button {number}", **changed}


def select(options: int) -> dict[str, Any]:
    """Return a select of so many options."""
    return {
        "type": 3,
        "custom_id": "select",
        "options": [{"label": "One", "value": str(number)} for number in range(options)],
    }


def embed(**parts: Any) -> dict[str, Any]:
    """Return a message with one embed."""
    return {"embeds": [parts]}


def fields(count: int, value: str = "value") -> dict[str, Any]:
    """Return a message with an embed of so many fields."""
    return embed(fields=[{"name": "name", "value": value} for _ in range(count)])


V2 = 1 << 15
ALLOWED: dict[str, dict[str, Any]] = {
    "content": {"content": "x" * 2000},
    "title": embed(title="x" * 256),
    "description": embed(description="x" * 4096),
    "fields": fields(25),
    "value": fields(1, "x" * 1024),
    "embeds": {"embeds": [{"description": "x" * 3000}] * 2},
    "buttons": {"components": [row(*(button(number) for number in range(5)))], "content": "x"},
    "select": {"components": [row(select(25))], "content": "x"},
    "label": {"components": [row(button(label="x" * 80))], "content": "x"},
    "custom id": {"components": [row(button(custom_id="x" * 100))], "content": "x"},
    "version 2": {"components": [{"type": 10, "content": "x" * 4000}], "flags": V2},
}
REFUSED: dict[str, dict[str, Any]] = {
    "content": {"content": "x" * 2001},
    "title": embed(title="x" * 257),
    "description": embed(description="x" * 4097),
    "fields": fields(26),
    "value": fields(1, "x" * 1025),
    "blank value": fields(1, " "),
    "embeds": {"embeds": [{"description": "x" * 3000}, {"description": "x" * 3001}]},
    "eleven embeds": {"embeds": [{"title": "x"}] * 11},
    "buttons": {"components": [row(*(button(number) for number in range(6)))], "content": "x"},
    "rows": {"components": [row(button(number)) for number in range(6)], "content": "x"},
    "custom id twice": {"components": [row(button(), button())], "content": "x"},
    "select": {"components": [row(select(26))], "content": "x"},
    "no options": {"components": [row(select(0))], "content": "x"},
    "label": {"components": [row(button(label="x" * 81))], "content": "x"},
    "custom id": {"components": [row(button(custom_id="x" * 101))], "content": "x"},
    "bare button": {"components": [button()], "content": "x"},
    "version 2 with an embed": {"components": [row(button())], "flags": V2, "embeds": [{"title": "x"}]},
    "version 2": {"components": [{"type": 10, "content": "x" * 4001}], "flags": V2},
    "41 components": {"components": [{"type": 10, "content": "x"}] * 41, "flags": V2},
    "version 2 in all": {"components": [{"type": 10, "content": "x" * 2001}] * 2, "flags": V2},
    "no pictures": {"components": [{"type": 12, "items": []}], "flags": V2},
}


@pytest.mark.parametrize("message", ALLOWED.values(), ids=ALLOWED)
def test_a_message_at_its_limits_is_taken(message: dict[str, Any]) -> None:
    """Discord counts these."""
    rules.require_message(message)


@pytest.mark.parametrize("message", REFUSED.values(), ids=REFUSED)
def test_a_message_beyond_them_is_refused(message: dict[str, Any]) -> None:
    """With the code for an invalid form."""
    with pytest.raises(rules.Refused) as refused:
        rules.require_message(message)
    assert (refused.value.status, refused.value.code) == (400, 50035)


def test_a_message_of_components_stays_one_and_shows_what_is_attached() -> None:
    """An edit brings no embed back into it, and no picture that is not there."""
    gallery = {"components": [{"type": 12, "items": [{"media": {"url": "attachment://x.png"}}]}], "flags": V2}
    rules.require_edit(gallery, 0, [{"filename": "x.png"}])
    rules.require_edit({"embeds": []}, V2)
    for edit, flags in ((gallery, 0), ({"embeds": [{"title": "x"}]}, V2), ({"content": "x"}, V2)):
        with pytest.raises(rules.Refused) as refused:
            rules.require_edit(edit, flags)
        assert refused.value.code == 50035


def test_an_empty_message_a_long_modal_and_too_many_choices_are_refused() -> None:
    """Each kind of answer has limits of its own."""
    with pytest.raises(rules.Refused, match="empty"):
        rules.require_message({"content": ""})
    text = {"type": 18, "label": "Id", "component": {"type": 4, "custom_id": "id"}}
    rules.require_modal({"title": "x" * 45, "custom_id": "x", "components": [text] * 5})
    for title, components in (("x" * 46, [text]), ("x", [text] * 6), ("x", [])):
        with pytest.raises(rules.Refused):
            rules.require_modal({"title": title, "custom_id": "x", "components": components})
    rules.require_choices([{"name": "x" * 100, "value": "x" * 100}] * 25)
    for choices in ([{"name": "x", "value": "x"}] * 26, [{"name": "x" * 101, "value": "x"}]):
        with pytest.raises(rules.Refused):
            rules.require_choices(choices)


@pytest.mark.parametrize(
    "changed", [{"name": "Backup"}, {"description": ""}, {"options": [{"name": "x", "description": "x" * 101}]}]
)
def test_a_command_that_discord_would_not_register_is_refused(changed: dict[str, Any]) -> None:
    """Also for what is deep inside it."""
    command = {"name": "backup", "description": "Snapshots", "options": []}
    rules.require_command(command)
    with pytest.raises(rules.Refused):
        rules.require_command({**command, **changed})


@pytest.fixture
def server() -> Iterator[DiscordServer]:
    """A Discord that no bot uses."""
    made = DiscordServer(Discord())
    yield made
    made.close()


def asked(server: DiscordServer, path: str, token: str) -> tuple[int, dict[str, Any]]:
    """Return the status and the document that a request is answered with."""
    request = urllib.request.Request(server.rest_address + path, headers={"Authorization": f"Bot {token}"})
    try:
        with urllib.request.urlopen(request) as response:
            return response.status, json.loads(response.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


@pytest.mark.socket
def test_an_unknown_route_and_a_wrong_token_are_refused_aloud(server: DiscordServer) -> None:
    """What this Discord does not know fails the story in which it is asked for."""
    token = server.discord.token
    assert asked(server, "/users/@me", token)[1]["username"] == "savepoint"
    assert asked(server, "/users/@me", "another")[0] == 401
    assert server.discord.faults == []
    assert asked(server, "/guilds/1/bans", token)[0] == 500
    assert len(server.discord.faults) == 1
    assert "/guilds/1/bans" in server.discord.faults[0]
