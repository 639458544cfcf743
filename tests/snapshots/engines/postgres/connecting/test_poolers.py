"""Poolers between us and the server: those that share connections are refused before anything is set."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TypeAlias

import asyncpg
import pytest

from core.snapshots import DatabaseUnavailable, Level
from core.snapshots.engines import Engine, engine_for, probe_for
from core.snapshots.engines.postgres.connecting.pooler import SharedByPooler, refuse_by_name
from core.snapshots.engines.postgres.connection import Address
from core.snapshots.settings.conninfo import parse_conninfo
from core.snapshots.settings.database_url import parse
from tests.worlds.chain_world import Chain
from tests.worlds.engine_cases import CHECKS, bounded
from tests.worlds.pooler_world import PGBOUNCER, pgbouncer, small_pooler
from tests.worlds.postgres_world import PostgresGame, PostgresWorld, ask, in_thread, run_sql

Pooler: TypeAlias = Callable[[PostgresGame], AbstractContextManager[str]]

with_pgbouncer = pytest.mark.skipif(PGBOUNCER is None, reason="PgBouncer is not installed (apt-get install pgbouncer)")
SETTINGS = "SELECT name || '=' || setting FROM pg_settings WHERE name IN ({}) ORDER BY 1".format(
    "'search_path', 'bytea_output', 'statement_timeout', 'lock_timeout', 'TimeZone', 'row_security'"
)


@pytest.fixture
def game() -> PostgresGame:
    made = PostgresGame()
    made.create()
    return made


POOLERS = [
    pytest.param(lambda game: pgbouncer(game, "transaction"), id="pgbouncer", marks=with_pgbouncer),
    pytest.param(lambda game: pgbouncer(game, "statement"), id="pgbouncer-statement", marks=with_pgbouncer),
    pytest.param(
        lambda game: pgbouncer(game, "transaction", server_round_robin="1", min_pool_size="3"),
        id="pgbouncer-rotating",
        marks=with_pgbouncer,
    ),
    *(
        pytest.param(
            lambda game, backends=backends, newest_first=newest_first: small_pooler(
                game, backends, newest_first=newest_first
            ),
            id=f"{'stack' if newest_first else 'queue'}-of-{backends}",
        )
        for backends in (1, 2, 3)
        for newest_first in (True, False)
    ),
]


def run_pooled(url: str, query: str) -> list[tuple[object, ...]]:
    """Return the rows of a query through a pooler, as a game asks that knows it is one: in a transaction."""

    async def work() -> list[tuple[object, ...]]:
        connection = await asyncpg.connect(url, statement_cache_size=0)
        try:
            async with connection.transaction():
                return [tuple(row) for row in await connection.fetch(query)]
        finally:
            await connection.close()

    return in_thread(work)


@pytest.mark.server
@pytest.mark.parametrize("pooler", POOLERS)
def test_a_pooler_that_shares_connections_is_refused_and_left_as_it_was(
    tmp_path: Path, game: PostgresGame, pooler: Pooler, request: pytest.FixtureRequest
) -> None:
    """Whatever is asked of it, the answer says what to use instead, and the game's settings are its own."""
    run_sql(game.superuser, f"ALTER ROLE {game.role} SET search_path = public, pg_catalog")
    run_sql(game.superuser, f"ALTER ROLE {game.role} SET bytea_output = 'escape'")
    expected = ask(game.url, SETTINGS)
    with pooler(game) as url:
        if "statement" not in request.node.callspec.id:
            for _ in range(3):
                assert run_pooled(url, SETTINGS) == expected
        engine: Engine = engine_for(parse(url), 1.0)
        chain = Chain(tmp_path / "refused", engine)
        for work in (
            lambda: chain.take(watch=bounded(60)),
            lambda: engine.inspect((), bounded(60)),
            lambda: engine.integrity(CHECKS, tmp_path, bounded(60)),
            lambda: engine.clean_up(0.0, 0.0, bounded(60)),
        ):
            with pytest.raises(DatabaseUnavailable, match=r"shares the server's connections.*BACKUP_DATABASE_URL"):
                work()
        assert in_thread(lambda: asked_by_the_bot(url))
        if "statement" not in request.node.callspec.id:
            for _ in range(5):
                assert run_pooled(url, SETTINGS) == expected
    held = ask(game.superuser, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted")
    assert held == [(0,)]


async def asked_by_the_bot(url: str) -> bool:
    """Ask everything that the bot's process asks; True if it is told why there is no answer."""
    probe = probe_for(parse(url))
    try:
        assert await probe.token() is None
        assert await probe.join("group", eligible=True)
        assert await probe.leave("group")
        with pytest.raises(DatabaseUnavailable, match="shares the server's connections"):
            await probe.create_restore_point("point")
        (remark,) = await probe.remarks()
        return "shares the server's connections" in remark
    finally:
        await probe.close()


@pytest.mark.server
@with_pgbouncer
async def test_a_pooler_in_session_mode_serves_everything(tmp_path: Path) -> None:
    """Each client has a backend of its own there: snapshots, proof and restore work, and nothing stays behind."""
    game = PostgresGame()
    world = PostgresWorld(tmp_path, game)
    expected = ask(game.url, SETTINGS)
    with pgbouncer(game, "session") as url:
        world._url = url
        async with world.opened() as service:
            before = game.contents()
            snapshot = (await service.create()).snapshot
            assert (await service.verify(snapshot.id, Level.RESTORED)).ok
            game.play()
            plan = await service.restore_plan(snapshot.id)
            await service.restore(snapshot.id, agreed=plan.token)
            assert game.contents() == before
        assert run_pooled(url, SETTINGS) == expected


@pytest.mark.server
@with_pgbouncer
def test_a_setting_that_a_pooler_does_not_pass_on_is_named(tmp_path: Path, game: PostgresGame) -> None:
    """What pg_dump cannot be told would be in the dump as another text than in the comparison."""
    run_sql(game.superuser, f"ALTER ROLE {game.role} SET bytea_output = 'escape'")
    with (
        pgbouncer(game, "session") as url,
        pytest.raises(DatabaseUnavailable, match="bytea_output = hex"),
    ):
        Chain(tmp_path / "refused", engine_for(parse(url), 1.0)).take(watch=bounded(60))


@pytest.mark.parametrize(
    ("url", "instead"),
    [
        ("postgresql://u:p@ep-cool-1-pooler.eu-central-1.aws.neon.tech/game", "ep-cool-1.eu-central-1.aws.neon.tech"),
        ("postgresql://u:p@aws-0-eu-central-1.pooler.supabase.com:6543/postgres", "port 5432"),
        ("postgresql://u:p@db.abcdef.supabase.co:6543/postgres", "port 5432"),
    ],
)
def test_hosted_poolers_are_known_by_name(url: str, instead: str) -> None:
    """Neon and Supabase name their pooled endpoints: they are refused before anything is connected."""
    with pytest.raises(SharedByPooler) as caught:
        refuse_by_name(Address(parse_conninfo(url)))
    assert instead in str(caught.value)
    assert ":p@" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u@ep-cool-1.eu-central-1.aws.neon.tech/game",
        "postgresql://u@aws-0-eu-central-1.pooler.supabase.com:5432/postgres",
        "postgresql://u@db.abcdef.supabase.co/postgres",
        "postgresql://u@my-pooler.example.com:6543/game",
        "postgresql:///game",
    ],
)
def test_direct_addresses_are_not_taken_for_poolers(url: str) -> None:
    """A session pooler, a direct host and somebody else's name are only judged by what they do."""
    refuse_by_name(Address(parse_conninfo(url)))


@pytest.mark.server
def test_a_direct_connection_is_no_pooler(game: PostgresGame) -> None:
    """Neither over the socket nor over TCP."""
    for url in (game.url, game.tcp_url):
        assert engine_for(parse(url), 1.0).inspect((), bounded(60)).openable
