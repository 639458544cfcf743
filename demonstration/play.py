"""The demonstration: the whole promise in ten seconds, measured (``python main.py demo``).

A real ``commands.Bot`` that never logs in loads the real cogs. Players play through the card game's own code, so its
events reach the backup cog by ``bot.dispatch``. Then the database is damaged, the bot starts again, and every row is
compared with what was there at the snapshot. Everything that is printed was measured in this run; a difference is exit
status 1. The files are left in ``demo/``.

It uses SQLite, or if DATABASE_URL names a PostgreSQL server, a database of its own there.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import logging
import os
import random
import shutil
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from discord.ext import commands
from rich.console import Console
from rich.table import Table

from demonstration.local_postgres import TEMPORARY
from demonstration.robbery import Robbery, rob_and_rescue
from demonstration.stages import Rows, Stage, StageError, stage_for

__all__ = ["main"]

FOLDER = Path("demo")
REPOSITORY = FOLDER / "backups"
PLAYERS = 600
ACTIVE = 60
"""How many of the players trade; the others only open packs."""
PACK_PRICE = 100
ROUNDS = 4
PLAYED_ON = 25
"""Actions of the others between the robbery and the rescue."""
ACTIONS = 100
"""Actions in a round. The next round begins when every event of this one is covered."""
COVERED_WITHIN = 60.0
SEED = 20261123

MakeBot = Callable[[], commands.Bot]

console = Console(highlight=False, soft_wrap=True)


class _Host(NamedTuple):
    """The bot of the demonstration: how to make it, and the extensions that it loads, in this order."""

    make_bot: MakeBot
    extensions: Sequence[str]

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[commands.Bot]:
        """Yield a bot with the extensions loaded, and close it as a host closes its bot."""
        bot = self.make_bot()
        async with bot:
            for extension in self.extensions:
                await bot.load_extension(extension)
            yield bot


def main(make_bot: MakeBot, extensions: Sequence[str]) -> int:
    """Run the demonstration with a bot of these extensions.

    Return the exit status: 0 only if every row came back.
    """
    logging.disable(logging.ERROR)  # this program prints what the cog would log
    if FOLDER.exists():
        shutil.rmtree(FOLDER)
    FOLDER.mkdir()
    stage = stage_for(os.environ.get("DATABASE_URL"), FOLDER, temporary=TEMPORARY in os.environ)
    os.environ |= {"BACKUP_REPOSITORY_PATH": REPOSITORY.as_posix(), "BACKUP_REPOSITORY_MIN_FREE": "50 MiB"}
    os.environ |= stage.settings
    try:
        return asyncio.run(_demonstrate(stage, _Host(make_bot, extensions)))
    except StageError as error:
        console.print(error, markup=False)
        return 1


async def _demonstrate(stage: Stage, host: _Host) -> int:
    started = time.perf_counter()
    os.environ["DATABASE_URL"] = await stage.prepare()
    console.rule("1. A game is played", align="left")
    async with host.running() as bot:
        events = await _play(bot)
        _show_coverage(bot)
        console.rule("2. One player is robbed, and rescued", align="left")
        robbery = await _robbery(stage, bot)
    before = await stage.rows()
    console.rule(f"3. {stage.accident}", align="left")
    for line in await stage.damage():
        console.print(line, markup=False)
    console.rule("4. The bot starts again", align="left")
    _explain("Its first extension looks at the database, before the game opens it. What it tells the owner:")
    async with host.running() as bot:
        report = _backup(bot).lifecycle.startup
        console.print(report.message, markup=False)
        after = await stage.rows()
    console.rule("5. Every row is compared", align="left")
    _explain("With the rows from before the damage, both read without Savepoint:")
    different = _differences(before, after)
    restored = report.outcome == "restored"
    _summary(events, before, different, robbery, restored, time.perf_counter() - started)
    _paths(stage, report)
    return 0 if restored and robbery.undone and not different else 1


def _backup(bot: commands.Bot) -> Any:
    return bot.get_cog("BackupCog")


async def _play(bot: commands.Bot) -> collections.Counter[str]:
    """Play some rounds, each until every event is covered. Return how often each event was dispatched."""
    events: collections.Counter[str] = collections.Counter()
    for name in ("pack_opened", "marketplace_listed", "marketplace_sold", "pack_published", "pack_purchased"):
        bot.add_listener(_counting(events, name), f"on_{name}")
    game: Any = bot.get_cog("CardGame").game  # type: ignore[union-attr]
    for number in range(1, PLAYERS + 1):
        await game.register(number, f"Player {number}")
    _explain(
        f"A bot that never logs in, the real cogs, {PLAYERS} players. Sales, published packs and rare cards are "
        "critical: each must be in a snapshot that began after it and was proven. The players wait for none."
    )
    chance = random.Random(SEED)
    for number in range(1, ROUNDS + 1):
        known = {snapshot.id for snapshot in _backup(bot).service.known}
        began = time.perf_counter()
        for _ in range(ACTIONS):
            await _act(game, chance)
        played = time.perf_counter() - began
        await _covered(bot)
        waited = time.perf_counter() - began - played
        new = [snapshot for snapshot in _backup(bot).service.known if snapshot.id not in known]
        critical = sum(snapshot.requests for snapshot in new)
        console.print(
            f"Round {number}: {ACTIONS} actions in {played:.2f} s, {critical} of them critical. "
            f"Proven {waited:.2f} s later, by {len(new)} snapshot{'' if len(new) == 1 else 's'}."
        )
    return events


def _explain(text: str) -> None:
    """Print what the next lines mean."""
    console.print(text, style="italic", markup=False)


def _counting(events: collections.Counter[str], name: str) -> Any:
    async def count(**_payload: object) -> None:
        events[name] += 1

    return count


async def _act(game: Any, chance: random.Random) -> None:
    """Make a random player do something that the rules allow."""
    player = chance.randint(1, ACTIVE)
    choice = chance.random()
    balance = await game.balance(player)
    cards = [copy for copy in await game.cards_of(player) if not copy.listed]
    listings = [listing for listing in await game.open_listings() if listing.seller_id != player]
    packs = await game.published_packs()
    if choice < 0.25 and cards:
        await game.list_card(player, cards[0].card_id, chance.randint(5, 40))
    elif choice < 0.40 and listings and balance.coins >= listings[0].price:
        await game.buy_listing(player, listings[0].id)
    elif choice < 0.50:
        names = [card.name for card in chance.sample(await game.catalogue(), 3)]
        await game.publish_pack(player, f"Pack of player {player}", names)
    elif choice < 0.60 and packs and balance.dust >= packs[0].price:
        await game.buy_pack_with_dust(player, packs[0].id)
    else:
        # A player without coins is replaced by one who has not played yet.
        await game.open_pack(player if balance.coins >= PACK_PRICE else chance.randint(ACTIVE + 1, PLAYERS))


async def _robbery(stage: Stage, bot: commands.Bot) -> Robbery:
    """Let an exploit empty a collection, and put it back while the others play."""
    game: Any = bot.get_cog("CardGame").game  # type: ignore[union-attr]
    chance = random.Random(SEED + 1)

    async def play_on() -> int:
        for _ in range(PLAYED_ON):
            await _act(game, chance)
        await _covered(bot)
        return PLAYED_ON

    while (await game.balance(PLAYERS)).coins >= 2 * PACK_PRICE:
        await game.open_pack(PLAYERS)  # somebody who collects, and sells nothing
    _explain("An exploit empties one player's collection. Nobody else must lose a minute of play because of it:")
    robbery = await rob_and_rescue(_backup(bot).service, stage, PLAYERS, play_on)
    for line in robbery.lines:
        console.print(line, markup=False)
    return robbery


async def _covered(bot: commands.Bot) -> None:
    """Wait until no event waits for a snapshot."""
    async with asyncio.timeout(COVERED_WITHIN):
        await asyncio.sleep(0)  # listeners run in tasks of their own
        await _backup(bot).service.settled()


def _show_coverage(bot: commands.Bot) -> None:
    _explain("Each snapshot with the number of events that it covers, and what it costs on the disk:")
    table = Table("snapshot", "events", "the first of them", "on the disk", box=None, pad_edge=False)
    for snapshot in reversed(_backup(bot).service.known):
        table.add_row(
            snapshot.id,
            str(snapshot.requests),
            snapshot.reasons[0],
            f"{_kib(snapshot.size)} (database {_kib(snapshot.database_size)})",
        )
    console.print(table)


def _kib(size: int) -> str:
    return f"{size / 1024:.0f} KiB"


def _differences(before: Rows, after: Rows) -> dict[str, str]:
    different = {}
    for name in before.keys() | after.keys():
        old, new = before.get(name), after.get(name)
        if old != new:
            different[name] = f"{len(old or ())} rows before, {len(new or ())} after, and not the same"
    return different


def _summary(
    events: collections.Counter[str],
    before: Rows,
    different: dict[str, str],
    robbery: Robbery,
    restored: bool,
    seconds: float,
) -> None:
    table = Table("table", "rows", "after the restore", box=None, pad_edge=False)
    for name, rows in sorted(before.items()):
        table.add_row(name, f"{len(rows):,}", different.get(name, "identical"))
    console.print(table)
    total = sum(map(len, before.values()))
    console.rule("Result", align="left")
    result = Table(show_header=False, box=None, pad_edge=False)
    result.add_row("events dispatched", f"{sum(events.values()):,}")
    result.add_row("robbed player rescued", f"yes, {robbery.cards} cards" if robbery.undone else "NO")
    result.add_row("restored at start-up", "yes" if restored else "NO")
    result.add_row("rows compared", f"{total:,} in {len(before)} tables")
    result.add_row("tables that differ", str(len(different)) if different else "none")
    result.add_row("seconds", f"{seconds:.1f}")
    console.print(result)


def _paths(stage: Stage, report: Any) -> None:
    """Show where the snapshots and the damaged database are, if they stay."""
    console.print(f"The snapshots are in {REPOSITORY.absolute()}; {stage.by_hand}", markup=False)
    if stage.temporary:
        console.print("The server was made for this and is removed now, with the damaged database.", markup=False)
    if report.restore is None or report.restore.quarantine is None:
        return
    kept = stage.kept(report.restore.quarantine, REPOSITORY.absolute())
    if kept is not None:
        console.print(f"The damaged database is {kept}.", markup=False)
