"""Full snapshots that copy what did not change: members of an earlier full, as they are, and new ones for the rest.

A member holds one block of 64 KiB. Where a block has the digest it had in the earlier full, its member is copied,
compressed bytes and all, without expanding it (``copy_file_range`` where the platform has it). The result is an
ordinary full; nobody can tell it from one that was compressed afresh.

It is proven by what is new: a new member is expanded and its block hashed; a copied one is read back and its bytes are
hashed and compared with what they hashed to when their full was proven. The record of that is derived, kept in
``.work/``, and worth some compressing if it is lost.
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
from ..progress import Watch
from . import cache_file, compression, framing, members
from .fingerprint import BLOCK, DIGEST, of_digests
from .framing import Cursor
from .full import new_file, read_tail, verify
from .members import Head, Tail
from .pipeline import batches, in_order

__all__ = ["MemberRecord", "ReadBlock", "verify_and_record", "write_reusing"]

ReadBlock = Callable[[int], bytes]

_MAGIC = b"savepoint/members/2\n"
_OFFSET = 8
_MEMBER_DIGEST = 16
_COPY = 1 << 20
_FIELDS = struct.Struct("<III")


class MemberRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Where the members of a proven full are and what they hash to.

    ``offsets`` has one more entry than there are members: the end of the last one. ``blocks`` are the digests of the
    blocks in them, ``members`` 16 bytes of the BLAKE3 of each member. Raises ValueError where these do not fit each
    other or the fingerprint.
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
        """Give the record kept at ``path``; None where it cannot be read or was damaged."""
        return cache_file.load(path, _MAGIC, cls)

    def save(self, path: Path) -> None:
        """Keep the record at ``path``; raises OSError."""
        cache_file.save(path, _MAGIC, self)

    def offset(self, number: int) -> int:
        """Give where the member of a block begins, counted from 0; the number after the last gives its end."""
        return int.from_bytes(self.offsets[number * _OFFSET : (number + 1) * _OFFSET], "little")

    def block(self, number: int) -> bytes:
        """Give the digest of a block; nothing for a block that is not there."""
        return self.blocks[number * DIGEST : (number + 1) * DIGEST]

    def member(self, number: int) -> bytes:
        """Give the digest of a member."""
        return self.members[number * _MEMBER_DIGEST : (number + 1) * _MEMBER_DIGEST]


def verify_and_record(
    path: Path, snapshot: str, blocks: bytes, watch: Watch, *, fingerprint: str | None = None, size: int | None = None
) -> MemberRecord:
    """Prove a full like ``full.verify`` and record its members; ``blocks`` are the digests of the blocks in it.

    Raises like ``full.verify``, and ValueError where these are not its digests.
    """
    recorder = _Recorder()
    tail = verify(path, fingerprint=fingerprint, size=size, watch=watch, member_observer=recorder)
    return recorder.record(snapshot, tail, blocks)


class _Recorder:
    """Gathers what ``members.read`` tells of a full, for its record."""

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
    """Hash all of a member that can differ from one to the next: a copy must not carry a rotted field along."""
    fields = _FIELDS.pack(packed.deflated_crc, packed.crc, packed.length)
    return blake3(fields + packed.deflated).digest(_MEMBER_DIGEST)


def write_reusing(
    target: Path,
    previous: Path,
    record: MemberRecord,
    digests: bytes,
    size: int,
    read_block: ReadBlock,
    head: Head,
    rows: Mapping[str, int],
    watch: Watch,
) -> tuple[Tail, MemberRecord]:
    """Write a full of ``size`` bytes whose blocks have these ``digests``, and prove it; give its tail and its record.

    ``record`` is that of the full at ``previous``. ``read_block`` gives a block by its number, for those that differ.
    Counts the image's bytes into the phase that the caller began. On any error no file is left. Raises SnapshotDamaged
    where the earlier full's bytes are not what they were, or a block does not have its digest; OSError; and what the
    watch raises.
    """
    _require_same(record, previous)
    count = -(-size // BLOCK)
    reused = [digests[n * DIGEST : (n + 1) * DIGEST] == record.block(n) for n in range(count)]
    tail = Tail(size=size, members=count, fingerprint=of_digests(digests, size), rows=dict(rows))
    with new_file(target) as file, previous.open("rb", buffering=0) as old:
        seal = members.write_head(file, head)
        _write_members(file, old, record, reused, size, read_block, watch)
        members.write_tail(file, tail, seal)
    try:
        recorder = _verify(target, tail, record, reused, digests, watch)
        return tail, recorder.record(head.id, tail, digests)
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def _require_same(record: MemberRecord, previous: Path) -> None:
    """Raise SnapshotDamaged unless the full says at its end that it holds what the record describes."""
    tail = read_tail(previous)
    if (tail.fingerprint, tail.size) != (record.fingerprint, record.size):
        raise SnapshotDamaged(
            f"The snapshot file {previous.name} is not the one that its record of members describes.",
            path=str(previous),
        )


def _write_members(
    file: BinaryIO,
    old: BinaryIO,
    record: MemberRecord,
    reused: list[bool],
    size: int,
    read_block: ReadBlock,
    watch: Watch,
) -> None:
    deflate, number = compression.default_deflate(), 0
    while number < len(reused):
        end = number + 1
        if reused[number]:
            while end < len(reused) and reused[end]:
                end += 1
            _copy(old, file, record.offset(number), record.offset(end), watch)
        else:
            member = framing.pack_block(read_block(number), deflate)
            file.write(member)
            watch.wrote(len(member))
        watch.advance(min(end * BLOCK, size) - number * BLOCK)
        number = end


def _copy(source: BinaryIO, target: BinaryIO, start: int, end: int, watch: Watch) -> None:
    """Copy a range of one file to the end of another, inside the kernel where it can do that."""
    target.flush()
    while start < end:
        wanted = min(_COPY * 16, end - start)
        copied = _copy_in_kernel(source, target, start, wanted)
        if not copied:
            source.seek(start)
            copied = target.write(source.read(min(_COPY, wanted)))
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
        return 0  # not between these file systems; the ordinary way says what is wrong, if anything is


def _verify(
    path: Path, tail: Tail, record: MemberRecord, reused: list[bool], digests: bytes, watch: Watch
) -> _Recorder:
    """Read the new full back: copied members by their bytes, the others by the block in them."""
    deflate, recorder = compression.default_deflate(), _Recorder()
    with path.open("rb", buffering=16 * BLOCK) as file:
        cursor = Cursor(file, path)

        def verify(batch: list[tuple[int, framing.BlockMember]]) -> list[tuple[int, bytes]]:
            return [(packed.offset, verify_file(number, packed)) for number, packed in batch]

        def verify_file(number: int, packed: framing.BlockMember) -> bytes:
            digest = _digest(packed)
            if reused[number]:
                if digest != record.member(number):
                    raise cursor.damaged("the copied bytes are not what they were when they were proven", packed.offset)
            elif _block_digest(cursor, packed, deflate) != digests[number * DIGEST :][:DIGEST]:
                raise cursor.damaged("the block in it is not the one that was read", packed.offset)
            return digest

        _, seal = members.read_head(cursor)
        taken = ((number, cursor.read_block()) for number in range(len(reused)))
        with closing(in_order(verify, batches(taken))) as batches_proven:
            for batch in batches_proven:
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
