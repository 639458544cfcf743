"""The end of a bot's process, and its starts in vain: real processes, a real SIGTERM, a Discord that says nothing."""

from __future__ import annotations

import contextlib
import gzip
import http.server
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.worlds.waiting import PATIENCE, wait_until

pytestmark = [
    pytest.mark.process,
    pytest.mark.kill,
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM to send to a process"),
]

PROJECT = Path(__file__).resolve().parents[2]

HOST = """
import asyncio, os, signal, sqlite3, sys, threading, time
import discord
from discord.ext import commands

async def login(self, token):
    await self._async_setup_hook()
    await self.setup_hook()

async def connect(self, *, reconnect=True):
    say("connected")
    while not self.is_closed():
        await asyncio.sleep(0.01)

def say(line):
    os.write(1, f"{line}\\n".encode())  # in one call, since two processes may speak at a time

discord.Client.login, discord.Client.connect = login, connect

class Game(commands.Cog):
    def __init__(self):
        self.database = sqlite3.connect("game.db", check_same_thread=False)
        self.database.execute("PRAGMA journal_mode = WAL")
        self.database.execute("CREATE TABLE IF NOT EXISTS users (name TEXT)")
        self.database.execute("INSERT INTO users VALUES ('Ada')")
        self.database.commit()

    async def cog_unload(self):
        self.database.execute("INSERT INTO users VALUES ('Grace')")
        self.database.commit()
        self.database.close()

class Bot(commands.Bot):
    def __init__(self):
        super().__init__(command_prefix="!", intents=discord.Intents.none())

    async def setup_hook(self):
        await self.load_extension("cogs.backup_cog")
        await self.add_cog(Game())

"""
"""A host as people write it, which leaves SIGTERM to Python; what a test adds runs it."""

PLAIN = HOST + "Bot().run('x', log_handler=None)\n"
HANGING = HOST + "threading.Thread(target=time.sleep, args=(3600,)).start()\nBot().run('x', log_handler=None)\n"
HANGING_LOOP = (
    HOST
    + """
async def main():
    bot = Bot()
    await bot.start("x")
    await asyncio.sleep(3600)

asyncio.run(main())
"""
)
FORKING = (
    HOST
    + """
class Forking(Bot):
    async def setup_hook(self):
        await super().setup_hook()
        if os.fork() == 0:
            say(f"child {os.getpid()} {signal.getsignal(signal.SIGTERM) is signal.SIG_DFL}")
            time.sleep(3600)

Forking().run("x", log_handler=None)
"""
)
TWO = (
    HOST
    + """
from core.snapshots import load

class Second(Bot):
    def __init__(self, number):
        super().__init__()
        environment = dict(os.environ) | {"BACKUP_REPOSITORY_PATH": f"backups{number}"}
        self.backup_settings = load(None, environment)

    async def setup_hook(self):
        await self.load_extension("cogs.backup_cog")

async def main():
    Game()
    bots = [Second(1), Second(2)]
    await asyncio.gather(*(bot.start("x") for bot in bots))
    say("all closed" if all(bot.is_closed() for bot in bots) else "one is open")

asyncio.run(main())
"""
)
REFUSED = """
import sys
import discord

async def login(self, token):
    raise discord.LoginFailure("Improper token has been passed.")

discord.Client.login = login
import main
sys.exit(main.main([]))
"""
"""The reference bot with a token that Discord does not accept."""


def environment(**extra: str) -> dict[str, str]:
    """Return this process's environment with the project's modules, and a database in the working directory."""
    ours = ("BACKUP_", "DATABASE_", "DISCORD_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {
        **kept,
        "PYTHONPATH": str(PROJECT),
        "DATABASE_URL": "sqlite:///game.db",
        "BACKUP_REPOSITORY_MIN_FREE": "1 MiB",
        "BACKUP_SCHEDULE_SHUTDOWN_DEADLINE": "50s",
        **extra,
    }


class Process:
    """A bot's process, which is killed at the end of the test if it is still there."""

    def __init__(self, program: str, folder: Path, **extra: str) -> None:
        self.errors = folder / "stderr.txt"
        with self.errors.open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-c", program],
                cwd=folder,
                env=environment(**extra),
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )

    def line(self) -> str:
        """Return the next line that it prints."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        assert line, self.errors.read_text()
        return line

    def text_of(self, file: Path) -> str:
        """Return what is in a file, nothing if there is none at this instant; fail if the bot has ended."""
        assert self._process.poll() is None, self.errors.read_text()
        with contextlib.suppress(FileNotFoundError):
            return file.read_text()
        return ""

    def end(self) -> tuple[int, str]:
        """Send SIGTERM; return the exit status and the rest of what was printed."""
        self._process.send_signal(signal.SIGTERM)
        return self.ended()

    def ended(self) -> tuple[int, str]:
        """Wait for its end."""
        try:
            rest, _ = self._process.communicate(timeout=PATIENCE)
        finally:
            self._process.kill()
        return self._process.returncode, rest


def snapshots_in(repository: Path) -> list[dict[str, Any]]:
    """Return the snapshots in the catalog."""
    found: list[dict[str, Any]] = json.loads((repository / "backup_metadata.json").read_text())["snapshots"]
    return found


def names_in(archive: Path, scratch: Path) -> list[str]:
    """Return the players in a full snapshot."""
    scratch.write_bytes(gzip.decompress(archive.read_bytes()))
    with closing(sqlite3.connect(scratch)) as connection:
        return [name for (name,) in connection.execute("SELECT name FROM users")]


def test_what_the_game_commits_when_it_unloads_is_in_the_last_snapshot(tmp_path: Path) -> None:
    """The backup cog is loaded first, so discord.py would unload it first; and the file alone is whole then."""
    bot = Process(PLAIN, tmp_path)
    assert bot.line() == "connected"
    bot.end()
    (last,) = snapshots_in(tmp_path / "backups")
    assert last["kind"] == "shutdown"
    assert names_in(tmp_path / "backups" / last["path"], tmp_path / "scratch.db") == ["Ada", "Grace"]
    assert sorted(path.name for path in tmp_path.glob("game.db*")) == ["game.db"]
    with closing(sqlite3.connect(f"file:{tmp_path / 'game.db'}?immutable=1", uri=True)) as connection:
        assert connection.execute("SELECT count(*) FROM users").fetchone() == (2,)


@pytest.mark.parametrize("program", [HANGING, HANGING_LOOP], ids=["a thread", "the loop"])
def test_a_host_that_hangs_ends_after_its_close_by_the_signal(tmp_path: Path, program: str) -> None:
    """Without our handler the signal would have ended it; with it nothing else would."""
    bot = Process(program, tmp_path)
    assert bot.line() == "connected"
    status, _ = bot.end()
    assert status == -signal.SIGTERM
    assert [snapshot["kind"] for snapshot in snapshots_in(tmp_path / "backups")] == ["shutdown"]


def test_a_forked_child_dies_by_sigterm_and_leaves_the_bot_alone(tmp_path: Path) -> None:
    """It has no bot to close; and it must not wake the parent's loop."""
    bot = Process(FORKING, tmp_path)
    lines = sorted([bot.line(), bot.line()])
    word, child, is_default = lines[0].split()
    assert (word, is_default, lines[1]) == ("child", "True", "connected")
    os.kill(int(child), signal.SIGTERM)
    assert not (tmp_path / "backups" / "shutdown").exists() or not any((tmp_path / "backups" / "shutdown").iterdir())
    status, _ = bot.end()
    assert status in (0, -signal.SIGTERM)
    assert len(snapshots_in(tmp_path / "backups")) == 1


def test_two_bots_in_one_process_close_together(tmp_path: Path) -> None:
    """Both take their last snapshot, and the process goes on to its own end."""
    bot = Process(TWO, tmp_path)
    assert [bot.line(), bot.line()] == ["connected", "connected"]
    status, rest = bot.end()
    assert (status, rest.strip()) == (0, "all closed")
    for number in (1, 2):
        assert [each["kind"] for each in snapshots_in(tmp_path / f"backups{number}")] == ["shutdown"]


@pytest.mark.parametrize("program", [PLAIN, "import main, sys; sys.exit(main.main([]))"], ids=["a host", "main.py"])
def test_sigterm_stops_a_start_up_check(tmp_path: Path, program: str) -> None:
    """It can take minutes: here it waits for a lock that somebody holds on the database for ever."""
    with closing(sqlite3.connect(tmp_path / "game.db", isolation_level=None)) as holder:
        holder.execute("CREATE TABLE users (name TEXT)")
        holder.execute("BEGIN EXCLUSIVE")
        bot = Process(
            program, tmp_path, DISCORD_TOKEN="x", BACKUP_DATABASE_BUSY_TIMEOUT="1h", BACKUP_STARTUP_DEADLINE="1h"
        )
        lock = tmp_path / "backups" / ".work" / "operation.json"
        wait_until(lambda: "start-up check" in bot.text_of(lock), "the check began")
        bot.end()
    assert "is closed before its database was checked" in bot.errors.read_text() or program != PLAIN


class Webhook(http.server.BaseHTTPRequestHandler):
    """Takes what is posted to it."""

    def do_POST(self) -> None:
        """Keep the document."""
        content = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.posted.append(json.loads(content))  # type: ignore[attr-defined]
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Write nothing."""


@pytest.fixture
def webhook() -> Iterator[Any]:
    """A webhook on this machine; ``posted`` is what came."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Webhook) as server:
        server.posted = []  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.mark.socket
def test_a_bot_that_cannot_log_in_tells_its_owner_by_the_webhook(tmp_path: Path, webhook: Any) -> None:
    """What its starts found, and after the third that it starts in vain; the secret is in no log."""
    url = f"http://127.0.0.1:{webhook.server_port}/api/webhooks/1/s3cret"
    (tmp_path / "game.db").write_bytes(b"no database at all" * 1000)
    for _ in range(4):
        bot = Process(REFUSED, tmp_path, DISCORD_TOKEN="x", BACKUP_DISCORD_ALERT_WEBHOOK_URL=url)
        status, _ = bot.ended()
        assert status == 1, bot.errors.read_text()
        assert "s3cret" not in bot.errors.read_text()
    titles = [embed["title"] for document in webhook.posted for embed in document["embeds"]]
    assert titles.count("The bot starts again and again without reaching Discord") == 1
    assert "The database is damaged" in titles
    outbox = json.loads((tmp_path / "backups" / "state" / "outbox.json").read_text())
    assert outbox["notices"] == []
