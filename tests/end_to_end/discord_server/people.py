"""People at their clients: they see what Discord shows them, run commands, click, type and write."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from tests.worlds.waiting import wait_until

from . import payloads
from .gateway import Gateway
from .interactions import AUTOCOMPLETE, COMMAND, COMPONENT, SUBMIT
from .state import Channel, Discord, Interaction, Message, User, walk

__all__ = ["Person", "Shown", "World"]

_BUTTON, _SELECT, _TEXT_INPUT, _LABEL = 2, 3, 4, 18
_GROUPS = (1, 2)
_USER = 6


class World(Protocol):
    """Where people are: a Discord, and a way to have its loop do something."""

    discord: Discord
    gateway: Gateway

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something in Discord's loop and wait for it."""

    def require_sound(self) -> None:
        """Fail if the bot has ended, or has done what no bot may do."""


class Shown:
    """What somebody sees of the answers to something that he did."""

    def __init__(self, world: World, interaction: Interaction) -> None:
        self._world = world
        self.interaction = interaction

    @property
    def text(self) -> str:
        """All that is to be read now."""
        return "\n".join(each.text for each in self.interaction.messages if not each.deleted)

    @property
    def history(self) -> list[str]:
        """Every text that the first answer has had."""
        original = self.interaction.original
        return [] if original is None else list(original.shown)

    def reads(self, *parts: str) -> Message:
        """Wait until one message holds all of these texts, and return it."""
        self._wait(lambda: self._with(parts), f"an answer with {parts}")
        found = self._with(parts)
        assert found is not None
        return found

    def _with(self, parts: tuple[str, ...]) -> Message | None:
        found = (each for each in self.interaction.messages if not each.loading and not each.deleted)
        return next((each for each in found if all(part in each.text for part in parts)), None)

    def modal(self) -> dict[str, Any]:
        """Wait for a modal, and return it."""
        self._wait(lambda: self.interaction.modal is not None, "a modal")
        assert self.interaction.modal is not None
        return self.interaction.modal

    def choices(self) -> list[str]:
        """Wait for suggestions, and return their values."""
        self._wait(lambda: self.interaction.choices is not None, "suggestions")
        return [str(choice["value"]) for choice in self.interaction.choices or []]

    def acknowledged(self) -> Shown:
        """Wait until the bot has answered at all."""
        self._wait(lambda: self.interaction.answered is not None, "an acknowledgement")
        return self

    def _wait(self, condition: Callable[[], object], what: str) -> None:
        def met() -> object:
            self._world.require_sound()
            return condition()

        try:
            wait_until(met, what)
        except AssertionError as error:
            raise AssertionError(f"{error}; there was: {self.text!r}") from None


class Person:
    """Somebody at a channel of a guild, or in the direct messages with the bot."""

    def __init__(self, world: World, user: User, channel: Channel) -> None:
        self._world = world
        self.user = user
        self.channel = channel

    # Looking

    def sees(self, channel: Channel | None = None) -> list[Message]:
        """Return the messages that this person sees in a channel, oldest first."""
        found = (channel or self.channel).messages
        return [each for each in found if not each.deleted and each.only_for in (None, self.user)]

    def direct_messages(self) -> list[str]:
        """Return what the bot wrote to this person."""
        channel = self._world.discord.direct.get(self.user)
        if channel is None:
            return []
        return [each.text for each in channel.messages if each.author is self._world.discord.bot]

    def finds(self, *parts: str, channel: Channel | None = None) -> Message:
        """Wait for a message with all of these texts in a channel, and return it."""

        def found() -> Message | None:
            return next((each for each in self.sees(channel) if all(part in each.text for part in parts)), None)

        self.waits(found, f"a message with {parts}")
        message = found()
        assert message is not None
        return message

    def waits(self, condition: Callable[[], object], what: str) -> None:
        """Wait for something; fail at once if the bot has ended, or has done what no bot may do."""

        def met() -> object:
            self._world.require_sound()
            return condition()

        wait_until(met, what)

    def gets(self, *parts: str) -> Message:
        """Wait for a direct message with all of these texts, and return it."""
        return self.finds(*parts, channel=self._world.discord.direct_with(self.user))

    # Doing

    def writes(self, text: str) -> None:
        """Write a message; ``@bot`` mentions the bot, which reads the others without their text."""
        discord = self._world.discord
        written = Message(discord.snowflake(), self.channel, self.user, text.replace("@bot", f"<@{discord.bot.id}>"))
        self.channel.messages.append(written)
        mentioned = "@bot" in text
        document = payloads.message(written)
        document["mentions"] = [payloads.user(discord.bot)] if mentioned else []
        guild = self.channel.guild
        if guild is not None:
            document["member"] = payloads.member(guild, self.user)
            document["content"] = written.content if mentioned else ""
        self._world.run(self._world.gateway.dispatch("MESSAGE_CREATE", document, guild))

    def slash(self, command: str, **options: Any) -> Shown:
        """Run a slash command, which must be registered here."""
        return self._do(COMMAND, self._command(command, options))

    def menu(self, entry: str, member: User) -> Shown:
        """Choose an entry of the menu that a right click on somebody opens."""
        return self._do(COMMAND, payloads.of_member(self._command(entry), member))

    def types(self, command: str, option: str, text: str) -> Shown:
        """Type into an option of a slash command that suggests."""
        return self._do(AUTOCOMPLETE, self._command(command, {option: text}, focused=option))

    def click(self, message: Message, label: str) -> Shown:
        """Click a button of a message that this person sees."""
        assert message.only_for in (None, self.user), f"{self.user.name} does not see this message"
        found = [each for each in walk(message.components) if each.get("label") == label and each["type"] == _BUTTON]
        assert len(found) == 1, f"{len(found)} buttons {label!r} in: {message.text}"
        assert not found[0].get("disabled"), f"the button {label!r} is disabled"
        return self.forge_click(found[0]["custom_id"], message)

    def choose(self, message: Message, value: str) -> Shown:
        """Choose something in a select of a message that this person sees."""
        assert message.only_for in (None, self.user), f"{self.user.name} does not see this message"
        (select,) = [
            each
            for each in walk(message.components)
            if any(option["value"] == value for option in each.get("options", []))
        ]
        data = {"component_type": select["type"], "custom_id": select["custom_id"], "id": 1, "values": [value]}
        return self._do(COMPONENT, data, message)

    def submit(self, asked: Shown, typed: str) -> Shown:
        """Type into the only field of a modal and send it."""
        modal = asked.modal()
        (field,) = [each for each in walk(modal["components"]) if each["type"] == _TEXT_INPUT]
        return self.forge_submit(modal["custom_id"], field["custom_id"], typed, asked.interaction.source)

    def forge_click(self, custom_id: str, message: Message) -> Shown:
        """Send a click as a changed client could, with any custom id."""
        return self._do(COMPONENT, {"component_type": _BUTTON, "custom_id": custom_id, "id": 1}, message)

    def forge_choice(self, custom_id: str, message: Message, *values: str) -> Shown:
        """Send a choice in a select, of texts or of people, as a changed client could."""
        data = {"component_type": _SELECT, "custom_id": custom_id, "id": 1, "values": list(values), "resolved": {}}
        return self._do(COMPONENT, data, message)

    def forge_submit(self, custom_id: str, field: str, typed: str, message: Message | None = None) -> Shown:
        """Send a modal as a changed client could, whether or not it was ever shown."""
        value = {"type": _TEXT_INPUT, "id": 2, "custom_id": field, "value": typed}
        components = [{"type": _LABEL, "id": 1, "component": value}]
        return self._do(SUBMIT, {"custom_id": custom_id, "components": components, "resolved": {}}, message)

    def _do(self, kind: int, data: dict[str, Any], source: Message | None = None) -> Shown:
        discord, channel = self._world.discord, source.channel if source is not None else self.channel
        made = Interaction(
            discord.snowflake(), secrets.token_hex(24), kind, self.user, channel, discord.seconds, source
        )
        discord.interactions[made.token] = made
        document = payloads.interaction(discord, made, data)
        self._world.run(self._world.gateway.dispatch("INTERACTION_CREATE", document, channel.guild))
        return Shown(self._world, made)

    def _command(self, command: str, options: dict[str, Any] | None = None, focused: str = "") -> dict[str, Any]:
        """Return the data of a command, from how it is registered here; without options, of an entry of a menu."""
        first, *rest = [command] if options is None else command.split()
        discord, guild = self._world.discord, self.channel.guild
        places = [guild.id, None] if guild is not None else [None]
        registered = [each for place in places for each in discord.commands.get(place, []) if each["name"] == first]
        assert registered, f"/{first} is not registered here"
        found = registered[0]
        data: dict[str, Any] = {"id": found["id"], "name": first, "type": found["type"]}
        if "guild_id" in found:
            data["guild_id"] = found["guild_id"]
        if options is None:
            return data
        level = data
        for word in rest:
            (found,) = [each for each in found["options"] if each["name"] == word and each["type"] in _GROUPS]
            level["options"] = [{"name": word, "type": found["type"]}]
            level = level["options"][0]
        types = {each["name"]: each["type"] for each in found.get("options", [])}
        people = [discord.users[int(value)] for name, value in options.items() if types[name] == _USER]
        if people:
            data["resolved"] = {"users": {str(each.id): payloads.user(each) for each in people}}
        level["options"] = [
            {"name": name, "type": types[name], "value": value, **({"focused": True} if name == focused else {})}
            for name, value in options.items()
        ]
        return data


def snapshot_ids(text: str) -> list[str]:
    """Return the ids of snapshots in a text, in its order."""
    return re.findall(r"`([0-9a-z]{12})`", text)
