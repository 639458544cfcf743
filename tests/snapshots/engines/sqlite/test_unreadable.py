"""Damage that SQLite's own words hide: a whole table or every statement fails, and it complains of something else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from core.snapshots.engines.sqlite.engine import SqliteEngine
from core.snapshots.models import Check, Finding, Verdict
from core.snapshots.policies.health import judge
from tests.worlds.engine_cases import CHECKS, bounded
from tests.worlds.game_database import connected, make_game_database
from tests.worlds.judgement.pages import page_size_of, read_page, root_of, write_page
from tests.worlds.service_world import sweep_into_file


@pytest.fixture(params=["wal", "delete"])
def game(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """In WAL mode the check reads the database in place, in rollback mode a copy of it."""
    return make_game_database(tmp_path / "game.db", journal_mode=request.param, players=64)


def found(game: Path, *, quick: bool) -> tuple[Finding, ...]:
    """Return what a check finds."""
    checks = msgspec.structs.replace(CHECKS, quick=quick)
    return SqliteEngine(game, 1.0).integrity(checks, game.parent, bounded(60)).findings


def rewritten(old: bytes, new: bytes) -> Callable[[Path], None]:
    """Return the harm that writes ``new`` where the schema begins with ``old``, as bits do that flip."""

    def harm(game: Path) -> None:
        sweep_into_file(game)
        content = bytearray(game.read_bytes())
        at = content.index(old)
        content[at : at + len(new)] = new
        game.write_bytes(content)

    return harm


def overflow_zeroed_in_a_database_that_vacuums_itself(game: Path) -> None:
    """Zero a page on which a long value goes on: SQLite only says that its entry in the pointer map is wrong."""
    with connected(game) as connection:
        mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
        for statement in ("journal_mode = delete", "auto_vacuum = full"):
            connection.execute(f"PRAGMA {statement}")
        connection.execute("VACUUM")
        connection.execute(f"PRAGMA journal_mode = {mode}")
        connection.execute("UPDATE cards SET story = ? WHERE id = 1", ("once upon a time " * 2000,))
    sweep_into_file(game)
    pages = range(2, game.stat().st_size // page_size_of(game) + 1)
    inside = [number for number in pages if b"upon a time once" in read_page(game, number)[:64]]
    for number in inside[2:4]:
        write_page(game, number, bytes(page_size_of(game)))


def cell_that_points_out_of_its_page(game: Path) -> None:
    """Let a cell of a table begin where no cell can: SQLite reads other bytes in its place, and no error comes."""
    sweep_into_file(game)
    number = root_of(game, "user_cards")
    page = bytearray(read_page(game, number))
    page[8 + 2 * 3 : 10 + 2 * 3] = (60_927).to_bytes(2, "big")
    write_page(game, number, bytes(page))


HARMS: dict[str, Callable[[Path], None]] = {
    "a definition without its first word": rewritten(b"CREATE TABLE users", b"CREAXE"),
    "a definition of no kind": rewritten(b"CREATE TABLE users", b"CREATE TABHE"),
    "a zero in a definition": rewritten(b"CREATE TABLE users (", b"CREATE TABLE users \0"),
    "an index of no table": rewritten(b"ON user_cards (user_id)", b"ON user_cbrds"),
    "overflow pages and a pointer map": overflow_zeroed_in_a_database_that_vacuums_itself,
    "a cell out of its page": cell_that_points_out_of_its_page,
}


@pytest.mark.parametrize("quick", [True, False])
@pytest.mark.parametrize("harm", HARMS.values(), ids=HARMS)
def test_it_is_unreadable_whatever_sqlite_complains_of(game: Path, harm: Callable[[Path], None], quick: bool) -> None:
    """A definition that no SQLite has written and a table that cannot be read are damage, at every check."""
    harm(game)
    assert judge(found(game, quick=quick)) is Verdict.UNREADABLE


def test_rows_behind_a_definition_of_a_newer_sqlite_are_not_called_missing(game: Path) -> None:
    """Nothing is wrong with rows that refer to a table that only this SQLite does not understand."""
    future = b"CREATE TABLE users (\n    id FUTURE(1) SYNTAX[]"
    rewritten(b"CREATE TABLE users (\n    id INTEGER PRIMARY KEY", future)(game)
    findings = found(game, quick=False)
    assert judge(findings) is Verdict.UNKNOWN
    assert {each.check for each in findings} == {Check.SCHEMA, Check.EXTENSION}
    assert any("restore a snapshot" in (each.remedy or "") for each in findings)
