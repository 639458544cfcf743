"""One of several processes of a bot: the reference bot, with a Discord that never says anything, and somebody playing.

Run as ``python shard_bot.py NUMBER``. It publishes packs and says "covered" with their reasons as JSON when each of its
events is; then it changes the database all the time. At SIGUSR1 it says "leads" or "follows".
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from typing import Any

import discord

import main
from cogs.backup_cog import lifecycle

PACKS = 4
TICK_SECONDS = 0.25


async def login(_bot: Any, _token: str) -> None:
    """Replace ``Client.login``, which asks Discord who the bot is."""


async def connect(bot: Any, *, reconnect: bool = True) -> None:
    """Replace ``Client.connect``: play, and never end."""
    number = int(sys.argv[1])
    game, service = bot.get_cog("CardGame").game, bot.get_cog("BackupCog").service
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, notify, service)
    reasons = []
    for _ in range(PACKS):
        pack = await game.publish_pack(number, f"Pack of shard {number}", ["Ember Fox"])
        reasons.append(f"pack_published_{pack.id}")
        await asyncio.sleep(0.1)
    await service.settled()
    print("covered", json.dumps(reasons), flush=True)
    for turn in range(1_000_000):
        await game.register(number, f"Shard {number}, turn {turn}")
        await asyncio.sleep(0.05)


def notify(service: Any) -> None:
    """Print whether this process keeps the schedule."""
    print("leads" if service._context.probe._membership._leads else "follows", flush=True)


if __name__ == "__main__":
    lifecycle._TICK_SECONDS = TICK_SECONDS
    discord.Client.login, discord.Client.connect = login, connect  # type: ignore[assignment, method-assign]
    sys.exit(main.main([]))
