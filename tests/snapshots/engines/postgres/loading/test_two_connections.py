"""Large dumps are loaded on two connections: the same database comes of it, and nothing unverified."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from itertools import combinations_with_replacement
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from core.snapshots.archive import full
from core.snapshots.archive.fingerprint import BLOCK
from core.snapshots.engines import engine_for
from core.snapshots.engines.postgres.loading import (
    apart_table,
    block_reader,
    foreign_key_groups,
    index_builds,
    loader,
    second_loader,
)
from core.snapshots.engines.postgres.loading.apart_table import ApartTable
from core.snapshots.engines.postgres.loading.block_reader import BlockReader
from core.snapshots.engines.postgres.loading.loader import ApartRows, Loader
from core.snapshots.engines.postgres.loading.second_loader import SecondLoader, by_size
from core.snapshots.engines.postgres.plain_dump.lexer import CopyEnd, CopyStart, Event, Rows, Statement
from core.snapshots.engines.postgres.plain_dump.scanner import Block, TableEnd
from core.snapshots.engines.postgres.scratch import Image
from core.snapshots.errors import DatabaseUnavailable, SnapshotDamaged
from core.snapshots.models import Level
from core.snapshots.progress import Watch
from core.snapshots.settings.database_url import parse
from tests.worlds.chain_world import Chain
from tests.worlds.engine_cases import bounded
from tests.worlds.full_archives import HEAD, IMAGE
from tests.worlds.postgres_everything import make_everything
from tests.worlds.postgres_world import PostgresGame, run_sql
from tests.worlds.waiting import wait_until

# The parts


def test_the_largest_table_comes_first_with_the_end_of_the_one_before() -> None:
    """The first one of the dump is the first loader's."""
    assert by_size([("a", 10, 20), ("c", 50, 90), ("b", 30, 40)]) == [(40, ("c", 50, 90)), (20, ("b", 30, 40))]
    assert by_size([]) == []


def test_any_part_of_a_dump_is_read_as_it_is(tmp_path: Path) -> None:
    """Also where it begins and ends between two blocks, in any order of parts."""
    path = tmp_path / "part.gz"
    full.write_full(path, [IMAGE], HEAD, {}, Watch(), tables=lambda: (("t", 1, 2),))
    ends = (0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK, len(IMAGE) - 1, len(IMAGE))
    for begin, end in reversed(list(combinations_with_replacement(ends, 2))):
        with BlockReader(path) as reader:
            assert reader.tables == (("t", 1, 2),)
            assert b"".join(reader.pieces(begin, end)) == IMAGE[begin:end]


def test_a_damaged_block_is_found_by_the_second_reader_as_well(tmp_path: Path) -> None:
    """What it loads would be found different in the end; so it need not be loaded."""
    path = tmp_path / "part.gz"
    full.write_full(path, [IMAGE], HEAD, {}, Watch())
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with BlockReader(path) as reader, pytest.raises(SnapshotDamaged):
        list(reader.pieces(0, 4 * BLOCK))


def test_rows_that_are_read_apart_go_on_where_they_were_left() -> None:
    """A table of an extension may refuse some; then the rest is passed over, and nothing that follows the table."""
    block, following = Block("public", "t", (), 2, "x"), Statement(b"SELECT 1;", None)
    stream: Iterator[Any] = iter([Rows(b"begin", 0, 5), Rows(b"end", 0, 3), TableEnd(9, block), following])
    read = iter([CopyStart("public", "t", (), 0), Rows(b"one\n", 0, 4), Rows(b"two\n", 0, 4), CopyEnd(8)])
    rows = ApartRows(stream, SimpleNamespace(block=block._replace(rows=7)), read)  # type: ignore[arg-type]
    assert bytes(next(iter(rows))) == b"one\n"
    assert [bytes(row) for row in rows] == [b"two\n"]
    assert rows.end.block.rows == 7
    assert next(stream) is following


# On a server


@pytest.fixture
def two_connections(monkeypatch: pytest.MonkeyPatch) -> PostgresGame:
    """Return a game that is rebuilt on two connections, however small it is."""
    monkeypatch.setattr(apart_table, "_WORTHWHILE", 1)
    for module in (second_loader, index_builds, foreign_key_groups):
        monkeypatch.setattr(module, "_WORTHWHILE", 0)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    game = PostgresGame()
    game.create()
    return game


@pytest.fixture
def everything(two_connections: PostgresGame, tmp_path: Path) -> Chain:
    """Return a chain with a snapshot of nearly everything."""
    make_everything(two_connections)
    chain = Chain(tmp_path / "taken", engine_for(parse(two_connections.url), 5.0))
    chain.take(watch=bounded(60))
    return chain


@pytest.mark.server
def test_a_dump_loaded_on_two_connections_is_the_same_database(
    everything: Chain, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Every table is compared, whoever loaded it, and nothing is defined in another way."""
    loaded: list[str] = []
    own: list[bytes] = []
    original, take, attempt = SecondLoader._load, SecondLoader.take, Loader.attempt

    def load(self: SecondLoader, session: object, name: str, events: object) -> None:
        original(self, session, name, events)  # type: ignore[arg-type]
        loaded.append(name)

    def late(self: SecondLoader, table: str) -> bool:
        wait_until(lambda: len(loaded) >= 3 or self._working.done(), "the second one has loaded some tables")
        return take(self, table)

    def noting(self: Loader, text: bytes) -> bool:
        own.append(text)
        return attempt(self, text)

    monkeypatch.setattr(Loader, "attempt", noting)
    monkeypatch.setattr(SecondLoader, "_load", load)
    monkeypatch.setattr(SecondLoader, "take", late)
    image = tmp_path / "image"
    assert everything.engine.rebuild(everything.parts[-1:], image, bounded(60)) is Level.RESTORED
    found = Image.read(image)
    everything.engine.discard(image, bounded(60))
    assert (found.left_out, found.differences) == ((), ())
    assert len(loaded) >= 3
    assert {word for text in own for word in (b"USING INDEX", b"VALIDATE CONSTRAINT") if word in text} == {
        b"USING INDEX",
        b"VALIDATE CONSTRAINT",
    }
    assert not any(b"DROP" in text for text in own)


ROWS = "SELECT n, 'text ' || n * 7919 FROM generate_series(1, 15000) n"
LARGE = {
    "last": ["CREATE TABLE zz (id int PRIMARY KEY, t text)", f"INSERT INTO zz {ROWS}"],
    "first": ["CREATE TABLE aa (id int PRIMARY KEY, t text)", f"INSERT INTO aa {ROWS}"],
    "partitioned by the hash of an enum": [
        "CREATE TYPE mood AS ENUM ('sad', 'ok')",
        "CREATE TABLE moods (id int, t text, m mood DEFAULT 'ok') PARTITION BY HASH (m)",
        "CREATE TABLE moods_0 PARTITION OF moods FOR VALUES WITH (MODULUS 1, REMAINDER 0)",
        f"INSERT INTO moods {ROWS}",
    ],
}
"""Tables of some blocks of the archive, at the places where they are read in different ways."""


@pytest.mark.server
@pytest.mark.parametrize("room", [True, False], ids=["two", "one"])
@pytest.mark.parametrize("large", LARGE)
def test_the_largest_table_is_read_apart_and_verified_with_the_rest(
    two_connections: PostgresGame, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, large: str, room: bool
) -> None:
    """By whoever loads it, also where partitions are loaded through their root or nobody else has a connection."""
    apart: list[ApartTable] = []
    events = ApartTable.events

    def noting(self: ApartTable, *arguments: Any, **named: Any) -> Iterator[Event]:
        apart.append(self)
        return events(self, *arguments, **named)

    monkeypatch.setattr(ApartTable, "events", noting)
    if not room:
        monkeypatch.setattr(SecondLoader, "connection", full_server)
    run_sql(two_connections.url, *LARGE[large])
    chain = Chain(tmp_path / "taken", engine_for(parse(two_connections.url), 5.0))
    chain.take(watch=bounded(60))
    image = chain.rebuild()
    assert sum(block.rows == 15000 for block in Image.read(image).content.blocks.values()) == 1
    assert len(apart[-1].digests) == len(apart[-1].blocks) >= 2
    chain.engine.discard(image, bounded(60))


@pytest.mark.server
def test_a_table_that_is_read_apart_is_verified_where_nobody_loads_it(
    two_connections: PostgresGame, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """One that could not be made is left out, and damage in its rows is found all the same."""
    run_sql(two_connections.url, *LARGE["last"])
    chain = Chain(tmp_path / "taken", engine_for(parse(two_connections.url), 5.0))
    chain.take(watch=bounded(60))
    monkeypatch.setattr(loader, "_CREATED", re.compile(rb"CREATE TABLE (?P<schema>none)(?P<name>none)"))
    monkeypatch.setattr(Loader, "_exists", lambda _self, _table: False)
    image = chain.rebuild()
    assert '15,000 rows of "public"."zz"' in {each.what for each in Image.read(image).left_out}
    chain.engine.discard(image, bounded(60))
    pieces = block_reader.BlockReader.pieces
    monkeypatch.setattr(
        block_reader.BlockReader,
        "pieces",
        lambda *arguments: (piece.replace(b"text 7919\n", b"text 7918\n") for piece in pieces(*arguments)),
    )
    with pytest.raises(SnapshotDamaged):
        chain.rebuild()


@contextlib.contextmanager
def full_server(_self: SecondLoader) -> Iterator[None]:
    """Stand for a server that has no room for another connection."""
    raise DatabaseUnavailable("too many connections for role")
    yield


@pytest.mark.server
def test_without_room_for_a_second_connection_one_loads_everything(
    everything: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the role may have few connections."""
    asked: list[SecondLoader] = []

    def no_room(loader: SecondLoader) -> contextlib.AbstractContextManager[None]:
        asked.append(loader)
        return full_server(loader)

    monkeypatch.setattr(SecondLoader, "connection", no_room)
    everything.engine.discard(everything.rebuild(), bounded(60))
    assert asked


@pytest.mark.server
def test_what_the_second_connection_meets_ends_the_load(everything: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of it is kept, and the error is the second one's."""

    def refused(*_arguments: object) -> None:
        raise DatabaseUnavailable("the disk quota of the role", code="53400")

    monkeypatch.setattr(SecondLoader, "_load", refused)
    with pytest.raises(DatabaseUnavailable, match="quota"):
        everything.rebuild()


@pytest.mark.server
def test_rows_that_the_second_connection_changed_are_found(everything: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its reader verifies little, so what it loads is compared with what the first reader found."""
    pieces = block_reader.BlockReader.pieces

    def forged(self: BlockReader, begin: int, end: int) -> Iterator[bytes]:
        yield b"".join(pieces(self, begin, end)).replace(b"Card", b"Cart")

    monkeypatch.setattr(block_reader.BlockReader, "pieces", forged)
    take = SecondLoader.take
    monkeypatch.setattr(SecondLoader, "take", lambda self, table: "cards" not in table and take(self, table))
    with pytest.raises(SnapshotDamaged, match=r'"public"\."cards" has another content'):
        everything.rebuild()
