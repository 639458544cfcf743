"""Settings of role and database: none changes how a value is written, and none ends our sessions."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from core.snapshots.engines import engine_for
from core.snapshots.engines.postgres.client_tools import find_tools
from core.snapshots.engines.postgres.connecting.pinned import VALUES, as_options, pinned_settings
from core.snapshots.engines.postgres.connection import Address
from core.snapshots.engines.postgres.session import connected
from core.snapshots.models import Level
from core.snapshots.progress import Watch
from core.snapshots.settings.conninfo import parse_conninfo
from core.snapshots.settings.database_url import parse
from tests.worlds.chain_world import Chain
from tests.worlds.engine_cases import bounded
from tests.worlds.postgres_world import EXPECTED, PostgresGame, needs, run_sql, server

pytestmark = pytest.mark.server

every_version = pytest.mark.parametrize("major", [needs(major) for major in EXPECTED])

STRANGE = {
    "TimeZone": "Asia/Kathmandu",
    "DateStyle": "German, DMY",
    "IntervalStyle": "sql_standard",
    "extra_float_digits": "-15",
    "bytea_output": "escape",
    "xmlbinary": "hex",
    "standard_conforming_strings": "off",
    "array_nulls": "off",
    "quote_all_identifiers": "on",
    "statement_timeout": "60s",
    "lock_timeout": "60s",
    "idle_in_transaction_session_timeout": "60s",
    "default_transaction_read_only": "on",
    "default_transaction_isolation": "serializable",
    "default_transaction_deferrable": "on",
    "synchronize_seqscans": "on",
    "idle_session_timeout": "60s",
}
ODD = """
CREATE TABLE odd (
    id integer PRIMARY KEY, bytes bytea, at timestamptz, day date, long interval, exact double precision, texts text[],
    path text
);
INSERT INTO odd VALUES
    (1, '\\x00ff10275c', '2026-03-29 01:30:00+00', '2026-02-01', '-1 year 2 mons -3 days 04:05:06.7', 0.1 + 0.2,
     '{NULL, "NULL", "a\\\\b"}', E'C:\\\\game\\\\new');
CREATE FUNCTION back() RETURNS text LANGUAGE sql AS 'SELECT ''a\\b''::text';
"""


def change(game: PostgresGame, major: int, *, database: bool = True) -> None:
    """Set everything strangely, for the role alone or half of it for the database."""
    strange = STRANGE | ({"transaction_timeout": "60s"} if major >= 17 else {})
    for number, (name, value) in enumerate(strange.items()):
        whose = f"ROLE {game.role}" if number % 2 or not database else f"DATABASE {game.quoted}"
        run_sql(game.server, f"ALTER {whose} SET {name} = {value if ',' in value else repr(value)}")


@pytest.fixture
def game(major: int) -> PostgresGame:
    made = PostgresGame(server(major))
    made.create()
    run_sql(made.url, ODD)
    return made


@every_version
def test_our_sessions_and_the_programs_have_the_same_settings(game: PostgresGame, tmp_path: Path, major: int) -> None:
    """Whatever role and database say, each pinned setting has its value in both."""
    change(game, major)
    address = Address(parse_conninfo(game.url))
    expected = pinned_settings(major)
    query = "SELECT {}".format(", ".join(f"current_setting('{name}')" for name in expected))
    with connected(address, Watch(), lock_timeout=None) as session:
        (found,) = session.rows(query)
        assert dict(zip(expected, found, strict=True)) == expected
        assert session.value("SELECT current_setting('search_path')") == ""
    with address.for_programs(tmp_path) as environment:
        command = [find_tools(major).psql, "-XAt", "-c", query]
        output = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    assert output.rstrip("\n").split("|") == list(expected.values())


@pytest.mark.parametrize("major", [needs(EXPECTED[-1])])
def test_the_same_data_is_the_same_dump_whatever_is_set(game: PostgresGame, tmp_path: Path, major: int) -> None:
    """A dump under strange settings has the bytes of one without them; it is restored and compared to equality."""
    chain = Chain(tmp_path / "taken", engine_for(parse(game.url), 5.0))
    assert not chain.take(watch=bounded(60)).unchanged
    change(game, major, database=False)  # what is set for the database is part of the snapshot
    assert chain.take(watch=bounded(60), skip_unchanged=True).unchanged
    image = tmp_path / "image"
    assert chain.engine.rebuild(chain.parts[-1:], image, bounded(60)) is Level.RESTORED
    chain.engine.discard(image, bounded(60))


@every_version
def test_a_snapshot_taken_under_strange_settings_comes_back(game: PostgresGame, tmp_path: Path, major: int) -> None:
    """The dump, its load and the reading back agree, also where the role may only read by default."""
    change(game, major)
    chain = Chain(tmp_path / "taken", engine_for(parse(game.url), 5.0))
    chain.take(watch=bounded(60))
    image = tmp_path / "image"
    assert chain.engine.rebuild(chain.parts[-1:], image, bounded(60)) is Level.RESTORED
    chain.engine.discard(image, bounded(60))


def test_options_keep_blanks_and_backslashes() -> None:
    """A backslash escapes a blank, as the server reads the parameter."""
    assert as_options({"DateStyle": "ISO, YMD", "x.y": "a\\b"}) == "-c DateStyle=ISO,\\ YMD -c x.y=a\\\\b"


def test_what_the_operator_set_in_the_address_stays(tmp_path: Path) -> None:
    """Options of the connection string come first; what decides how values are written wins over them."""
    game = PostgresGame()
    game.create()
    address = Address(parse_conninfo(f"{game.url}&options=-c%20work_mem%3D3MB%20-c%20bytea_output%3Descape"))
    with connected(address, Watch(), lock_timeout=None) as session:
        assert session.value("SELECT current_setting('work_mem')") == "3MB"
        assert session.value("SELECT current_setting('bytea_output')") == VALUES["bytea_output"]
    with address.for_programs(tmp_path) as environment:
        tools = find_tools(session.version)
        query = "SELECT current_setting('work_mem'), current_setting('bytea_output')"
        command = [tools.psql, "-XAt", "-c", query]
        output = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    assert output == "3MB|hex\n"
