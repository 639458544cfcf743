"""Tables read back while others are loaded."""

from __future__ import annotations

import pytest

from core.snapshots.engines.postgres.connection import Address
from core.snapshots.engines.postgres.loading.comparison import Comparison, read_table
from core.snapshots.engines.postgres.plain_dump.scanner import Block
from core.snapshots.engines.postgres.session import connected
from core.snapshots.progress import Watch
from core.snapshots.settings.conninfo import parse_conninfo
from tests.worlds.postgres_world import PostgresGame
from tests.worlds.waiting import wait_until

pytestmark = pytest.mark.server


def test_a_table_that_is_locked_is_compared_when_it_is_free() -> None:
    """An index that takes long holds the comparison up, however short the bot's patience with locks is."""
    game = PostgresGame()
    game.create()
    address = Address(parse_conninfo(game.url))
    with (
        connected(address, Watch(), lock_timeout=0.01) as session,
        connected(address, Watch(), lock_timeout=1.0) as other,
    ):
        columns = ("id", "dust")
        known = read_table(session, Block("public", "users", columns, 0, ""))
        assert known.rows > 0
        comparison = Comparison(address, Watch())
        other.execute("BEGIN; LOCK TABLE public.users IN ACCESS EXCLUSIVE MODE")
        with comparison.begun():
            comparison.add(Block("public", "users", columns, known.rows, known.digest))
            comparison.add(Block("public", "cards", ("id",), 1, "another"))
            comparison.begin()
            wait_until(
                lambda: session.rows("SELECT FROM pg_catalog.pg_locks WHERE NOT granted"), "the comparison waits"
            )
            other.execute("ROLLBACK")
    assert [said.split(" has ")[0] for said in comparison.problems] == ['the table "public"."cards"']
