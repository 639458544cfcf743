"""The people, the two guilds and the bot of the stories."""

from __future__ import annotations

from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from tests.end_to_end.discord_server.bot import BotProcess
from tests.end_to_end.discord_server.people import Person
from tests.end_to_end.discord_server.server import DiscordServer
from tests.end_to_end.discord_server.state import Discord

__all__ = ["Town"]


class Town:
    """An owner with two in his team, an administrator and a player at home, and an administrator abroad.

    With ``everywhere`` no guild is set, so that the commands are in all of them and for the owners only; nor is a
    channel for alerts, so that they go to an owner.
    """

    def __init__(self, folder: Path, *, everywhere: bool = False, **settings: Any) -> None:
        discord = self.discord = Discord()
        names = ("owner", "colleague", "auditor", "admin", "player", "stranger")
        owner, colleague, auditor, admin, player, stranger = (discord.user(name) for name in names)
        discord.team = {owner: "admin", colleague: "developer", auditor: "read_only"}
        home = self.home = discord.guild("home", owner, "office", "alerts")
        abroad = self.abroad = discord.guild("abroad", stranger, "square")
        home.add(colleague, administrator=True)
        home.add(admin, administrator=True)
        for person in (auditor, player):
            home.add(person)
        for person in (owner, admin, player):
            abroad.add(person)
        self.server = DiscordServer(discord)
        self.gateway = self.server.gateway
        guilds = "[]" if everywhere else f"[{home.id}]"
        alerts = "0" if everywhere else str(home.channels[1].id)
        self.bot = BotProcess(
            self.server, folder, DISCORD_ADMIN_GUILD_IDS=guilds, DISCORD_ALERT_CHANNEL_ID=alerts, **settings
        )
        office, square = home.channels[0], abroad.channels[0]
        self.owner, self.colleague, self.auditor = (Person(self, each, office) for each in (owner, colleague, auditor))
        self.admin, self.player = Person(self, admin, office), Person(self, player, office)
        self.stranger, self.admin_abroad = Person(self, stranger, square), Person(self, admin, square)

    def open(self) -> None:
        """Start the bot and register its commands, as an owner does on the first day."""
        self.bot.start()
        if not self.discord.commands:
            self.owner.writes("@bot backup sync")
            self.owner.finds("registered", "/backup")

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something in Discord's loop and wait for it."""
        self.server.run(work)

    def require_sound(self) -> None:
        """Fail if the bot has ended, or has done what no bot may do."""
        self.bot.require_alive()
        assert not self.discord.faults, self.discord.faults

    def close(self) -> None:
        """End the bot and Discord."""
        self.bot.close()
        self.server.close()
