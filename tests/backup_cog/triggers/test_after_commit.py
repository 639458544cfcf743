"""Commands and clicks as triggers: the snapshot holds what they did, and what Savepoint does asks for none."""

from __future__ import annotations

import asyncio
import itertools
from types import SimpleNamespace
from typing import Any

import discord
import pytest
from discord import app_commands
from discord.ext import commands

from cogs.backup_cog.triggers import Trigger
from cogs.backup_cog.triggers.after_commit import LONGEST, AfterCommit
from core.snapshots import Kind, TriggerSettings
from tests.backup_cog.world import EXTENSION, World, cog_of, of_kind

pytestmark = pytest.mark.slow

SHOP = TriggerSettings(commands=("shop buy", "trade *"), reason="{command}_by_{user.id}")
BUY = TriggerSettings(buttons=("buy:*",), reason="{custom_id}_by_{user.id}")


class Database:
    """What the watcher asks of the service, without a database: the tokens are those that the test sets."""

    def __init__(self) -> None:
        self.token: str | None = "1"
        self.covered_token: str | None = "1"

    async def commit_token(self) -> str | None:
        """Return the present token."""
        return self.token


class Clock:
    """Seconds that only the test moves."""

    now = 0.0

    def __call__(self) -> float:
        """Return the seconds."""
        return self.now


def click(custom_id: str, *, kind: discord.InteractionType = discord.InteractionType.component) -> Any:
    """Return an interaction as Discord sends it for a button."""
    interaction: Any = discord.Interaction.__new__(discord.Interaction)
    interaction.type = kind
    interaction.data = {"custom_id": custom_id, "component_type": 2}
    interaction.user = SimpleNamespace(id=7)
    interaction.extras = {}
    interaction._state = SimpleNamespace()
    interaction._client = SimpleNamespace(tree=None)
    return interaction


@pytest.fixture
def asked() -> list[str]:
    """The reasons of the requests that were made."""
    return []


@pytest.fixture
def database() -> Database:
    """A database that nobody has written to since the newest snapshot."""
    return Database()


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still."""
    return Clock()


def watcher(database: Database, clock: Clock) -> AfterCommit:
    """Return the watcher of that database."""
    return AfterCommit(database, monotonic=clock)  # type: ignore[arg-type]


async def a_while() -> None:
    """Let the watcher look at the database a few times."""
    await asyncio.sleep(0.7)


async def fire(trigger: Trigger, event: str, *args: Any) -> None:
    """Call the trigger's listeners of an event."""
    for name, listener in trigger.listeners():
        if name == f"on_{event}":
            await listener(*args)


async def test_a_click_asks_when_the_database_has_committed(database: Database, clock: Clock, asked: list[str]) -> None:
    """A snapshot at the click would be of the state before it."""
    after = watcher(database, clock)
    await fire(Trigger(BUY, asked.append, after.add), "interaction", click("buy:42"))
    await a_while()
    assert asked == []
    database.token = "2"
    await a_while()
    assert asked == ["buy:42_by_7"]
    await after.close()


async def test_a_click_waits_for_its_own_callback_though_others_commit(
    database: Database, clock: Clock, asked: list[str]
) -> None:
    """In a busy game somebody always commits: the one who clicked may not have come to it yet."""
    after, clicked, done = watcher(database, clock), click("buy:42"), asyncio.Event()

    async def callback(interaction: object) -> None:
        await done.wait()

    handler = asyncio.create_task(callback(clicked))
    await fire(Trigger(BUY, asked.append, after.add), "interaction", clicked)
    for token in range(10, 14):
        database.token = str(token)
        await asyncio.sleep(0.25)
    assert asked == []
    done.set()
    await handler
    await a_while()
    assert asked == ["buy:42_by_7"]
    await after.close()


async def test_a_callback_that_commits_at_once_is_not_missed(
    database: Database, clock: Clock, asked: list[str]
) -> None:
    """It may have ended before the database was first looked at: what no snapshot holds is enough then."""
    after, clicked = watcher(database, clock), click("buy:42")

    async def callback(interaction: object) -> None:
        database.token = "2"

    handler = asyncio.create_task(callback(clicked))
    await fire(Trigger(BUY, asked.append, after.add), "interaction", clicked)
    await handler
    await a_while()
    assert asked == ["buy:42_by_7"]
    await after.close()


@pytest.mark.parametrize("token", ["1", None])
async def test_after_ten_seconds_it_asks_anyway(
    database: Database, clock: Clock, asked: list[str], token: str | None
) -> None:
    """What cannot be told is covered; if nothing changed, the snapshot costs nothing."""
    database.token = token
    after = watcher(database, clock)
    await fire(Trigger(BUY, asked.append, after.add), "interaction", click("buy:42"))
    clock.now = LONGEST - 0.1
    await a_while()
    assert asked == []
    clock.now = LONGEST
    await a_while()
    assert asked == ["buy:42_by_7"]
    await after.close()


async def test_what_still_waits_is_requested_when_the_cog_goes(
    database: Database, clock: Clock, asked: list[str]
) -> None:
    """The last snapshot of the bot covers the last click, also one that comes while the other cogs unload."""
    after = watcher(database, clock)
    await fire(Trigger(BUY, asked.append, after.add), "interaction", click("buy:42"))
    await after.close()
    assert asked == ["buy:42_by_7"]
    await fire(Trigger(BUY, asked.append, after.add), "interaction", click("buy:43"))
    assert asked == ["buy:42_by_7", "buy:43_by_7"]
    assert all("after commit" not in task.get_name() for task in asyncio.all_tasks())


async def test_a_hundred_clicks_share_one_watcher(database: Database, clock: Clock, asked: list[str]) -> None:
    """Each looks at the database no more often than one alone."""
    looks = itertools.count()

    async def commit_token() -> str | None:
        next(looks)
        return database.token

    database.commit_token = commit_token  # type: ignore[method-assign]
    after = watcher(database, clock)
    trigger = Trigger(BUY, asked.append, after.add)
    for number in range(100):
        await fire(trigger, "interaction", click(f"buy:{number}"))
    await a_while()
    database.token = "2"
    await a_while()
    assert len(asked) == 100
    assert next(looks) < 12
    await after.close()


async def test_other_clicks_and_modals(asked: list[str]) -> None:
    """A pattern matches a whole custom id, a modal has one too, and a click on Savepoint's own buttons is none."""
    everything = TriggerSettings(buttons=("*",), reason="{custom_id}")
    for custom_id in ("buy:1", "sell:1", "rebuy:1"):
        await fire(Trigger(BUY, asked.append), "interaction", click(custom_id))
    await fire(Trigger(BUY, asked.append), "interaction", click("BUY:2", kind=discord.InteractionType.modal_submit))
    await fire(Trigger(BUY, asked.append), "interaction", click("buy:3", kind=discord.InteractionType.autocomplete))
    await fire(Trigger(everything, asked.append), "interaction", click("savepoint:confirm:abc"))
    assert asked == ["buy:1_by_7", "BUY:2_by_7"]


async def test_a_path_looks_into_what_discord_sent(asked: list[str]) -> None:
    """Attributes and keys alike, in the condition and in the reason."""
    mapped = TriggerSettings(
        event="interaction",
        fields=("interaction",),
        reason="got_{interaction.data.custom_id}",
        field="interaction.data.custom_id",
        any_of=("buy:1",),
    )
    trigger = Trigger(mapped, asked.append)
    await fire(trigger, "interaction", click("sell:1"))
    assert trigger.count.unmatched == "interaction.data.custom_id"
    await fire(trigger, "interaction", click("buy:1"))
    assert asked == ["got_buy:1"]
    assert trigger.count.unmatched is None


def test_a_field_that_is_never_found_is_shown() -> None:
    """It counts as met, so that no snapshot is lost, but the owner can see that it means nothing."""
    misspelt = TriggerSettings(event="sold", fields=("card",), reason="x", field="card.raritty", any_of=("epic",))
    trigger = Trigger(misspelt, lambda _: None)
    assert not trigger.count.unmatched
    trigger.handle((SimpleNamespace(rarity="epic"),), {})
    assert (trigger.count.requested, trigger.count.unmatched) == (1, "card.raritty")


class Game(commands.Cog):
    """A host's shop, with a command of each sort; none of them knows of backups."""

    def __init__(self, world: World) -> None:
        self.world = world

    @commands.group()
    async def shop(self, ctx: commands.Context[Any]) -> None:
        """Hold the shop's commands."""

    @shop.command()  # type: ignore[arg-type]
    async def buy(self, ctx: commands.Context[Any], card: int) -> None:
        """Buy a card, or fail."""
        if card == 13:
            raise RuntimeError("sold out")
        self.world.add_user(card)

    @commands.hybrid_command()  # type: ignore[arg-type]
    async def trade(self, ctx: commands.Context[Any], card: int) -> None:
        """Trade a card."""

    @app_commands.command()
    async def sell(self, interaction: discord.Interaction[Any], card: int) -> None:
        """Sell a card."""


async def test_a_command_asks_when_it_has_ended_without_an_error(world: World, asked: list[str]) -> None:
    """Prefix, hybrid and slash commands by their whole names, with their arguments; a hybrid one counts once."""
    async with world.bot() as bot:
        game = Game(world)
        await bot.add_cog(game)
        wanted = TriggerSettings(commands=("shop buy", "trade", "sell"), reason="{command}_{card}_by_{user.id}")
        trigger = Trigger(wanted, asked.append)

        def context(command: Any, card: int) -> Any:
            ctx: Any = commands.Context.__new__(commands.Context)
            ctx.command, ctx.args, ctx.kwargs, ctx.interaction = command, [game, ctx, card], {}, None
            ctx.message = SimpleNamespace(author=SimpleNamespace(id=7))
            return ctx

        await fire(trigger, "command_completion", context(game.buy, 4))
        await fire(trigger, "command_completion", context(game.trade, 5))
        await fire(trigger, "command_completion", context(game.shop, 6))
        assert asked == ["shop buy_4_by_7", "trade_5_by_7"]

        asked.clear()
        for name, card in (("trade", 5), ("sell", 6)):
            slash = bot.tree.get_command(name)
            await fire(trigger, "app_command_completion", SlashUse(slash, card), slash)
        assert asked == ["sell_6_by_7"]


class SlashUse:
    """The use of a slash command: its arguments and its user."""

    def __init__(self, command: Any, card: int) -> None:
        self.command = command
        self.namespace = {"card": card}
        self.user = SimpleNamespace(id=7)


@pytest.mark.process
async def test_the_snapshot_of_a_click_holds_what_the_click_changed(world: World) -> None:
    """The whole way, on a real database: the callback commits half a second after the click."""
    triggers = '[{"buttons": ["buy:*"]}]'
    async with world.bot(TRIGGERS=triggers, DATABASE_CRITICAL_TABLES='["users"]') as bot:
        await bot.load_extension(EXTENSION)

        async def callback(interaction: object) -> None:
            await asyncio.sleep(0.5)
            await asyncio.to_thread(world.add_user, 42)

        clicked = click("buy:42")
        handler = asyncio.create_task(callback(clicked))
        bot.dispatch("interaction", clicked)
        await handler
        async with asyncio.timeout(60):
            while not of_kind(bot, Kind.CRITICAL):
                await asyncio.sleep(0.05)
        [snapshot] = of_kind(bot, Kind.CRITICAL)
        assert (snapshot.reasons, snapshot.rows) == (("buy:42_by_7",), {"users": 3})


@pytest.mark.process
async def test_savepoints_own_commands_ask_for_nothing(world: World, asked: list[str]) -> None:
    """A trigger for every command would otherwise ask for a snapshot of each snapshot."""
    async with world.bot() as bot:
        await bot.load_extension(EXTENSION)
        cog = cog_of(bot)
        every = Trigger(TriggerSettings(commands=("*",), reason="{command}"), asked.append)
        mapped = TriggerSettings(event="app_command_completion", fields=("interaction", "command"), reason="x")
        for command in cog.backup.commands:
            for trigger in (every, Trigger(mapped, asked.append)):
                await fire(trigger, "app_command_completion", SlashUse(command, 1), command)
        assert asked == []
