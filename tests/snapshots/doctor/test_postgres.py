"""The doctor on a real PostgreSQL server, which it asks as the bot's own role."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from core.snapshots.doctor import examine, surroundings
from core.snapshots.errors import DatabaseUnavailable
from tests.worlds.postgres_world import run_sql, server, with_database

pytestmark = pytest.mark.server

TABLES = """
CREATE TABLE users (id bigint PRIMARY KEY, name text);
CREATE TABLE cards (id serial PRIMARY KEY, user_id bigint REFERENCES users (id), data jsonb, extra text);
CREATE TABLE trades (id serial PRIMARY KEY, user_id bigint REFERENCES users (id));
CREATE TABLE settings (name text PRIMARY KEY, value text);
INSERT INTO users VALUES (1, 'Ada'), (2, 'Bo');
INSERT INTO cards (user_id, data, extra) VALUES (1, '["ace"]', '{"foil": true}');
INSERT INTO trades (user_id) VALUES (2);
INSERT INTO settings VALUES ('season', '3');
"""


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the URL of a game's database."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(surroundings, "in_container", lambda: False)
    name = f"doctor_{uuid.uuid4().hex[:8]}"
    run_sql(server(), f"CREATE DATABASE {name}")
    url = with_database(server(), name)
    run_sql(url, TABLES)
    return url


def test_tables_json_and_players_are_found_on_a_server(url: str, tmp_path: Path) -> None:
    """As in a file: by content and by foreign keys, not by names that somebody has to guess."""
    found = examine(tmp_path, environment={"DATABASE_URL": url})
    assert found.contents.tables == {"users": 2, "cards": 1, "trades": 1, "settings": 1}
    assert found.settings == {
        "database.critical_tables": ("users", "cards", "trades"),
        "database.json_columns": ("cards.data", "cards.extra:object"),
        "history.player": "users.id",
    }
    assert any("pg_dump and psql" in each for each in found.well)
    assert [problem.check for problem in found.problems] == ["extension"]


def test_programs_that_are_missing_are_a_problem(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without pg_dump no snapshot can be taken, and the doctor is asked before the first one."""

    def nothing(major: int) -> object:
        raise DatabaseUnavailable("There is no pg_dump; install postgresql-client-16.")

    monkeypatch.setattr("core.snapshots.engines.postgres.client_tools.find_tools", nothing)
    found = examine(tmp_path, environment={"DATABASE_URL": url})
    assert [problem.check for problem in found.problems] == ["pg_dump", "extension"]
    assert found.contents.tables["users"] == 2
