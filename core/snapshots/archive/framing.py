"""The gzip members of an archive, byte by byte (RFC 1952; the size subfield after BGZF, SAM specification 4.1).

Every member begins with the same ten bytes: ``1f 8b 08 04``, a zero time, no extra flags, operating system 255. The
extra field says what a member is for; ordinary gzip tools skip its subfields. Numbers are little-endian.

A **block** member holds 1 to 65536 bytes of the image::

    header 10 · XLEN = 12 · "SB" 8 · member's size u32 · CRC-32 of the compressed bytes u32 · DEFLATE · CRC-32 · ISIZE

Because its size comes first, a member can be found, copied and expanded without expanding those before it, and damage
is noticed before the bytes reach a decompressor.

A **label** member is empty and carries a JSON document; "SH" is the head, "ST" the tail::

    header 10 · XLEN · "SH" length JSON · "SC" 36 · member's size u32 · seal 32 · 03 00 · CRC-32 = 0 · ISIZE = 0

Its seal is a BLAKE3, first over the seal of the label that it is bound to, then over all its own bytes before the seal.
The tail is bound to the seal of the head, so that the tail of one snapshot cannot end the file of another. The size is
46 bytes before the end, so that a tail can be found from the end of the file.
"""

from __future__ import annotations

import io
import os
import struct
from pathlib import Path
from typing import BinaryIO, NamedTuple

from blake3 import blake3

from ..errors import SnapshotDamaged
from .compression import DEFLATED_MAX, Deflate, DeflateError
from .fingerprint import BLOCK

__all__ = [
    "BLOCK_HEAD",
    "HEAD",
    "LABEL_MAX",
    "TAIL",
    "BlockMember",
    "Cursor",
    "Label",
    "block_size",
    "cursor_at_last_label",
    "make_label",
    "pack_block",
    "unpack_block",
    "unpack_member",
]

HEAD, TAIL = b"SH", b"ST"

_BLOCK, _SEAL = b"SB", b"SC"
_FIXED = bytes.fromhex("1f8b0804 00000000 00ff")
_PREFIX = struct.Struct("<10sH2sH")
"""How every member begins: the fixed header, XLEN, the id and the length of the first subfield."""
_SIZES = struct.Struct("<II")
_NUMBER = struct.Struct("<I")
_SUBFIELD = struct.Struct("<2sH")
_SEAL_HEAD = _SUBFIELD.pack(_SEAL, 4 + 32)
_EMPTY = b"\x03\x00" + bytes(8)
_MISSING = {HEAD: "no snapshot begins here", TAIL: "neither a block nor the tail begins here"}

_BLOCK_PREFIX = _PREFIX.pack(_FIXED, 4 + _SIZES.size, _BLOCK, _SIZES.size)
BLOCK_HEAD = _PREFIX.size + _SIZES.size
"""The number of bytes at the beginning of a block member that tell its size."""

_MEMBER_MIN = BLOCK_HEAD + 1 + _SIZES.size
_MEMBER_MAX = BLOCK_HEAD + DEFLATED_MAX + _SIZES.size
_LABEL_END = len(_SEAL_HEAD) + 4 + 32 + len(_EMPTY)

LABEL_MAX = 0xFFFF - _SUBFIELD.size - len(_SEAL_HEAD) - 4 - 32
"""The longest JSON document that fits beside its seal in one extra field."""


class Label(NamedTuple):
    """A head or a tail: its JSON, its seal, which the next label can be bound to, and the whole member."""

    payload: bytes
    seal: bytes
    member: bytes


class BlockMember(NamedTuple):
    """A block member as read from a file: its offset, the compressed bytes, and what it records about the block."""

    offset: int
    deflated: bytes
    deflated_crc: int
    crc: int
    length: int


def pack_block(data: bytes, deflate: Deflate) -> bytes:
    """Return the member that holds a block of 1 to 65536 bytes."""
    deflated = deflate.compress(data)
    size = BLOCK_HEAD + len(deflated) + _SIZES.size
    sizes = _SIZES.pack(size, deflate.crc32(deflated))
    return b"".join((_BLOCK_PREFIX, sizes, deflated, _SIZES.pack(deflate.crc32(data), len(data))))


def block_size(beginning: bytes) -> int | None:
    """Return the size of the block member that begins with these ``BLOCK_HEAD`` bytes, or None if none does."""
    if len(beginning) < BLOCK_HEAD or not beginning.startswith(_BLOCK_PREFIX):
        return None
    size: int = _NUMBER.unpack_from(beginning, _PREFIX.size)[0]
    return size if _MEMBER_MIN <= size <= _MEMBER_MAX else None


def unpack_block(packed: BlockMember, deflate: Deflate) -> bytes:
    """Return the block in a member. Raises DeflateError if it differs from what the member records about it."""
    if deflate.crc32(packed.deflated) != packed.deflated_crc:
        raise DeflateError("the compressed bytes do not have the recorded checksum")
    if not 0 < packed.length <= BLOCK:
        raise DeflateError(f"a block of {packed.length} bytes is recorded, 1 to {BLOCK} are possible")
    data = deflate.expand(packed.deflated, packed.length)
    if len(data) != packed.length:
        raise DeflateError(f"the block has {len(data)} bytes, {packed.length} are recorded")
    if deflate.crc32(data) != packed.crc:
        raise DeflateError("the block does not have the recorded checksum")
    return data


def unpack_member(member: bytes, deflate: Deflate) -> bytes:
    """Return the block in the bytes of exactly one whole member. Raises SnapshotDamaged."""
    cursor = Cursor(io.BytesIO(member))
    if block_size(member[:BLOCK_HEAD]) == len(member):
        size, deflated_crc = _SIZES.unpack_from(member, _PREFIX.size)
        crc, length = _SIZES.unpack_from(member, size - _SIZES.size)
        packed = BlockMember(0, member[BLOCK_HEAD : -_SIZES.size], deflated_crc, crc, length)
    else:  # which says what is wrong
        packed = cursor.read_block()
        cursor.require_end()
    try:
        return unpack_block(packed, deflate)
    except DeflateError as error:
        raise cursor.damaged(str(error)) from error


def make_label(identifier: bytes, payload: bytes, bound_to: bytes = b"") -> Label:
    """Return the label that carries a JSON document. Raises ValueError if that is longer than ``LABEL_MAX`` bytes."""
    if len(payload) > LABEL_MAX:
        raise ValueError(f"a label holds {LABEL_MAX} bytes of JSON, not {len(payload)}")
    size = _PREFIX.size + len(payload) + _LABEL_END
    extra = size - len(_EMPTY) - _PREFIX.size + _SUBFIELD.size
    sealed = b"".join((_PREFIX.pack(_FIXED, extra, identifier, len(payload)), payload, _SEAL_HEAD, _NUMBER.pack(size)))
    seal = blake3(bound_to + sealed).digest()
    return Label(payload, seal, sealed + seal + _EMPTY)


class Cursor:
    """Reads the members of an archive one after the other.

    Whatever is wrong with the content is raised as SnapshotDamaged, with ``offset`` in bytes, ``detail`` and ``path``.
    """

    def __init__(self, source: BinaryIO, path: Path | None = None, offset: int = 0) -> None:
        """Read from a buffered ``source`` whose position is ``offset``, the beginning of a member."""
        self._source = source
        self._path = path
        self._position = offset
        self._prefix: bytes | None = None
        self.offset = offset
        """The offset of the next member, in bytes."""

    def at_block(self) -> bool:
        """Return True if a block comes next. If not, it is a label, or damage that ``read_label`` reports."""
        return self._peek_prefix() == _BLOCK_PREFIX

    def read_block(self) -> BlockMember:
        """Read a block member, without expanding it."""
        size, deflated_crc = self._read_sizes()
        rest = self._read(size - BLOCK_HEAD)
        crc, length = _SIZES.unpack(rest[-_SIZES.size :])
        packed = BlockMember(self.offset, rest[: -_SIZES.size], deflated_crc, crc, length)
        self._end_member()
        return packed

    def skip_block(self) -> None:
        """Pass over a block member, of which nothing but its size is verified."""
        size, _ = self._read_sizes()
        self._source.seek(size - BLOCK_HEAD, os.SEEK_CUR)
        self._position += size - BLOCK_HEAD
        self._end_member()

    def _read_sizes(self) -> tuple[int, int]:
        """Return the size of a block member, and the checksum of its compressed bytes."""
        if not self.at_block():
            raise self.damaged("no block begins here")
        size, deflated_crc = _SIZES.unpack(self._read(_SIZES.size))
        if not _MEMBER_MIN <= size <= _MEMBER_MAX:
            raise self.damaged(f"a member of {size} bytes is recorded, {_MEMBER_MIN} to {_MEMBER_MAX} are possible")
        return size, deflated_crc

    def read_label(self, identifier: bytes, bound_to: bytes = b"") -> Label:
        """Read the label with this identifier (``HEAD`` or ``TAIL``), bound to the seal ``bound_to``."""
        prefix = self._peek_prefix()
        fixed, extra, found, length = _PREFIX.unpack(prefix)
        if (fixed, found) != (_FIXED, identifier):
            raise self.damaged(_MISSING[identifier])
        if length > LABEL_MAX or extra != length + 0xFFFF - LABEL_MAX:
            raise self.damaged("the lengths in the header contradict each other")
        payload = self._read(length)
        expected = make_label(identifier, payload, bound_to)
        if self._read(_LABEL_END) != expected.member[-_LABEL_END:]:
            raise self.damaged("the seal does not fit the content")
        self._end_member()
        return expected

    def require_end(self) -> None:
        """Raise SnapshotDamaged unless the file ends here."""
        if self._source.read(1):
            raise self.damaged("something follows the end of the archive")

    def damaged(self, detail: str, offset: int | None = None) -> SnapshotDamaged:
        """Return the error for damage at ``offset``, by default that of the next member."""
        at = self.offset if offset is None else offset
        name = self._path.name if self._path else "archive"
        path = str(self._path) if self._path else None
        return SnapshotDamaged(
            f"The snapshot file {name} is damaged at byte {at}: {detail}.", offset=at, detail=detail, path=path
        )

    def _peek_prefix(self) -> bytes:
        if self._prefix is None:
            self._prefix = self._read(_PREFIX.size)
        return self._prefix

    def _read(self, amount: int) -> bytes:
        data = self._source.read(amount)
        self._position += len(data)
        if len(data) < amount:
            raise self.damaged("the file ends before the archive does: it was cut off", self._position)
        return data

    def _end_member(self) -> None:
        self._prefix, self.offset = None, self._position


def cursor_at_last_label(source: BinaryIO, path: Path | None = None) -> Cursor:
    """Return a cursor at the label that ends the file, found by the size it records. Raises SnapshotDamaged."""
    length = source.seek(0, 2)
    source.seek(max(0, length - _LABEL_END))
    ending = source.read(_LABEL_END)
    is_label = ending.startswith(_SEAL_HEAD) and ending.endswith(_EMPTY) and len(ending) == _LABEL_END
    size = _NUMBER.unpack_from(ending, len(_SEAL_HEAD))[0] if is_label else 0
    if not _PREFIX.size + _LABEL_END <= size <= length:
        detail = "the file does not end as an archive does: it was cut off, or something was appended"
        raise Cursor(source, path, length).damaged(detail)
    return Cursor(source, path, source.seek(length - size))
