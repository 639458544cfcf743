"""Which database a repository belongs to."""

from __future__ import annotations

import msgspec

__all__ = ["Identity"]


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """One database, as its repository knows it.

    ``location`` is the absolute path of a SQLite file as first seen, or the system identifier of a PostgreSQL server
    and the name of the database. ``repository`` is a random id that the repository keeps wherever it is moved.
    """

    engine: str
    location: str
    repository: str = ""

    def __str__(self) -> str:
        return f"{self.engine} database {self.location}"

    def same_database(self, other: Identity) -> bool:
        """Return True if both name the same database, whatever their repositories."""
        return (self.engine, self.location) == (other.engine, other.location)
