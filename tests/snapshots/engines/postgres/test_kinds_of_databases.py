"""Databases that are not like most: other encodings, no tables, partitions that are loaded through their root."""

from __future__ import annotations

import gzip
import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.snapshots import Level
from core.snapshots.engines import Checks, engine_for
from core.snapshots.engines.postgres.plain_dump.encodings import ANY_BYTES, bytes_of, text_of
from core.snapshots.engines.postgres.plain_dump.row_set import RowSet
from core.snapshots.errors import SnapshotDamaged
from core.snapshots.models import Check
from core.snapshots.settings.database_url import parse
from demonstration import local_postgres
from tests.worlds.chain_world import Chain
from tests.worlds.engine_cases import bounded
from tests.worlds.postgres_everything import schema_text
from tests.worlds.postgres_world import (
    EXPECTED,
    NEWEST,
    PostgresGame,
    PostgresWorld,
    ask,
    needs,
    run_sql,
    server,
    with_database,
)

every_version = pytest.mark.parametrize("major", [needs(major) for major in EXPECTED])
one_version = pytest.mark.parametrize("major", [needs(NEWEST)])

PARTITIONED = """
CREATE TYPE rarity AS ENUM ('common', 'rare', 'epic');
CREATE TABLE cardbook (id int, r rarity, note text) PARTITION BY HASH (r);
CREATE TABLE "c 0" PARTITION OF cardbook FOR VALUES WITH (MODULUS 3, REMAINDER 0);
CREATE TABLE c1 PARTITION OF cardbook FOR VALUES WITH (MODULUS 3, REMAINDER 1);
CREATE TABLE c2 PARTITION OF cardbook FOR VALUES WITH (MODULUS 3, REMAINDER 2) PARTITION BY LIST (id);
CREATE TABLE c2_all PARTITION OF c2 DEFAULT;
CREATE TABLE plain (id int, r rarity) PARTITION BY LIST (r);
CREATE TABLE plain_rare PARTITION OF plain FOR VALUES IN ('rare');
CREATE TABLE plain_rest PARTITION OF plain DEFAULT;
INSERT INTO cardbook SELECT g, (ARRAY['common', 'rare', 'epic'])[g % 3 + 1]::rarity, E'line\\nbreak \\\\ ' || g
  FROM generate_series(1, 300) g;
INSERT INTO plain SELECT id, r FROM cardbook;
"""


@pytest.fixture
def game(major: int) -> PostgresGame:
    made = PostgresGame(server(major))
    made.create()
    return made


def taken(folder: Path, url: str, *tables: str) -> tuple[Chain, dict[str, int]]:
    """Return a chain with a snapshot of a database, and the rows of tables in it."""
    chain = Chain(folder / "taken", engine_for(parse(url), 5.0))
    return chain, chain.take(watch=bounded(60), tables=tables).rows


def rebuilt(chain: Chain) -> Level:
    """Rebuild the snapshot, which compares it, and return what that verifies."""
    image = chain.folder / "image"
    level = chain.engine.rebuild(chain.parts[-1:], image, bounded(60))
    chain.engine.discard(image, bounded(60))
    return level


@pytest.mark.server
@every_version
def test_partitions_by_the_hash_of_an_enum_come_back(game: PostgresGame, tmp_path: Path) -> None:
    """pg_dump loads them through their root, at whatever depth; others are loaded as they are."""
    run_sql(game.url, PARTITIONED)
    chain, rows = taken(tmp_path, game.url, "cardbook", "c1", "plain", "plain_rare", "users")
    assert rows == {"cardbook": 300, "c1": rows["c1"], "plain": 300, "plain_rare": 100, "users": 60}
    assert rebuilt(chain) is Level.RESTORED


@pytest.mark.server
@one_version
async def test_a_restore_gives_every_row_of_such_partitions_again(tmp_path: Path, major: int) -> None:
    """Also where a row lies in another partition afterwards than before."""
    world = PostgresWorld(tmp_path, PostgresGame(server(major)))
    run_sql(world.game.url, PARTITIONED)
    query = "SELECT * FROM cardbook ORDER BY id"
    before = ask(world.game.url, query)
    async with world.opened() as service:
        snapshot = (await service.create()).snapshot
        run_sql(world.game.url, "UPDATE cardbook SET r = 'epic', note = 'lost'")
        plan = await service.restore_plan(snapshot.id)
        await service.restore(snapshot.id, agreed=plan.token)
    assert ask(world.game.url, query) == before


@pytest.mark.server
@one_version
def test_a_changed_row_of_such_partitions_is_found(
    game: PostgresGame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rows are compared as a set: one that differs is no proof, whatever their order."""
    run_sql(game.url, PARTITIONED)
    chain, _ = taken(tmp_path, game.url)
    original = RowSet.hexdigest
    monkeypatch.setattr(RowSet, "hexdigest", lambda rows: original(rows)[::-1])
    with pytest.raises(SnapshotDamaged, match="cardbook"):
        rebuilt(chain)


@given(rows=st.lists(st.binary(max_size=9).map(lambda row: row.replace(b"\n", b"")), max_size=9), data=st.data())
def test_rows_in_any_order_and_in_any_pieces_are_the_same_set(rows: list[bytes], data: st.DataObject) -> None:
    """Only which rows there are counts, and how often."""

    def digest(of: list[bytes]) -> tuple[int, str]:
        text, row_set = b"".join(row + b"\n" for row in of), RowSet()
        for cut in sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=4), label="cuts"), reverse=True):
            text, rest = text[:cut], text[cut:]
            pieces.append(rest)
        for piece in [text, *reversed(pieces)]:
            row_set.update(memoryview(piece))
        pieces.clear()
        return row_set.rows, row_set.hexdigest()

    pieces: list[bytes] = []
    expected = digest(rows)
    assert digest(data.draw(st.permutations(rows))) == expected
    assert digest([*rows, b"one more"]) != expected
    if rows:
        assert digest(rows[1:]) != expected
        assert digest([rows[0] + b"x", *rows[1:]]) != expected


ENCODINGS = {
    "bytes that are no text": ("SQL_ASCII", "largest", b"\xff\xe4 and \xc3\xb6"),
    "undefined in Windows": ("WIN1252", "größe", b"\x81\x8d \x80 \xf6"),
    "western": ("LATIN1", "größe", b"\xf6\xe4"),
    "cyrillic": ("KOI8R", "карта", b"\xeb\xc1\xd2\xd4\xc1"),
    "japanese": ("EUC_JP", "札", "カード".encode("euc-jp")),
}


@pytest.mark.server
@one_version
@pytest.mark.parametrize(("encoding", "table", "value"), ENCODINGS.values(), ids=ENCODINGS)
def test_a_database_in_another_encoding_comes_back_byte_by_byte(
    tmp_path: Path, major: int, encoding: str, table: str, value: bytes
) -> None:
    """The dump, its load and the comparison are in the database's own encoding: nothing is converted, or lost."""
    game = PostgresGame(server(major))
    options = f"ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0 OWNER {game.role}"
    run_sql(game.server, f"CREATE DATABASE {game.quoted} {options}")
    run_sql(
        game.url,
        f'CREATE TABLE "{table}" (id int PRIMARY KEY, "{table}" text)',
        f"INSERT INTO \"{table}\" VALUES (1, convert_from('\\x{value.hex()}', '{encoding}'))",
    )
    chain, rows = taken(tmp_path, game.url, table)
    assert rows == {table: 1}
    assert rebuilt(chain) is Level.RESTORED
    assert value in chain_text(chain)


STATEMENTS = rb"""
SET client_encoding = 'SQL_ASCII';
CREATE SCHEMA "gr\F6\DFe";
CREATE TABLE "gr\F6\DFe"."stra\DFe" ("n\E4me" text CHECK ("n\E4me" <> '\FC'), "\C3\A4" int);
INSERT INTO "gr\F6\DFe"."stra\DFe" VALUES ('\E4', 1), ('\C3\A4', 2);
CREATE INDEX "sp\E4t" ON "gr\F6\DFe"."stra\DFe" ("n\E4me");
COMMENT ON TABLE "gr\F6\DFe"."stra\DFe" IS 'f\FCr alle \EE\BF\BF';
CREATE FUNCTION "\E4"() RETURNS text LANGUAGE sql AS $$select '\E4\C3\A4'$$;
"""
OF_OTHERS = rb'CREATE TABLE "\E4ndern" (id int);'


def in_bytes(psql: list[str], statements: bytes) -> None:
    """Execute statements in which hexadecimal digits after a backslash stand for a byte."""
    text = re.sub(rb"\\([0-9A-F]{2})", lambda found: bytes([int(found[1], 16)]), statements)
    subprocess.run(psql, input=text, check=True, capture_output=True)


@pytest.mark.server
async def test_names_and_texts_that_are_no_utf_8_come_back_byte_by_byte(tmp_path: Path) -> None:
    """SQL_ASCII says nothing of an encoding: names of two encodings are in one database, and in messages on it."""
    game = PostgresGame()
    options = f"ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0 OWNER {game.role}"
    world = PostgresWorld(tmp_path, game)
    game.remove()
    run_sql(game.server, f"CREATE DATABASE {game.quoted} {options}")
    psql = [str(local_postgres.binaries(NEWEST) / "psql"), "-Xqv", "ON_ERROR_STOP=1"]
    in_bytes([*psql, game.url], STATEMENTS)
    before = schema_text(game, NEWEST, "-n", "gr*")
    in_bytes([*psql, game.superuser], OF_OTHERS)
    async with world.opened(database={"json_columns": (), "critical_tables": ()}) as service:
        snapshot = (await service.create()).snapshot
        assert snapshot.rows == {"stra\uefdfe": 2}
        assert any('table public."\uefe4ndern" of postgres' in said for said in snapshot.left_out)
        assert (await service.verify(snapshot.id, Level.RESTORED)).ok
        in_bytes([*psql, game.url], STATEMENTS[:35] + rb'DROP SCHEMA "gr\F6\DFe" CASCADE; DROP FUNCTION "\E4"();')
        assert (await service.restore(snapshot.id)).left_out == ('table public."\uefe4ndern" is missing.',)
    assert schema_text(game, NEWEST, "-n", "gr*") == before
    ((body,),) = ask(game.superuser, "SELECT convert_to(prosrc, 'SQL_ASCII') FROM pg_proc WHERE oid >= 16384")
    assert body == b"select '\xe4\xc3\xa4'"


@pytest.mark.server
@pytest.mark.parametrize("found", [True, False], ids=["by the role's search path", "by none"])
@pytest.mark.parametrize("major", [needs(16)])  # newer servers refuse such an index
def test_rows_are_counted_where_the_planner_calls_functions_of_the_game(
    game: PostgresGame, tmp_path: Path, found: bool
) -> None:
    """An index's expression without columns is evaluated when a query on its table is planned; pg_dump plans none."""
    run_sql(
        game.url,
        "CREATE SCHEMA rules; CREATE TABLE rules.limits (a int); SET search_path = public, rules; "
        "CREATE FUNCTION most() RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'begin return (select max(a) from limits); "
        "end'; CREATE TABLE odd (); CREATE TABLE kind (id int) PARTITION BY LIST (id); "
        "CREATE TABLE one PARTITION OF kind DEFAULT; INSERT INTO kind VALUES (1), (2); INSERT INTO odd DEFAULT VALUES; "
        "CREATE INDEX ON users ((dust + most())); CREATE INDEX ON odd ((most())); CREATE INDEX ON one ((most()))",
    )
    if found:
        run_sql(game.superuser, f"ALTER ROLE {game.role} SET search_path = public, rules")
    chain, rows = taken(tmp_path, game.url, "users", "odd", "kind", "one", "limits")
    assert rows == {"users": 60, "odd": 1, "kind": 2, "one": 2, "limits": 0}
    assert chain.engine.inspect(("users", "kind", "odd"), bounded(60)).rows == {"users": 60, "kind": 2, "odd": 1}
    report = chain.engine.integrity(Checks(critical_tables=("users", "kind")), tmp_path, bounded(60))
    assert report.ok
    assert {finding.check for finding in report.findings} == (set() if found else {Check.ACCESS})
    assert rebuilt(chain) is Level.RESTORED


@given(data=st.binary())
def test_any_bytes_are_a_text_and_come_back_from_it(data: bytes) -> None:
    """Also those of the very characters that stand for bytes; what is UTF-8 is read as that."""
    data += "ö\uef80\uefff".encode() + b"\xff"
    text = text_of(data, ANY_BYTES)
    assert bytes_of(text, ANY_BYTES) == data
    assert text.encode().decode() == text
    assert text_of("größe".encode(), ANY_BYTES) == "größe"


def chain_text(chain: Chain) -> bytes:
    """Return the newest dump."""
    return gzip.decompress(Path(chain.parts[-1].path).read_bytes())


@pytest.mark.server
@one_version
async def test_a_database_without_tables_is_sound(tmp_path: Path, major: int) -> None:
    """A bot before its first migration has functions and no tables: snapshots of it are verified and restored."""
    game = PostgresGame(server(major), name=None)
    world = PostgresWorld(tmp_path, game)
    run_sql(game.url, *(f"DROP TABLE {table} CASCADE" for table in ("user_cards", "creator_packs", "cards", "users")))
    run_sql(game.url, "CREATE FUNCTION answer() RETURNS int LANGUAGE sql AS 'SELECT 42'")
    async with world.opened(database={"json_columns": ()}) as service:
        snapshot = (await service.create()).snapshot
        report = await service.verify(snapshot.id, Level.RESTORED)
        assert report.ok
        assert [finding.message for finding in report.findings if "snapshots of it" in finding.message] == []
        assert (await service.integrity()).ok
        run_sql(game.url, "DROP FUNCTION answer()")
        plan = await service.restore_plan(snapshot.id)
        restored = await service.restore(snapshot.id, agreed=plan.token)
        assert restored.integrity is not None
        assert restored.integrity.ok
    assert ask(with_database(game.server, game.name), "SELECT answer()") == [(42,)]
