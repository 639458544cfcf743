"""The fingerprint of a database image: a hash over the hashes of its blocks.

The image is cut into blocks of 64 KiB (the last may be shorter; an empty image has none). Each block's digest is its
plain BLAKE3. The fingerprint is the BLAKE3 of a tag, the digests in order and the image's length in bytes as eight
bytes, little-endian. Anyone can recompute it::

    from blake3 import blake3
    image = open("game.db", "rb").read()
    digests = b"".join(blake3(image[at : at + 65536]).digest() for at in range(0, len(image), 65536))
    print("b3t64:" + blake3(b"savepoint/b3t64/1" + digests + len(image).to_bytes(8, "little")).hexdigest())

The hash is cryptographic because players can choose the content of the pages. It is a tree so that an incremental
snapshot hashes only the blocks that changed. The length comes last so that an image can be hashed as a stream.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from blake3 import blake3

from ..progress import Watch

__all__ = [
    "BLOCK",
    "DIGEST",
    "NOTHING",
    "BlockHash",
    "Fingerprint",
    "ReadElsewhere",
    "hash_block",
    "of_digests",
    "of_file",
]

BLOCK = 65536
"""The size of a block in bytes. It is the size of SQLite's largest page, so no page spans two blocks."""

DIGEST = 32
"""The size of a block's digest in bytes."""


_TAG = b"savepoint/b3t64/1"
_READ_SIZE = 16 * BLOCK


class BlockHash(NamedTuple):
    """The digest and the length in bytes of one block; for a page index also the digests of its pages, in order."""

    digest: bytes
    length: int
    pages: bytes = b""


def hash_block(block: bytes) -> BlockHash:
    """Return the hash of a block. Safe to call in any thread."""
    return BlockHash(blake3(block).digest(), len(block))


class ReadElsewhere(NamedTuple):
    """Blocks of 64 KiB that somebody else reads and verifies: their numbers, and what waits for their digests.

    The last block of the image is none of them. ``digests`` is called once all others have been read.
    """

    blocks: range
    digests: Callable[[], Sequence[bytes]]


NOTHING = ReadElsewhere(range(0), tuple)


class Fingerprint:
    """Computes the fingerprint of an image from its blocks, which are added in order."""

    def __init__(self) -> None:
        self._tree = blake3(_TAG)
        self._length = 0

    def add(self, block: bytes) -> bytes:
        """Add the next block (64 KiB, only the last may be shorter) and return its 32-byte digest.

        Raises ValueError if the block is empty, too long, or follows a shorter one.
        """
        digest = blake3(block).digest()
        self.add_digest(digest, len(block))
        return digest

    def add_digest(self, digest: bytes, length: int) -> None:
        """Add the next block, hashed elsewhere, by its digest and its length in bytes. Raises like ``add``."""
        if not 0 < length <= BLOCK or self._length % BLOCK:
            raise ValueError(f"blocks are {BLOCK} bytes, only the last is shorter: {length} at byte {self._length}")
        self._tree.update(digest)
        self._length += length

    @property
    def length(self) -> int:
        """The number of bytes added so far."""
        return self._length

    def text(self) -> str:
        """Return the fingerprint of the blocks added so far: ``b3t64:`` and 64 hexadecimal digits."""
        return _text(self._tree.copy(), self._length)


def of_digests(digests: bytes, length: int) -> str:
    """Return the fingerprint of an image of ``length`` bytes, given the concatenated digests of all its blocks.

    Raises ValueError if the number of digests does not fit the length.
    """
    if length < 0 or len(digests) != DIGEST * -(-length // BLOCK):
        raise ValueError(f"{len(digests)} bytes of digests do not describe an image of {length} bytes")
    return _text(blake3(_TAG).update(digests), length)


def of_file(path: Path, watch: Watch | None = None) -> str:
    """Return the fingerprint of the file at ``path``. The bytes read count as progress of the watch's current phase.

    Raises OSError, and what the watch raises. Opening and closing the file of a live SQLite database drops the locks
    that the process holds on it. So call this in the worker only, on files that none of its connections has open.
    """
    fingerprint = Fingerprint()
    with path.open("rb") as file:
        while chunk := file.read(_READ_SIZE):
            for at in range(0, len(chunk), BLOCK):
                fingerprint.add(chunk[at : at + BLOCK])
            if watch is not None:
                watch.advance(len(chunk))
    return fingerprint.text()


def _text(tree: blake3, length: int) -> str:
    return "b3t64:" + tree.update(length.to_bytes(8, "little")).hexdigest()
