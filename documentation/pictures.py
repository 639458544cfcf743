"""The pictures of the documents: the demonstration as it ran, and the restore dialogue as it would be sent."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any, cast

from cogs.backup_cog.confirmation import Asking
from cogs.backup_cog.restore_embeds import preview
from cogs.backup_cog.restore_view import RestoreConfirmation
from core.snapshots import Kind, Settings, SnapshotService, load
from documentation import dialogue, terminal
from documentation.tables import PROJECT

__all__ = ["PICTURES", "restore_payload", "write"]

PICTURES = PROJECT / "docs" / "pictures"
SHOWN_FOLDER = "/srv/bot"
"""Stands in the pictures for the temporary folder in which the demonstration ran."""


def write() -> None:
    """Run the demonstration, and write its recording and the restore dialogue of its game."""
    PICTURES.mkdir(exist_ok=True)
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("BACKUP_", "DATABASE_"))}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        lines = terminal.record(
            [sys.executable, str(PROJECT / "main.py"), "demo"], folder, {**environment, "PYTHONPATH": str(PROJECT)}
        )
        shown = [line._replace(text=line.text.replace(str(folder), SHOWN_FOLDER)) for line in lines]
        _write("demo", terminal.picture("make demo", shown))
        _write("restore", dialogue.picture(asyncio.run(restore_payload(_settings(folder)))))


def _settings(folder: Path) -> Settings:
    game = folder / "demo"
    return load(
        None, {"DATABASE_URL": f"sqlite:///{game / 'game.db'}", "BACKUP_REPOSITORY_PATH": str(game / "backups")}
    )


async def restore_payload(settings: Settings) -> dict[str, Any]:
    """Return what the cog would send for a restore after an event and a bad moment, as Discord gets it."""
    service = SnapshotService(settings)
    try:
        await service.open()
        before = (await service.create(Kind.MANUAL)).snapshot
        await asyncio.to_thread(_lose_cards, str(settings.database.url).removeprefix("sqlite:///"))
        await service.request(Kind.CRITICAL, "marketplace_buy_42").wait()
        plan = await service.restore_plan(before.id)
    finally:
        await service.close()
    unused = cast(Any, None)  # nobody clicks
    view = RestoreConfirmation(Asking(unused, unused, unused, unused, 60.0), plan, unused)
    return {"embeds": [preview(plan).embed.to_dict()], "components": view.to_components()}


def _lose_cards(path: str) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("DELETE FROM user_cards WHERE id % 3 = 0")


def _write(name: str, picture: str) -> None:
    (PICTURES / f"{name}.svg").write_text(picture, encoding="utf-8")
