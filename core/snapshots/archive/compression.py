"""Raw DEFLATE (RFC 1951) for one block, by isal where it is installed, otherwise by the standard library.

Level 1 of isal gives 360 MB/s on one core, level 1 of zlib 73 MB/s, on a card game's database. Its ``isal_zlib``
speaks the standard library's interface, so one piece of code serves both, and each reads what the other wrote.
"""

from __future__ import annotations

import struct
import zlib
from types import ModuleType
from typing import Any

from .fingerprint import BLOCK

__all__ = ["DEFLATED_MAX", "Deflate", "DeflateError", "default_deflate"]

_RAW = -15
_RAW_NEAR = -12
_STORED_MAX = 65535
_STORED_HEAD = struct.Struct("<BHH")

DEFLATED_MAX = BLOCK + 2 * _STORED_HEAD.size
"""No block is longer than this when compressed: one that will not shrink is stored in two pieces."""


class DeflateError(ValueError):
    """The bytes are not exactly one DEFLATE stream, or it gives more than it may."""


class Deflate:
    """One implementation: compresses, expands and sums blocks; safe to use from several threads."""

    def __init__(self, module: ModuleType, window: int = _RAW) -> None:
        # The two modules share an interface but no type.
        self._module: Any = module
        self._window = window
        self.name = module.__name__

    def compress(self, block: bytes) -> bytes:
        """Give the block as one DEFLATE stream of at most ``DEFLATED_MAX`` bytes."""
        deflated: bytes = self._module.compress(block, 1, self._window)
        return deflated if len(deflated) <= DEFLATED_MAX else stored(block)

    def expand(self, deflated: bytes, limit: int) -> bytes:
        """Give what the stream holds; raise DeflateError unless it ends where the bytes end, within ``limit``."""
        stream = self._module.decompressobj(wbits=_RAW)
        try:
            # One byte more than allowed: both implementations see the end of a stream only if there is room left.
            block: bytes = stream.decompress(deflated, limit + 1)
        except self._module.error as error:
            raise DeflateError(str(error)) from error
        if len(block) > limit:
            raise DeflateError(f"it gives more than the {limit} bytes it may")
        if not stream.eof:
            raise DeflateError("the stream does not end")
        if stream.unused_data:
            raise DeflateError("something follows the stream")
        return block

    def crc32(self, data: bytes) -> int:
        """Give the CRC-32 of RFC 1952, section 8."""
        total: int = self._module.crc32(data)
        return total


def stored(block: bytes) -> bytes:
    """Give the block uncompressed, as DEFLATE's stored pieces (RFC 1951, section 3.2.4)."""
    pieces = [block[start : start + _STORED_MAX] for start in range(0, len(block), _STORED_MAX)]
    return b"".join(
        _STORED_HEAD.pack(number == len(pieces), len(piece), len(piece) ^ 0xFFFF) + piece
        for number, piece in enumerate(pieces, start=1)
    )


def default_deflate(*, rows: bool = False) -> Deflate:
    """Give isal where it can be imported, otherwise the standard library's zlib.

    ``rows`` says that it is for lines of text that are like those just before them: isal looks for matches in the last
    4 KiB only then, and gives 3 % fewer bytes in a tenth less time. (zlib would take three times as long.)
    """
    try:
        from isal import isal_zlib
    except ImportError:
        return Deflate(zlib)
    return Deflate(isal_zlib, _RAW_NEAR if rows else _RAW)
