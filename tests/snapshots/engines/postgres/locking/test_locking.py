"""Locks: a snapshot misses no row because of them, makes no queue of the game, and says who holds them."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from core.snapshots.engines import Engine, engine_for
from core.snapshots.engines.postgres import dump, exchange
from core.snapshots.engines.postgres.locking import shared_snapshot
from core.snapshots.engines.postgres.subprocesses import Program
from core.snapshots.engines.postgres.tables import count_own_rows
from core.snapshots.errors import DatabaseBusy
from core.snapshots.models import Level
from core.snapshots.settings.database_url import parse
from demonstration import local_postgres
from tests.worlds.chain_world import Chain
from tests.worlds.engine_cases import CHECKS, bounded
from tests.worlds.postgres_world import EXPECTED, NEWEST, PostgresGame, ask, run_sql, server

pytestmark = pytest.mark.server

WAITING = """
SELECT count(*) FROM pg_locks
 WHERE NOT granted AND mode = 'AccessExclusiveLock'
   AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


@pytest.fixture
def major() -> int:
    return EXPECTED[1]


@pytest.fixture
def game(major: int) -> PostgresGame:
    made = PostgresGame(server(major))
    made.create()
    run_sql(made.url, "CREATE TABLE hoard AS SELECT g AS id, g AS v FROM generate_series(1, 100) g")
    run_sql(made.url, "CREATE INDEX hoard_id ON hoard (id)")
    return made


@pytest.fixture
def chain(game: PostgresGame, tmp_path: Path) -> Chain:
    return Chain(tmp_path / "taken", engine_for(parse(game.url), 5.0))


class Play:
    """A statement of the game that runs beside a snapshot."""

    def __init__(self, game: PostgresGame, statement: str) -> None:
        self._game = game
        self._thread = threading.Thread(target=run_sql, args=(game.url, statement))

    def start(self) -> None:
        """Send the statement, and return when it has ended or waits."""
        self._thread.start()
        while self._thread.is_alive() and ask(self._game.superuser, WAITING) == [(0,)]:
            time.sleep(0.005)

    def end(self) -> None:
        """Wait for the end of the statement."""
        self._thread.join(60)
        assert not self._thread.is_alive()


def before_pg_dump(monkeypatch: pytest.MonkeyPatch, action: Callable[[], object]) -> list[int]:
    """Call ``action`` before pg_dump is started for the first time; the list grows with every start."""
    starts: list[int] = []

    class Hindered(Program):
        def __enter__(self) -> Program:
            starts.append(1)
            if len(starts) == 1:
                action()
            return super().__enter__()

    monkeypatch.setattr(dump, "Program", Hindered)
    return starts


REWRITES = {
    "truncate": "BEGIN; TRUNCATE hoard; INSERT INTO hoard SELECT g, g FROM generate_series(1, 100) g; COMMIT",
    "alter": "ALTER TABLE hoard ALTER v TYPE bigint",
    "cluster": "CLUSTER hoard USING hoard_id",
    "vacuum": "VACUUM FULL hoard",
    "made-again": "BEGIN; DROP TABLE hoard; CREATE TABLE hoard AS SELECT g AS id, g AS v FROM generate_series(1, 100) "
    "g; COMMIT",
}


@pytest.mark.parametrize("statement", REWRITES.values(), ids=REWRITES)
def test_a_rewrite_before_pg_dump_has_its_locks_loses_no_row(
    game: PostgresGame, chain: Chain, monkeypatch: pytest.MonkeyPatch, statement: str
) -> None:
    """What is not MVCC-safe waits for us or comes first, and then the snapshot is of a later state: never empty."""
    play = Play(game, statement)
    starts = before_pg_dump(monkeypatch, play.start)
    result = chain.take(watch=bounded(60), tables=("hoard",))
    play.end()
    assert result.rows == {"hoard": 100}
    assert len(starts) == 2, "the locks are given back, so that the game goes first"
    assert chain.engine.rebuild(chain.parts[-1:], chain.folder / "image", bounded(60)) is Level.RESTORED
    chain.engine.discard(chain.folder / "image", bounded(60))


@pytest.mark.parametrize(
    ("before", "statement", "rows"),
    [
        (True, "DROP TABLE hoard; CREATE TABLE hoard AS SELECT g AS id FROM generate_series(1, 7) g", {"hoard": 7}),
        (True, "ALTER TABLE hoard RENAME TO old; CREATE TABLE hoard AS SELECT 1 AS id", {"hoard": 1, "old": 100}),
        (True, "DROP TABLE hoard", {}),
        (False, "CREATE TABLE old AS SELECT 1 AS id", {"hoard": 100, "old": 1}),
    ],
    ids=["made again", "renamed", "dropped", "new"],
)
def test_a_table_that_changes_before_the_snapshot_is_listed_again(
    game: PostgresGame,
    chain: Chain,
    monkeypatch: pytest.MonkeyPatch,
    before: bool,
    statement: str,
    rows: dict[str, int],
) -> None:
    """Between the list of tables and their locks, or between these and the snapshot, the game may go on."""
    original, statements = shared_snapshot._lock, [statement]

    def lock(session: Any, tables: Any) -> None:
        if not before:
            original(session, tables)
        while statements:
            run_sql(game.url, statements.pop())
        if before:
            original(session, tables)

    monkeypatch.setattr(shared_snapshot, "_lock", lock)
    assert chain.take(watch=bounded(60), tables=("hoard", "old")).rows == rows


def test_a_truncate_while_rows_are_counted_waits_for_the_dump_alone(
    game: PostgresGame, chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pg_dump has its locks before the counting begins: nobody stands behind the game, which waits for nobody else."""
    play = Play(game, "TRUNCATE hoard")

    def count(session: Any, tables: Any) -> dict[int, int]:
        play.start()
        return count_own_rows(session, tables)

    starts = before_pg_dump(monkeypatch, lambda: None)
    monkeypatch.setattr(dump, "count_own_rows", count)
    assert chain.take(watch=bounded(60), tables=("hoard",)).rows == {"hoard": 100}
    assert len(starts) == 1
    play.end()
    assert ask(game.url, "SELECT count(*) FROM hoard") == [(0,)]


@contextlib.contextmanager
def prepared(game: PostgresGame) -> Iterator[None]:
    """Hold a lock by a prepared transaction, which belongs to no session."""
    run_sql(game.url, "BEGIN; LOCK TABLE hoard; PREPARE TRANSACTION 'left behind'")
    try:
        yield
    finally:
        run_sql(game.url, "ROLLBACK PREPARED 'left behind'")


@pytest.mark.parametrize("superuser", [False, True])
@pytest.mark.parametrize(
    "work",
    [
        lambda chain: chain.take(watch=bounded(60), tables=("hoard",)),
        lambda chain: chain.engine.inspect(("hoard",), bounded(60)),
        lambda chain: chain.engine.integrity(CHECKS, chain.folder, bounded(60)),
    ],
    ids=["snapshot", "inspect", "integrity"],
)
def test_whoever_holds_a_lock_is_named(
    game: PostgresGame, tmp_path: Path, superuser: bool, work: Callable[[Chain], object]
) -> None:
    """Process number, role, application and since when; an ordinary role sees of a superuser what the server shows."""
    chain = Chain(tmp_path / "locked", engine_for(parse(game.url), 0.5))
    held = ("SET application_name = 'the panel'", "BEGIN", "LOCK TABLE hoard, users")
    with game.session(*held, superuser=superuser):
        ((pid,),) = ask(game.superuser, "SELECT pid FROM pg_stat_activity WHERE application_name = 'the panel'")
        role = "postgres" if superuser else game.role
        with pytest.raises(DatabaseBusy, match=rf"role {role} \(the panel\), pid {pid}, .*since .* UTC"):
            work(chain)
    assert work(chain)


def test_a_prepared_transaction_is_named(tmp_path: Path) -> None:
    """It has no session that could be looked up: its name, owner and age are what leads to it."""
    with local_postgres.running(NEWEST, max_prepared_transactions="2") as url:
        game = PostgresGame(url)
        game.create()
        run_sql(game.url, "CREATE TABLE hoard ()")
        chain = Chain(tmp_path / "locked", engine_for(parse(game.url), 0.5))
        with (
            prepared(game),
            pytest.raises(DatabaseBusy, match=rf'prepared transaction "left behind" of {game.role}, since .* UTC'),
        ):
            chain.take(watch=bounded(60))
        with prepared(game), pytest.raises(DatabaseBusy, match=r'prepared transaction "left behind"'):
            exchange.exchange(address_of(game), game.name, f"{game.name}_kept", 0.5, bounded(60))


def address_of(game: PostgresGame) -> Any:
    """Return the game's address as the engine has it."""
    engine: Any = engine_for(parse(game.url), 1.0)
    return engine._address


def test_nothing_is_held_while_a_lock_is_waited_for(game: PostgresGame, tmp_path: Path) -> None:
    """A lock that is not free for long must not make the game wait on every other table."""
    engine: Engine = engine_for(parse(game.url), 4.0)
    refused: list[BaseException] = []

    def take() -> None:
        try:
            Chain(tmp_path / "locked", engine).take(watch=bounded(60))
        except DatabaseBusy as error:
            refused.append(error)

    with game.session("BEGIN", "LOCK TABLE user_cards"):
        waiting = threading.Thread(target=take)
        waiting.start()
        while ask(game.superuser, "SELECT count(*) FROM pg_locks WHERE NOT granted") == [(0,)]:
            time.sleep(0.005)
        for _ in range(10):
            run_sql(game.url, "BEGIN; SET LOCAL lock_timeout = '2s'; LOCK TABLE hoard, cards; COMMIT")
        waiting.join()
    assert refused


@pytest.mark.parametrize(
    "statement",
    ["ALTER VIEW seen RENAME TO watched", "ALTER SEQUENCE counter RENAME TO counted"],
    ids=["view", "sequence"],
)
def test_pg_dump_does_not_wait_for_ever_for_what_is_no_table(
    game: PostgresGame, tmp_path: Path, statement: str
) -> None:
    """LOCK TABLE takes tables alone; a view or a sequence that somebody holds ends the snapshot with their name."""
    run_sql(game.url, "CREATE VIEW seen AS SELECT * FROM hoard", "CREATE SEQUENCE counter")
    chain = Chain(tmp_path / "locked", engine_for(parse(game.url), 0.5))
    with (
        game.session("BEGIN", statement),
        pytest.raises(DatabaseBusy, match=rf"role {game.role}"),
    ):
        chain.take(watch=bounded(60))
    assert chain.take(watch=bounded(60)).rows


@pytest.mark.parametrize("superuser", [False, True])
def test_whoever_keeps_a_database_from_being_exchanged_is_named(
    game: PostgresGame, monkeypatch: pytest.MonkeyPatch, superuser: bool
) -> None:
    """A session that the role may not end, or that comes again faster than it is ended."""
    monkeypatch.setattr(exchange, "_ending_sessions", lambda _address, _databases: contextlib.nullcontext())
    with (
        game.session("SET application_name = 'the panel'", superuser=superuser),
        pytest.raises(
            DatabaseBusy, match=rf"role {'postgres' if superuser else game.role} \(the panel\), pid \d+, "
        ) as caught,
    ):
        exchange.exchange(address_of(game), game.name, f"{game.name}_kept", 0.5, bounded(60))
    # No grant lets an ordinary role end a superuser's session, so none is suggested.
    assert ("GRANT pg_signal_backend" in str(caught.value)) is not superuser
    assert ("only there or by a superuser" in str(caught.value)) is superuser


def test_the_holder_is_named_also_where_the_time_ends_between_two_attempts(
    game: PostgresGame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What ended the last attempt is what the message is about."""
    monkeypatch.setattr(shared_snapshot, "_RETRY_AFTER", 1.0)
    chain = Chain(tmp_path / "locked", engine_for(parse(game.url), 0.5))
    with game.session("BEGIN", "LOCK TABLE hoard"), pytest.raises(DatabaseBusy, match=rf"role {game.role}"):
        chain.take(watch=bounded(60))


def test_tables_that_never_stay_end_the_snapshot_with_a_sentence(
    game: PostgresGame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A game that makes a table between every list and its locks cannot keep us for ever."""
    original, made = shared_snapshot._lock, iter(range(10_000))

    def lock(session: Any, tables: Any) -> None:
        original(session, tables)
        run_sql(game.url, f"CREATE TABLE another_{next(made)} ()")

    monkeypatch.setattr(shared_snapshot, "_lock", lock)
    with pytest.raises(DatabaseBusy, match="made and dropped all the time"):
        Chain(tmp_path / "taken", engine_for(parse(game.url), 0.5)).take(watch=bounded(60))
