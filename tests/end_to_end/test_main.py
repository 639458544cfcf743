"""The reference bot as a process: what it says, how it ends, and the demonstration."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from discord.ext import commands

from main import make_bot, settings_of_the_game
from tests.worlds.waiting import PATIENCE

pytestmark = pytest.mark.process

PROJECT = Path(__file__).resolve().parents[2]
OFFLINE = """
import asyncio, sys
import discord

async def login(self, token):
    pass

async def connect(self, *, reconnect=True):
    print("connected", flush=True)
    await asyncio.Event().wait()

discord.Client.login, discord.Client.connect = login, connect
import main
sys.exit(main.main([]))
"""
"""The reference bot with a Discord that never says anything."""


def environment(**extra: str) -> dict[str, str]:
    """Return this process's environment without a bot's settings, and with the project's modules."""
    ours = ("BACKUP_", "DATABASE_", "DISCORD_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {**kept, "PYTHONPATH": str(PROJECT), **extra}


def run(folder: Path, *arguments: str, **extra: str) -> subprocess.CompletedProcess[str]:
    """Run main.py in a folder to its end."""
    command = [sys.executable, str(PROJECT / "main.py"), *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment(**extra), capture_output=True, text=True, timeout=4 * PATIENCE, check=False
    )


def test_without_a_token_it_says_one_sentence_and_ends_with_2(tmp_path: Path) -> None:
    """A newcomer is told what to set, not shown a traceback; nothing is created."""
    done = run(tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "DISCORD_TOKEN" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("argument", "status"), [("--help", 0), ("dmeo", 2)])
def test_other_words_show_the_usage(tmp_path: Path, argument: str, status: int) -> None:
    """A word it does not know is wrong usage, asking for help is not."""
    done = run(tmp_path, argument)
    assert done.returncode == status
    assert done.stderr.startswith("Usage: python main.py")


async def test_being_mentioned_in_a_sentence_is_not_logged_as_an_error(caplog: pytest.LogCaptureFixture) -> None:
    """People mention a bot without meaning a command; a command that fails is still logged."""
    bot = make_bot()
    context: Any = SimpleNamespace(command=None, cog=None, bot=bot)
    await bot.on_command_error(context, commands.CommandNotFound("hello"))
    assert caplog.records == []
    await bot.on_command_error(context, commands.CommandInvokeError(ValueError("lost")))
    assert "lost" in caplog.text


def test_a_wrong_setting_is_one_sentence_and_ends_with_2(tmp_path: Path) -> None:
    """Before it logs in, and naming the variable, the value and what is allowed."""
    done = run(tmp_path, DISCORD_TOKEN="x", BACKUP_SCHEDULE_PERIODIC_INTERVAL="soon")
    assert done.returncode == 2
    last = done.stderr.splitlines()[-1]
    assert all(part in last for part in ("BACKUP_SCHEDULE_PERIODIC_INTERVAL", '"soon"', "20m"))
    assert "Traceback" not in done.stderr


def test_the_games_own_tables_are_critical_unless_the_owner_names_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The settings' default names none, because it knows no game; this one knows its own."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("BACKUP_")]:
        monkeypatch.delenv(name)
    assert settings_of_the_game().database.critical_tables == ("users", "cards", "creator_packs", "user_cards")
    monkeypatch.setenv("BACKUP_DATABASE_CRITICAL_TABLES", '["users"]')
    assert settings_of_the_game().database.critical_tables == ("users",)


@pytest.mark.kill
@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM to send to a process")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_sigterm_and_sigint_close_it_with_a_last_snapshot(tmp_path: Path, number: signal.Signals) -> None:
    """Docker's stop and a person's Ctrl-C both end in good order."""
    bot = subprocess.Popen(
        [sys.executable, "-c", OFFLINE],
        cwd=tmp_path,
        env=environment(
            DISCORD_TOKEN="x", BACKUP_REPOSITORY_MIN_FREE="1 MiB", BACKUP_SCHEDULE_SHUTDOWN_DEADLINE=f"{PATIENCE:.0f}s"
        ),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert bot.stdout is not None
    assert bot.stdout.readline() == "connected\n"
    bot.send_signal(number)
    _, errors = bot.communicate(timeout=2 * PATIENCE)
    assert bot.returncode == 0, errors
    catalog = json.loads((tmp_path / "backups" / "backup_metadata.json").read_text())
    assert [snapshot["kind"] for snapshot in catalog["snapshots"]] == ["shutdown"]


def test_the_demonstration_ends_well_and_says_so(tmp_path: Path) -> None:
    """``make demo``: events, damage, restore, and every row the same."""
    done = run(tmp_path, "demo")
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert any(re.fullmatch(r"robbed player rescued yes, [1-9]\d+ cards", line) for line in lines)
    assert any(re.search(r"rows of everybody else were compared: none changed", line) for line in lines)
    assert "restored at start-up yes" in lines
    assert "tables that differ none" in lines
    assert any(line.startswith("users 600 identical") for line in lines)
    assert any(re.search(r" \d+ KiB \(database \d+ KiB\)$", line) for line in lines)
    rounds = [re.search(r"(\d+) of them critical\. Proven .* by [1-9]", line) for line in lines]
    assert sum(int(each[1]) for each in rounds if each) >= 4
    (kept,) = (tmp_path / "demo" / "backups" / "quarantine").iterdir()
    assert lines[-1] == f"The damaged database is in {kept}."
