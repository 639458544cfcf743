"""Databases of which this SQLite, outside the bot, cannot tell whether they are sound, as functions of a world."""

from __future__ import annotations

import random
from collections.abc import Callable

from core.snapshots import Check
from tests.worlds.game_database import connected
from tests.worlds.judgement.pages import rewrite_schema
from tests.worlds.service_world import PlayedWorld, sweep_into_file

Harm = Callable[[PlayedWorld], None]


def _object(kind: str, name: str, sql: str, table: str | None = None, root: str = "0") -> str:
    row = f"('{kind}', '{name}', '{table or name}', {root}, '{sql}')"
    return f"INSERT INTO sqlite_master (type, name, tbl_name, rootpage, sql) VALUES {row}"


def view_of_a_newer_sqlite(world: PlayedWorld) -> None:
    """Add a view that this SQLite cannot parse."""
    rewrite_schema(world.database, _object("view", "best", "CREATE VIEW best AS SELECT 1 WITH FUTURE SYNTAX"))


def trigger_of_a_newer_sqlite(world: PlayedWorld) -> None:
    """Add a trigger that this SQLite cannot parse."""
    sql = "CREATE TRIGGER newer AFTER INSERT ON users FOR EACH STATEMENT BEGIN SELECT 1; END"
    rewrite_schema(world.database, _object("trigger", "newer", sql, "users"))


def table_of_a_newer_sqlite(world: PlayedWorld) -> None:
    """Give a table with rows an option that this SQLite does not know; its pages are then unused ones for it."""
    world.play("CREATE TABLE seasons AS SELECT * FROM cards")
    rewrite_schema(world.database, "UPDATE sqlite_master SET sql = sql || ' COLUMNAR' WHERE name = 'seasons'")


def index_with_a_function_of_the_host(world: PlayedWorld) -> None:
    """Index what only the bot can compute."""
    with connected(world.database) as connection:
        connection.create_function("elvish", 1, str, deterministic=True)
        connection.execute("CREATE INDEX by_elvish_name ON users (elvish(name))")


def condition_with_a_function_of_the_host(world: PlayedWorld) -> None:
    """Let a CHECK call what only the bot can compute."""
    with connected(world.database) as connection:
        connection.create_function("level", 1, abs, deterministic=True)
        connection.execute("CREATE TABLE odd (value INTEGER CHECK (level(value) >= 0))")
        connection.execute("INSERT INTO odd VALUES (1)")


def _compare(one: str, other: str) -> int:
    return (one > other) - (one < other)


def collation_of_the_host(world: PlayedWorld) -> None:
    """Sort a column by what only the bot can compare."""
    with connected(world.database) as connection:
        connection.create_collation("elvish", _compare)
        connection.execute("CREATE TABLE names (name TEXT COLLATE elvish PRIMARY KEY) WITHOUT ROWID")
        connection.executemany("INSERT INTO names VALUES (?)", [(f"n{number}",) for number in range(500)])


def collation_of_the_host_on_a_critical_table(world: PlayedWorld) -> None:
    """Index a critical table by what only the bot can compare."""
    with connected(world.database) as connection:
        connection.create_collation("elvish", _compare)
        connection.execute("CREATE INDEX by_elvish_title ON creator_packs (title COLLATE elvish)")


def module_of_the_host(world: PlayedWorld) -> None:
    """Add a virtual table whose module only the bot has loaded."""
    rewrite_schema(world.database, _object("table", "vectors", "CREATE VIRTUAL TABLE vectors USING vec0(a float[3])"))


def search_index_of_a_newer_sqlite(world: PlayedWorld) -> None:
    """Let a search index have a format that this SQLite does not read."""
    with connected(world.database) as connection:
        connection.execute("CREATE VIRTUAL TABLE search USING fts5 (name)")
        connection.execute("INSERT INTO search SELECT name FROM cards")
        connection.execute("UPDATE search_config SET v = 77 WHERE k = 'version'")


def _with_header(world: PlayedWorld, offset: int, value: bytes) -> None:
    sweep_into_file(world.database)
    with world.database.open("r+b") as file:
        file.seek(offset)
        file.write(value)


def newer_file_format(world: PlayedWorld) -> None:
    """Write the read and write version of a SQLite to come."""
    _with_header(world, 18, b"\x03\x03")


def newer_schema_format(world: PlayedWorld) -> None:
    """Write the schema format of a SQLite to come."""
    _with_header(world, 44, (5).to_bytes(4, "big"))


def _encrypted(world: PlayedWorld, plain: int, size: int | None = None) -> None:
    sweep_into_file(world.database)
    content = world.database.read_bytes()[:size]
    noise = random.Random(7).randbytes(len(content))
    world.database.write_bytes(content[:plain] + noise[plain:])


def encrypted(world: PlayedWorld) -> None:
    """Encrypt the whole file."""
    _encrypted(world, 0)


def encrypted_behind_a_plain_header(world: PlayedWorld) -> None:
    """Encrypt all but the first 32 bytes, as SQLCipher does if it is told to."""
    _encrypted(world, 32)


def encrypted_and_small(world: PlayedWorld) -> None:
    """Leave an encrypted file of one page of 1024 bytes."""
    _encrypted(world, 0, 1024)


KINDS: dict[Harm, Check] = {
    view_of_a_newer_sqlite: Check.SCHEMA,
    trigger_of_a_newer_sqlite: Check.SCHEMA,
    table_of_a_newer_sqlite: Check.SCHEMA,
    index_with_a_function_of_the_host: Check.EXTENSION,
    condition_with_a_function_of_the_host: Check.EXTENSION,
    collation_of_the_host: Check.EXTENSION,
    collation_of_the_host_on_a_critical_table: Check.EXTENSION,
    module_of_the_host: Check.EXTENSION,
    search_index_of_a_newer_sqlite: Check.EXTENSION,
    newer_file_format: Check.FORMAT,
    newer_schema_format: Check.FORMAT,
    encrypted: Check.ENCRYPTED,
    encrypted_behind_a_plain_header: Check.ENCRYPTED,
    encrypted_and_small: Check.ENCRYPTED,
}
