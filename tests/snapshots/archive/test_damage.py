"""Damaged and forged archives: every one is found, by SnapshotDamaged and nothing else, in bounded memory."""

from __future__ import annotations

import gzip
import random
from pathlib import Path
from typing import Any

import msgspec
import pytest
from blake3 import blake3
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.snapshots.archive import full
from core.snapshots.archive.fingerprint import BLOCK, ReadElsewhere
from core.snapshots.archive.members import Expectation, Tail
from core.snapshots.errors import SnapshotDamaged, from_wire
from core.snapshots.progress import Watch
from tests.worlds.full_archives import (
    GOOD,
    HEAD,
    IMAGE,
    SMALL,
    archived,
    checked,
    honest,
    parts,
    streamed,
)


@pytest.mark.slow
def test_every_flipped_bit_in_the_file_is_found(tmp_path: Path) -> None:
    """There is no bit in an archive, in headers, JSON, data or padding, that can change unnoticed."""
    path = tmp_path / "s.db.gz"
    missed = []
    for position in range(len(SMALL) * 8):
        data = bytearray(SMALL)
        data[position // 8] ^= 1 << position % 8
        path.write_bytes(data)
        try:
            full.verify(path, fingerprint=None, size=None, watch=Watch())
        except SnapshotDamaged:
            continue
        missed.append(position)

    assert len(SMALL) < 1600
    assert missed == []


@pytest.mark.parametrize("blocks", [range(1), range(1, 2), range(1, 3), range(3), range(2, 3)], ids=str)
def test_blocks_that_are_read_elsewhere_are_part_of_what_is_verified(tmp_path: Path, blocks: range) -> None:
    """Their digests, wrong or too few, decide as much as those of the blocks that are read here."""
    path = tmp_path / "s.db.gz"
    path.write_bytes(GOOD)
    digests = [blake3(IMAGE[number * BLOCK : (number + 1) * BLOCK]).digest() for number in blocks]
    read: list[bytes] = []

    def verified(found: list[bytes]) -> Tail:
        read.clear()
        elsewhere = ReadElsewhere(blocks, lambda: found)
        return full.verify(path, fingerprint=None, size=None, watch=Watch(), sink=read.append, elsewhere=elsewhere)

    assert verified(digests) == full.read_tail(path)
    assert b"".join(read) == IMAGE[: blocks.start * BLOCK] + IMAGE[blocks.stop * BLOCK :]
    for wrong in (digests[:-1], [*digests, digests[0]], [bytes(32), *digests[1:]]):
        with pytest.raises(SnapshotDamaged):
            verified(wrong)
    for cut in range(len(GOOD) - 1, 0, -97):
        path.write_bytes(GOOD[:cut])
        with pytest.raises(SnapshotDamaged):
            verified(digests)


@pytest.mark.slow
def test_the_ends_of_a_flipped_file_are_as_written_or_damaged(tmp_path: Path) -> None:
    """The cheap looks at the head and the tail never give anything but what was written."""
    path = tmp_path / "s.db.gz"
    path.write_bytes(SMALL)
    head, tail = full.read_head(path), full.read_tail(path)
    found = 0
    for position in range(len(SMALL) * 8):
        data = bytearray(SMALL)
        data[position // 8] ^= 1 << position % 8
        path.write_bytes(data)
        for look, truth in ((full.read_head, head), (full.read_tail, tail)):
            try:
                assert look(path) == truth
            except SnapshotDamaged:
                found += 1
    first, *_, last = parts(SMALL)
    assert found == 8 * (2 * len(first) + len(last))


def test_a_file_cut_at_any_length_is_found(tmp_path: Path) -> None:
    """However short the file was cut, the check says so and says where."""
    path = tmp_path / "s.db.gz"
    for length in range(len(GOOD)):
        with pytest.raises(SnapshotDamaged) as raised:
            checked(path, GOOD[:length])
        assert raised.value.offset <= length
        with pytest.raises(SnapshotDamaged, match=r"cut off|neither a block nor the tail"):
            streamed(GOOD[:length])


def test_a_cut_file_says_that_it_was_cut(tmp_path: Path) -> None:
    """The sentence names the file, the place and the likely cause; the data carries the same for programs."""
    path = tmp_path / "s.db.gz"
    with pytest.raises(SnapshotDamaged) as raised:
        checked(path, GOOD[:700])
    assert str(raised.value) == (
        "The snapshot file s.db.gz is damaged at byte 700: the file does not end as an archive does: it was cut off, "
        "or something was appended."
    )
    assert (raised.value.offset, raised.value.path) == (700, str(path))
    assert from_wire(raised.value.to_wire()).detail.startswith("the file does not end")


@settings(max_examples=400, deadline=None)
@given(
    st.integers(0, len(GOOD)),
    st.integers(0, 200),
    st.one_of(st.binary(max_size=200), st.tuples(st.integers(0, len(GOOD)), st.integers(0, 900))),
)
def test_any_patch_is_found_or_changes_nothing(start: int, length: int, patch: bytes | tuple[int, int]) -> None:
    """Bytes removed, overwritten, inserted, or copied from elsewhere in the file: found, or the very same file."""
    piece = patch if isinstance(patch, bytes) else GOOD[patch[0] : sum(patch)]
    data = GOOD[:start] + piece + GOOD[start + length :]
    try:
        assert streamed(data) == IMAGE
        assert data == GOOD
    except SnapshotDamaged:
        assert data != GOOD


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 6), max_size=8))
@example([0, 1, 2, 3, 4, 5])
def test_members_lost_doubled_or_in_another_order_are_found(order: list[int]) -> None:
    """Only the members of one archive, all of them, once and in order, are an archive; 6 is another one's tail."""
    members = [*parts(), parts(archived(IMAGE, msgspec.structs.replace(HEAD, id="other")))[-1]]
    data = b"".join(members[number] for number in order)
    if order == [0, 1, 2, 3, 4, 5]:
        assert streamed(data) == IMAGE
    else:
        with pytest.raises(SnapshotDamaged):
            streamed(data)


@pytest.mark.parametrize(
    ("data", "detail"),
    [
        pytest.param(GOOD + b"\0", "appended", id="a byte appended"),
        pytest.param(GOOD + GOOD, "something follows", id="twice"),
        pytest.param(GOOD + gzip.compress(b"more"), "appended", id="a gzip member appended"),
        pytest.param(GOOD + parts()[-1], "something follows", id="two tails"),
        pytest.param(b"", "cut off", id="empty file"),
        pytest.param(IMAGE, "no snapshot begins", id="a plain image"),
        pytest.param(gzip.compress(IMAGE), "no snapshot begins", id="an ordinary gzip file"),
        pytest.param(b"".join(parts()[1:]), "no snapshot begins", id="no head"),
        pytest.param(parts()[0] + GOOD, "neither a block", id="two heads"),
        pytest.param(parts()[-1] + GOOD, "no snapshot begins", id="the tail first"),
    ],
)
def test_what_is_wrong_is_said(data: bytes, detail: str, tmp_path: Path) -> None:
    """Each way to spoil a file gets the sentence that fits it."""
    with pytest.raises(SnapshotDamaged, match=detail):
        checked(tmp_path / "s.db.gz", data)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300), st.sampled_from([b"", GOOD[:16], GOOD[: len(parts()[0])], parts()[1][:24]]))
def test_garbage_is_never_anything_but_damaged(garbage: bytes, start: bytes) -> None:
    """No sequence of bytes makes the reader raise another exception or believe it."""
    with pytest.raises(SnapshotDamaged):
        streamed(start + garbage)


def test_garbage_files_are_damaged_for_every_function(tmp_path: Path) -> None:
    """Each function that opens a file says SnapshotDamaged, and an extraction leaves nothing behind."""
    path, target = tmp_path / "s.db.gz", tmp_path / "back.db"
    source = random.Random(6)
    for length in (0, 1, 49, 50, 51, 62, 1000, 70_000):
        path.write_bytes(source.randbytes(length))
        with pytest.raises(SnapshotDamaged):
            full.read_head(path)
        with pytest.raises(SnapshotDamaged):
            full.read_tail(path)
        with pytest.raises(SnapshotDamaged):
            full.verify(path, fingerprint=None, size=None, watch=Watch())
        with pytest.raises(SnapshotDamaged):
            full.extract(path, target, fingerprint=None, size=None, watch=Watch())
    assert list(tmp_path.iterdir()) == [path]


def test_an_extraction_that_finds_damage_half_way_leaves_no_file(tmp_path: Path) -> None:
    """A part of an image is never mistaken for one."""
    path, image = tmp_path / "s.db.gz", random.Random(7).randbytes(80 * BLOCK)
    data = bytearray(archived(image))
    data[-(10 * BLOCK)] ^= 1
    path.write_bytes(data)
    with pytest.raises(SnapshotDamaged, match="recorded checksum"):
        full.extract(path, tmp_path / "back.db", fingerprint=None, size=None, watch=Watch())
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_file_is_not_called_damaged(tmp_path: Path) -> None:
    """What the operating system says about a file is passed on as it is."""
    for look in (full.read_head, full.read_tail):
        with pytest.raises(FileNotFoundError):
            look(tmp_path / "none.db.gz")


def test_the_place_of_the_damage_is_the_member_it_is_in(tmp_path: Path) -> None:
    """The offset is where the damaged member begins, so that a person can look at it."""
    members = parts()
    begin = sum(map(len, members[:3]))
    data = bytearray(GOOD)
    data[begin + 40] ^= 16
    with pytest.raises(SnapshotDamaged, match=f"at byte {begin}: the compressed bytes") as raised:
        checked(tmp_path / "s.db.gz", bytes(data))
    assert raised.value.offset == begin


@pytest.mark.parametrize("expected", [{"fingerprint": "b3t64:" + "0" * 64}, {"size": len(IMAGE) + 1}])
def test_an_archive_of_another_image_is_found_before_anything_is_expanded(
    expected: dict[str, Any], tmp_path: Path
) -> None:
    """What the catalog knows is compared with the tail first: these blocks are garbage and are not even looked at."""
    first, *_, last = parts()
    with pytest.raises(SnapshotDamaged, match=r"expected\.$"):
        checked(tmp_path / "s.db.gz", first + b"garbage" + last, **expected)
    with pytest.raises(SnapshotDamaged, match=r"expected\.$"):
        checked(tmp_path / "s.db.gz", GOOD, **expected)
    assert checked(tmp_path / "s.db.gz", GOOD, fingerprint=honest(IMAGE)["fingerprint"], size=len(IMAGE)).size


def test_no_more_blocks_are_expanded_than_the_expected_size_needs() -> None:
    """A stream that goes on for ever is left at the first block too many, wherever its tail may be."""
    endless = parts()[0] + parts()[1] * 1000
    with pytest.raises(SnapshotDamaged, match="more than the 4 blocks"):
        streamed(endless, Expectation(size=len(IMAGE)))


def test_the_tail_is_read_without_the_blocks(tmp_path: Path) -> None:
    """Rebuilding a catalog looks at both ends of each file, and at nothing between."""
    first, *_, last = parts()
    path = tmp_path / "s.db.gz"
    path.write_bytes(first + b"garbage" + last)
    assert full.read_tail(path) == Tail(members=4, rows={"users": 3}, **honest(IMAGE))
    assert full.read_head(path) == HEAD
