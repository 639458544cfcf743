"""A digest of rows that is the same in whatever order they come.

pg_dump loads the partitions of some tables through their root, because a row may belong to another partition elsewhere:
a hash partition of an enum, whose values are hashed by numbers that differ in every database
(https://www.postgresql.org/docs/current/app-pgdump.html, ``--load-via-partition-root``). So their order says nothing.
"""

from __future__ import annotations

from blake3 import blake3

__all__ = ["RowSet"]

_BYTES = 16
_MODULUS = 1 << (8 * _BYTES)


class RowSet:
    """Adds up the hashes (BLAKE3) of rows, modulo 2**128; a row ends with its line break."""

    def __init__(self) -> None:
        self.rows = 0
        self._sum = 0
        self._begun = b""

    def update(self, data: bytes | memoryview) -> None:
        """Add further bytes, which may begin and end inside a row."""
        *lines, self._begun = (self._begun + bytes(data)).split(b"\n")
        for line in lines:
            self._sum += int.from_bytes(blake3(line).digest(_BYTES), "big")
        self._sum %= _MODULUS
        self.rows += len(lines)

    def hexdigest(self) -> str:
        """Return the sum in 32 hexadecimal digits."""
        return f"{self._sum:032x}"
