"""Incremental snapshots as files: applied to their base they give the result, and anything wrong is found before."""

from __future__ import annotations

import datetime as dt
import gzip
import random
import stat
import struct
import tracemalloc
import zlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.snapshots.archive import compression, framing, full
from core.snapshots.archive.compression import Deflate
from core.snapshots.archive.fingerprint import BLOCK, Fingerprint, of_file
from core.snapshots.archive.incremental import Delta, apply_pages, payload_size, read_delta, verify_pages, write_pages
from core.snapshots.archive.members import Head, Tail
from core.snapshots.errors import NotEnoughSpace, OperationCancelled, SnapshotDamaged
from core.snapshots.models import Kind
from core.snapshots.progress import Watch

MOMENT = dt.datetime(2026, 11, 23, 8, tzinfo=dt.UTC)
PLAIN = Head(
    id="3f9a1c",
    sequence=8,
    kind=Kind.CRITICAL,
    created_at=MOMENT,
    began_at=MOMENT,
    reasons=("marketplace_buy_42",),
    requests=1,
    note=None,
    pinned=False,
    engine="sqlite",
    details={"page_size": 512},
)
PAGE_SIZES = (512, 1024, 2048, 4096, 8192, 16384, 32768, 65536)
Image = list[bytes]
"""A database image as its pages."""


def fingerprint_of(image: Image) -> str:
    fingerprint, whole = Fingerprint(), b"".join(image)
    for at in range(0, len(whole), BLOCK):
        fingerprint.add(whole[at : at + BLOCK])
    return fingerprint.text()


def pages_of(seed: int, count: int, page_size: int = 512) -> Image:
    source = random.Random(seed)
    return [(b"card %d " % source.randrange(99) + source.randbytes(20)).ljust(page_size, b".") for _ in range(count)]


def delta_of(old: Image, new: Image, pages: int) -> Delta:
    return Delta(
        base="0a1b2c",
        base_fingerprint=fingerprint_of(old),
        fingerprint=fingerprint_of(new),
        page_size=len(new[0]),
        page_count=len(new),
        pages=pages,
    )


def changes(old: Image, new: Image) -> list[int]:
    return [number for number, page in enumerate(new, 1) if number > len(old) or page != old[number - 1]]


def headed(delta: Delta | None) -> Head:
    return msgspec.structs.replace(PLAIN, delta=delta)


def written(path: Path, old: Image, new: Image) -> tuple[Delta, Tail]:
    numbers = changes(old, new)
    delta = delta_of(old, new, len(numbers))
    contents = (new[number - 1] for number in numbers)
    return delta, write_pages(path, headed(delta), numbers, contents, {"users": 3}, Watch())


def payload(numbers: Sequence[int], contents: Iterable[bytes]) -> bytes:
    return struct.pack(f"<{len(numbers)}I", *numbers) + b"".join(contents)


def forged(delta: Delta | bytes, content: bytes, blocks: list[bytes] | None = None, **tail: Any) -> bytes:
    """Build a file whose seals and checksums are all right: somebody who has this code made it."""
    document = msgspec.json.encode(headed(None))
    if isinstance(delta, Delta):
        delta = msgspec.json.encode(delta)
    opening = framing.make_label(framing.HEAD, document[:-1] + b',"delta":' + delta + b"}")
    pieces = [content[at : at + BLOCK] for at in range(0, len(content), BLOCK)]
    if blocks is None:
        blocks = [framing.pack_block(piece, Deflate(zlib)) for piece in pieces]
    ending = {
        "size": len(content),
        "members": len(pieces),
        "fingerprint": fingerprint_of([content]) if content else Fingerprint().text(),
        "rows": {},
        **tail,
    }
    closing = framing.make_label(framing.TAIL, msgspec.json.encode(ending), opening.seal)
    return opening.member + b"".join(blocks) + closing.member


def members(data: bytes) -> list[bytes]:
    """Cut a file into its gzip members, by a reading that shares no code with the reader."""
    found = []
    while data:
        member = zlib.decompressobj(wbits=31)
        member.decompress(data)
        found.append(data[: len(data) - len(member.unused_data)])
        data = member.unused_data
    return found


OLD = pages_of(1, 6)
NEW = [OLD[0], b"new".ljust(512, b"!"), *OLD[2:4], b"sold".ljust(512, b"?")]
"""Page 2 and 5 changed, page 6 is gone."""
DELTA = delta_of(OLD, NEW, 2)
PAYLOAD = payload([2, 5], [NEW[1], NEW[4]])
GOOD = forged(DELTA, PAYLOAD)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "s.pages.gz"


@pytest.fixture
def image(tmp_path: Path) -> Path:
    image = tmp_path / "image.db"
    image.write_bytes(b"".join(OLD))
    return image


def refused(
    path: Path, data: bytes, image: Path, detail: str = "damaged at byte", delta: Delta | None = None
) -> SnapshotDamaged:
    """Give the error that the file leads to, after making sure that the image was left as it was."""
    path.write_bytes(data)
    before = image.read_bytes()
    with pytest.raises(SnapshotDamaged, match=detail):
        verify_pages(path, delta=delta, watch=Watch())
    with pytest.raises(SnapshotDamaged, match=detail) as raised:
        apply_pages(path, image, delta=delta, watch=Watch())
    assert image.read_bytes() == before
    return raised.value


@st.composite
def images(draw: st.DrawFn) -> tuple[Image, Image]:
    """An image and the one that comes after it: pages changed, added, cut off, or none of these."""
    size, seed = draw(st.sampled_from(PAGE_SIZES)), draw(st.integers(0, 99))
    old, fresh = pages_of(seed, draw(st.integers(1, 40)), size), pages_of(seed + 100, 60, size)
    new = [*old, *fresh[40:]][: draw(st.integers(1, len(old) + 20))]
    for number in draw(st.sets(st.integers(0, len(new) - 1))):
        new[number] = fresh[number]
    return old, new


@settings(max_examples=80, deadline=None)
@given(images())
def test_a_snapshot_applied_to_its_base_gives_the_exact_result(case: tuple[Image, Image]) -> None:
    """Whatever changed, grew or was cut off, and whatever the page size: the result has the promised fingerprint."""
    old, new = case
    with TemporaryDirectory() as folder:
        path, image = Path(folder, "s.pages.gz"), Path(folder, "image.db")
        delta, tail = written(path, old, new)
        image.write_bytes(b"".join(old))

        assert read_delta(path) == (headed(delta), delta)
        assert verify_pages(path, delta=delta, watch=Watch()) == tail
        assert apply_pages(path, image, delta=delta, watch=Watch()) == delta
        assert image.read_bytes() == b"".join(new)
        assert of_file(image) == delta.fingerprint
        assert (tail.size, tail.rows) == (payload_size(delta), {"users": 3})
        assert delta.size == image.stat().st_size


def test_numbers_and_pages_may_span_blocks(path: Path, tmp_path: Path) -> None:
    """More numbers than a block holds, and pages that begin in one block and end in the next."""
    old, new = pages_of(3, 17_001), pages_of(4, 17_000)
    delta, tail = written(path, old, new)
    image = tmp_path / "image.db"
    image.write_bytes(b"".join(old))

    assert apply_pages(path, image, delta=None, watch=Watch()) == delta
    assert tail.members > 130
    assert image.read_bytes() == b"".join(new)


def test_a_chain_of_snapshots_is_applied_one_after_the_other(tmp_path: Path) -> None:
    """What shrinks and grows again has no remains of what was there before."""
    states = [pages_of(1, 9), pages_of(2, 4), [*pages_of(2, 4), *[bytes(512)] * 5], pages_of(5, 12)]
    image = tmp_path / "image.db"
    image.write_bytes(b"".join(states[0]))
    for step, (old, new) in enumerate(pairwise(states)):
        delta, _ = written(tmp_path / f"{step}.pages.gz", old, new)
        apply_pages(tmp_path / f"{step}.pages.gz", image, delta=delta, watch=Watch())
        assert of_file(image) == delta.fingerprint
    assert image.read_bytes() == b"".join(states[-1])


def test_any_gzip_tool_gives_the_numbers_and_the_pages(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The format in the module's docstring, read without its code; the file is private and has no trace of a clock."""
    monkeypatch.setattr(compression, "default_deflate", lambda: Deflate(zlib))  # isal may choose other matches
    written(path, OLD, NEW)
    assert gzip.decompress(path.read_bytes()) == PAYLOAD
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    first = path.read_bytes()
    path.unlink()
    written(path, OLD, NEW)
    assert path.read_bytes() == first


def test_the_head_of_a_full_is_written_as_ever() -> None:
    """Only an incremental's head mentions a delta, and every head mentions its format."""
    document = msgspec.json.encode(PLAIN)
    assert document == (
        b'{"format":1,"id":"3f9a1c","sequence":8,"kind":"critical","created_at":"2026-11-23T08:00:00Z",'
        b'"began_at":"2026-11-23T08:00:00Z","reasons":["marketplace_buy_42"],"requests":1,"note":null,"pinned":false,'
        b'"engine":"sqlite","details":{"page_size":512}}'
    )
    assert msgspec.json.decode(document, type=Head) == PLAIN
    assert msgspec.json.encode(headed(DELTA)).startswith(document[:-1] + b',"delta":{"base":"0a1b2c",')


def test_a_snapshot_of_no_pages_cuts_the_image_to_its_length(path: Path, image: Path) -> None:
    """Where pages only went, the file holds none."""
    delta, tail = written(path, OLD, OLD[:2])
    assert (delta.pages, tail.size, tail.members) == (0, 0, 0)
    apply_pages(path, image, delta=delta, watch=Watch())
    assert image.read_bytes() == b"".join(OLD[:2])


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
    head, block, tail = members(GOOD)
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
    assert error.offset == len(members(data)[0])


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
        refused(path, forged(DELTA, PAYLOAD, [member]), image, "more than the 65536 bytes it may")
        refused(path, forged(huge, b"", [zeros] * 2000, **claims), image, "page numbers do not increase")
        refused(path, forged(DELTA, PAYLOAD, [zeros] * 2000), image, r"more than the 1 blocks")
        assert tracemalloc.get_traced_memory()[1] < 8 * 1024 * 1024
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("numbers", "contents", "detail"),
    [
        pytest.param([2], [NEW[1]], "2 numbers from 1 to 5", id="too few numbers"),
        pytest.param([2, 2], NEW[:2], "strictly increasing", id="a number twice"),
        pytest.param([5, 2], NEW[:2], "strictly increasing", id="out of order"),
        pytest.param([0, 2], NEW[:2], "strictly increasing", id="zero"),
        pytest.param([2, 6], NEW[:2], "strictly increasing", id="beyond the last"),
        pytest.param([2, 5], NEW[:1], "1 pages were given, 2 are announced", id="too few pages"),
        pytest.param([2, 5], NEW[:3], "3 pages were given, 2 are announced", id="too many pages"),
        pytest.param([2, 5], [NEW[0], NEW[1] + b"."], "every page has 512 bytes", id="a long page"),
    ],
)
def test_a_writer_that_contradicts_itself_leaves_no_file(
    numbers: list[int], contents: Image, detail: str, path: Path
) -> None:
    """What could not be read back is not written."""
    with pytest.raises(ValueError, match=detail):
        write_pages(path, headed(DELTA), numbers, contents, {}, Watch())
    assert not path.exists()


def test_an_incremental_needs_a_delta(path: Path) -> None:
    """A head without one is that of a full."""
    with pytest.raises(ValueError, match="has a delta"):
        write_pages(path, PLAIN, [], [], {}, Watch())
    assert not path.exists()


def test_an_error_while_the_pages_are_read_leaves_no_file(path: Path) -> None:
    """Where the database cannot be read to the end, nothing half-written stays."""

    def contents() -> Iterator[bytes]:
        yield NEW[1]
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        write_pages(path, headed(DELTA), [2, 5], contents(), {}, Watch())
    assert not path.exists()


def test_a_missing_file_or_image_is_not_called_damaged(path: Path, tmp_path: Path) -> None:
    """What the operating system says is passed on as it is."""
    with pytest.raises(FileNotFoundError):
        verify_pages(path, delta=None, watch=Watch())
    path.write_bytes(GOOD)
    with pytest.raises(FileNotFoundError):
        apply_pages(path, tmp_path / "none.db", delta=None, watch=Watch())
    assert list(tmp_path.iterdir()) == [path]


def test_work_is_counted_and_can_be_stopped(path: Path, image: Path) -> None:
    """Writing, checking and applying count the payload's bytes, look at the space, and stop when told to."""
    seen, looked = list[tuple[str, int, int]](), list[int]()
    old, new = pages_of(1, 300, 65536), pages_of(2, 300, 65536)
    image.write_bytes(b"".join(old))
    delta, tail = written(path, old, new)
    watch = Watch(progress=lambda *report: seen.append(report), space=lambda: looked.append(1))
    apply_pages(path, image, delta=delta, watch=watch)
    ends = [("check", tail.size, tail.size), ("apply", tail.size, tail.size)]
    assert [report for report in seen if report[1] == report[2]] == ends
    assert looked == [1]

    def full() -> None:
        raise NotEnoughSpace("The disk is full.")

    with pytest.raises(NotEnoughSpace):
        apply_pages(path, image, delta=delta, watch=Watch(space=full))
    image.write_bytes(b"".join(old))
    with pytest.raises(OperationCancelled):
        apply_pages(path, image, delta=delta, watch=Watch(cancelled=lambda: True))
    assert image.read_bytes() == b"".join(old)
