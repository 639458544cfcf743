"""Databases that SQLite finds sound and somebody should look at, as functions of a world."""

from __future__ import annotations

from collections.abc import Callable

from core.snapshots import Check
from tests.worlds.database_harm import critical_table_dropped, emptied_of_tables, freshly_created, json_broken
from tests.worlds.game_database import connected
from tests.worlds.judgement.pages import rewrite_schema
from tests.worlds.service_world import PlayedWorld, sweep_into_file

Harm = Callable[[PlayedWorld], None]


def table_renamed(world: PlayedWorld) -> None:
    """Rename a critical table, as an update of the game does."""
    world.play("ALTER TABLE users RENAME TO players")


def table_emptied(world: PlayedWorld) -> None:
    """Remove every row of a table, as the reset of a season does."""
    world.play("DELETE FROM user_cards")


def every_table_emptied(world: PlayedWorld) -> None:
    """Remove every row of every table."""
    for table in ("user_cards", "creator_packs", "cards", "users"):
        world.play(f"DELETE FROM {table}")


def json_of_another_type(world: PlayedWorld) -> None:
    """Write an object where the settings expect a list."""
    world.play("UPDATE creator_packs SET cards_data = '{}' WHERE id = 5")


def row_that_refers_to_nothing(world: PlayedWorld) -> None:
    """Remove a card that players own."""
    world.play("DELETE FROM cards WHERE id = 1")


def foreign_key_to_nothing(world: PlayedWorld) -> None:
    """Add a table whose foreign key refers to a column that is not unique."""
    world.play("CREATE TABLE trades (id INTEGER PRIMARY KEY, card TEXT REFERENCES cards (name))")
    world.play("INSERT INTO trades (card) VALUES ('Card 1')")


def null_in_a_column_that_has_none(world: PlayedWorld) -> None:
    """Make a column NOT NULL by hand although a row has none."""
    world.play("CREATE TABLE guilds (id INTEGER PRIMARY KEY, name TEXT)")
    world.play("INSERT INTO guilds (name) VALUES (NULL)")
    rewrite_schema(
        world.database,
        "UPDATE sqlite_master SET sql = replace(sql, 'name TEXT', 'name TEXT NOT NULL') WHERE name = 'guilds'",
    )


def row_that_breaks_a_check(world: PlayedWorld) -> None:
    """Give a player less than nothing, as a tool does that ignores checks."""
    with connected(world.database) as connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        connection.execute("UPDATE users SET dust = -5 WHERE id = 3")


def two_rows_with_one_name(world: PlayedWorld) -> None:
    """Make an index unique by hand although two rows share a value."""
    world.play("CREATE INDEX by_rarity ON cards (rarity)")
    rewrite_schema(
        world.database,
        "UPDATE sqlite_master SET sql = replace(sql, 'CREATE INDEX', 'CREATE UNIQUE INDEX') WHERE name = 'by_rarity'",
    )


def value_of_another_type(world: PlayedWorld) -> None:
    """Make a table strict by hand although a value has another type."""
    world.play("CREATE TABLE scores (id INTEGER PRIMARY KEY, points INTEGER)")
    world.play("INSERT INTO scores (points) VALUES ('many')")
    rewrite_schema(world.database, "UPDATE sqlite_master SET sql = sql || ' STRICT' WHERE name = 'scores'")


def letter_of_a_column_flipped(world: PlayedWorld) -> None:
    """Flip a bit in the name of a column, where the schema is stored: SQLite reads on with the other name."""
    sweep_into_file(world.database)
    content = bytearray(world.database.read_bytes())
    at = content.index(b"cards_data")
    content[at] ^= 0x80
    world.database.write_bytes(content)


KINDS: dict[Harm, Check] = {
    table_renamed: Check.TABLES,
    table_emptied: Check.ROWS,
    every_table_emptied: Check.EMPTY,
    critical_table_dropped: Check.TABLES,
    emptied_of_tables: Check.EMPTY,
    freshly_created: Check.EMPTY,
    json_broken: Check.JSON,
    json_of_another_type: Check.JSON,
    row_that_refers_to_nothing: Check.FOREIGN_KEYS,
    foreign_key_to_nothing: Check.FOREIGN_KEYS,
    null_in_a_column_that_has_none: Check.CONSTRAINTS,
    row_that_breaks_a_check: Check.CONSTRAINTS,
    two_rows_with_one_name: Check.UNIQUE,
    value_of_another_type: Check.CONSTRAINTS,
    letter_of_a_column_flipped: Check.TABLES,
}
