"""Questions about the past of a PostgreSQL database: what a full rebuild of each point and a plain comparison give."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from core.snapshots.archive import full
from core.snapshots.archive.members import Tail
from core.snapshots.errors import QueryError, SnapshotDamaged
from core.snapshots.history.questions import AskLook, AskPlayer, AskPlayerHistory, PlayerSettings
from core.snapshots.models import Look, Point, RowHistory
from tests.worlds.past.postgres_past import ECONOMY, TABLES, PostgresPastWorld

pytestmark = pytest.mark.server

KEYS: dict[str, tuple[str, ...]] = {
    "users": ("id",),
    "cards": ("id",),
    "user_cards": ("id",),
    "listings": ("id",),
    "log": (),
    "titles": ("title", "user_id"),
    "extra": ("id",),
}
PLAY = (
    "UPDATE users SET coins = coins + 1, luck = 1e20 WHERE id = {small}",
    "INSERT INTO user_cards (user_id, card_id, foil) VALUES ({small}, 1{tiny}, true)",
    "DELETE FROM user_cards WHERE id = {large}",
    "UPDATE user_cards SET mark = '\\x{large}{large}' WHERE id = {large}",
    "INSERT INTO log VALUES ({small}, E'tab\\t and {tiny}'), ({small}, NULL)",
    "DELETE FROM log WHERE ctid = (SELECT min(ctid) FROM log)",
    "INSERT INTO titles VALUES ({small}, 'title {large}', {large}) ON CONFLICT DO NOTHING",
    "UPDATE titles SET won = won + 0.25",
    "ALTER TABLE cards ADD COLUMN IF NOT EXISTS c{large} text DEFAULT 'x'",
    "UPDATE cards SET name = E'line\\nbreak\\\\{tiny}' WHERE id = 1{tiny}",
    "ALTER TABLE users ALTER COLUMN coins TYPE bigint",
    "CREATE TABLE IF NOT EXISTS extra (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), at timestamptz DEFAULT now())",
    "INSERT INTO log SELECT i, repeat('x', 40) FROM generate_series(1, 2000) i",
    "VACUUM FULL log",
)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[PostgresPastWorld, dict[Any, Any]]:
    """Return a game that was played at random over four snapshots and since, and what rebuilds of it hold."""
    world = PostgresPastWorld(tmp_path_factory.mktemp("played"))
    world.snapshot(ECONOMY.replace("twice integer GENERATED ALWAYS AS (coins * 2) STORED", "twice integer"))
    dice = random.Random(14)
    for number in range(1, 5):
        play = [
            each.format(small=dice.randint(1, 3), tiny=dice.randint(0, 2), large=dice.randint(10, 19))
            for each in dice.sample(PLAY, 9)
        ]
        world.commit(*play)
        if number < 4:
            world.snapshot()
    points: list[Point | None] = [*world.points, None]
    return world, {None if point is None else point.snapshot: world.rebuilt(point) for point in points}


def _of(states: dict[Any, Any], point: Point | None) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = states[None if point is None else point.snapshot]
    return found


def _text(value: Any) -> str | None:
    """Return a value of an answer as PostgreSQL casts it to text."""
    if isinstance(value, dict):
        return "\\x" + value["blob"] if "blob" in value else {"nan": "NaN", "inf": "Infinity"}[value["real"]]
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}" if value >= 1e15 else repr(value)
    return None if value is None else str(value)


def _texts(row: dict[str, Any]) -> dict[str, str | None]:
    return {name: _text(value) for name, value in row.items()}


def _told(table: str, row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in KEYS[table])


def test_a_look_gives_what_a_full_rebuild_holds(played: tuple[PostgresPastWorld, dict[Any, Any]]) -> None:
    """Of every table, with keys of one and of two columns, at every point and now."""
    world, states = played
    for point in (*world.points, None):
        for table, rows in _of(states, point).items():
            for row in random.Random(1).sample(rows, min(2, len(rows))) if KEYS[table] else []:
                assert [_texts(found) for found in world.look(point, table, *_told(table, row))] == [row]


def test_a_players_history_names_each_of_his_rows_that_came_changed_or_went(tmp_path: Path) -> None:
    """In one table, up to now; other players' rows are not in it."""
    world = PostgresPastWorld(tmp_path)
    first = world.snapshot(ECONOMY).snapshot
    second = world.snapshot("UPDATE user_cards SET level = 9 WHERE id = 2 OR user_id = 2").snapshot
    world.commit("DELETE FROM user_cards WHERE id = 4")
    question = AskPlayerHistory(player="1", table="user_cards", settings=PlayerSettings(player="users.id"), now=True)
    changes = world.answer(question, RowHistory).changes
    seen = [(each.snapshot, each.before and each.before["id"], each.after and each.after["id"]) for each in changes]
    assert [(at, before and int(before), after and int(after)) for at, before, after in seen] == [
        (first, None, 1),
        (first, None, 2),
        (first, None, 4),
        (second, 2, 2),
        ("now", 4, None),
    ]


def test_a_diff_gives_what_a_plain_comparison_does(played: tuple[PostgresPastWorld, dict[Any, Any]]) -> None:
    """Between neighbours, far apart and with now; rows without a key count as often as they are."""
    world, states = played
    points: list[Point | None] = [*world.points, None]
    pairs = [*itertools.pairwise(points), (points[0], points[-2]), (points[0], None)]
    for first, second in pairs:
        assert first is not None
        before, after = _of(states, first), _of(states, second)
        found = world.diff(first, second).tables
        for table in before.keys() | after.keys():
            expected = _plain(table, before.get(table, []), after.get(table, []))
            got = found.get(table)
            counts = (0, 0, 0) if got is None else (got.added, got.removed, got.changed)
            assert counts == expected, (table, first, second)


def _plain(table: str, before: list[dict[str, Any]], after: list[dict[str, Any]]) -> tuple[int, int, int]:
    if not KEYS[table]:
        first, second = (Counter(tuple(row.items()) for row in rows) for rows in (before, after))
        return (second - first).total(), (first - second).total(), 0
    old, new = ({_told(table, row): row for row in rows} for rows in (before, after))
    changed = sum(
        any(old[key][name] != new[key][name] for name in old[key].keys() & new[key].keys())
        for key in old.keys() & new.keys()
    )
    return len(new.keys() - old.keys()), len(old.keys() - new.keys()), changed


def test_a_history_gives_every_change_that_rebuilds_show(played: tuple[PostgresPastWorld, dict[Any, Any]]) -> None:
    """Born, changed and gone, up to now; points whose table has the same hash are not read."""
    world, states = played
    points: list[Point | None] = [*world.points, None]
    keys = {(table, _told(table, row)) for state in states.values() for table in KEYS for row in state.get(table, [])}
    for table, key in random.Random(3).sample(sorted((each for each in keys if each[1]), key=repr), 12):
        expected, last = [], None
        for point in points:
            row = next((each for each in _of(states, point).get(table, []) if _told(table, each) == key), None)
            if not _same(last, row):
                expected.append(("now" if point is None else point.snapshot, row))
            last = row
        changes = world.history(table, *key).changes
        assert [(each.snapshot, each.after and _texts(each.after)) for each in changes] == expected


def _same(before: dict[str, Any] | None, after: dict[str, Any] | None) -> bool:
    if before is None or after is None:
        return before is after
    return all(before[name] == after[name] for name in before.keys() & after.keys())


def test_a_look_expands_the_table_that_it_is_about_and_no_other(tmp_path: Path) -> None:
    """Damage in the rows of another table is not even met; in the rows that are read it names the snapshot."""
    world = PostgresPastWorld(tmp_path)
    noise = "INSERT INTO {} SELECT {}, md5(i::text) || md5((i + 1)::text) FROM generate_series(1, 9000) i"
    point = world.snapshot(ECONOMY, noise.format("log", "i"), noise.format("cards (id, name)", "i + 100"))
    tail = full.read_tail(Path(world.taken.parts[0].path))
    spans = {name: (begin, end) for name, begin, end in tail.tables}
    assert set(spans) == {f'"public"."{table}"' for table in TABLES}
    _flip_in(Path(world.taken.parts[0].path), sum(spans['"public"."log"']) // 2, tail)
    assert world.look(point, "cards", "9100")[0]["id"] == 9100
    question = AskPlayer(player="7000", settings=PlayerSettings(player="users.id"))
    with pytest.raises(SnapshotDamaged, match=point.snapshot):
        world.answer(question, Look, point)


def _flip_in(path: Path, raw: int, tail: Tail) -> None:
    """Flip a byte of the member that holds a byte of the dump."""
    from core.snapshots.archive.fingerprint import BLOCK
    from core.snapshots.archive.framing import BLOCK_HEAD, Cursor, block_size
    from core.snapshots.archive.members import read_head

    content = bytearray(path.read_bytes())
    with path.open("rb") as file:
        cursor = Cursor(file, path)
        read_head(cursor)
        at = cursor.offset
    for _ in range(raw // BLOCK):
        size = block_size(bytes(content[at : at + BLOCK_HEAD]))
        assert size is not None
        at += size
    content[at + BLOCK_HEAD + 200] ^= 1
    path.write_bytes(content)


def test_an_archive_that_does_not_say_where_its_tables_are_is_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As those of older versions; what was found is kept among the derived files."""
    world = PostgresPastWorld(tmp_path)
    monkeypatch.setattr("core.snapshots.engines.postgres.dump._Stream._note_spans", lambda self, events: None)
    point = world.snapshot(ECONOMY)
    assert not full.read_tail(Path(world.taken.parts[0].path)).tables
    assert world.look(point, "users", "2")[0]["name"] == "Bo"
    assert list((tmp_path / "cache").glob("*.tables"))
    assert world.look(point, "users", "2")[0]["name"] == "Bo"


def test_partitions_are_one_table_and_names_can_need_their_schema(tmp_path: Path) -> None:
    """Rows of a partitioned table are found wherever they lie; two tables of one name are told apart."""
    world = PostgresPastWorld(tmp_path)
    point = world.snapshot(
        "CREATE TABLE sales (id int, at date, PRIMARY KEY (id, at)) PARTITION BY RANGE (at)",
        "CREATE TABLE sales_old PARTITION OF sales FOR VALUES FROM ('2000-01-01') TO ('2020-01-01')",
        "CREATE TABLE sales_new PARTITION OF sales FOR VALUES FROM ('2020-01-01') TO ('2040-01-01')",
        "INSERT INTO sales VALUES (1, '2010-05-05'), (2, '2030-05-05')",
        "CREATE SCHEMA shop",
        'CREATE TABLE shop.items (id int PRIMARY KEY, "Odd ""name" text); CREATE TABLE items (id int PRIMARY KEY)',
        "INSERT INTO shop.items VALUES (1, 'in the shop'); INSERT INTO items VALUES (1)",
    )
    for when in (point, None):
        assert world.look(when, "sales", "2", "2030-05-05") == [{"id": 2, "at": "2030-05-05"}]
        assert world.look(when, "shop.items", "1") == [{"id": 1, 'Odd "name': "in the shop"}]
        assert world.look(when, "public.items", "1") == [{"id": 1}]
        with pytest.raises(QueryError, match=r"The tables there: public\.items, sales, shop\.items"):
            world.look(when, "items", "1")


@pytest.mark.parametrize("createdb", [True, False])
def test_a_condition_is_found_and_a_query_asked(
    tmp_path: Path, createdb: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Conditions need no right to create databases; a query of the past does, and says so."""
    world = PostgresPastWorld(tmp_path, createdb=createdb)
    first = world.snapshot(ECONOMY)
    for _ in range(3):
        world.snapshot("DELETE FROM user_cards WHERE id = (SELECT max(id) FROM user_cards WHERE id NOT IN (1, 3))")
        world.commit("UPDATE users SET coins = coins + 7, luck = luck + 1")
    found = world.find_change("count(*) <= 3 FROM user_cards JOIN users ON users.id = user_id")
    assert found.first is not None
    assert found.first.snapshot == world.points[1].snapshot
    assert (found.by, found.points) == ("bisection", 5)
    assert world.find_change("max(coins) > 320 FROM users").first.snapshot == "now"  # type: ignore[union-attr]
    assert world.find_change("sum(coins) < 0 FROM users").first is None
    for condition, sentence in [
        ("count(*) > $1 FROM users", "no parameters here"),
        ("count(*) > FROM users", "syntax error"),
        ("count(*) > 1 FROM nowhere", "nowhere"),
        ("pg_terminate_backend(1) FROM users", "Only reading"),
        ("nowhere = 1 FROM users", "nowhere"),
    ]:
        with pytest.raises(QueryError, match=sentence):
            world.find_change(condition)
    with monkeypatch.context() as patched:
        patched.setattr("core.snapshots.history.postgres.query._SECONDS", 0.2)
        with pytest.raises(QueryError, match="takes too long"):
            world.query(None, "SELECT pg_sleep(30)")
    before = world.everything()
    for refused in (
        "DELETE FROM users",
        "SELECT 1; DROP TABLE users",
        "WITH x AS (DELETE FROM log RETURNING 1) SELECT",
    ):
        with pytest.raises(QueryError):
            world.query(None, refused)
    assert world.everything() == before
    assert world.query(None, "SELECT sum(coins) AS all FROM users").rows == ((663,),)
    if createdb:
        asked = world.query(first, "SELECT name, twice, mark FROM users JOIN user_cards ON users.id = user_id LIMIT 1")
        assert (asked.columns, asked.rows) == (("name", "twice", "mark"), (("Ann", 200, {"blob": "00ff"}),))
        assert not world.game.leftovers()
    else:
        with pytest.raises(QueryError, match="CREATEDB"):
            world.query(first, "SELECT 1")


@pytest.mark.parametrize(
    ("table", "key", "sentence"),
    [
        ("decks", ("1",), "There is no table 'decks'"),
        ("users", ("Ann",), "id is a whole number"),
        ("users", (None,), "NULL in id"),
        ("users", ("1", "2"), r"told by 1 value \(id\), not by 2"),
        ("titles", ("1",), r"told by 2 values \(title, user_id\)"),
        ("log", ("1",), "log has no key"),
    ],
)
def test_bad_keys_are_sentences(
    played: tuple[PostgresPastWorld, dict[Any, Any]], table: str, key: tuple[str | None, ...], sentence: str
) -> None:
    """In the past and now."""
    world, _ = played
    for point in (world.points[0], None):
        with pytest.raises(QueryError, match=sentence):
            world.answer(AskLook(table=table, key=key, now=point is None), Look, *([point] if point else []))
    with pytest.raises(QueryError):
        world.history(table, *(str(each) for each in key)) if None not in key else world.look(None, table, *key)


def test_names_that_differ_in_their_case_alone_are_told_apart(tmp_path: Path) -> None:
    """Of tables and of columns; a bare name finds what is called so in any case, if only one thing is."""
    world = PostgresPastWorld(tmp_path)
    point = world.snapshot(
        'CREATE TABLE "Things" (id int PRIMARY KEY, a int, "A" int); CREATE TABLE things ("ID" uuid PRIMARY KEY)',
        'INSERT INTO "Things" VALUES (1, 2, 3)',
        "INSERT INTO things VALUES ('6f0b2b3e-7a52-4d5f-9c1e-0f6d2f0a9b11')",
    )
    world.commit('UPDATE "Things" SET "A" = 4')
    key = "6F0B2B3E-7A52-4D5F-9C1E-0F6D2F0A9B11"
    for when in (point, None):
        assert world.look(when, "Things", "1")[0]["a"] == 2
        assert world.look(when, "things", key) == [{"ID": key.lower()}]
    assert world.diff(point, None).tables["Things"].rows_changed == ((
        {"id": 1, "a": 2, "A": 3}, {"id": 1, "a": 2, "A": 4}),
    )  # fmt: skip
    assert [each.after for each in world.history("Things", "1", column="A").changes] == [{"A": 3}, {"A": 4}]
    with pytest.raises(QueryError, match="invalid input syntax for type uuid"):
        world.look(None, "things", "no uuid")
    assert world.look(point, "things", "no uuid") == []


def test_bytes_that_are_no_text_are_read_in_the_past_as_in_the_present(tmp_path: Path) -> None:
    """SQL_ASCII takes any bytes: each that is no text is a character that stands for it, and is found by that."""
    world = PostgresPastWorld(tmp_path, options="ENCODING 'SQL_ASCII' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
    point = world.snapshot(
        "CREATE TABLE t (id text PRIMARY KEY, x text)",
        "INSERT INTO t VALUES ('1', 'fine ö'), (convert_from('\\xff'::bytea, 'SQL_ASCII'), 'raw')",
    )
    for when in (point, None):
        assert world.look(when, "t", "1") == [{"id": "1", "x": "fine ö"}]
        assert world.look(when, "t", "\uefff") == [{"id": "\uefff", "x": "raw"}]
    world.commit("UPDATE t SET x = 'changed' WHERE x = 'raw'")
    assert world.diff(point, None).tables["t"].rows_changed == ((
        {"id": "\uefff", "x": "raw"}, {"id": "\uefff", "x": "changed"}),
    )  # fmt: skip


def test_a_text_that_an_encoding_lacks_is_in_no_row(tmp_path: Path) -> None:
    """Nobody asks in vain with an error for what cannot be there."""
    world = PostgresPastWorld(tmp_path, options="ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
    point = world.snapshot("CREATE TABLE t (id text PRIMARY KEY)", "INSERT INTO t VALUES ('ö')")
    assert world.look(point, "t", "ö") == [{"id": "ö"}]
    assert world.look(point, "t", "字") == []
