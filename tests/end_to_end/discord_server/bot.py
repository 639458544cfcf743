"""The bot under test: ``python main.py`` as a process in a folder of its own."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.worlds.waiting import PATIENCE, wait_until

from .server import DiscordServer

__all__ = ["BotProcess"]

_LAUNCHER = Path(__file__).with_name("launcher.py")
_PROJECT = _LAUNCHER.parents[3]


class BotProcess:
    """The bot in a folder; ``start`` may be called again once it has ended.

    ``database_url`` is another database than the file in the folder, ``program`` another one than ``main.py``.
    """

    def __init__(
        self,
        server: DiscordServer,
        folder: Path,
        *,
        database_url: str = "",
        program: Path = _PROJECT / "main.py",
        **settings: str,
    ) -> None:
        self._server = server
        self.folder = folder
        self.database = folder / "game.db"
        self.repository = folder / "backups"
        self._database_url = database_url or f"sqlite:///{self.database}"
        self._program = program
        self.log = folder / "log.txt"
        self.settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        self.expected_to_end = False

    def start(self, *, wait: bool = True) -> None:
        """Start the bot, and wait until it is ready."""
        ours = ("BACKUP_", "DATABASE_", "DISCORD_")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        environment = {
            **kept,
            "PYTHONPATH": str(_PROJECT),
            "PYTHONUNBUFFERED": "1",
            "DISCORD_TOKEN": self._server.discord.token,
            "DATABASE_URL": self._database_url,
            "TEST_DISCORD_REST": self._server.rest_address,
            "TEST_DISCORD_GATEWAY": self._server.gateway_address,
            "BACKUP_REPOSITORY_MIN_FREE": "1 MiB",
            "BACKUP_SCHEDULE_CRITICAL_SPACING": "0s",
            "BACKUP_SCHEDULE_SHUTDOWN_DEADLINE": f"{PATIENCE:.0f}s",
            **{f"BACKUP_{name}": value for name, value in self.settings.items()},
        }
        wanted = self._server.gateway.identified + self._server.discord.shards
        self.expected_to_end = False
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, str(_LAUNCHER), str(self._program)],
                cwd=self.folder,
                env=environment,
                stdout=log,
                stderr=log,
            )
        if wait:
            wait_until(lambda: self._is_ready(wanted), "the bot is ready")

    def start_in_vain(self) -> int:
        """Start the bot, which ends by itself; return its exit status."""
        self.start(wait=False)
        self.expected_to_end = True
        assert self._process is not None
        return self._process.wait(PATIENCE)

    def _is_ready(self, identified: int) -> bool:
        self.require_alive()
        return self._server.gateway.identified >= identified

    @property
    def pid(self) -> int:
        """The process's number."""
        assert self._process is not None
        return self._process.pid

    def require_alive(self) -> None:
        """Fail if the bot has ended although nobody asked it to."""
        ended = self._process is not None and self._process.poll() is not None
        assert self.expected_to_end or not ended, self.log.read_text()[-4000:]

    def end(self) -> int:
        """Send SIGTERM and return the exit status."""
        return self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """Kill the process, as the kernel does when memory is short."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> int:
        assert self._process is not None
        self.expected_to_end = True
        self._process.send_signal(number)
        try:
            return self._process.wait(PATIENCE)
        finally:
            self._process.kill()

    def close(self) -> None:
        """Make sure that it has ended."""
        if self._process is not None and self._process.poll() is None:
            self.kill()

    # The game's database

    def rows(self, query: str) -> list[Any]:
        """Return the rows of a query to the game's database."""
        with closing(sqlite3.connect(self.database, timeout=PATIENCE)) as connection:
            return connection.execute(query).fetchall()

    def write(self, *statements: str) -> None:
        """Commit something, as the game would."""
        with closing(sqlite3.connect(self.database, timeout=PATIENCE)) as connection:
            for statement in statements:
                connection.execute(statement)
            connection.commit()

    def dump(self) -> list[str]:
        """Return the whole database as text."""
        with closing(sqlite3.connect(self.database, timeout=PATIENCE)) as connection:
            return list(connection.iterdump())
