"""The first steps of README.md, typed as they are written in the folder of a bot that has nothing of Savepoint's."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from core.snapshots import load

pytestmark = pytest.mark.process

PROJECT = Path(__file__).resolve().parents[2]
README = (PROJECT / "README.md").read_text()


def block(language: str, containing: str) -> str:
    """Return the block of code with a text in it, without the indentation that a list gives it."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^\1```", README, flags=re.DOTALL | re.MULTILINE)
    [(indent, text)] = [(indent, text) for indent, text in found if containing in text]
    return re.sub(rf"^{indent}", "", text, flags=re.MULTILINE)


def test_the_steps_end_with_settings_that_protect_the_database(tmp_path: Path) -> None:
    """Two folders copied beside the bot's own, the requirements of Savepoint and not the bot's, the doctor content."""
    (tmp_path / "savepoint").symlink_to(PROJECT)
    bot = tmp_path / "bot"
    (bot / "cogs").mkdir(parents=True)
    (bot / "cogs" / "economy.py").write_text("OWN = True\n")
    with closing(sqlite3.connect(bot / "economy.db")) as database:
        database.execute("CREATE TABLE wallets (user_id INTEGER PRIMARY KEY, coins INTEGER)")
        database.execute("INSERT INTO wallets VALUES (1, 100)")
        database.commit()
    programs = tmp_path / "programs"
    programs.mkdir()
    # In place of pip, which has its own tests: every file that it is given is there.
    (programs / "pip").write_text('#!/bin/sh -e\nshift\nfor each; do [ "$each" = -r ] || cat "$each"; done >got\n')
    (programs / "pip").chmod(0o755)
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("BACKUP_", "DATABASE_"))}
    environment["PATH"] = os.pathsep.join((str(programs), str(Path(sys.executable).parent), environment["PATH"]))
    # The doctor's exit code is 1: no file loads the cog yet.
    subprocess.run(["sh", "-c", block("sh", "doctor --write")], cwd=bot, env=environment, check=False)
    assert "aiosqlite" in (bot / "got").read_text()
    settings = load(bot / "config" / "backup.toml", {})
    assert settings.database.url == "sqlite:///economy.db"
    assert settings.database.critical_tables == ("wallets",)
    assert (bot / "cogs" / "economy.py").read_text() == "OWN = True\n"

    with (bot / "config" / "backup.toml").open("a") as file:
        file.write(block("toml", "[[triggers]]"))
    triggers = load(bot / "config" / "backup.toml", {}).triggers
    assert triggers[-1].commands == ("shop buy", "trade *")
