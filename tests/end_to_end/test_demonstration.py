"""The demonstration's stages: what it may make, damage and remove, and the whole of it on a server."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import asyncpg
import pytest
from rich.console import Console

from demonstration import local_postgres, play
from demonstration.stages import FileStage, ServerStage, StageError, stage_for
from tests.end_to_end.test_main import environment
from tests.worlds.waiting import PATIENCE

pytestmark = pytest.mark.server

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A PostgreSQL server for these tests."""
    with local_postgres.running() as url:
        yield url


async def ask(url: str, *statements: str) -> list[str]:
    """Run some statements and return the first column of the last one's rows."""
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            rows = await connection.fetch(statement)
        return [str(row[0]) for row in rows]
    finally:
        await connection.close()


@pytest.fixture
async def clean(server: str) -> str:
    """The server without what the other tests left."""
    for name in await ask(server, "SELECT datname FROM pg_database WHERE datname LIKE 'savepoint%'"):
        await ask(server, f"DROP DATABASE {name} WITH (FORCE)")
    return server


def test_only_a_servers_url_makes_it_play_there(tmp_path: Path) -> None:
    """A SQLite file that DATABASE_URL names is a bot's own: the demonstration makes another."""
    assert isinstance(stage_for("postgresql://localhost/game", tmp_path), ServerStage)
    assert isinstance(stage_for("postgres+asyncpg://localhost/game", tmp_path), ServerStage)
    for url in (None, "", "sqlite:///data/game.db"):
        assert isinstance(stage_for(url, tmp_path), FileStage)


async def test_it_removes_what_an_earlier_one_left_and_nothing_else(clean: str) -> None:
    """Its own database and what its restore kept go; others with such a name stay."""
    url = await ServerStage(clean).prepare()
    await ask(url, "CREATE TABLE left_over (id INT)")
    await ask(clean, "CREATE DATABASE savepoint_demo_before_20261123t120635218z ALLOW_CONNECTIONS false")
    await ask(clean, "CREATE DATABASE savepoint_demo_before_lunch")
    await ask(clean, "CREATE DATABASE savepoint_demo2")
    assert await ServerStage(clean).prepare() == url
    assert await ask(url, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'") == []
    names = await ask(clean, "SELECT datname FROM pg_database WHERE datname LIKE 'savepoint%' ORDER BY 1")
    assert names == ["savepoint_demo", "savepoint_demo2", "savepoint_demo_before_lunch"]


async def test_somebody_elses_database_of_its_name_is_left_alone(clean: str) -> None:
    """It is neither dropped nor played on."""
    await ask(clean, "CREATE DATABASE savepoint_demo")
    url = clean.replace("/postgres?", "/savepoint_demo?")
    await ask(url, "CREATE TABLE precious (id INT)")
    with pytest.raises(StageError, match="no demonstration made"):
        await ServerStage(clean).prepare()
    assert await ask(url, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'") == ["precious"]


async def test_a_role_that_may_not_create_databases_is_told_so(clean: str) -> None:
    """In a sentence, before anything is done."""
    await ask(clean, "DROP ROLE IF EXISTS plain", "CREATE ROLE plain LOGIN")
    with pytest.raises(StageError, match="permission denied to create database"):
        await ServerStage(clean.replace("postgres@", "plain@")).prepare()


def test_what_is_removed_with_its_server_is_not_shown_as_kept(tmp_path: Path) -> None:
    """``make demo-postgres`` removes the server; on a server of one's own the damaged database can be looked at."""
    url = "postgresql://localhost/game"
    assert stage_for(url, tmp_path, temporary=True).kept("savepoint_demo_before_1", tmp_path) is None
    assert stage_for(url, tmp_path).kept("savepoint_demo_before_1", tmp_path) == (
        "the database savepoint_demo_before_1 on the same server"
    )
    assert stage_for(None, tmp_path).kept("1", tmp_path) == f"in {tmp_path / 'quarantine' / '1'}"


@pytest.mark.parametrize("temporary", [True, False])
def test_what_is_left_is_shown_and_what_is_removed_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, temporary: bool
) -> None:
    """The last line of ``make demo-postgres`` never names a database that is gone by then."""
    monkeypatch.setattr(play, "console", Console(soft_wrap=True))
    report = SimpleNamespace(restore=SimpleNamespace(quarantine="savepoint_demo_before_1"))
    play._paths(stage_for("postgresql://localhost/game", tmp_path, temporary=temporary), report)
    shown = capsys.readouterr().out
    assert ("savepoint_demo_before_1" in shown) is not temporary
    assert ("is removed now, with the damaged database" in shown) is temporary


async def test_on_a_server_it_ends_well_and_says_so(clean: str, tmp_path: Path) -> None:
    """``make demo DATABASE_URL=…``: events, damage, restore, and every row the same; and a second time."""
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, str(PROJECT / "main.py"), "demo"],
            cwd=tmp_path,
            env=environment(DATABASE_URL=clean),
            capture_output=True,
            text=True,
            timeout=4 * PATIENCE,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
        assert any(line.startswith("robbed player rescued yes, ") for line in lines)
        assert "restored at start-up yes" in lines
        assert "tables that differ none" in lines
        assert any(line.startswith("user_cards ") and line.endswith(" identical") for line in lines)
        assert list((tmp_path / "demo" / "backups" / "critical").glob("*.sql.gz"))
    assert len(await ask(clean, "SELECT datname FROM pg_database WHERE datname LIKE 'savepoint_demo_before%'")) == 1
