"""What can happen to a database file, as functions of a world whose database nobody has open."""

from __future__ import annotations

import sqlite3

from tests.worlds.game_database import OtherProcess, connected
from tests.worlds.service_world import PlayedWorld, ServiceWorld, damage_pages


def header_destroyed(world: ServiceWorld) -> None:
    """Overwrite the first hundred bytes."""
    with world.database.open("r+b") as file:
        file.write(b"\x5a" * 100)


def truncated(world: ServiceWorld) -> None:
    """Cut half of the file off."""
    with world.database.open("r+b") as file:
        file.truncate(world.database.stat().st_size // 2)


def emptied(world: ServiceWorld) -> None:
    """Leave an empty file."""
    world.database.write_bytes(b"")


def missing(world: ServiceWorld) -> None:
    """Remove the file."""
    world.database.unlink()


def log_left_behind(world: ServiceWorld) -> None:
    """Kill a game in the middle of play, then lose the main file: its write-ahead log stays and must not be
    replayed.
    """
    with OtherProcess(world.database) as game:
        game.execute("PRAGMA wal_autocheckpoint = 0")
        game.execute("DELETE FROM user_cards")
        game.kill()
    assert world.database.with_name("game.db-wal").stat().st_size > 0
    world.database.unlink()


def header_destroyed_beside_a_log(world: ServiceWorld) -> None:
    """The same, with a main file that is there and not a database."""
    with OtherProcess(world.database) as game:
        game.execute("PRAGMA wal_autocheckpoint = 0")
        game.execute("DELETE FROM user_cards")
        game.kill()
    header_destroyed(world)


def folder_missing(world: PlayedWorld) -> None:
    """Move the database's folder away, as if a volume were not mounted."""
    world.database = world.folder / "data" / "game.db"


def pages_of_a_table_damaged(world: ServiceWorld) -> None:
    """Overwrite the first page of a critical table."""
    damage_pages(world.database, "cards")


def pages_of_a_minor_table_damaged(world: ServiceWorld) -> None:
    """Overwrite a page that counting the critical rows never reads: SQLite opens such a database without a word."""
    world.play("CREATE TABLE market (id INTEGER PRIMARY KEY, price INTEGER)")
    world.play("INSERT INTO market VALUES (1, 100)")
    damage_pages(world.database, "market")


def freshly_created(world: ServiceWorld) -> None:
    """Put a new database without tables in its place, as a host does that finds none."""
    world.database.unlink()
    with sqlite3.connect(world.database) as connection:
        connection.execute("PRAGMA user_version = 7")
    connection.close()


def emptied_of_tables(world: ServiceWorld) -> None:
    """Drop every table."""
    with connected(world.database) as connection:
        for table in ("user_cards", "creator_packs", "cards", "users"):
            connection.execute(f"DROP TABLE {table}")


def critical_table_dropped(world: ServiceWorld) -> None:
    """Drop one of the critical tables."""
    world.play("DROP TABLE user_cards")


def json_broken(world: ServiceWorld) -> None:
    """Write what is not JSON into a column that the settings call JSON."""
    world.play("UPDATE creator_packs SET cards_data = '[\"half a card' WHERE id = 5")
