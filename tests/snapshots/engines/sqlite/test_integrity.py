"""What the integrity check of a SQLite database finds, how grave it is, and what it must not take for damage."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from core.snapshots.engines import Checks
from core.snapshots.engines.sqlite import structure
from core.snapshots.engines.sqlite.engine import SqliteEngine
from core.snapshots.errors import DeadlineExceeded, OperationCancelled
from core.snapshots.models import Check, Finding, IntegrityReport, Severity
from core.snapshots.progress import Watch
from core.snapshots.settings.json_column import JsonColumn
from tests.worlds.engine_cases import CHECKS, bounded
from tests.worlds.game_database import CRITICAL_TABLES, connected, make_game_database

EXPECTED = msgspec.structs.replace(CHECKS, snapshots_exist=True, expected_rows=dict.fromkeys(CRITICAL_TABLES, 10))


@pytest.fixture(params=["wal", "delete"])
def game(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """In WAL mode the check reads the database in place, in rollback mode a copy of it."""
    return make_game_database(tmp_path / "game.db", journal_mode=request.param, players=64)


def changed(game: Path, *statements: str) -> None:
    with connected(game) as connection:
        for statement in statements:
            connection.execute(statement)


def check(game: Path, checks: Checks = EXPECTED, watch: Watch | None = None) -> IntegrityReport:
    return SqliteEngine(game, 1.0).integrity(checks, game.parent, watch or bounded(60))


def found(report: IntegrityReport) -> set[tuple[Check, Severity, str | None]]:
    return {(finding.check, finding.severity, finding.table) for finding in report.findings}


def page_of(game: Path, table: str) -> int:
    with connected(game) as connection:
        return int(connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()[0])


def overwrite(game: Path, page: int, content: bytes, offset: int = 0) -> None:
    """Write over part of a page, after all of the log was moved into the file."""
    changed(game, "PRAGMA wal_checkpoint(TRUNCATE)")
    with game.open("r+b") as file:
        file.seek((page - 1) * 4096 + offset)
        file.write(content)


@pytest.mark.parametrize("quick", [False, True])
@pytest.mark.parametrize("table", ["users", "cards", "creator_packs", "user_cards"])
def test_an_overwritten_page_is_an_error(game: Path, table: str, quick: bool) -> None:
    """A page that is no page of a table any more fails the check, quick or not: the table cannot be read."""
    overwrite(game, page_of(game, table), random.Random(1).randbytes(4096))
    report = check(game, msgspec.structs.replace(EXPECTED, quick=quick))
    assert not report.ok
    assert {finding.check for finding in report.errors} <= {Check.PAGES, Check.STRUCTURE}
    assert table in {finding.table for finding in report.errors if finding.check is Check.PAGES}
    assert report.checked["tables"] == 4


def test_an_index_that_lacks_rows_is_an_error_of_the_full_check(game: Path) -> None:
    """The quick check leaves out the comparison of indexes with their tables; the full one makes it."""
    changed(
        game,
        "PRAGMA writable_schema = ON",
        "UPDATE sqlite_master SET sql = sql || ' WHERE card_id > 3' WHERE name = 'user_cards_by_user'",
    )
    changed(game, "REINDEX user_cards_by_user", "PRAGMA writable_schema = ON")
    changed(
        game,
        "PRAGMA writable_schema = ON",
        "UPDATE sqlite_master SET sql = replace(sql, ' WHERE card_id > 3', '') WHERE name = 'user_cards_by_user'",
    )
    report = check(game)
    assert found(report) == {(Check.INDEXES, Severity.ERROR, None)}
    assert all("REINDEX" in (finding.remedy or "") for finding in report.errors)
    assert "missing from index" in report.findings[0].message


def test_a_problem_of_many_rows_is_one_finding_with_its_count(game: Path) -> None:
    """Seven hundred rows that break one rule are one thing to say, and no damage."""
    changed(game, "CREATE TABLE odd (id INTEGER PRIMARY KEY, value INTEGER)")
    changed(game, f"INSERT INTO odd (value) VALUES {', '.join(['(NULL)'] * 700)}")
    changed(
        game,
        "PRAGMA writable_schema = ON",
        "UPDATE sqlite_master SET sql = replace(sql, 'value INTEGER', 'value INTEGER NOT NULL') WHERE name = 'odd'",
    )
    report = check(game)
    assert [(finding.check, finding.count) for finding in report.findings] == [(Check.CONSTRAINTS, 700)]
    assert report.ok


def test_a_dropped_table_is_an_error(game: Path) -> None:
    """A critical table that is not there is named."""
    changed(game, "DROP TABLE cards")
    report = check(game)
    assert (Check.TABLES, Severity.ERROR, "cards") in found(report)
    assert "cards" not in report.rows


def test_a_view_with_the_name_of_a_critical_table_is_counted(game: Path) -> None:
    """A host that renamed its table and kept a view under the old name has lost nothing."""
    changed(game, "ALTER TABLE user_cards RENAME TO kept", "CREATE VIEW user_cards AS SELECT * FROM kept")
    report = check(game)
    assert found(report) == set()
    assert report.rows["user_cards"] > 0


def test_names_of_tables_are_compared_as_sqlite_does(game: Path) -> None:
    """SQLite does not tell upper from lower case in names, so neither do the settings."""
    checks = Checks(critical_tables=("USERS",), json_columns=(JsonColumn(table="Creator_Packs", column="CARDS_DATA"),))
    report = check(game, checks)
    assert report.findings == ()
    assert (report.rows, report.checked["json_values"]) == ({"USERS": 64}, 64)


def test_an_emptied_table_is_a_warning_only_where_it_had_rows(game: Path) -> None:
    """An empty table is news if the newest snapshot had rows in it; otherwise it is a table nobody used yet."""
    changed(game, "DELETE FROM user_cards", "UPDATE users SET cards_owned = 0")
    assert found(check(game)) == {(Check.ROWS, Severity.WARNING, "user_cards")}
    assert check(game, CHECKS).findings == ()


def test_a_database_without_tables_is_damage_where_there_was_one(tmp_path: Path) -> None:
    """A file that was freshly created is not healthy while snapshots of a game exist, and a beginning while none do."""
    fresh = tmp_path / "game.db"
    changed(fresh, "PRAGMA journal_mode = wal")
    assert fresh.stat().st_size > 0
    report = check(fresh)
    assert not report.ok
    assert (Check.EMPTY, Severity.ERROR, None) in found(report)
    first = check(fresh, CHECKS)
    assert first.ok
    assert found(first) == {(Check.MISSING, Severity.WARNING, None)}


def test_a_schema_without_a_row_is_a_freshly_created_database(game: Path) -> None:
    """A host makes its tables as it starts: all critical ones empty at once is a new file, not a player's doing."""
    changed(game, *(f"DELETE FROM {table}" for table in ("user_cards", "creator_packs", "cards", "users")))
    report = check(game)
    assert not report.ok
    assert (Check.EMPTY, Severity.ERROR, None) in found(report)
    assert {table for kind, _, table in found(report) if kind is Check.ROWS} == set(CRITICAL_TABLES)
    assert check(game, CHECKS).findings == ()


@pytest.mark.parametrize(
    ("value", "severity"),
    [
        ("'[1, 2'", Severity.ERROR),
        ("''", Severity.ERROR),
        ("'null or so'", Severity.ERROR),
        ("x'5b312c'", Severity.ERROR),
        ("x'ff00ff'", Severity.ERROR),
        ("'{}'", Severity.WARNING),
        ("'null'", Severity.WARNING),
        ("'\"text\"'", Severity.WARNING),
        ("7", Severity.WARNING),
        ("x'7b7d'", Severity.WARNING),
        ("NULL", None),
        ("'[]'", None),
        ("x'5b5d'", None),
        ("' [ {\"card\": 1} ] '", None),
    ],
)
def test_json_that_must_be_a_list(game: Path, value: str, severity: Severity | None) -> None:
    """Unparsable is an error, another type is a warning, NULL and a list in a text or a BLOB are fine."""
    changed(game, f"UPDATE creator_packs SET cards_data = {value} WHERE id IN (3, 4)")
    report = check(game)
    assert found(report) == ({(Check.JSON, severity, "creator_packs")} if severity else set())
    assert [finding.count for finding in report.findings] == ([2] if severity else [])


def test_one_column_can_be_wrong_in_both_ways(game: Path) -> None:
    """Each kind of wrong value is counted by itself."""
    changed(
        game,
        "UPDATE creator_packs SET cards_data = 'no' WHERE id <= 3",
        "UPDATE creator_packs SET cards_data = '{}' WHERE id > 60",
    )
    counts = {finding.severity: finding.count for finding in check(game).findings}
    assert counts == {Severity.ERROR: 3, Severity.WARNING: 4}


@pytest.mark.parametrize(
    ("expects", "value", "ok"),
    [
        ("object", "{}", True),
        ("object", "[]", False),
        ("any", "7", True),
        ("any", "[]", True),
        ("list", "{}", False),
    ],
)
def test_json_columns_say_what_they_expect(game: Path, expects: str, value: str, ok: bool) -> None:
    """The settings choose between a list, an object and anything that parses."""
    changed(game, f"UPDATE creator_packs SET cards_data = '{value}'")
    column = JsonColumn(table="creator_packs", column="cards_data", expects=expects)
    assert (check(game, Checks(json_columns=(column,))).findings == ()) is ok


def test_a_json_column_that_is_not_there_is_a_warning(game: Path) -> None:
    """A renamed column is a matter of settings: no snapshot could mend it."""
    changed(game, "ALTER TABLE creator_packs RENAME COLUMN cards_data TO contents")
    assert found(check(game)) == {(Check.SETTINGS, Severity.WARNING, "creator_packs")}


def test_a_generated_column_can_hold_json(game: Path) -> None:
    """A column that SQLite computes is a column."""
    changed(game, "ALTER TABLE creator_packs ADD COLUMN copy TEXT AS (cards_data)")
    assert check(game, Checks(json_columns=(JsonColumn(table="creator_packs", column="copy"),))).findings == ()


def test_ten_thousand_orphans_are_one_finding_with_their_number(game: Path) -> None:
    """Rows that refer to nothing are counted to the last one, and reported per pair of tables."""
    with connected(game) as connection:
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO user_cards (user_id, card_id) VALUES (?, 1)", [(-1,)] * 10_000)
        connection.executemany("INSERT INTO user_cards (user_id, card_id) VALUES (1, ?)", [(-2,)] * 3)
        connection.execute("COMMIT")
    report = check(game)
    assert report.ok
    assert {(finding.message.split()[-5], finding.count) for finding in report.findings} == {
        ("users", 10_000),
        ("cards", 3),
    }
    assert "10,000 rows of user_cards" in " ".join(finding.message for finding in report.findings)


def test_orphans_are_found_in_tables_without_rowids(game: Path) -> None:
    """Such a table has no row numbers to report; its orphans count all the same."""
    changed(
        game,
        "CREATE TABLE wishes (user_id INTEGER REFERENCES users (id), wish TEXT, PRIMARY KEY (user_id, wish)) "
        "WITHOUT ROWID",
        "INSERT INTO wishes VALUES (1, 'mythic'), (-1, 'mythic'), (-1, 'epic')",
    )
    assert [(finding.table, finding.count) for finding in check(game).findings] == [("wishes", 2)]


def test_an_ill_defined_foreign_key_hides_nothing(game: Path) -> None:
    """A key that refers to columns that are not unique is named, and all others are still checked."""
    changed(
        game,
        "CREATE TABLE a_first (rarity TEXT REFERENCES cards (rarity))",
        "INSERT INTO a_first VALUES ('epic')",
        "UPDATE user_cards SET user_id = -1 WHERE id <= 5",
    )
    report = check(game)
    assert found(report) == {
        (Check.FOREIGN_KEYS, Severity.WARNING, "a_first"),
        (Check.FOREIGN_KEYS, Severity.WARNING, "user_cards"),
    }
    assert {finding.count for finding in report.findings} == {1, 5}
    assert report.checked["foreign_keys"] == 4


def test_names_of_any_kind_are_checked(tmp_path: Path) -> None:
    """Names with spaces, quotes and any letters are quoted wherever they stand in a statement."""
    path = tmp_path / "game.db"
    table, column = 'the "player\'s" карты', 'da\'ta "日本"'
    quoted_table, quoted_column = structure.quoted(table), structure.quoted(column)
    changed(
        path,
        f"CREATE TABLE {quoted_table} (id INTEGER PRIMARY KEY, {quoted_column} TEXT, "
        f"parent INTEGER REFERENCES {quoted_table} (id))",
        f"INSERT INTO {quoted_table} VALUES (1, '[]', 1), (2, '{{', 9)",
    )
    checks = Checks(critical_tables=(table,), json_columns=(JsonColumn(table=table, column=column),))
    report = check(path, checks)
    assert report.rows == {table: 2}
    assert found(report) == {(Check.JSON, Severity.ERROR, table), (Check.FOREIGN_KEYS, Severity.WARNING, table)}


@pytest.fixture
def with_functions(game: Path) -> Iterator[sqlite3.Connection]:
    """A connection as a host may make it: with a collation and a function of its own."""
    with connected(game) as connection:
        connection.create_collation("by_player", lambda one, other: (one > other) - (one < other))
        connection.create_function("level", 1, lambda value: value, deterministic=True)
        yield connection


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE INDEX odd ON users (name COLLATE by_player)",
        "CREATE INDEX odd ON users (level(dust))",
    ],
)
def test_what_only_the_host_can_compute_is_a_warning(
    game: Path, with_functions: sqlite3.Connection, statement: str
) -> None:
    """A schema with functions of the host's own is no damage, and the other tables are checked all the same."""
    with_functions.execute(statement)
    with_functions.close()
    assert found(check(game)) == {(Check.EXTENSION, Severity.WARNING, "users")}
    overwrite(game, page_of(game, "cards"), bytes(range(256)) * 16)
    assert (Check.PAGES, Severity.ERROR, "cards") in found(check(game))


def test_a_condition_of_the_hosts_own_is_named_and_stops_nothing(
    game: Path, with_functions: sqlite3.Connection
) -> None:
    """What only the host can compute is left out of the check; everything else is checked."""
    with_functions.execute("CREATE TABLE odd (value INTEGER CHECK (level(value) >= 0))")
    with_functions.execute("INSERT INTO odd VALUES (1)")
    with_functions.close()
    report = check(game)
    assert [(each.check, each.table) for each in report.findings] == [(Check.EXTENSION, "odd")]
    assert report.ok
    assert report.rows["users"] > 0


def test_a_long_check_is_interrupted_at_its_deadline(tmp_path: Path) -> None:
    """One statement that runs for long is stopped in the middle, before the first part of the check is done."""
    game = make_game_database(tmp_path / "game.db", players=6000)

    for error, deadline_at, cancelled in (
        (DeadlineExceeded, 8.0, None),
        (OperationCancelled, None, iter([False] * 2 + [True] * 1000).__next__),
    ):
        parts_done: list[int] = []

        def report(_phase: str, done: int, _total: int, parts_done: list[int] = parts_done) -> None:
            parts_done.append(done)

        clock = iter(map(float, range(1_000_000))).__next__
        watch = Watch(progress=report, monotonic=clock, deadline_at=deadline_at, cancelled=cancelled)
        with pytest.raises(error):
            check(game, watch=watch)
        assert parts_done == [0]


def test_every_message_can_be_shown(game: Path) -> None:
    """Findings are sentences: they are not empty, and say what they are about."""
    changed(game, "DROP TABLE cards", "DELETE FROM user_cards", "UPDATE creator_packs SET cards_data = 'no'")
    for finding in check(game).findings:
        assert isinstance(finding, Finding)
        assert finding.message.strip()
        assert finding.table is None or finding.table in finding.message
