"""Databases that Savepoint makes on a server beside the game's."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from core.snapshots.engines import engine_for
from core.snapshots.errors import DatabaseUnavailable
from core.snapshots.settings.database_url import parse
from tests.worlds.chain_world import Chain
from tests.worlds.engine_cases import bounded
from tests.worlds.postgres_world import PostgresGame, ask, databases_of, run_sql, with_database

pytestmark = pytest.mark.server


def test_a_rebuilt_snapshot_can_be_looked_at_for_an_hour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under a name that says of which moment it is, read-only, for the role alone; clean-up removes it afterwards."""
    game = PostgresGame()
    game.create()
    engine = engine_for(parse(game.url), 2.0)
    chain = Chain(tmp_path / "taken", engine)
    chain.take(watch=bounded(60))
    before = game.contents()
    game.play()
    for _ in range(2):  # one for the same moment takes the place of the first
        name = engine.keep(chain.rebuild(), "20261123T080000.000Z", bounded(60))
    assert name == f"{game.name}_as_of_20261123t080000000z"
    assert game.leftovers() == {name}
    assert game.contents(name) == before
    looking = with_database(game.server, name, game.role)
    assert ask(looking, "SHOW default_transaction_read_only") == [("on",)]
    with pytest.raises(Exception, match="read-only transaction"):
        run_sql(looking, "DELETE FROM users")
    run_sql(game.server, f"CREATE ROLE {game.role}_other LOGIN")
    with pytest.raises(Exception, match="permission denied for database"):
        ask(with_database(game.server, name, f"{game.role}_other"), "SELECT 1")
    assert engine.clean_up(0.0, 0.0, bounded(60)) == ()
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + 3600)
    assert engine.clean_up(0.0, 0.0, bounded(60)) == (name,)
    assert name not in databases_of(game.server)


def test_without_createdb_there_is_nothing_to_look_at(tmp_path: Path) -> None:
    """The refusal says which right is missing."""
    game = PostgresGame(createdb=False)
    game.create()
    engine = engine_for(parse(game.url), 2.0)
    chain = Chain(tmp_path / "taken", engine)
    chain.take(watch=bounded(60))
    with pytest.raises(DatabaseUnavailable, match="CREATEDB"):
        engine.keep(chain.rebuild(), "20261123T080000.000Z", bounded(60))
