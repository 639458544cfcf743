"""Read parts of the dump in an archive, without expanding what lies before them."""

from __future__ import annotations

import io
from array import array
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from ....archive import compression, framing, full, members
from ....archive.fingerprint import BLOCK
from ....archive.members import TableSpan
from ....files import open_to_read, read_at

__all__ = ["BlockReader"]


class BlockReader:
    """Reads a full snapshot block by block; ``tables`` are those that its tail knows, none in older archives.

    Each block is verified by its checksums only. Raises SnapshotDamaged and OSError.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._deflate = compression.default_deflate()

    def __enter__(self) -> BlockReader:
        tail = full.read_tail(self._path)
        self.tables: tuple[TableSpan, ...] = tail.tables
        self._file = open_to_read(self._path)
        self._cursor = framing.Cursor(self._file, self._path)
        members.read_head(self._cursor)
        self._offsets = array("Q", [self._cursor.offset])
        """Of the members whose beginning is known: all up to the furthest that was asked for."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._file.close()

    def pieces(self, begin: int, end: int) -> Iterator[bytes]:
        """Yield the dump from one offset to another, in pieces of 64 KiB at most."""
        for number in range(begin // BLOCK, -(-end // BLOCK)):
            first = number * BLOCK
            yield self._block(number)[max(0, begin - first) : end - first]

    def _block(self, number: int) -> bytes:
        while len(self._offsets) < number + 2:
            at = self._offsets[-1]
            size = framing.block_size(read_at(self._file.fileno(), framing.BLOCK_HEAD, at))
            if size is None:
                raise self._cursor.damaged("no block begins where one should", at)
            self._offsets.append(at + size)
        begin, end = self._offsets[number], self._offsets[number + 1]
        member = framing.Cursor(io.BytesIO(read_at(self._file.fileno(), end - begin, begin)), self._path).read_block()
        try:
            return framing.unpack_block(member, self._deflate)
        except compression.DeflateError as error:
            raise self._cursor.damaged(str(error), begin) from error
