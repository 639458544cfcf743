"""Read one table of an archive apart from all the rest, so that each block is expanded once although two load rows.

Whoever reads the archive passes over the blocks that hold nothing but rows of this table, and whoever loads it reads
them. The digests of the blocks, and the rows and hash of the table, then become part of what the first one verifies.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

from blake3 import blake3

from ....archive import full
from ....archive.fingerprint import BLOCK
from ....archive.members import TableSpan
from ....errors import SnapshotDamaged
from ....progress import Watch
from ...base import ChainFile
from ..plain_dump.lexer import CopyEnd, CopyStart, Event, Lexer, Malformed, Rows
from ..plain_dump.row_set import RowSet
from ..plain_dump.scanner import Block
from .block_reader import BlockReader

__all__ = ["PIECE_BLOCKS", "ApartTable"]

PIECE_BLOCKS = 4
"""How many blocks are passed on as one piece: each costs some steps in Python, and a message to the server."""
_END = b"\n\\.\n"
_WORTHWHILE = 16
"""The number of blocks from which it is worth reading a table apart."""


class ApartTable:
    """The largest table of an archive: its ``name``, and the numbers of the ``blocks`` that hold only its rows.

    Once it is read, ``block`` and ``digests`` are what was found.
    """

    def __init__(self, part: ChainFile, span: TableSpan, before: int) -> None:
        self.name, begin, end = span
        self.blocks = range(-(-begin // BLOCK), (end - len(_END)) // BLOCK)
        self.block: Block
        self.digests: list[bytes] = []
        self.counted = 0
        """Its rows, as the server that takes them counts them; for ``events`` that do not."""
        self.estimated_rows = (end - begin) // 64
        """A guess, before it is read."""
        self._part = part
        self._before, self._end = before, end
        self._encoding = "UTF8"
        self._read = threading.Event()

    @staticmethod
    def of(part: ChainFile) -> ApartTable | None:
        """Return the largest table of an archive, if it is large and the tail says where; raises SnapshotDamaged."""
        spans = sorted(full.read_tail(Path(part.path)).tables, key=lambda span: span[1])
        names = [name for name, _, _ in spans]
        alone = [
            ApartTable(part, span, before)
            for span, before in zip(spans, (0, *(end for _, _, end in spans)), strict=False)
            if names.count(span[0]) == 1
        ]
        largest = max(alone, key=lambda table: len(table.blocks), default=None)
        return largest if largest is not None and len(largest.blocks) >= _WORTHWHILE else None

    def is_read(self, within: float) -> bool:
        """Return True once the table is read, after so many seconds at most."""
        return self._read.wait(within)

    def read(self, watch: Watch) -> None:
        """Read it for nothing but the digests."""
        for _ in self.events(self._encoding, watch):
            pass

    def events(self, encoding: str, watch: Watch, *, count: bool = True) -> Iterator[Event]:
        """Yield what the dump holds from the end of the table before to the end of this one; the rows are hashed.

        Without ``count`` whoever takes them sets ``counted`` before it asks for the end.
        Raises SnapshotDamaged, as far as it is known without the rest of the archive.
        """
        self.digests, self._encoding = [], encoding
        lexer, found = Lexer(), _Found(count=count)
        lexer.feed(f"SET client_encoding = '{encoding}';\n".encode())
        with BlockReader(Path(self._part.path)) as reader:
            try:
                for piece in self._pieces(reader):
                    watch.check()
                    for event in lexer.feed(piece):
                        found.take(event)
                        yield event
            except Malformed as error:
                raise self._damaged(str(error)) from error
        block = found.block
        if block is None or block.quoted != self.name or not lexer.between_statements:
            raise self._damaged(f"its tail does not say where {self.name} is")
        self.block = block if count or block.partitions else block._replace(rows=self.counted)
        self._read.set()

    def _pieces(self, reader: BlockReader) -> Iterator[bytes]:
        """Yield the dump in pieces of some blocks, and note their digests."""
        gathered: list[bytes] = []
        for number, block in enumerate(reader.pieces(self._before, self._end), self._before // BLOCK):
            if number in self.blocks:
                self.digests.append(blake3(block).digest())
            gathered.append(block)
            if len(gathered) == PIECE_BLOCKS:
                yield b"".join(gathered)
                gathered.clear()
        yield b"".join(gathered)

    def _damaged(self, why: str) -> SnapshotDamaged:
        return SnapshotDamaged(f"The dump in {self._part.path} is damaged: {why}.", path=self._part.path, detail=why)


class _Found:
    """Hashes the rows of the only table among some events; ``block`` is it once it has ended."""

    def __init__(self, *, count: bool) -> None:
        self.block: Block | None = None
        self._count = count
        self._begun: CopyStart | None = None
        self._rows, self._digest, self._row_set = 0, blake3(), RowSet()

    def take(self, event: Event) -> None:
        if isinstance(event, CopyStart):
            if self._begun is not None:
                raise Malformed("a second table begins where one is expected")
            self._begun = event
        elif isinstance(event, Rows):
            if self._begun is not None and self._begun.via_root:
                self._row_set.update(event.view)
            else:
                self._digest.update(event.view)
                self._rows += event.row_count if self._count else 0
        elif isinstance(event, CopyEnd):
            assert self._begun is not None
            self.block = Block(*self._begun[:3], self._rows, self._digest.hexdigest(16))
            if self._begun.via_root:
                rows, digest = self._row_set.rows, self._row_set.hexdigest()
                self.block = self.block._replace(rows=rows, digest=digest, partitions=True)
