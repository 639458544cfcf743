"""Damage that makes rows unreadable, as functions of a world whose database nobody has open."""

from __future__ import annotations

import gzip
import os
import zipfile

from tests.worlds.database_harm import (
    emptied,
    header_destroyed,
    header_destroyed_beside_a_log,
    log_left_behind,
    missing,
    pages_of_a_minor_table_damaged,
    truncated,
)
from tests.worlds.game_database import connected
from tests.worlds.judgement.pages import leaf_of, read_page, root_of, write_page, zero_page
from tests.worlds.service_world import PlayedWorld, sweep_into_file


def only_the_magic_left(world: PlayedWorld) -> None:
    """Overwrite all of the header but its first 16 bytes, so that every number in it is nonsense."""
    sweep_into_file(world.database)
    with world.database.open("r+b") as file:
        file.seek(16)
        file.write(b"\x77" * 84)


def zip_in_its_place(world: PlayedWorld) -> None:
    """Put a zip file in its place, as an upload by mistake does."""
    with zipfile.ZipFile(world.folder / "upload", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("noise", os.urandom(200_000))
    (world.folder / "upload").replace(world.database)


def page_of_the_web_in_its_place(world: PlayedWorld) -> None:
    """Put an error page in its place, as a download does that failed."""
    world.database.write_bytes(b"<!DOCTYPE html><html><body>502 Bad Gateway</body></html>\n" * 40)


def packed_snapshot_in_its_place(world: PlayedWorld) -> None:
    """Put a snapshot in its place that somebody forgot to unpack."""
    world.database.write_bytes(world.file_of(world.newer).read_bytes())


def packed_noise_in_its_place(world: PlayedWorld) -> None:
    """Put a gzip file of random bytes in its place: as random as an encrypted file, and none."""
    world.database.write_bytes(gzip.compress(os.urandom(100_000)))


def nothing_but_zeros(world: PlayedWorld) -> None:
    """Leave as many zeros as there were bytes, as a file system does after a loss of power."""
    sweep_into_file(world.database)
    world.database.write_bytes(bytes(world.database.stat().st_size))


def few_bytes_left(world: PlayedWorld) -> None:
    """Leave the first hundred bytes."""
    sweep_into_file(world.database)
    with world.database.open("r+b") as file:
        file.truncate(100)


def end_cut_off(world: PlayedWorld) -> None:
    """Cut off the end of the last page: SQLite opens such a file and reads zeros there."""
    sweep_into_file(world.database)
    with world.database.open("r+b") as file:
        file.truncate(world.database.stat().st_size - 1000)


def folder_gone(world: PlayedWorld) -> None:
    """Remove the folder with the file in it; the disk is the one it was on."""
    world.database.unlink()
    for side in world.folder.glob("game.db*"):
        side.unlink()


def root_zeroed(world: PlayedWorld) -> None:
    """Zero the root page of a table."""
    zero_page(world.database, root_of(world.database, "cards"))


def leaf_zeroed(world: PlayedWorld) -> None:
    """Zero a leaf page of a table."""
    zero_page(world.database, leaf_of(world.database, "cards"))


def leaf_overwritten(world: PlayedWorld) -> None:
    """Write what is no page at all over a leaf page of a table."""
    write_page(world.database, leaf_of(world.database, "cards"), b"\xa5" * 4096)


def leaf_replaced_by_a_leaf_of_an_index(world: PlayedWorld) -> None:
    """Write a page of an index over one of a table, as a write does that went astray."""
    other = read_page(world.database, root_of(world.database, "user_cards_by_user"))
    write_page(world.database, leaf_of(world.database, "cards"), other)


def rows_out_of_order(world: PlayedWorld) -> None:
    """Exchange two rows in a leaf of a table: both can be read, and neither is found by its key any more."""
    number = leaf_of(world.database, "cards")
    page = bytearray(read_page(world.database, number))
    assert int.from_bytes(page[3:5], "big") >= 2
    page[8:10], page[10:12] = page[10:12], page[8:10]
    write_page(world.database, number, bytes(page))


def schema_zeroed(world: PlayedWorld) -> None:
    """Zero what follows the header on the first page."""
    sweep_into_file(world.database)
    with world.database.open("r+b") as file:
        file.seek(100)
        file.write(bytes(3996))


def root_page_of_a_table_impossible(world: PlayedWorld) -> None:
    """Let the schema name a root page that is not there."""
    with connected(world.database) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_master SET rootpage = 999999 WHERE name = 'cards'")


def overflow_zeroed(world: PlayedWorld) -> None:
    """Zero the first of the pages on which a long value goes on."""
    with connected(world.database) as connection:
        connection.execute("UPDATE cards SET story = ? WHERE id = 1", ("once upon a time " * 2000,))
    sweep_into_file(world.database)
    content = world.database.read_bytes()
    pages = range(2, len(content) // 4096 + 1)
    inside = [number for number in pages if b"upon a time once" in read_page(world.database, number)[:64]]
    zero_page(world.database, inside[0])


def table_with_a_collation_of_the_host_damaged(world: PlayedWorld) -> None:
    """Zero a leaf of a table that SQLite's check cannot look at outside the bot."""
    with connected(world.database) as connection:
        connection.create_collation("elvish", lambda one, other: (one > other) - (one < other))
        connection.execute("CREATE TABLE names (name TEXT COLLATE elvish PRIMARY KEY, story TEXT)")
        connection.executemany("INSERT INTO names VALUES (?, ?)", [(f"n{n}", "x" * 900) for n in range(100)])
    zero_page(world.database, leaf_of(world.database, "names"))


def table_without_rowid_zeroed(world: PlayedWorld) -> None:
    """Zero a leaf of a table that is stored as an index is."""
    with connected(world.database) as connection:
        connection.execute("CREATE TABLE ledger (day TEXT PRIMARY KEY, note TEXT) WITHOUT ROWID")
        connection.executemany("INSERT INTO ledger VALUES (?, ?)", [(f"d{n:03}", "x" * 900) for n in range(100)])
    zero_page(world.database, leaf_of(world.database, "ledger"))


KINDS = (
    header_destroyed,
    header_destroyed_beside_a_log,
    only_the_magic_left,
    zip_in_its_place,
    page_of_the_web_in_its_place,
    packed_snapshot_in_its_place,
    packed_noise_in_its_place,
    nothing_but_zeros,
    truncated,
    few_bytes_left,
    end_cut_off,
    emptied,
    missing,
    log_left_behind,
    folder_gone,
    root_zeroed,
    leaf_zeroed,
    leaf_overwritten,
    leaf_replaced_by_a_leaf_of_an_index,
    rows_out_of_order,
    schema_zeroed,
    root_page_of_a_table_impossible,
    overflow_zeroed,
    pages_of_a_minor_table_damaged,
    table_with_a_collation_of_the_host_damaged,
    table_without_rowid_zeroed,
)
