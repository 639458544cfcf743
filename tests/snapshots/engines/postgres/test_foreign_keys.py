"""Foreign keys of every kind: sound ones are found sound, and a row that refers to nothing is found."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.snapshots.engines import Checks, engine_for
from core.snapshots.models import Check, IntegrityReport
from core.snapshots.settings.database_url import parse
from tests.worlds.engine_cases import bounded
from tests.worlds.postgres_world import EXPECTED, OLDEST, PostgresGame, ask, needs, run_sql, server

pytestmark = pytest.mark.server

one_version = pytest.mark.parametrize("major", [needs(OLDEST)])
two_versions = pytest.mark.parametrize("major", [needs(major) for major in (EXPECTED[0], EXPECTED[-1])])
"""The catalogs that are asked have other columns since 18."""

WITH_ICU = "SELECT count(*) FROM pg_collation WHERE collname LIKE '%-x-icu'"
KEYS = {
    "plain": ("CREATE TABLE p (a int PRIMARY KEY); CREATE TABLE c (a int REFERENCES p)", "1", "1", "2"),
    "other types": ("CREATE TABLE p (a bigint PRIMARY KEY); CREATE TABLE c (a smallint REFERENCES p)", "1", "1", "2"),
    "varchar and text": (
        "CREATE TABLE p (a text PRIMARY KEY); CREATE TABLE c (a varchar(9) REFERENCES p)",
        "'x'",
        "'x'",
        "'y'",
    ),
    "char": ("CREATE TABLE p (a char(5) PRIMARY KEY); CREATE TABLE c (a char(9) REFERENCES p)", "'x'", "'x'", "'y'"),
    "domain": (
        "CREATE DOMAIN d AS text; CREATE TABLE p (a d PRIMARY KEY); CREATE TABLE c (a text REFERENCES p)",
        "'x'",
        "'x'",
        "'y'",
    ),
    "array": ("CREATE TABLE p (a int[] PRIMARY KEY); CREATE TABLE c (a int[] REFERENCES p)", "'{1}'", "'{1}'", "'{2}'"),
    "enum": (
        "CREATE TYPE e AS ENUM ('x', 'y'); CREATE TABLE p (a e PRIMARY KEY); CREATE TABLE c (a e REFERENCES p)",
        "'x'",
        "'x'",
        "'y'",
    ),
    "range": (
        "CREATE TABLE p (a int4range PRIMARY KEY); CREATE TABLE c (a int4range REFERENCES p)",
        "'[1,2)'",
        "'[1,1]'",
        "'[1,3)'",
    ),
    "row type": (
        "CREATE TYPE t AS (v int); CREATE TABLE p (a t PRIMARY KEY); CREATE TABLE c (a t REFERENCES p)",
        "'(1)'",
        "'(1)'",
        "'(2)'",
    ),
    "collation that ignores case": (
        "CREATE COLLATION ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false); "
        "CREATE TABLE p (a text COLLATE ci PRIMARY KEY); CREATE TABLE c (a text COLLATE ci REFERENCES p)",
        "'Ann'",
        "'ANN'",
        "'Bea'",
    ),
    "two collations": (
        'CREATE TABLE p (a text COLLATE "C" PRIMARY KEY); CREATE TABLE c (a text COLLATE "POSIX" REFERENCES p)',
        "'x'",
        "'x'",
        "'y'",
    ),
    "partitions": (
        "CREATE TABLE p (a int PRIMARY KEY) PARTITION BY RANGE (a); CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) "
        "TO (9); CREATE TABLE c (a int REFERENCES p) PARTITION BY LIST (a); CREATE TABLE c1 PARTITION OF c DEFAULT",
        "1",
        "1",
        "2",
    ),
    "other schema and odd names": (
        'CREATE SCHEMA "S s"; CREATE TABLE "S s"."P""p" ("A a" int PRIMARY KEY); '
        'CREATE VIEW p AS SELECT "A a" AS a FROM "S s"."P""p"; CREATE TABLE c (a int REFERENCES "S s"."P""p")',
        "1",
        "1",
        "2",
    ),
}


@pytest.fixture
def game(major: int) -> PostgresGame:
    made = PostgresGame(server(major))
    made.create()
    return made


def report_on(game: PostgresGame) -> IntegrityReport:
    """Return what the checks find, without the game's own tables."""
    return engine_for(parse(game.url), 5.0).integrity(Checks(), Path(), bounded(60))


def orphans(game: PostgresGame) -> list[tuple[str | None, int]]:
    """Return the tables with rows that refer to nothing, and how many; nothing else may be found."""
    found = report_on(game).findings
    assert {finding.check for finding in found} <= {Check.FOREIGN_KEYS}
    return [(finding.table, finding.count) for finding in found]


def break_in(game: PostgresGame, statement: str) -> None:
    """Write as replication does, which checks no foreign key."""
    run_sql(game.superuser, f"SET session_replication_role = replica; {statement}")


@one_version
@pytest.mark.parametrize(("schema", "parent", "child", "orphan"), KEYS.values(), ids=KEYS)
def test_keys_are_compared_as_their_constraint_compares(
    game: PostgresGame, schema: str, parent: str, child: str, orphan: str
) -> None:
    """Whatever type, collation, schema or partitioning: what the server admitted is sound, what it would not is not."""
    if "icu" in schema and ask(game.superuser, WITH_ICU) == [(0,)]:
        pytest.skip("this server is built without ICU")
    run_sql(game.url, schema, f"INSERT INTO p VALUES ({parent})", f"INSERT INTO c VALUES ({child}), (NULL)")
    assert orphans(game) == []
    break_in(game, f"INSERT INTO c VALUES ({orphan}), ({orphan})")
    assert orphans(game) == [("c", 2)]


@pytest.mark.parametrize("extension", ["ltree", "citext", "hstore"])
@pytest.mark.parametrize("major", [needs(15)])
def test_keys_on_types_of_extensions_are_compared_by_their_operators(game: PostgresGame, extension: str) -> None:
    """Their operators live in a schema that an empty search path does not find; citext ignores case."""
    run_sql(
        game.superuser, "CREATE SCHEMA e", f"CREATE EXTENSION {extension} SCHEMA e", "GRANT USAGE ON SCHEMA e TO PUBLIC"
    )
    first, same, other = {
        "ltree": ("a.b", "a.b", "a.c"),
        "citext": ("Bob", "BOB", "Ann"),
        "hstore": ("a=>1,b=>2", "b=>2,a=>1", "a=>2"),
    }[extension]
    run_sql(
        game.url,
        f"CREATE TABLE p (a e.{extension} PRIMARY KEY); CREATE TABLE c (a e.{extension} REFERENCES p)",
        f"INSERT INTO p VALUES ('{first}')",
        f"INSERT INTO c VALUES ('{same}')",
    )
    assert orphans(game) == []
    break_in(game, f"INSERT INTO c VALUES ('{other}')")
    assert orphans(game) == [("c", 1)]


@two_versions
def test_children_count_only_where_the_constraint_counts_them(game: PostgresGame) -> None:
    """A key of a table is none of its heirs', and an heir's row is not one that can be referred to."""
    run_sql(
        game.url,
        "CREATE TABLE p (a int PRIMARY KEY); CREATE TABLE p_child () INHERITS (p); CREATE TABLE c (a int REFERENCES p)",
        "CREATE TABLE c_child () INHERITS (c); INSERT INTO p_child VALUES (7); INSERT INTO c_child VALUES (99)",
    )
    assert orphans(game) == []
    break_in(game, "INSERT INTO c VALUES (7)")
    assert orphans(game) == [("c", 1)]


@one_version
def test_null_is_matched_as_the_constraint_says(game: PostgresGame) -> None:
    """MATCH SIMPLE lets a row with one NULL be; MATCH FULL lets only those be that are all NULL."""
    run_sql(
        game.url,
        "CREATE TABLE p (a int, b int, PRIMARY KEY (a, b)); INSERT INTO p VALUES (1, 1)",
        "CREATE TABLE simple (a int, b int, FOREIGN KEY (a, b) REFERENCES p)",
        "CREATE TABLE whole (a int, b int, FOREIGN KEY (a, b) REFERENCES p MATCH FULL)",
        "INSERT INTO simple VALUES (1, 1), (9, NULL), (NULL, NULL); INSERT INTO whole VALUES (1, 1), (NULL, NULL)",
    )
    assert orphans(game) == []
    break_in(game, "INSERT INTO simple VALUES (9, NULL); INSERT INTO whole VALUES (9, NULL)")
    assert orphans(game) == [("whole", 1)]


@pytest.mark.parametrize("major", [needs(18)])
def test_periods_are_covered_by_all_rows_together(game: PostgresGame) -> None:
    """A key with PERIOD (18) is satisfied by several rows whose ranges follow each other."""
    run_sql(
        game.url,
        "CREATE TABLE p (a int4range, at daterange, PRIMARY KEY (a, at WITHOUT OVERLAPS))",
        "CREATE TABLE c (a int4range, at daterange, FOREIGN KEY (a, PERIOD at) REFERENCES p (a, PERIOD at))",
        "INSERT INTO p VALUES ('[1,2)', '[2026-01-01,2026-06-01)'), ('[1,2)', '[2026-06-01,2027-01-01)')",
        "INSERT INTO c VALUES ('[1,2)', '[2026-03-01,2026-09-01)')",
    )
    assert orphans(game) == []
    break_in(game, "INSERT INTO c VALUES ('[1,2)', '[2026-09-01,2027-02-01)'), ('[3,4)', '[2026-09-01,2026-10-01)')")
    assert orphans(game) == [("c", 2)]


@pytest.mark.parametrize("major", [needs(18)])
def test_a_key_that_is_not_enforced_says_nothing(game: PostgresGame) -> None:
    """NOT ENFORCED (18) is a note for readers: whoever wrote it does not want it held."""
    run_sql(
        game.url,
        "CREATE TABLE p (a int PRIMARY KEY); CREATE TABLE c (a int REFERENCES p NOT ENFORCED)",
        "INSERT INTO c VALUES (5)",
    )
    assert orphans(game) == []


@one_version
def test_keys_of_others_that_this_role_cannot_read_are_left_to_them(game: PostgresGame) -> None:
    """A private schema of somebody else does not end the check of everything else."""
    run_sql(
        game.superuser,
        "CREATE SCHEMA private; CREATE TABLE private.p (a int PRIMARY KEY); "
        "CREATE TABLE private.c (a int REFERENCES private.p)",
    )
    assert orphans(game) == []
