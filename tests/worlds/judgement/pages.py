"""Single pages of a database file that nobody has open, found and overwritten without SQLite."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from tests.worlds.game_database import connected
from tests.worlds.service_world import sweep_into_file

_INTERIOR = (2, 5)
_LEAF = (10, 13)


def page_size_of(path: Path) -> int:
    """Return the size of a page in bytes."""
    with path.open("rb") as file:
        return int.from_bytes(file.read(18)[16:18], "big")


def root_of(path: Path, name: str) -> int:
    """Return the number of the root page of a table or an index, with all of the log in the file."""
    sweep_into_file(path)
    with connected(path) as connection:
        row = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (name,)).fetchone()
    return int(row[0])


def leaf_of(path: Path, name: str) -> int:
    """Return the number of the last leaf of a table or an index that has more than one page."""
    number = root_of(path, name)
    while (page := read_page(path, number))[0] in _INTERIOR:
        number = int.from_bytes(page[8:12], "big")
    assert page[0] in _LEAF
    assert number != root_of(path, name)
    return number


def read_page(path: Path, number: int) -> bytes:
    """Return a page."""
    size = page_size_of(path)
    with path.open("rb") as file:
        file.seek((number - 1) * size)
        return file.read(size)


def write_page(path: Path, number: int, content: bytes) -> None:
    """Overwrite the beginning of a page."""
    size = page_size_of(path)
    with path.open("r+b") as file:
        file.seek((number - 1) * size)
        file.write(content)


def zero_page(path: Path, number: int) -> None:
    """Overwrite a page with zeros, as a disk does that forgot it."""
    write_page(path, number, bytes(page_size_of(path)))


def add_page(path: Path, content: bytes = b"") -> int:
    """Append a page that belongs to nothing, as SQLite counts pages, and return its number."""
    sweep_into_file(path)
    size = page_size_of(path)
    number = path.stat().st_size // size + 1
    with path.open("r+b") as file:
        file.seek(0, 2)
        file.write(content.ljust(size, b"\0"))
        file.seek(28)
        file.write(number.to_bytes(4, "big"))
    return number


def rewrite_schema(path: Path, *statements: str) -> None:
    """Run statements that may change sqlite_master by hand."""
    with connected(path) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        for statement in statements:
            connection.execute(statement)
    sweep_unread(path)


def sweep_unread(path: Path) -> None:
    """Move the log into the file even if this SQLite does not understand the schema."""
    with connected(path) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def found_by_sqlite(path: Path, pragma: str = "integrity_check") -> list[str]:
    """Return what SQLite itself says of a database, to see that a harm is one."""
    with connected(path) as connection:
        try:
            return [line for (text,) in connection.execute(f"PRAGMA {pragma}") for line in str(text).splitlines()]
        except sqlite3.DatabaseError as error:
            return [str(error)]
