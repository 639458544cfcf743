"""What is looked at to call a PostgreSQL database sound, on databases that are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.snapshots.engines import Checks, engine_for
from core.snapshots.errors import (
    DatabaseDamaged,
)
from core.snapshots.models import Check, Severity
from core.snapshots.settings.database_url import parse
from core.snapshots.settings.json_column import JsonColumn
from tests.worlds.chain_world import Chain
from tests.worlds.engine_cases import CHECKS, bounded
from tests.worlds.postgres_world import (
    EXPECTED,
    MAJORS,
    PostgresGame,
    PostgresWorld,
    ask,
    folder_of,
    fresh_server,
    needs,
    run_sql,
    server,
    with_database,
)

pytestmark = pytest.mark.server


@pytest.mark.parametrize("major", [needs(major) for major in EXPECTED])
def test_json_of_every_type_is_checked(major: int) -> None:
    """In text, json and jsonb alike; servers before 16 cannot test a text themselves."""
    own = PostgresGame(server(major))
    own.create()
    run_sql(
        own.url,
        "CREATE TABLE j (id int, t text, j json, b jsonb)",
        "INSERT INTO j VALUES (1, '[1]', '[1]', '[1]'), (2, '{}', '{}', '{}'), (3, NULL, NULL, NULL), "
        "(4, '[', '1', '1')",
    )
    columns = tuple(JsonColumn(table="J", column=column, expects="list") for column in ("T", "j", "b", "gone"))
    report = engine_for(parse(own.url), 1.0).integrity(Checks(json_columns=columns), Path(), bounded(30))
    assert [(finding.check, finding.severity, finding.count) for finding in report.findings] == [
        (Check.JSON, Severity.ERROR, 1),
        (Check.JSON, Severity.WARNING, 1),
        (Check.JSON, Severity.WARNING, 2),
        (Check.JSON, Severity.WARNING, 2),
        (Check.SETTINGS, Severity.WARNING, 1),
    ]
    assert report.checked["json_values"] == 9


def test_what_a_person_should_look_at_is_a_warning() -> None:
    """Keys that were never validated with their orphans, compound keys, and indexes that are not valid."""
    game = PostgresGame()
    game.create()
    run_sql(
        game.superuser,
        "CREATE TABLE pair (a int, b int, PRIMARY KEY (a, b)); INSERT INTO pair VALUES (1, 1)",
        "CREATE TABLE of_pair (a int, b int); INSERT INTO of_pair VALUES (1, 1), (1, 2), (NULL, 9)",
        "ALTER TABLE of_pair ADD CONSTRAINT late FOREIGN KEY (a, b) REFERENCES pair NOT VALID",
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'user_cards_by_user'::regclass",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {game.role}",
    )
    report = engine_for(parse(game.url), 1.0).integrity(CHECKS, Path(), bounded(30))
    found = [(finding.check, finding.severity, finding.table, finding.count) for finding in report.findings]
    assert found == [
        (Check.INDEXES, Severity.WARNING, "user_cards", 1),
        (Check.FOREIGN_KEYS, Severity.WARNING, "of_pair", 1),
        (Check.FOREIGN_KEYS, Severity.WARNING, "of_pair", 1),
    ]
    assert report.ok


def test_a_damaged_page_is_damage_for_a_person(tmp_path: Path) -> None:
    """Reading a page that is not one is an error with the advice, and no snapshot is taken of it."""
    game = PostgresGame()
    game.create()
    name = f"{game.name}_b"
    # Copied as files, so that the server has none of its pages in memory.
    run_sql(game.server, f"CREATE DATABASE {name} TEMPLATE {game.name} OWNER {game.role} STRATEGY file_copy")
    ((path,),) = ask(game.superuser, "SELECT pg_relation_filepath('users')")
    ((oid,),) = ask(game.server, "SELECT oid FROM pg_database WHERE datname = $1", name)
    with (folder_of(game.server) / "base" / str(oid) / Path(path).name).open("r+b") as file:
        file.write(b"\xa5" * 8192)
    url = with_database(game.server, name, game.role)
    damaged = engine_for(parse(url), 1.0)
    report = damaged.integrity(CHECKS, Path(), bounded(30))
    assert any(finding.by_hand and finding.check is Check.PAGES for finding in report.errors), report
    with pytest.raises(DatabaseDamaged):
        Chain(tmp_path / "taken", damaged).take(watch=bounded(30))


def test_pages_whose_checksum_was_wrong_are_damage(tmp_path: Path) -> None:
    """The server counts them, whoever read them; the count stays when the page is not read again."""
    with fresh_server() as url:
        if ask(url, "SHOW data_checksums") != [("on",)]:
            pytest.skip("this server was made without checksums: PostgreSQL 18 makes them by default")
        run_sql(url, "CREATE TABLE cards (id int)", "INSERT INTO cards SELECT generate_series(1, 100)", "CHECKPOINT")
        ((path,),) = ask(url, "SELECT pg_relation_filepath('cards')")
        run_sql(url, "CREATE DATABASE copy TEMPLATE postgres STRATEGY file_copy")
        ((oid,),) = ask(url, "SELECT oid FROM pg_database WHERE datname = 'copy'")
        with (folder_of(url) / "base" / str(oid) / Path(path).name).open("r+b") as file:
            file.seek(8000)
            file.write(b"\xa5")
        damaged = engine_for(parse(with_database(url, "copy")), 1.0)
        whole = Checks(critical_tables=("cards",))
        assert any(finding.by_hand for finding in damaged.integrity(whole, tmp_path, bounded(30)).errors)
        run_sql(with_database(url, "copy"), "DROP TABLE cards")
        (found,) = damaged.integrity(Checks(snapshots_exist=False), tmp_path, bounded(30)).errors
        assert (found.check, found.by_hand, found.count) == (Check.PAGES, True, 1)
        assert found.message.startswith("The server counted one page with a wrong checksum.")


async def test_a_corrupt_index_is_found_by_amcheck(tmp_path: Path) -> None:
    """No dump reads an index: the extension amcheck does, and what it says is damage for a person."""
    if 15 not in MAJORS:
        pytest.skip("needs PostgreSQL 15 of a distribution, which brings the extension amcheck")
    world = PostgresWorld(tmp_path, PostgresGame(server(15)))
    run_sql(
        world.game.superuser, "CREATE EXTENSION amcheck", "CREATE TABLE t AS SELECT i FROM generate_series(1, 5000) i"
    )
    run_sql(world.game.superuser, "CREATE INDEX t_i ON t (i)", "UPDATE pg_index SET indisready = true")
    for function in ("bt_index_check(regclass, boolean)", "verify_heapam"):
        run_sql(world.game.superuser, f"GRANT EXECUTE ON FUNCTION {function} TO {world.game.role}")
    run_sql(world.game.superuser, "ALTER TABLE t DISABLE TRIGGER ALL")
    async with world.opened() as service:
        assert (await service.integrity()).findings == ()
        # A row that the index does not know.
        run_sql(
            world.game.superuser,
            "UPDATE pg_index SET indisready = false, indisvalid = false WHERE indexrelid = 't_i'::regclass",
            "INSERT INTO t VALUES (99999)",
            "UPDATE pg_index SET indisready = true, indisvalid = true WHERE indexrelid = 't_i'::regclass",
        )
        report = await service.integrity()
    assert [(finding.check, finding.by_hand, finding.table) for finding in report.errors] == [
        (Check.INDEXES, True, "t")
    ]
