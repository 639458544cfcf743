"""Databases of which every row can be read, and whose structures around the rows are wrong."""

from __future__ import annotations

from collections.abc import Callable

from core.snapshots import Check
from tests.worlds.game_database import connected
from tests.worlds.judgement.pages import (
    add_page,
    leaf_of,
    page_size_of,
    read_page,
    rewrite_schema,
    root_of,
    write_page,
    zero_page,
)
from tests.worlds.service_world import PlayedWorld, sweep_into_file

REINDEX, VACUUM, DUMP, REBUILD = "REINDEX", "VACUUM", ".dump", "'rebuild'"


def entry_missing_from_an_index(world: PlayedWorld) -> None:
    """Add a row while SQLite does not know of the index."""
    with connected(world.database) as connection:
        sql = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'user_cards_by_user'").fetchone()[0]
        root = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'user_cards_by_user'").fetchone()[0]
    rewrite_schema(world.database, "DELETE FROM sqlite_master WHERE name = 'user_cards_by_user'")
    world.play("INSERT INTO user_cards (user_id, card_id) VALUES (1, 1)")
    row = f"VALUES ('index', 'user_cards_by_user', 'user_cards', {root}, '{sql}')"
    rewrite_schema(world.database, f"INSERT INTO sqlite_master (type, name, tbl_name, rootpage, sql) {row}")


def root_of_an_index_zeroed(world: PlayedWorld) -> None:
    """Zero the root page of an index."""
    zero_page(world.database, root_of(world.database, "user_cards_by_user"))


def leaf_of_an_index_zeroed(world: PlayedWorld) -> None:
    """Zero a leaf page of an index."""
    world.play("CREATE INDEX by_story ON cards (story)")
    zero_page(world.database, leaf_of(world.database, "by_story"))


def page_that_nothing_uses(world: PlayedWorld) -> None:
    """Append a page of zeros that SQLite counts."""
    add_page(world.database)


def page_of_rows_that_nothing_uses(world: PlayedWorld) -> None:
    """Append a copy of a leaf page that SQLite counts, as a crash of another tool leaves one."""
    add_page(world.database, read_page(world.database, leaf_of(world.database, "cards")))


def tables_gone_from_the_schema(world: PlayedWorld) -> None:
    """Forget the tables and not their pages: nobody must be told just to VACUUM those."""
    rewrite_schema(world.database, "DELETE FROM sqlite_master WHERE tbl_name IN ('cards', 'user_cards')")


def _fill_freelist(world: PlayedWorld) -> int:
    """Make free pages, and return the number of the first trunk page of the freelist."""
    with connected(world.database) as connection:
        connection.execute("CREATE TABLE gone AS SELECT * FROM cards")
        connection.execute("DROP TABLE gone")
    sweep_into_file(world.database)
    return int.from_bytes(read_page(world.database, 1)[32:36], "big")


def freelist_broken(world: PlayedWorld) -> None:
    """Let the freelist claim more pages than a page can name."""
    trunk = _fill_freelist(world)
    write_page(world.database, trunk, bytes(4) + (999_999).to_bytes(4, "big"))


def freelist_broken_behind_a_view(world: PlayedWorld) -> None:
    """The same in a database whose last object is a view: SQLite's own check of everything does not see it."""
    world.play("CREATE VIEW rich AS SELECT * FROM users WHERE dust > 10")
    freelist_broken(world)


def freelist_longer_than_it_is(world: PlayedWorld) -> None:
    """Let the header count more free pages than there are."""
    _fill_freelist(world)
    write_page(world.database, 1, read_page(world.database, 1)[:36] + (77).to_bytes(4, "big"))


def pointer_map_wrong(world: PlayedWorld) -> None:
    """Overwrite the pointer map of a database that vacuums itself."""
    with connected(world.database) as connection:
        connection.execute("PRAGMA journal_mode = delete")
        connection.execute("PRAGMA auto_vacuum = full")
        connection.execute("VACUUM")
    sweep_into_file(world.database)
    write_page(world.database, 2, b"\x05" * page_size_of(world.database))


def search_index_contradicts_itself(world: PlayedWorld) -> None:
    """Remove what a search index stores about its words; its texts and all other tables are as they were."""
    with connected(world.database) as connection:
        connection.execute("CREATE VIRTUAL TABLE search USING fts5 (name, story)")
        connection.execute("INSERT INTO search SELECT name, story FROM cards")
        connection.execute("DELETE FROM search_data")


Harm = Callable[[PlayedWorld], None]

KINDS: dict[Harm, tuple[Check, str]] = {
    entry_missing_from_an_index: (Check.INDEXES, REINDEX),
    root_of_an_index_zeroed: (Check.STRUCTURE, DUMP),
    leaf_of_an_index_zeroed: (Check.STRUCTURE, DUMP),
    page_that_nothing_uses: (Check.SPACE, VACUUM),
    page_of_rows_that_nothing_uses: (Check.SPACE, VACUUM),
    tables_gone_from_the_schema: (Check.SPACE, VACUUM),
    freelist_broken: (Check.SPACE, VACUUM),
    freelist_broken_behind_a_view: (Check.SPACE, VACUUM),
    freelist_longer_than_it_is: (Check.SPACE, VACUUM),
    pointer_map_wrong: (Check.SPACE, VACUUM),
    search_index_contradicts_itself: (Check.INDEXES, REBUILD),
}
"""Each with what is found and what mends it."""
