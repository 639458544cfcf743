"""The whole promise in ten seconds, measured: ``python main.py demo``.

A real ``commands.Bot`` that never logs in loads the real cogs. Players play through the card game's own code, so that
its events reach the backup cog by ``bot.dispatch``. Then the database file is damaged, the bot starts again, and every
row is compared with what was there at the snapshot. Everything printed was measured in this run; a mismatch is exit
status 1. What it leaves is in ``demo/``.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
import shutil
import sqlite3
import time
from collections import Counter
from pathlib import Path
from typing import Any

from discord.ext import commands
from rich.console import Console
from rich.table import Table

import main as reference

__all__ = ["main"]

FOLDER = Path("demo")
DATABASE = FOLDER / "game.db"
REPOSITORY = FOLDER / "backups"
PLAYERS = 600
ACTIONS = 400
ROUNDS = 4
"""The actions are played in so many rounds, with a look at what was covered after each."""

console = Console(highlight=False)
Rows = dict[str, list[tuple[Any, ...]]]


def main() -> int:
    """Run the demonstration and give the exit status."""
    logging.basicConfig(level=logging.CRITICAL)
    if FOLDER.exists():
        shutil.rmtree(FOLDER)
    FOLDER.mkdir()
    os.environ |= {
        "DATABASE_URL": f"sqlite:///{DATABASE.as_posix()}",
        "BACKUP_REPOSITORY_PATH": REPOSITORY.as_posix(),
        "BACKUP_REPOSITORY_MIN_FREE": "50 MiB",
    }
    return asyncio.run(_demonstrate())


async def _demonstrate() -> int:
    started = time.perf_counter()
    console.rule("1. A game is played")
    async with _bot() as bot:
        played = await _play(bot)
        before = _rows()
    console.print(f"The bot closed, with a shutdown snapshot if anything changed. Rows now: {_total(before):,}.")
    console.rule("2. The disk eats the database")
    damage = _damage()
    console.print(damage)
    console.rule("3. The bot starts again")
    async with _bot() as bot:
        report = bot.get_cog("BackupCog").startup_report  # type: ignore[union-attr]
        console.print(report.message, markup=False)
        after = _rows()
    console.rule("4. Every row compared")
    different = _compare(before, after)
    _summary(played, report, different, _total(before), time.perf_counter() - started)
    return 1 if different or report.outcome != "restored" else 0
