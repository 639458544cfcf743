"""Who owns the bot follows Discord's answer, and what a host sets itself stays."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import discord
import pytest
from discord.ext import commands

from cogs.backup_cog.owners import Owners
from cogs.backup_cog.permissions import NotAllowed, Permissions
from tests.backup_cog.world import Clock

ROLE = discord.TeamMemberRole


class TeamBot(commands.Bot):
    """A bot that never logs in; its application belongs to a team, whose roles a test changes."""

    def __init__(self, **owners: Any) -> None:
        super().__init__(command_prefix="!", intents=discord.Intents.none(), **owners)
        self.team: dict[int, discord.TeamMemberRole] | None = {1: ROLE.admin, 2: ROLE.developer, 3: ROLE.read_only}
        self.asked = 0

    def is_ready(self) -> bool:
        return True

    async def application_info(self) -> Any:
        self.asked += 1
        if self.team is None:
            raise discord.DiscordException("nobody answers")
        members = [SimpleNamespace(id=number, role=role) for number, role in self.team.items()]
        return SimpleNamespace(team=SimpleNamespace(members=members), owner=SimpleNamespace(id=9))


async def owning(bot: TeamBot, *only: int) -> list[int]:
    """Return who of five people is an owner for the cog."""
    permissions = Permissions(bot, (), only)
    people: list[Any] = [SimpleNamespace(id=number) for number in range(1, 6)]
    return [person.id for person in people if await permissions.is_owner(person)]


async def refreshed(owners: Owners, clock: Clock, **later: float) -> None:
    """Let time pass, and wait for what is asked then."""
    clock.advance(**later)
    owners.refresh()
    if owners._task is not None:
        await asyncio.wait([owners._task])


async def test_a_team_member_loses_the_right_within_minutes_and_another_gets_it(clock: Clock) -> None:
    """Without a question at each click: two refreshes make two."""
    bot = TeamBot()
    owners = Owners(bot, clock.monotonic)
    await refreshed(owners, clock)
    assert await owning(bot) == [1, 2]
    bot.team = {1: ROLE.admin, 2: ROLE.read_only, 4: ROLE.admin}
    await refreshed(owners, clock, minutes=1)
    assert (await owning(bot), bot.asked) == ([1, 2], 1)
    await refreshed(owners, clock, minutes=2)
    assert (await owning(bot), bot.asked) == ([1, 4], 2)
    await owners.close()


async def test_owners_that_the_bot_asked_for_before_the_cog_came_are_kept_up_to_date(clock: Clock) -> None:
    """As after ``!load`` by its owner, or a reload."""
    bot = TeamBot()
    assert await owning(bot) == [1, 2]
    owners = Owners(bot, clock.monotonic)
    await refreshed(owners, clock)
    bot.team = {1: ROLE.admin}
    await refreshed(owners, clock, minutes=5)
    assert await owning(bot) == [1]
    await owners.close()


@pytest.mark.parametrize(("given", "count"), [({"owner_ids": {3, 5}}, 1), ({"owner_id": 5}, 0)])
async def test_owners_that_the_host_sets_are_its_own(clock: Clock, given: dict[str, Any], count: int) -> None:
    bot = TeamBot(**given)
    owners = Owners(bot, clock.monotonic)
    for _ in range(3):
        await refreshed(owners, clock, minutes=5)
    assert await owning(bot) == sorted(given.get("owner_ids", [5]))
    assert bot.asked == count
    await owners.close()


async def test_what_is_known_counts_while_discord_does_not_answer(clock: Clock) -> None:
    bot = TeamBot()
    owners = Owners(bot, clock.monotonic)
    await refreshed(owners, clock)
    bot.team = None
    await refreshed(owners, clock, minutes=5)
    assert await owning(bot) == [1, 2]
    bot.team = {2: ROLE.admin}
    await refreshed(owners, clock, minutes=5)
    assert await owning(bot) == [2]
    await owners.close()


async def test_the_setting_narrows_who_of_the_owners_counts_and_makes_nobody_one() -> None:
    """An owner who does not count is told why; somebody who mistyped his own id would wonder."""
    bot = TeamBot()
    assert await owning(bot, 2, 3, 4) == [2]
    permissions = Permissions(bot, (), [2])
    for number, says in ((1, "discord.owner_ids"), (3, "Only the bot's owner")):
        asked: Any = SimpleNamespace(user=SimpleNamespace(id=number))
        with pytest.raises(NotAllowed, match=says):
            await permissions.require_owner(asked)
