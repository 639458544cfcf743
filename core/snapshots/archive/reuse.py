"""Write a full snapshot that copies the unchanged members of an earlier full, and compresses only the rest.

A member holds one block of 64 KiB. If a block has the same digest as in the earlier full, its member is copied without
expanding it, in the kernel if the platform has ``copy_file_range``. The result is an ordinary full: it cannot be told
from one that was compressed as a whole.

Verification costs little too: a new member is expanded and its block hashed; a copied one is read back, and the hash of
its bytes is compared with the hash that they had when the earlier full was verified. These hashes are in the record of
members, which is kept in ``.work/``; losing it costs the time to compress one full.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import BinaryIO

import msgspec
from blake3 import blake3

from ..errors import SnapshotDamaged
from ..files import open_to_read
from ..models import Health
from ..progress import Watch
from . import cache_file, compression, framing, members
from .fingerprint import BLOCK, DIGEST, of_digests
from .framing import Cursor
from .full import new_file, read_tail, verify
from .members import Head, Tail, no_health
from .pipeline import batches, in_order

__all__ = ["MemberRecord", "ReadBlock", "ReusePlan", "verify_and_record", "write_reusing"]

ReadBlock = Callable[[int], bytes]
"""Returns a block of the image, given its number from 0."""

_MAGIC = b"savepoint/members/2\n"
_OFFSET = 8
_MEMBER_DIGEST = 16
_READ_SIZE = 1 << 20
_COPY_SIZE = 16 << 20
"""How many bytes are copied between two calls of the watch."""
_FIELDS = struct.Struct("<III")


class MemberRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The offsets and the hashes of the members of a verified full.

    ``offsets`` has one entry more than there are members: the end of the last one. ``blocks`` are the digests of the
    blocks in them, ``members`` the first 16 bytes of the BLAKE3 of each member. Raises ValueError if these do not fit
    each other or the fingerprint.
    """

    snapshot: str
    fingerprint: str
    size: int
    offsets: bytes
    blocks: bytes
    members: bytes

    def __post_init__(self) -> None:
        count = -(-self.size // BLOCK)
        if len(self.offsets) != _OFFSET * (count + 1) or len(self.members) != _MEMBER_DIGEST * count:
            raise ValueError("the record does not describe each member")
        if of_digests(self.blocks, self.size) != self.fingerprint:
            raise ValueError("the blocks' digests do not give the fingerprint")

    @classmethod
    def load(cls, path: Path) -> MemberRecord | None:
        """Return the record saved at ``path``, or None if it cannot be read or is damaged."""
        return cache_file.load(path, _MAGIC, cls)

    def save(self, path: Path) -> None:
        """Save the record at ``path``. Raises OSError."""
        cache_file.save(path, _MAGIC, self)

    def offset(self, number: int) -> int:
        """Return the offset of a member, by its number from 0; for the number after the last, the end of the last."""
        return int.from_bytes(self.offsets[number * _OFFSET : (number + 1) * _OFFSET], "little")

    def block_digest(self, number: int) -> bytes:
        """Return the digest of a block, by its number from 0; empty if there is no such block."""
        return self.blocks[number * DIGEST : (number + 1) * DIGEST]

    def member_digest(self, number: int) -> bytes:
        """Return the hash of a member, by its number from 0."""
        return self.members[number * _MEMBER_DIGEST : (number + 1) * _MEMBER_DIGEST]


class ReusePlan(msgspec.Struct, frozen=True, kw_only=True):
    """The image of a new full, and the earlier full that its unchanged members are copied from.

    The image has ``size`` bytes, its blocks have these ``digests``, and ``read_block`` reads one that changed.
    ``record`` describes the members of the earlier full, which is the file at ``previous``.
    """

    size: int
    digests: bytes
    read_block: ReadBlock
    previous: Path
    record: MemberRecord

    @property
    def count(self) -> int:
        """The number of blocks in the image."""
        return -(-self.size // BLOCK)

    def digest(self, number: int) -> bytes:
        """Return the digest of a block of the image, by its number from 0."""
        return self.digests[number * DIGEST : (number + 1) * DIGEST]

    def is_reused(self, number: int) -> bool:
        """Return True if the member of this block can be copied from the earlier full."""
        return self.digest(number) == self.record.block_digest(number)


def verify_and_record(
    path: Path, snapshot: str, blocks: bytes, watch: Watch, *, fingerprint: str | None = None, size: int | None = None
) -> MemberRecord:
    """Verify a full like ``full.verify`` and return the record of its members.

    ``blocks`` are the digests of its blocks, one after the other. Raises like ``full.verify``, and ValueError if they
    do not give its fingerprint.
    """
    recorder = _Recorder()
    tail = verify(path, fingerprint=fingerprint, size=size, watch=watch, member_observer=recorder)
    return recorder.record(snapshot, tail, blocks)


class _Recorder:
    """Collects the offsets and hashes of the members of a full, for its record."""

    def __init__(self) -> None:
        self._offsets, self._digests = bytearray(), bytearray()

    def hash_member(self, member: framing.BlockMember) -> bytes:
        return _digest(member)

    def add(self, offset: int, digest: bytes) -> None:
        self._offsets += offset.to_bytes(_OFFSET, "little")
        self._digests += digest

    def finish(self, offset: int) -> None:
        self._offsets += offset.to_bytes(_OFFSET, "little")

    def record(self, snapshot: str, tail: Tail, blocks: bytes) -> MemberRecord:
        return MemberRecord(
            snapshot=snapshot,
            fingerprint=tail.fingerprint,
            size=tail.size,
            offsets=bytes(self._offsets),
            blocks=blocks,
            members=bytes(self._digests),
        )


def _digest(packed: framing.BlockMember) -> bytes:
    """Return the hash of all fields of a member that differ between members, so that damage to any of them is found."""
    fields = _FIELDS.pack(packed.deflated_crc, packed.crc, packed.length)
    return blake3(fields + packed.deflated).digest(_MEMBER_DIGEST)


def write_reusing(
    target: Path,
    plan: ReusePlan,
    head: Head,
    rows: Mapping[str, int],
    watch: Watch,
    *,
    health: Callable[[], Health | None] = no_health,
) -> tuple[Tail, MemberRecord]:
    """Write a new full as planned and verify it; return its tail and the record of its members.

    The bytes of the image count as progress of the watch's current phase. ``health`` is called last, for the tail. On
    any error no file is left. Raises SnapshotDamaged if bytes of the earlier full have changed or a block does not have
    its digest, OSError, and what the watch raises.
    """
    _require_same(plan.record, plan.previous)
    with new_file(target) as file, open_to_read(plan.previous, 0) as previous:
        seal = members.write_head(file, head)
        _write_members(file, previous, plan, watch)
        fingerprint = of_digests(plan.digests, plan.size)
        tail = Tail(size=plan.size, members=plan.count, fingerprint=fingerprint, rows=dict(rows), health=health())
        members.write_tail(file, tail, seal)
    try:
        recorder = _verify(target, tail, plan, watch)
        return tail, recorder.record(head.id, tail, plan.digests)
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def _require_same(record: MemberRecord, previous: Path) -> None:
    """Raise SnapshotDamaged unless the tail of the full fits the record."""
    tail = read_tail(previous)
    if (tail.fingerprint, tail.size) != (record.fingerprint, record.size):
        raise SnapshotDamaged(
            f"The snapshot file {previous.name} is not the one that its record of members describes.",
            path=str(previous),
        )


def _write_members(file: BinaryIO, previous: BinaryIO, plan: ReusePlan, watch: Watch) -> None:
    deflate, number = compression.default_deflate(), 0
    while number < plan.count:
        end = number + 1
        if plan.is_reused(number):
            while end < plan.count and plan.is_reused(end):
                end += 1
            _copy(previous, file, plan.record.offset(number), plan.record.offset(end), watch)
        else:
            member = framing.pack_block(plan.read_block(number), deflate)
            file.write(member)
            watch.wrote(len(member))
        watch.advance(min(end * BLOCK, plan.size) - number * BLOCK)
        number = end


def _copy(source: BinaryIO, target: BinaryIO, start: int, end: int, watch: Watch) -> None:
    """Copy a range of one file to the end of another, in the kernel if it can."""
    target.flush()
    while start < end:
        wanted = min(_COPY_SIZE, end - start)
        copied = _copy_in_kernel(source, target, start, wanted)
        if not copied:
            source.seek(start)
            copied = target.write(source.read(min(_READ_SIZE, wanted)))
            target.flush()
        if not copied:
            raise SnapshotDamaged(
                f"The snapshot file {Path(source.name).name} ends before byte {end}.", path=str(source.name)
            )
        start += copied
        watch.wrote(copied)
        watch.check()


def _copy_in_kernel(source: BinaryIO, target: BinaryIO, start: int, length: int) -> int:
    if not hasattr(os, "copy_file_range"):
        return 0
    try:
        return os.copy_file_range(source.fileno(), target.fileno(), length, start)
    except OSError:
        return 0  # not between these file systems, or a real error, which reading and writing will raise again


def _verify(path: Path, tail: Tail, plan: ReusePlan, watch: Watch) -> _Recorder:
    """Read the new full back: compare copied members by the hash of their bytes, new ones by their block's digest."""
    deflate, recorder = compression.default_deflate(), _Recorder()
    with path.open("rb", buffering=16 * BLOCK) as file:
        cursor = Cursor(file, path)

        def verify_batch(batch: list[tuple[int, framing.BlockMember]]) -> list[tuple[int, bytes]]:
            return [(packed.offset, verify_member(number, packed)) for number, packed in batch]

        def verify_member(number: int, packed: framing.BlockMember) -> bytes:
            digest = _digest(packed)
            if plan.is_reused(number):
                if digest != plan.record.member_digest(number):
                    raise cursor.damaged("the copied bytes have changed since they were verified", packed.offset)
            elif _block_digest(cursor, packed, deflate) != plan.digest(number):
                raise cursor.damaged("the block in it is not the one that was read", packed.offset)
            return digest

        _, seal = members.read_head(cursor)
        packed_members = ((number, cursor.read_block()) for number in range(plan.count))
        with closing(in_order(verify_batch, batches(packed_members))) as verified_batches:
            for batch in verified_batches:
                for offset, digest in batch:
                    recorder.add(offset, digest)
                watch.check()
        recorder.finish(cursor.offset)
        members.read_tail(cursor, seal, members.Expectation(tail.fingerprint, tail.size))
    return recorder


def _block_digest(cursor: Cursor, packed: framing.BlockMember, deflate: compression.Deflate) -> bytes:
    try:
        return blake3(framing.unpack_block(packed, deflate)).digest()
    except compression.DeflateError as error:
        raise cursor.damaged(str(error), packed.offset) from error
