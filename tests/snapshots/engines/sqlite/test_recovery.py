"""After a process that died in the middle of writing: what it had committed is there, and nothing of the rest."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.snapshots.engines.sqlite.engine import SqliteEngine
from tests.worlds.chain_world import Chain
from tests.worlds.engine_cases import CHECKS, bounded
from tests.worlds.game_database import (
    CRITICAL_TABLES,
    OtherProcess,
    Writer,
    assert_consistent,
    contents_of,
    make_game_database,
)

pytestmark = [pytest.mark.process, pytest.mark.kill]

CRASH_HALF_WAY = (
    "PRAGMA synchronous = OFF",
    "PRAGMA cache_size = 10",
    "BEGIN IMMEDIATE",
    "UPDATE cards SET story = 'never committed'",
    "UPDATE users SET dust = dust + 1",
)
"""Larger than the cache, so that SQLite has to write pages of it to the disk before the commit that never comes."""


@pytest.fixture(params=["inspect", "snapshot", "integrity"])
def first_look(request: pytest.FixtureRequest) -> str:
    """Whichever operation is the first to open the database after the crash."""
    return str(request.param)


def look(first_look: str, game: Path, scratch: Path) -> Path:
    """Open the database by one operation first, then take a snapshot and return its image."""
    engine = SqliteEngine(game, 1.0)
    if first_look == "inspect":
        assert engine.inspect(CRITICAL_TABLES, bounded(30)).openable
    elif first_look == "integrity":
        assert engine.integrity(CHECKS, scratch, bounded(30)).findings == ()
    chain = Chain(scratch / "taken", engine)
    chain.take(watch=bounded(30))
    return chain.rebuild()


def test_a_hot_journal_is_rolled_back(tmp_path: Path, first_look: str) -> None:
    """Half a transaction is in the file and its journal lies beside: the snapshot holds the state before it."""
    game = make_game_database(tmp_path / "game.db", journal_mode="delete", size=1 << 20)
    before = contents_of(game)
    bytes_before = game.read_bytes()
    OtherProcess(game, *CRASH_HALF_WAY).kill()
    assert game.with_name("game.db-journal").stat().st_size > 0
    assert game.read_bytes() != bytes_before
    image = look(first_look, game, tmp_path)
    assert contents_of(image) == before
    assert contents_of(game) == before


def test_what_a_dead_writer_left_uncommitted_in_the_log_is_not_there(tmp_path: Path, first_look: str) -> None:
    """The log holds one committed transaction and half another: the snapshot holds the first alone."""
    game = make_game_database(tmp_path / "game.db", journal_mode="wal", size=1 << 20)
    log = game.with_name("game.db-wal")
    writer = OtherProcess(game, "PRAGMA wal_autocheckpoint = 0", "UPDATE users SET name = 'K' || id")
    with OtherProcess(game) as other:
        names = other.execute("SELECT name FROM users ORDER BY id")
    committed = log.stat().st_size
    for statement in CRASH_HALF_WAY:
        writer.execute(statement)
    writer.kill()
    assert log.stat().st_size > committed > 0
    image = look(first_look, game, tmp_path)
    contents = contents_of(image)
    assert [[row[1]] for row in sorted(contents["users"])] == names
    assert names[0] == ["K1"]
    assert {row[3] for row in contents["cards"]}.isdisjoint({"never committed"})
    assert contents_of(game) == contents


@pytest.mark.parametrize("journal_mode", ["wal", "delete"])
def test_a_writer_killed_at_any_moment_leaves_a_state_that_can_be_taken(tmp_path: Path, journal_mode: str) -> None:
    """Kill after kill, the next snapshot is one committed state."""
    game = make_game_database(tmp_path / "game.db", journal_mode=journal_mode)
    for round_number in range(6):
        Writer(game, seed=round_number).kill()
        scratch = tmp_path / f"round-{round_number}"
        scratch.mkdir()
        assert_consistent(look("snapshot", game, scratch))
