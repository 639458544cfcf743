"""That the benchmarks measure what they say: their database, their player, their peers, their tables."""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

from benchmarks import peers, table
from benchmarks.generator import MEGABYTE, generate
from benchmarks.goals import Goal, goals
from benchmarks.player import OtherPlayer, Player
from benchmarks.report import report
from benchmarks.results import BACKUP_GZIP, SAVEPOINT, Felt, Run, SizeFigures, Work

_MEGABYTES = 4
_PLAYED = ("user_cards", "marketplace_listings", "dust_transactions", "creator_packs")


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a generated database, for looking only."""
    path = tmp_path_factory.mktemp("benchmarks") / "game.db"
    generate(path, _MEGABYTES)
    return path


@pytest.fixture
def database(generated: Path, tmp_path: Path) -> Path:
    """Give a copy of the generated database."""
    copy = tmp_path / "game.db"
    copy.write_bytes(generated.read_bytes())
    return copy


def query(path: Path, sql: str) -> list[tuple[object, ...]]:
    """Give all rows of a query."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()


def counts(path: Path) -> list[int]:
    """Give how many rows the tables have that a game writes to."""
    return [int(str(query(path, f"SELECT count(*) FROM {name}")[0][0])) for name in _PLAYED]


def content(path: Path) -> list[str]:
    """Give everything in a database, as SQL."""
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
    """Two runs of the benchmarks measure the same database; another seed is another one."""
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


def test_a_player_in_another_process_does_what_it_is_told(database: Path) -> None:
    """It plays so many times, plays on until it is stopped, even if that comes at once, and empties the log."""
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
    """Give the one peer that is installed everywhere the tests run."""
    path = peers.found("gzip")
    assert path is not None
    return peers.Gzip(path, database, tmp_path / "gzip")


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


def goal(*measured: float, limit: float = 10, at_least: bool = False) -> Goal:
    """Give a goal for any size, measured at sizes 1, 2 and so on."""
    values = dict(enumerate(measured, 1))
    return Goal(work="work", limit=limit, unit="s", measured=values, at=None, at_least=at_least)


def test_a_goal_is_judged_by_the_worst_size_and_says_by_how_much_it_is_missed() -> None:
    """The limit itself is met; for what should be large, the smallest is the worst."""
    assert goal(3, 10).verdict == "met"
    assert goal(3, 12.5).verdict == "**missed** by 2.50 s (1.25 of the goal)"
    assert goal(30, 10, at_least=True).verdict == "met"
    assert goal(30, 5, at_least=True).verdict == "**missed** by 5 s (0.50 of the goal)"
    assert goal().verdict == "not measured"


def run_of(seconds: float, others: float) -> Run:
    """Give a run in which Savepoint and a peer needed so long for a repeat snapshot of 1,000 MB."""
    works = (Work("repeat", SAVEPOINT, seconds, 300_000), Work("repeat", BACKUP_GZIP, others, 300_000_000))
    felt = (Felt("nothing", False, 1.0, 1.0, 2.0, 100, 0), Felt("work", True, 12.0, 1.0, 3.5, 100, 0))
    return Run(machine=("a machine",), rounds=3, sizes=(SizeFigures(1000, works, felt),), seconds=60.0)


def test_the_goals_hold_a_run_against_the_peers_and_against_idle() -> None:
    """A factor is theirs over ours, the writer's p99 is what comes on top of idle, and no memory seen is no memory."""
    verdicts = {each.work: each.verdict for each in goals(run_of(0.2, 16.0))}
    assert verdicts["repeat snapshot, published and proven"] == "met"
    assert verdicts["repeat: faster than backup + gzip -6"] == "met"
    assert verdicts["repeat: faster than restic with its feed"] == "not measured"
    assert verdicts["longest stall of the bot's event loop"] == "**missed** by 2 ms (1.20 of the goal)"
    assert verdicts["a writer's commit p99 over idle, WAL"] == "met"
    assert verdicts["worker's peak memory"] == "not measured"
    slower = {each.work: each.met for each in goals(run_of(0.3, 16.0))}
    assert slower["repeat snapshot, published and proven"] is False
    assert slower["repeat: faster than backup + gzip -6"] is False


def test_a_report_is_put_between_the_markers_and_nothing_else_is_touched(tmp_path: Path) -> None:
    """Writing twice leaves the tables of the second run only; a file without the markers is refused."""
    path = tmp_path / "README.md"
    path.write_text(f"before\n{table.BEGIN}\nold\n{table.END}\nafter\n")
    for others in (16.0, 18.0):
        table.put(path, report(run_of(0.2, others)))
    text = path.read_text()
    assert text.startswith(f"before\n{table.BEGIN}\n\n### Machine\n\n- a machine\n")
    assert text.endswith(f"|\n\n{table.END}\nafter\n")
    assert text.count("### Machine") == 1
    assert "| repeat: faster than backup + gzip -6 | ≥ 60 ×, 1,000 MB | 90 × | met |" in text
    assert "| Savepoint |  | 200 ms, 0.30 MB |  |  |" in text
    assert "| backup + gzip -6 |  | 18.00 s, 300.00 MB | 90.0 × the time, 1000.0 × the bytes |  |" in text
    path.write_text("no markers")
    with pytest.raises(ValueError, match="once each"):
        table.put(path, "text")


def test_a_table_has_as_many_cells_in_every_row_and_no_cell_breaks_it() -> None:
    """A bar in a cell is written as Markdown wants it."""
    assert table.table(("a", "b"), [("1", "x|y")]) == "| a | b |\n| --- | --- |\n| 1 | x\\|y |"
    with pytest.raises(ValueError, match="cells"):
        table.table(("a", "b"), [("1",)])
