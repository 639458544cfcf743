"""Fulls that copy members of an earlier one: nobody can tell them from others, and no rot is carried along."""

from __future__ import annotations

import errno
import gzip
import os
import random
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from blake3 import blake3

from core.snapshots.archive import compression
from core.snapshots.archive.fingerprint import BLOCK
from core.snapshots.archive.full import verify, write_full
from core.snapshots.archive.members import Tail
from core.snapshots.archive.reuse import MemberRecord, ReusePlan, verify_and_record, write_reusing
from core.snapshots.errors import OperationCancelled, SnapshotDamaged
from core.snapshots.progress import Watch
from tests.worlds.chain_world import head_of

ROWS = {"users": 3}


def image_of(seed: int, blocks: int, rest: int = 0) -> bytes:
    dice = random.Random(seed)
    return b"".join(dice.randbytes(40) * 1700 for _ in range(blocks + 1))[: blocks * BLOCK + rest]


def digests_of(image: bytes) -> bytes:
    return b"".join(blake3(image[at : at + BLOCK]).digest() for at in range(0, len(image), BLOCK))


class Old(NamedTuple):
    """A verified full, its image and its record."""

    path: Path
    image: bytes
    record: MemberRecord


@pytest.fixture
def old(tmp_path: Path) -> Old:
    """Five blocks and a short one."""
    path, image = tmp_path / "old.db.gz", image_of(1, 5, 1024)
    write_full(path, [image], head_of(1), ROWS, Watch())
    return Old(path, image, verify_and_record(path, head_of(1).id, digests_of(image), Watch()))


def reuse(old: Old, image: bytes, target: Path, **other: Any) -> tuple[Tail, MemberRecord]:
    plan = ReusePlan(
        size=len(image),
        digests=digests_of(image),
        read_block=other.get("read_block", lambda number: image[number * BLOCK : (number + 1) * BLOCK]),
        previous=old.path,
        record=other.get("record", old.record),
    )
    return write_reusing(target, plan, head_of(2), ROWS, other.get("watch", Watch()))


def with_blocks(image: bytes, *changed: int) -> bytes:
    content = bytearray(image)
    for number in changed:
        content[number * BLOCK] ^= 0xFF
    return bytes(content)


IMAGES: dict[str, Callable[[bytes], bytes]] = {
    "nothing changed": lambda image: image,
    "one block": lambda image: with_blocks(image, 2),
    "the first and the last": lambda image: with_blocks(image, 0, 5),
    "every block": lambda image: with_blocks(image, 0, 1, 2, 3, 4, 5),
    "grown": lambda image: image + image_of(3, 2, 512),
    "grown within the last block": lambda image: image + bytes(1024),
    "shrunk within a block": lambda image: image[: 3 * BLOCK + 4096],
    "shrunk to one block": lambda image: image[:BLOCK],
    "another image": lambda image: image_of(9, 3, 7 * 512),
}


@pytest.mark.parametrize("what", list(IMAGES))
@pytest.mark.parametrize("kernel", ["copies", "has no such call", "refuses"])
def test_what_is_copied_gives_the_very_bytes_that_compressing_gives(
    tmp_path: Path, old: Old, monkeypatch: pytest.MonkeyPatch, what: str, kernel: str
) -> None:
    """The same file, tail and record as a full that was compressed afresh, with or without the kernel's help."""
    if kernel == "has no such call":
        monkeypatch.delattr(os, "copy_file_range", raising=False)
    elif kernel == "refuses":

        def refuse(*_: object) -> int:
            raise OSError(errno.EXDEV, "not between these file systems")

        monkeypatch.setattr(os, "copy_file_range", refuse, raising=False)
    # isal does not always give the same bytes for the same block.
    monkeypatch.setattr(compression, "default_deflate", lambda: compression.Deflate(zlib))
    image, target, plain = IMAGES[what](old.image), tmp_path / "new.db.gz", tmp_path / "plain.db.gz"
    write_full(tmp_path / "old with zlib", [old.image], head_of(1), ROWS, Watch())
    (tmp_path / "old with zlib").replace(old.path)
    record = verify_and_record(old.path, head_of(1).id, digests_of(old.image), Watch())
    tail, record = reuse(old, image, target, record=record)
    assert tail == write_full(plain, [image], head_of(2), ROWS, Watch())
    assert target.read_bytes() == plain.read_bytes()
    assert gzip.decompress(target.read_bytes()) == image
    assert verify(target, fingerprint=tail.fingerprint, size=len(image), watch=Watch()) == tail
    assert record == verify_and_record(plain, head_of(2).id, digests_of(image), Watch())
    assert target.stat().st_mode & 0o777 == 0o600


def test_unchanged_blocks_are_not_read(tmp_path: Path, old: Old) -> None:
    """Only blocks that differ are asked for: this is what makes a full after small changes cheap."""
    asked: list[int] = []
    image = with_blocks(old.image, 1, 4)

    def read_block(number: int) -> bytes:
        asked.append(number)
        return image[number * BLOCK : (number + 1) * BLOCK]

    reuse(old, image, tmp_path / "new.db.gz", read_block=read_block)
    assert asked == [1, 4]


def test_no_rotted_byte_of_a_member_is_carried_along(tmp_path: Path, old: Old) -> None:
    """Whichever field of a copied member rots, checksums and lengths included: SnapshotDamaged, and no file."""
    begin, end = old.record.offset(2), old.record.offset(3)
    whole = old.path.read_bytes()
    places = [*range(begin, begin + 40), *range(begin + 40, end - 9, (end - begin) // 20), *range(end - 9, end)]
    for place in places:
        rotted = bytearray(whole)
        rotted[place] ^= 0x10
        old.path.write_bytes(rotted)
        with pytest.raises(SnapshotDamaged):
            reuse(old, with_blocks(old.image, 0), tmp_path / "new.db.gz")
        assert not (tmp_path / "new.db.gz").exists(), place
        reuse(old, with_blocks(old.image, 2), tmp_path / "new.db.gz")  # what is not copied is not looked at
        verify(tmp_path / "new.db.gz", fingerprint=None, size=None, watch=Watch())
        (tmp_path / "new.db.gz").unlink()


@pytest.mark.parametrize("kernel", [True, False])
def test_an_earlier_full_that_ends_early_is_damage_and_not_an_endless_copy(
    tmp_path: Path, old: Old, monkeypatch: pytest.MonkeyPatch, kernel: bool
) -> None:
    """Its tail put behind fewer members, so that only the copying can find it."""
    if not kernel:
        monkeypatch.delattr(os, "copy_file_range", raising=False)
    monkeypatch.setattr("core.snapshots.archive.reuse._require_same", lambda *_: None)
    with old.path.open("r+b") as file:
        file.truncate(old.record.offset(4))
    with pytest.raises(SnapshotDamaged, match="ends before"):
        reuse(old, old.image, tmp_path / "new.db.gz")
    assert not (tmp_path / "new.db.gz").exists()


def test_a_record_of_another_full_is_refused(tmp_path: Path, old: Old) -> None:
    """The record must describe what the earlier full says at its end."""
    other = Old(tmp_path / "other.db.gz", image_of(5, 5, 1024), old.record)
    write_full(other.path, [other.image], head_of(1), ROWS, Watch())
    with pytest.raises(SnapshotDamaged, match="not the one"):
        reuse(other, old.image, tmp_path / "new.db.gz")
    assert not (tmp_path / "new.db.gz").exists()


def test_a_block_that_is_not_the_one_that_was_hashed_is_found(tmp_path: Path, old: Old) -> None:
    """A source that gives something else when it is read again gives no snapshot."""
    with pytest.raises(SnapshotDamaged, match="not the one that was read"):
        reuse(old, with_blocks(old.image, 1), tmp_path / "new.db.gz", read_block=lambda _: bytes(BLOCK))
    assert not (tmp_path / "new.db.gz").exists()


def test_a_cancelled_copy_leaves_no_file(tmp_path: Path, old: Old) -> None:
    """Neither while it copies nor while it proves."""
    counted = 0

    def go_on() -> bool:
        nonlocal counted
        counted += 1
        return False

    reuse(old, with_blocks(old.image, 3), tmp_path / "whole.db.gz", watch=Watch(cancelled=go_on))
    assert counted > 5
    for looks in range(counted):
        left = iter([False] * looks)
        watch = Watch(cancelled=lambda left=left: next(left, True))  # type: ignore[misc]
        with pytest.raises(OperationCancelled):
            reuse(old, with_blocks(old.image, 3), tmp_path / "new.db.gz", watch=watch)
        assert not (tmp_path / "new.db.gz").exists()


def test_a_record_that_is_damaged_or_lost_is_none(tmp_path: Path, old: Old) -> None:
    """It is derived: one that does not fit is as good as none."""
    path = tmp_path / "members.record"
    assert MemberRecord.load(path) is None
    old.record.save(path)
    assert MemberRecord.load(path) == old.record
    whole = path.read_bytes()
    for place in range(0, len(whole), 37):
        rotted = bytearray(whole)
        rotted[place] ^= 1
        path.write_bytes(rotted)
        assert MemberRecord.load(path) is None
    path.write_bytes(whole[:-1])
    assert MemberRecord.load(path) is None
