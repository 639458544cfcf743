"""A small game with a settings file, and the shell to work on it: in this process, or as a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import itertools
import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result

from core.snapshots import Kind, Snapshot, SnapshotService, load
from core.snapshots.cli.commands import shell
from core.snapshots.repository.catalog import Contents, encode
from tests.worlds.game_database import CRITICAL_TABLES, connected, make_game_database, url_of
from tests.worlds.snapshots import make_snapshot
from tests.worlds.waiting import PATIENCE

PROJECT = Path(__file__).parents[2]
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z")
"""A moment, as answers show it."""


class World:
    """A database, a repository and a settings file in a folder of their own."""

    def __init__(self, root: Path, *, journal_mode: str = "wal") -> None:
        self.root = root
        self.database = make_game_database(root / "game.db", journal_mode=journal_mode, players=20)
        self.repository = root / "backups"
        self.config = root / "backup.toml"
        self.configure()

    def configure(self, *, url: str | None = None, more: str = "") -> None:
        """Write the settings; ``more`` is TOML."""
        self.config.write_text(
            f'[database]\nurl = "{url or url_of(self.database)}"\nbusy_timeout = "300ms"\n'
            f"critical_tables = {msgspec.json.encode(CRITICAL_TABLES).decode()}\n"
            f'[repository]\npath = "{self.repository}"\nmin_free = "1 MiB"\nlock_timeout = "0s"\n{more}',
            encoding="utf-8",
        )

    def run(self, *arguments: str) -> Result:
        """Run the shell in this process, as it is."""
        return CliRunner().invoke(shell, list(arguments))

    def show(self, *arguments: str, code: int = 0) -> str:
        """Run a command for a person and return what it printed; it ends with this exit code."""
        result = self.run("--config", str(self.config), *arguments)
        assert result.exit_code == code, result.output
        return result.stdout

    def answer(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        """Run a command for a program and return its document; it ends with this exit code."""
        result = self.run("--config", str(self.config), "--json", *arguments)
        assert result.exit_code == code, result.output
        return only_document(result.stdout)

    def error(self, *arguments: str, code: int) -> tuple[str, str]:
        """Run a command for a program that fails, and return the error's code and message."""
        document = self.answer(*arguments, code=code)
        assert list(document) == ["error"]
        assert list(document["error"]) == ["type", "code", "message"]
        assert document["error"]["type"] == document["error"]["code"]
        return document["error"]["code"], document["error"]["message"]

    def snapshot(self, *arguments: str) -> dict[str, Any]:
        """Take a snapshot and return it as ``now`` describes it."""
        taken: dict[str, Any] = self.answer("now", *arguments)["snapshot"]
        return taken

    def event(self, reason: str) -> None:
        """Request a snapshot for an event, as a running bot does, and wait until it is covered."""

        async def ask() -> None:
            async with self._service() as service:
                await service.request(Kind.CRITICAL, reason).wait()

        asyncio.run(ask())

    def take_with_similar_ids(self, number: int) -> None:
        """Take ``number`` snapshots whose ids all begin with many zeros."""

        async def take() -> None:
            digits = itertools.count(1)
            async with self._service(token_hex=lambda size: f"{next(digits):0{2 * size}x}") as service:
                for _ in range(number):
                    await service.create()

        asyncio.run(take())

    @contextlib.asynccontextmanager
    async def _service(self, **injected: Any) -> AsyncIterator[SnapshotService]:
        service = SnapshotService(load(self.config, {}), **injected)
        await service.open()
        try:
            yield service
        finally:
            await service.close()

    def list_many(self, number: int) -> None:
        """Write a catalog of so many snapshots, one a minute, with empty files for them."""
        folder = self.repository / "daily"
        folder.mkdir(parents=True)
        snapshots = [imagined(minute) for minute in range(1, number + 1)]
        for snapshot in snapshots:
            (self.repository / snapshot.path).touch()
        catalog = self.repository / "backup_metadata.json"
        catalog.write_bytes(encode(Contents(snapshots=tuple(snapshots))))

    def execute(self, statement: str) -> None:
        """Change the game."""
        with connected(self.database) as connection:
            connection.execute(statement)

    def forget_pages(self) -> None:
        """Delete what the engine knows of the newest state, so that the next snapshot is a full."""
        (self.repository / ".work" / "pages.index").unlink()

    def path_of(self, snapshot: dict[str, Any]) -> Path:
        """Return the file of a snapshot."""
        return self.repository / str(snapshot["path"])

    def start(self, *arguments: str, **more: Any) -> subprocess.Popen[bytes]:
        """Start the shell as a process of its own, from the project's root."""
        options: dict[str, Any] = {"cwd": PROJECT, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | more
        process: subprocess.Popen[bytes] = subprocess.Popen(
            [sys.executable, "-m", "core.snapshots", *arguments], **options
        )
        return process

    def process(self, *arguments: str, **more: Any) -> subprocess.CompletedProcess[bytes]:
        """Run the shell as a process of its own, with nobody at its standard input."""
        with self.start(*arguments, stdin=subprocess.DEVNULL, **more) as process:
            output, errors = process.communicate(timeout=PATIENCE)
        return subprocess.CompletedProcess(process.args, process.returncode, output, errors)


def imagined(minute: int) -> Snapshot:
    """Return the entry of a manual snapshot that was never taken, of a minute since the beginning of the month."""
    at = dt.datetime(2026, 11, 1, tzinfo=dt.UTC) + dt.timedelta(minutes=minute)
    return make_snapshot(minute, at=at, kind=Kind.MANUAL, reasons=(f"reason {minute}",), size=0, database_size=0)


def only_document(output: str) -> dict[str, Any]:
    """Return the one JSON document in this output; fail if there is anything before or after it."""
    assert output.endswith("}\n")
    document = json.loads(output)
    assert isinstance(document, dict)
    return document


def without_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove every variable that is a setting from the environment of this test."""
    for name in list(os.environ):
        if name.startswith("BACKUP_") or name == "DATABASE_URL":
            monkeypatch.delenv(name)
