"""A process that dies, and a connection that is lost, while a PostgreSQL database is exchanged."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from core.snapshots.engines import Engine
from core.snapshots.engines.postgres.session import Session
from core.snapshots.errors import (
    DatabaseUnavailable,
)
from core.snapshots.models import Method
from tests.worlds.chain_world import Chain
from tests.worlds.engine_cases import CHECKS, bounded
from tests.worlds.postgres_world import (
    PostgresGame,
)

pytestmark = pytest.mark.server

PROJECT = Path(__file__).resolve().parents[4]

_RESTORER = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from core.snapshots.settings.database_url import parse
from core.snapshots.engines import engine_for
from core.snapshots.engines.postgres.session import Session
from core.snapshots.models import Method
from core.snapshots.progress import Watch
from tests.worlds.engine_cases import CHECKS
left = int(sys.argv[4])
execute = Session.execute
def dying(self, statement, *arguments):
    global left
    left -= not statement.startswith("SET search_path")  # what every connection begins with
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return execute(self, statement, *arguments)
Session.execute = dying
engine = engine_for(parse(sys.argv[2]), 5.0)
engine.replace(Path(sys.argv[3]), Method.EXCHANGE, Path("20261123T120000.000Z"), {}, CHECKS, Watch())
"""


def test_killed_at_any_step_the_old_database_serves_or_the_new_one(
    game: PostgresGame, engine: Engine, chain: Chain
) -> None:
    """SIGKILL before each statement of an exchange: one whole state is there and takes writers, and tidying ends it."""
    chain.take(watch=bounded(30))
    before = game.contents()
    game.play()
    old, image = game.contents(), chain.rebuild()
    states = []
    for step in range(1, 40):
        command = [sys.executable, "-c", _RESTORER, str(PROJECT), game.url, str(image), str(step)]
        ended = subprocess.run(command, capture_output=True, cwd=PROJECT).returncode
        assert ended in (0, -signal.SIGKILL)
        now = game.contents()
        assert now in (before, old), step
        states.append(now == before)
        if states[-1]:
            if ended == 0:
                break
            # From the exchange on, the next run begins anew.
            engine.clean_up(0.0, 0.0, bounded(30))
            assert game.leftovers() == set(), step
            game.play()
            old, image = game.contents(), chain.rebuild(chain.scratch / f"image-{step}")
    assert ended == 0
    assert states == sorted(states), "once the new one serves, it stays"
    assert set(states) == {True, False}
    chain.rebuild(chain.scratch / "left")
    assert len(game.leftovers()) == 2  # the scratch database, and what the last exchange kept
    engine.clean_up(0.0, 0.0, bounded(30))
    assert game.leftovers() == set()
    game.play()


def test_a_connection_that_is_lost_after_the_commit_is_no_failure(
    game: PostgresGame, engine: Engine, chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the server committed has happened, whether or not it could still say so."""
    chain.take(watch=bounded(30))
    before = game.contents()
    game.play()
    image, execute = chain.rebuild(), Session.execute

    def losing(self: Session, statement: str, *arguments: object) -> None:
        execute(self, statement, *arguments)
        if statement.endswith("COMMIT"):
            raise DatabaseUnavailable("The connection was lost.")

    monkeypatch.setattr(Session, "execute", losing)
    quarantine = Path("20261123T120000.000Z")
    replaced = engine.replace(image, Method.EXCHANGE, quarantine, {}, CHECKS, bounded(30))
    assert (replaced.identical, replaced.integrity.findings) == (True, ())
    assert game.contents() == before
