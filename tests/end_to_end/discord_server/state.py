"""What this Discord knows: people, guilds, channels, messages, interactions, and the bot's registered commands.

Time is Discord's own: it stands still until a test moves it, so that no rule depends on how busy the machine is.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools
from collections.abc import Iterator
from typing import Any

__all__ = ["ADMINISTRATOR", "Channel", "Discord", "Guild", "Interaction", "Message", "User"]

ADMINISTRATOR = 1 << 3
_SEEN_BY_EVERYBODY = (1 << 10) | (1 << 11) | (1 << 14) | (1 << 15)
"""View channels, send messages, embed links, attach files."""
_EPOCH = dt.datetime(2015, 1, 1, tzinfo=dt.UTC)
EPHEMERAL = 1 << 6


@dataclasses.dataclass(eq=False)
class User:
    """Somebody with an account; ``dms_open`` is False for who takes no direct messages, ``locale`` is the client's."""

    id: int
    name: str
    bot: bool = False
    dms_open: bool = True
    locale: str = "en-US"


@dataclasses.dataclass(eq=False)
class Channel:
    """A text channel of a guild, or the direct messages between the bot and ``recipient``."""

    id: int
    name: str
    guild: Guild | None = None
    recipient: User | None = None
    messages: list[Message] = dataclasses.field(default_factory=list)
    open_to_bot: bool = True


@dataclasses.dataclass(eq=False)
class Guild:
    """A guild; ``members`` are the permissions of each."""

    id: int
    name: str
    owner: User
    members: dict[User, int] = dataclasses.field(default_factory=dict)
    channels: list[Channel] = dataclasses.field(default_factory=list)

    def add(self, user: User, *, administrator: bool = False) -> None:
        """Let somebody join, or change what he may do."""
        self.members[user] = _SEEN_BY_EVERYBODY | (ADMINISTRATOR if administrator else 0)


@dataclasses.dataclass(eq=False)
class Message:
    """A message; ``only_for`` is who alone sees an ephemeral one, ``shown`` every text that it has had."""

    id: int
    channel: Channel
    author: User
    content: str = ""
    embeds: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    components: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    attachments: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    flags: int = 0
    only_for: User | None = None
    loading: bool = False
    deleted: bool = False
    shown: list[str] = dataclasses.field(default_factory=list)

    @property
    def text(self) -> str:
        """All text of the message as it is now."""
        parts = [self.content]
        for embed in self.embeds:
            parts += [embed.get("title", ""), embed.get("description", "")]
            parts += [f"{field['name']}: {field['value']}" for field in embed.get("fields", [])]
            parts.append(embed.get("footer", {}).get("text", ""))
        parts += [each["content"] for each in walk(self.components) if each["type"] == TEXT_DISPLAY]
        return "\n".join(part for part in parts if part)

    def has_button(self, label: str) -> bool:
        """Return True if there is a button with this label."""
        return any(each.get("label") == label for each in walk(self.components))

    def change(self, payload: dict[str, Any], attachments: list[dict[str, Any]] | None) -> None:
        """Apply what the bot sends; what it does not name stays."""
        self.content = payload["content"] or "" if "content" in payload else self.content
        self.embeds = payload["embeds"] or [] if "embeds" in payload else self.embeds
        self.components = payload["components"] or [] if "components" in payload else self.components
        self.attachments = self.attachments if attachments is None else attachments
        self.flags |= int(payload.get("flags") or 0)
        self.loading = False
        self.shown.append(self.text)


TEXT_DISPLAY = 10


def walk(components: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield components with everything in them, outermost first."""
    for each in components:
        yield each
        inner = [*each.get("components", []), *(each[key] for key in ("component", "accessory") if key in each)]
        yield from walk(inner)


@dataclasses.dataclass(eq=False)
class Interaction:
    """Something that somebody did with the bot, and everything that the bot answered to it."""

    id: int
    token: str
    kind: int
    user: User
    channel: Channel
    began: float
    source: Message | None = None
    """The message whose component was used."""
    answered: int | None = None
    """The type of the callback."""
    original: Message | None = None
    followups: list[Message] = dataclasses.field(default_factory=list)
    modal: dict[str, Any] | None = None
    choices: list[dict[str, Any]] | None = None

    @property
    def messages(self) -> list[Message]:
        """The messages that this interaction made or changed, oldest first."""
        return [*([self.original] if self.original is not None else []), *self.followups]


class Discord:
    """One Discord with one application in it."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._number = itertools.count(1)
        self.bot = self.user("savepoint", bot=True)
        self.token = "test.token.of-a-bot"
        self.users: dict[int, User] = {self.bot.id: self.bot}
        self.guilds: list[Guild] = []
        self.team: dict[User, str] = {}
        self.commands: dict[int | None, list[dict[str, Any]]] = {}
        """By guild; None: everywhere."""
        self.interactions: dict[str, Interaction] = {}
        self.direct: dict[User, Channel] = {}
        self.files: dict[str, bytes] = {}
        self.posted: list[dict[str, Any]] = []
        """What the alert webhook got."""
        self.shards = 1
        self.requests: list[str] = []
        self.faults: list[str] = []
        """What the bot did that no bot may do: each test fails with them."""

    def snowflake(self) -> int:
        """Return a new id."""
        moment = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=self.seconds)
        return int((moment - _EPOCH).total_seconds() * 1000) << 22 | next(self._number)

    def user(self, name: str, *, bot: bool = False) -> User:
        """Make an account."""
        made = User(self.snowflake(), name, bot=bot)
        if not bot:
            self.users[made.id] = made
        return made

    def guild(self, name: str, owner: User, *channels: str) -> Guild:
        """Make a guild with the bot in it; each second one is on the second of two shards."""
        guild_id = self.snowflake()
        guild_id += (1 << 22) * ((guild_id >> 22) % 2 != len(self.guilds) % 2)
        made = Guild(guild_id, name, owner)
        made.add(owner, administrator=True)
        made.add(self.bot)
        made.channels = [Channel(self.snowflake(), channel, made) for channel in channels]
        self.guilds.append(made)
        return made

    def channel(self, channel_id: int) -> Channel | None:
        """Return a channel by its id."""
        found = [*(each for guild in self.guilds for each in guild.channels), *self.direct.values()]
        return next((each for each in found if each.id == channel_id), None)

    def direct_with(self, user: User) -> Channel:
        """Return the direct messages between the bot and somebody."""
        return self.direct.setdefault(user, Channel(self.snowflake(), "", recipient=user))

    def message(self, message_id: int) -> Message | None:
        """Return a message by its id, ephemeral ones included."""
        channels = [*(each for guild in self.guilds for each in guild.channels), *self.direct.values()]
        found = (each for channel in channels for each in channel.messages if each.id == message_id)
        return next((each for each in found if not each.deleted), None)
