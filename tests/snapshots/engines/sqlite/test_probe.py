"""The probe's one connection; what it promises is in the contract of every engine."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import aiosqlite
import pytest

from core.snapshots.engines.sqlite.probe import SqliteProbe
from tests.worlds.game_database import make_game_database


async def test_those_who_ask_at_the_same_moment_share_one_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second one would stay open for ever, and give its values the number of the first one."""
    database = tmp_path / "game.db"
    make_game_database(database)
    connect, opened = aiosqlite.connect, []

    def counted(*args: Any, **kwargs: Any) -> aiosqlite.Connection:
        opened.append(args)
        return connect(*args, **kwargs)

    monkeypatch.setattr(aiosqlite, "connect", counted)
    probe = SqliteProbe(database)
    try:
        seen = await asyncio.gather(*(probe.token() for _ in range(5)))
        assert (len(opened), set(seen)) == (1, {await probe.token()})
    finally:
        await probe.close()
