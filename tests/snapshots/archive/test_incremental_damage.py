"""Damaged and forged incrementals: every one is found before the image is touched, in bounded memory."""

from __future__ import annotations

import struct
import tracemalloc
import zlib
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.snapshots.archive import framing, full
from core.snapshots.archive.compression import Deflate
from core.snapshots.archive.fingerprint import BLOCK, of_file
from core.snapshots.archive.incremental import Delta, apply_pages, payload_size, read_delta, verify_pages
from core.snapshots.errors import SnapshotDamaged
from core.snapshots.progress import Watch
from tests.worlds.full_archives import parts
from tests.worlds.incremental_archives import (
    DELTA,
    GOOD,
    NEW,
    OLD,
    PAYLOAD,
    PLAIN,
    forged,
    pages_of,
    payload,
    written,
)


def refused(
    path: Path, data: bytes, image: Path, detail: str = "damaged at byte", delta: Delta | None = None
) -> SnapshotDamaged:
    """Return the error that a file leads to, and assert that the image was left as it was."""
    path.write_bytes(data)
    before = image.read_bytes()
    with pytest.raises(SnapshotDamaged, match=detail):
        verify_pages(path, delta=delta, watch=Watch())
    with pytest.raises(SnapshotDamaged, match=detail) as raised:
        apply_pages(path, image, delta=delta, watch=Watch())
    assert image.read_bytes() == before
    return raised.value


def test_a_wrong_base_shows_in_the_fingerprint(path: Path, image: Path) -> None:
    """Applied to what it was not made for, a snapshot gives another image than it promises: the caller must look."""
    delta, _ = written(path, OLD, NEW)
    image.write_bytes(b"".join(pages_of(9, 6)))
    apply_pages(path, image, delta=delta, watch=Watch())
    assert of_file(image) != delta.fingerprint


def test_the_forger_can_be_honest(path: Path, image: Path) -> None:
    """Told the truth, the forging function gives a good file: what it gives otherwise is forged, not broken."""
    path.write_bytes(GOOD)
    assert read_delta(path)[1] == DELTA
    apply_pages(path, image, delta=DELTA, watch=Watch())
    assert image.read_bytes() == b"".join(NEW)


@pytest.mark.parametrize("region", ["head", "pages", "tail"])
def test_a_flipped_bit_anywhere_is_found_before_the_image_is_touched(region: str, path: Path, image: Path) -> None:
    """In every byte of the head, of the compressed pages and of the tail."""
    head, block, tail = parts(GOOD)
    begin, length = {
        "head": (0, len(head)),
        "pages": (len(head), len(block)),
        "tail": (len(head) + len(block), len(tail)),
    }[region]
    for position in range(begin, begin + length):
        data = bytearray(GOOD)
        data[position] ^= 1 << position % 8
        refused(path, bytes(data), image)


def test_a_file_cut_at_any_length_is_found_before_the_image_is_touched(path: Path, image: Path) -> None:
    """However short the file was cut, nothing of it is applied."""
    for length in range(len(GOOD)):
        refused(path, GOOD[:length], image)


@settings(max_examples=300, deadline=None)
@given(
    st.integers(0, len(GOOD)),
    st.integers(0, 200),
    st.one_of(st.binary(max_size=200), st.tuples(st.integers(0, len(GOOD)), st.integers(0, 900))),
)
def test_any_patch_is_found_or_changes_nothing(start: int, length: int, patch: bytes | tuple[int, int]) -> None:
    """Bytes removed, overwritten, inserted, or copied from elsewhere in the file: found, or the very same file."""
    piece = patch if isinstance(patch, bytes) else GOOD[patch[0] : sum(patch)]
    data = GOOD[:start] + piece + GOOD[start + length :]
    with TemporaryDirectory() as folder:
        path, image = Path(folder, "s.pages.gz"), Path(folder, "image.db")
        path.write_bytes(data)
        image.write_bytes(b"".join(OLD))
        try:
            apply_pages(path, image, delta=None, watch=Watch())
        except SnapshotDamaged:
            assert data != GOOD
            assert image.read_bytes() == b"".join(OLD)
        else:
            assert data == GOOD


@pytest.mark.parametrize(
    ("field", "value", "detail"),
    [
        ("base", "ffffff", "its base is 0a1b2c where ffffff is expected"),
        ("base_fingerprint", "b3t64:" + "0" * 64, "its base fingerprint is b3t64:.* where b3t64:0000"),
        ("fingerprint", "b3t64:" + "0" * 64, "its fingerprint is b3t64:.* where b3t64:0000"),
        ("page_size", 1024, "its page size is 512 where 1024 is expected"),
        ("page_count", 6, "its page count is 5 where 6 is expected"),
        ("pages", 3, "its pages is 2 where 3 is expected"),
    ],
)
def test_a_snapshot_that_is_not_the_expected_one_is_refused_before_anything_is_expanded(
    field: str, value: Any, detail: str, path: Path, image: Path
) -> None:
    """What the catalog knows is compared with the head first: these blocks are garbage and are not looked at."""
    expected = msgspec.structs.replace(DELTA, **{field: value})
    error = refused(path, forged(DELTA, PAYLOAD, [b"garbage"]), image, detail, expected)
    assert (error.offset, error.path) == (0, str(path))
    refused(path, GOOD, image, detail, expected)


@pytest.mark.parametrize(
    "numbers",
    [(0, 5), (5, 6), (2, 2), (5, 2), (2, 2**32 - 1)],
    ids=["zero", "beyond the last", "twice", "out of order", "enormous"],
)
def test_a_forged_page_number_is_refused(numbers: tuple[int, int], path: Path, image: Path) -> None:
    """No page is written outside the image, and none twice, even when every checksum is right."""
    data = forged(DELTA, payload(numbers, [NEW[1], NEW[4]]))
    error = refused(path, data, image, "its page numbers do not increase from one to the next between 1 and 5")
    assert error.offset == len(parts(data)[0])


def test_a_forged_page_number_in_a_later_block_is_refused(path: Path, image: Path) -> None:
    """The order is kept from one block to the next."""
    count = BLOCK // 4 + 2
    numbers = [*range(1, BLOCK // 4 + 1), BLOCK // 4, BLOCK // 4 + 5]
    delta = msgspec.structs.replace(DELTA, page_count=count + 10, pages=count)
    refused(path, forged(delta, payload(numbers, [bytes(512)] * count)), image, "page numbers do not increase")


@pytest.mark.parametrize(
    ("content", "tail", "detail"),
    [
        pytest.param(PAYLOAD[:-1], {}, "it holds 1031 bytes where 1032 are expected", id="a byte too few"),
        pytest.param(PAYLOAD + b"x", {}, "it holds 1033 bytes where 1032 are expected", id="a byte too many"),
        pytest.param(PAYLOAD[:-512], {}, "it holds 520 bytes where 1032 are expected", id="a page too few"),
        pytest.param(PAYLOAD[:-512], {"size": 1032}, "the tail records 1032 bytes", id="fewer than the tail says"),
        pytest.param(PAYLOAD + bytes(512), {"size": 1032}, "the tail records 1032 bytes", id="more than the tail says"),
        pytest.param(b"", {}, "it holds 0 bytes where 1032 are expected", id="nothing"),
        pytest.param(PAYLOAD, {"fingerprint": "b3t64:" + "0" * 64}, "the tail records", id="another fingerprint"),
        pytest.param(PAYLOAD, {"members": 2}, "1032 bytes cannot be in 2 blocks", id="another number of blocks"),
        pytest.param(PAYLOAD, {"rows": 3}, "the JSON in it cannot be read", id="no rows"),
    ],
)
def test_a_forged_size_is_refused(content: bytes, tail: dict[str, Any], detail: str, path: Path, image: Path) -> None:
    """Head, tail and content must say the same, whatever their checksums."""
    refused(path, forged(DELTA, content, **tail), image, detail)


@pytest.mark.parametrize(
    ("field", "value", "detail"),
    [
        ("page_size", 0, "a page has 0 bytes"),
        ("page_size", 1000, "a page has 1000 bytes"),
        ("page_size", 256, "a page has 256 bytes"),
        ("page_size", 131072, "a page has 131072 bytes"),
        ("page_size", 512.5, "the JSON"),
        ("page_count", 0, "2 pages cannot be replaced in an image of 0"),
        ("page_count", 2**32 - 1, "2 pages cannot be replaced in an image of 4294967295"),
        ("pages", -1, "-1 pages cannot be replaced"),
        ("pages", 6, "6 pages cannot be replaced in an image of 5"),
        ("pages", 10**30, "the JSON"),
        ("fingerprint", "b3t64:", "the JSON"),
        ("base_fingerprint", None, "the JSON"),
        ("base", 7, "the JSON"),
    ],
)
def test_an_impossible_delta_is_refused(field: str, value: Any, detail: str, path: Path, image: Path) -> None:
    """A head that no writer can have meant is damage, for every function that looks at it."""
    document = {**msgspec.to_builtins(DELTA), field: value}
    refused(path, forged(msgspec.json.encode(document), PAYLOAD), image, detail)
    with pytest.raises(SnapshotDamaged, match=detail):
        read_delta(path)


def test_there_is_no_image_of_no_pages() -> None:
    """Also where nothing is replaced in it."""
    with pytest.raises(ValueError, match="0 pages cannot be replaced in an image of 0"):
        msgspec.structs.replace(DELTA, page_count=0, pages=0)


def test_a_full_snapshot_is_no_incremental_one(path: Path, image: Path) -> None:
    """A file under the wrong name is refused by what it says of itself."""
    full.write_full(path, [b"".join(NEW)], PLAIN, {}, Watch())
    refused(path, path.read_bytes(), image, "it holds a whole image where changed pages are expected")
    with pytest.raises(SnapshotDamaged, match="it holds a whole image"):
        read_delta(path)


def test_a_bomb_is_refused_in_bounded_memory(path: Path, image: Path) -> None:
    """What a head claims is not believed until it is there, and no member gives more than it may."""
    bomb = zlib.compress(bytes(64_000_000), 9, -15)
    header = bytes.fromhex("1f8b08040000000000ff0c00") + b"SB\x08\x00"
    sizes = struct.pack("<II", 24 + len(bomb) + 8, zlib.crc32(bomb))
    member = header + sizes + bomb + struct.pack("<II", 0, BLOCK)
    huge = msgspec.structs.replace(DELTA, page_size=65536, page_count=2**32 - 2, pages=2**32 - 2)
    claims = {"size": payload_size(huge), "members": -(-payload_size(huge) // BLOCK)}
    zeros = framing.pack_block(bytes(BLOCK), Deflate(zlib))
    tracemalloc.start()
    try:
        refused(path, forged(DELTA, PAYLOAD, [member]), image, "more than 65536 bytes")
        refused(path, forged(huge, b"", [zeros] * 2000, **claims), image, "page numbers do not increase")
        refused(path, forged(DELTA, PAYLOAD, [zeros] * 2000), image, r"more than the 1 blocks")
        assert tracemalloc.get_traced_memory()[1] < 8 * 1024 * 1024
    finally:
        tracemalloc.stop()
