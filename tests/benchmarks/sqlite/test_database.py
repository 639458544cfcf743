"""The benchmarks measure what they claim: their database, their player and their peers."""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

from benchmarks.game import MEGABYTE
from benchmarks.sqlite import peers
from benchmarks.sqlite.generator import generate
from benchmarks.sqlite.player import OtherPlayer, Player

_MEGABYTES = 4
_PLAYED = ("user_cards", "marketplace_listings", "dust_transactions", "creator_packs")


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a generated database, to read only."""
    path = tmp_path_factory.mktemp("benchmarks") / "game.db"
    generate(path, _MEGABYTES)
    return path


@pytest.fixture
def database(generated: Path, tmp_path: Path) -> Path:
    """Return a copy of the generated database."""
    copy = tmp_path / "game.db"
    copy.write_bytes(generated.read_bytes())
    return copy


def query(path: Path, sql: str) -> list[tuple[object, ...]]:
    """Return all rows of a query."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()


def counts(path: Path) -> list[int]:
    """Return how many rows the tables have that a game writes to."""
    return [int(str(query(path, f"SELECT count(*) FROM {name}")[0][0])) for name in _PLAYED]


def content(path: Path) -> list[str]:
    """Return the whole content of a database, as SQL."""
    with closing(sqlite3.connect(path)) as connection:
        return list(connection.iterdump())


def test_a_generated_database_has_the_size_that_was_asked_for(generated: Path) -> None:
    """As many MB as asked, and less than one more."""
    assert _MEGABYTES * MEGABYTE <= generated.stat().st_size < (_MEGABYTES + 1) * MEGABYTE


def test_a_generated_database_is_sound_and_in_wal_mode(generated: Path) -> None:
    """Every index fits its table, every reference leads somewhere, and every table has rows."""
    assert query(generated, "PRAGMA integrity_check") == [("ok",)]
    assert query(generated, "PRAGMA foreign_key_check") == []
    assert query(generated, "PRAGMA journal_mode") == [("wal",)]
    assert all(counts(generated))


def test_the_same_seed_gives_the_same_bytes(generated: Path, tmp_path: Path) -> None:
    """Two runs of the benchmarks measure the same database; another seed makes another one."""
    again, other = tmp_path / "again.db", tmp_path / "other.db"
    generate(again, _MEGABYTES)
    generate(other, _MEGABYTES, seed=1)
    assert again.read_bytes() == generated.read_bytes()
    assert other.read_bytes() != generated.read_bytes()


def test_a_player_changes_rows_all_over_and_keeps_the_database_sound(database: Path) -> None:
    """Updates and inserts in every table that a game writes to; nothing that the schema forbids."""
    before, owners = counts(database), query(database, "SELECT user_id FROM user_cards ORDER BY id")
    with closing(Player(database)) as player:
        waited = player.play(200).transactions
    assert len(waited) == 200
    assert min(waited) > 0
    assert all(now > then for now, then in zip(counts(database), before, strict=True))
    assert query(database, "SELECT user_id FROM user_cards ORDER BY id")[: len(owners)] != owners
    assert query(database, "PRAGMA integrity_check") == [("ok",)]
    assert query(database, "PRAGMA foreign_key_check") == []


def test_the_same_seed_plays_the_same(generated: Path, tmp_path: Path) -> None:
    """What is played on a peer's own database is what is played on ours."""
    copies = [tmp_path / f"{number}.db" for number in range(2)]
    for copy in copies:
        copy.write_bytes(generated.read_bytes())
        with closing(Player(copy)) as player:
            player.play(100)
    assert content(copies[0]) == content(copies[1])
    assert content(copies[0]) != content(generated)


@pytest.mark.process
def test_a_player_in_another_process_runs_its_commands(database: Path) -> None:
    """It plays a number of times, plays on until it is stopped, even if that comes at once, and empties the log."""
    before = sum(counts(database))
    with OtherPlayer(database) as player:
        player.play(20)
        played = sum(counts(database))
        player.checkpoint()
        assert database.with_name("game.db-wal").stat().st_size == 0
        player.start(1000.0)
        waited = player.stop()
        player.play(1)
    assert played > before
    assert all(each > 0 for each in waited)
    assert query(database, "PRAGMA integrity_check") == [("ok",)]


@pytest.fixture
def gzip(database: Path, tmp_path: Path) -> peers.Peer:
    """Return the one peer that is installed wherever the tests run."""
    path = peers.found("gzip")
    assert path is not None
    return peers.Gzip(path, database, tmp_path / "gzip")


@pytest.mark.process
def test_a_peer_gives_back_the_state_that_it_copied(gzip: peers.Peer, database: Path, tmp_path: Path) -> None:
    """The measured copy holds what the log holds too, and a second copy takes the first one's place."""
    gzip.begin()
    for _ in range(2):
        with closing(Player(database)) as player:
            player.play(20)
            gzip.copy()
    gzip.give_back(tmp_path / "back.db")
    assert content(tmp_path / "back.db") == content(database)
    assert [path.name for path in (tmp_path / "gzip").iterdir()] == ["feed.db.gz"]


def test_a_peer_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing is left out in silence; and the environment can say where a program is."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    assert set(peers.missing()) == {peer.name for peer in peers.PEERS}
    assert peers.versions() == []
    program = tmp_path / "elsewhere" / "restic"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("BENCHMARK_RESTIC", str(program))
    assert peers.found("restic") == str(program)
    assert peers.Restic.name not in peers.missing()
