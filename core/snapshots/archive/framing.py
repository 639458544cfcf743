"""The gzip members of an archive, byte by byte (RFC 1952; the size subfield after BGZF, SAM specification 4.1).

Every member begins with the same ten bytes: ``1f 8b 08 04``, a zero time, no extra flags, operating system 255. What
a member is for stands in its extra field, whose subfields ordinary gzip tools skip. Numbers are little-endian.

A **block** member holds 1 to 65536 bytes of the image::

    header 10 · XLEN = 12 · "SB" 8 · member's size u32 · CRC-32 of the compressed bytes u32 · DEFLATE · CRC-32 · ISIZE

With its own size in front, a member can be found, copied and expanded without expanding those before it, and damage
is noticed before the bytes reach a decompressor.

A **label** member is empty and carries a JSON document; "SH" is the head, "ST" the tail::

    header 10 · XLEN · "SH" length JSON · "SC" 36 · member's size u32 · seal 32 · 03 00 · CRC-32 = 0 · ISIZE = 0

Its seal is the BLAKE3 of the label it is bound to, then of all its own bytes before the seal. The tail is bound to
the seal of the head, so a tail cannot end another snapshot's file. The size stands 46 bytes before the end: a tail is
found from behind.
"""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import BinaryIO, NamedTuple

from blake3 import blake3

from ..errors import SnapshotDamaged
from .compression import DEFLATED_MAX, Deflate, DeflateError
from .fingerprint import BLOCK

__all__ = [
    "HEAD",
    "LABEL_MAX",
    "TAIL",
    "BlockMember",
    "Cursor",
    "Label",
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
"""What every member begins with: the fixed header, XLEN, the first subfield's id and length."""
_SIZES = struct.Struct("<II")
_NUMBER = struct.Struct("<I")
_SUBFIELD = struct.Struct("<2sH")
_SEAL_HEAD = _SUBFIELD.pack(_SEAL, 4 + 32)
_EMPTY = b"\x03\x00" + bytes(8)
_ABSENT = {HEAD: "no snapshot begins here", TAIL: "neither a block nor the tail begins here"}

_BLOCK_PREFIX = _PREFIX.pack(_FIXED, 4 + _SIZES.size, _BLOCK, _SIZES.size)
_BLOCK_HEAD = _PREFIX.size + _SIZES.size
_BLOCK_MIN = _BLOCK_HEAD + 1 + _SIZES.size
_BLOCK_MAX = _BLOCK_HEAD + DEFLATED_MAX + _SIZES.size
_LABEL_END = len(_SEAL_HEAD) + 4 + 32 + len(_EMPTY)

LABEL_MAX = 0xFFFF - _SUBFIELD.size - len(_SEAL_HEAD) - 4 - 32
"""The longest JSON document that fits beside its seal in one extra field."""


class Label(NamedTuple):
    """A head or a tail: its JSON, the seal the next label is bound to, and the whole member."""

    payload: bytes
    seal: bytes
    member: bytes


class BlockMember(NamedTuple):
    """A block member as it was read: where it begins, and what it says about the block in it."""

    offset: int
    deflated: bytes
    deflated_crc: int
    crc: int
    length: int


def pack_block(data: bytes, deflate: Deflate) -> bytes:
    """Give the member that holds 1 to 65536 bytes of the image."""
    deflated = deflate.compress(data)
    size = _BLOCK_HEAD + len(deflated) + _SIZES.size
    sizes = _SIZES.pack(size, deflate.crc32(deflated))
    return b"".join((_BLOCK_PREFIX, sizes, deflated, _SIZES.pack(deflate.crc32(data), len(data))))


def unpack_block(packed: BlockMember, deflate: Deflate) -> bytes:
    """Give the block in a member; raise DeflateError where anything the member says about it is not so."""
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
    """Give the block in the bytes of one whole member; raise SnapshotDamaged for anything else."""
    cursor = Cursor(io.BytesIO(member))
    packed = cursor.read_block()
    cursor.require_end()
    try:
        return unpack_block(packed, deflate)
    except DeflateError as error:
        raise cursor.damaged(str(error)) from error


def make_label(identifier: bytes, payload: bytes, bound_to: bytes = b"") -> Label:
    """Give the label that carries a JSON document; raise ValueError where it is longer than ``LABEL_MAX``."""
    if len(payload) > LABEL_MAX:
        raise ValueError(f"a label holds {LABEL_MAX} bytes of JSON, not {len(payload)}")
    size = _PREFIX.size + len(payload) + _LABEL_END
    extra = size - len(_EMPTY) - _PREFIX.size + _SUBFIELD.size
    sealed = b"".join((_PREFIX.pack(_FIXED, extra, identifier, len(payload)), payload, _SEAL_HEAD, _NUMBER.pack(size)))
    seal = blake3(bound_to + sealed).digest()
    return Label(payload, seal, sealed + seal + _EMPTY)


class Cursor:
    """A place in an archive that is being read: takes one member after another, and says where something is wrong.

    Everything it raises about the content is SnapshotDamaged, with ``offset`` in bytes, ``detail`` and ``path``.
    """

    def __init__(self, source: BinaryIO, path: Path | None = None, offset: int = 0) -> None:
        """Read from a buffered ``source`` that stands at ``offset``, the beginning of a member."""
        self._source = source
        self._path = path
        self._position = offset
        self._prefix: bytes | None = None
        self.offset = offset
        """Where the next member begins."""

    def at_block(self) -> bool:
        """Say whether a block comes next; otherwise it is a label, or damage that taking it will find."""
        return self._upcoming() == _BLOCK_PREFIX

    def read_block(self) -> BlockMember:
        """Take a block member without expanding it."""
        if not self.at_block():
            raise self.damaged("no block begins here")
        size, deflated_crc = _SIZES.unpack(self._take(_SIZES.size))
        if not _BLOCK_MIN <= size <= _BLOCK_MAX:
            raise self.damaged(f"a member of {size} bytes is recorded, {_BLOCK_MIN} to {_BLOCK_MAX} are possible")
        rest = self._take(size - _BLOCK_HEAD)
        crc, length = _SIZES.unpack(rest[-_SIZES.size :])
        packed = BlockMember(self.offset, rest[: -_SIZES.size], deflated_crc, crc, length)
        self._next()
        return packed

    def read_label(self, identifier: bytes, bound_to: bytes = b"") -> Label:
        """Take the head or the tail, which must be bound to that other label."""
        prefix = self._upcoming()
        fixed, extra, found, length = _PREFIX.unpack(prefix)
        if (fixed, found) != (_FIXED, identifier):
            raise self.damaged(_ABSENT[identifier])
        if length > LABEL_MAX or extra != length + 0xFFFF - LABEL_MAX:
            raise self.damaged("the lengths in the header contradict each other")
        payload = self._take(length)
        if self._take(_LABEL_END) != (whole := make_label(identifier, payload, bound_to)).member[-_LABEL_END:]:
            raise self.damaged("the seal does not fit the content")
        self._next()
        return whole

    def require_end(self) -> None:
        """Make sure that nothing follows."""
        if self._source.read(1):
            raise self.damaged("something follows the end of the archive")

    def damaged(self, detail: str, offset: int | None = None) -> SnapshotDamaged:
        """Give the error that says what is wrong at ``offset`` (the next member's where it is left out)."""
        at = self.offset if offset is None else offset
        name = self._path.name if self._path else "archive"
        path = str(self._path) if self._path else None
        return SnapshotDamaged(
            f"The snapshot file {name} is damaged at byte {at}: {detail}.", offset=at, detail=detail, path=path
        )

    def _upcoming(self) -> bytes:
        if self._prefix is None:
            self._prefix = self._take(_PREFIX.size)
        return self._prefix

    def _take(self, amount: int) -> bytes:
        data = self._source.read(amount)
        self._position += len(data)
        if len(data) < amount:
            raise self.damaged("the file ends before the archive does: it was cut off", self._position)
        return data

    def _next(self) -> None:
        self._prefix, self.offset = None, self._position


def cursor_at_last_label(source: BinaryIO, path: Path | None = None) -> Cursor:
    """Give a cursor at the label that ends the file, found by the size it records; raise SnapshotDamaged."""
    length = source.seek(0, 2)
    source.seek(max(0, length - _LABEL_END))
    ending = source.read(_LABEL_END)
    begins = ending.startswith(_SEAL_HEAD) and ending.endswith(_EMPTY) and len(ending) == _LABEL_END
    size = _NUMBER.unpack_from(ending, len(_SEAL_HEAD))[0] if begins else 0
    if not _PREFIX.size + _LABEL_END <= size <= length:
        detail = "the file does not end as an archive does: it was cut off, or something was appended"
        raise Cursor(source, path, length).damaged(detail)
    return Cursor(source, path, source.seek(length - size))
