"""The page index: it finds exactly what changed, trusts nothing it can look at, and is lost rather than wrong."""

from __future__ import annotations

import random
import stat
import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from core.snapshots.archive.fingerprint import BLOCK, of_digests, of_file
from core.snapshots.archive.page_index import IndexBuilder, IndexMismatch, LogPosition, PageIndex

PAGE_SIZES = (512, 1024, 2048, 4096, 8192, 16384, 32768, 65536)
LOG = LogPosition(salts=b"salt" * 2, frames=420, checksum=b"sums" * 2)
Image = list[bytes]
"""A database image as its pages."""


def cut(image: Image) -> list[bytes]:
    whole = b"".join(image)
    return [whole[at : at + BLOCK] for at in range(0, len(whole), BLOCK)]


def indexed(image: Image, snapshot: str = "old", log: LogPosition | None = None) -> PageIndex:
    builder = IndexBuilder(len(image[0]))
    for block in cut(image):
        builder.add(block)
    return builder.index(snapshot, log)


def differing(old: Image, new: Image) -> list[int]:
    """The slow, obvious twin: compare every page."""
    return [number for number, page in enumerate(new, 1) if number > len(old) or page != old[number - 1]]


def page(seed: int, size: int = 4096) -> bytes:
    return random.Random(seed).randbytes(32).ljust(size, b".")


def pages(count: int, size: int = 4096) -> Image:
    return [page(seed, size) for seed in range(count)]


def changed(image: Image, *numbers: int) -> Image:
    return [page(number + 1000, len(old)) if number in numbers else old for number, old in enumerate(image, 1)]


class Seen:
    """A sink that remembers, and a reader that counts."""

    def __init__(self, image: Image) -> None:
        self.blocks, self.read, self.pages = cut(image), list[int](), dict[int, bytes]()

    def part(self, number: int, length: int) -> bytes:
        count = -(-length // BLOCK)
        self.read.extend(range(number, number + count))
        return b"".join(self.blocks[number : number + count])

    def page(self, number: int, content: bytes) -> None:
        self.pages[number] = content


@st.composite
def images(draw: st.DrawFn) -> tuple[Image, Image]:
    """An image and a later one; a few blocks of small pages or many of large ones, also with pages that moved."""
    size = draw(st.sampled_from(PAGE_SIZES))
    old = pages(draw(st.integers(1, min(300, 24 * BLOCK // size))), size)
    new = (old + [page(900 + seed, size) for seed in range(200)])[: len(old) + draw(st.integers(-len(old) + 1, 200))]
    for number in draw(st.sets(st.integers(0, len(new) - 1), max_size=8)):
        new[number] = draw(st.sampled_from([page(999, size), old[0], bytes(size)]))
    return old, new


@settings(max_examples=120, deadline=None)
@given(images(), st.data())
def test_exactly_what_differs_is_found_either_way(case: tuple[Image, Image], data: st.DataObject) -> None:
    """Looking at everything and looking where something may have changed find what comparing every page finds."""
    old, new = case
    index, truth, expected = indexed(old), differing(old, new), indexed(new, "new", LOG)
    everywhere, there = Seen(new), Seen(new)
    more = data.draw(st.sets(st.integers(1, len(old) + 300), max_size=5))
    full = index.compare_all(len(new), everywhere.part, everywhere.page, snapshot="new", log=LOG)
    partly = index.compare_candidates({*truth, *more}, len(new), there.part, there.page, snapshot="new", log=LOG)

    assert (full.pages, full.index) == (truth, expected)
    assert (partly.pages, partly.index) == (truth, expected)
    assert list(everywhere.pages.items()) == list(there.pages.items()) == [(n, new[n - 1]) for n in truth]
    assert len(there.read) == len(set(there.read))
    assert sorted(everywhere.read) == list(range(len(everywhere.blocks)))


@settings(max_examples=120, deadline=None)
@given(images(), st.data())
def test_a_change_that_nobody_named_is_never_taken_for_none(case: tuple[Image, Image], data: st.DataObject) -> None:
    """Where a page is missing from the candidates, the answer is a mismatch unless no block of it was looked at."""
    old, new = case
    index, seen, truth = indexed(old), Seen(new), differing(old, new)
    named = data.draw(st.sets(st.sampled_from(truth))) if truth else set[int]()
    per_block = BLOCK // len(old[0])
    try:
        found = index.compare_candidates(named, len(new), seen.part, seen.page, snapshot="new", log=None)
    except IndexMismatch:
        assert any(number <= len(old) and number not in named for number in truth)
    else:
        assert found.pages == [number for number in truth if (number - 1) // per_block in seen.read]
        assert all((number - 1) // per_block not in seen.read or number > len(old) for number in {*truth} - named)


def test_the_index_holds_what_its_description_says(tmp_path: Path) -> None:
    """Plain hashes of blocks and of pages, recomputed by hand, and the fingerprint of the file."""
    image = pages(50)
    path = tmp_path / "image.db"
    path.write_bytes(b"".join(image))
    index = indexed(image, "3f9a1c", LOG)

    assert index.block_digests == b"".join(blake3(block).digest() for block in cut(image))
    assert index.page_digests == b"".join(blake3(content).digest()[:16] for content in image)
    assert (index.snapshot, index.page_size, index.page_count, index.log) == ("3f9a1c", 4096, 50, LOG)
    assert (index.fingerprint, index.size) == (of_file(path), 50 * 4096)


def test_the_fingerprint_follows_from_the_digests_of_all_blocks() -> None:
    """As many as an image of this length has, no more and no fewer."""
    index = indexed(pages(50))
    assert of_digests(index.block_digests, index.size) == index.fingerprint
    for digests, length in (
        (index.block_digests, index.size + BLOCK),
        (index.block_digests[:-1], index.size),
        (b"", -1),
    ):
        with pytest.raises(ValueError, match="do not describe an image"):
            of_digests(digests, length)


def test_only_the_blocks_that_can_have_changed_are_read() -> None:
    """What an update costs is what the event touched, not what the database weighs."""
    old = pages(200)
    new = changed(old, 20, 21, 100)
    seen = Seen(new)
    found = indexed(old).compare_candidates([100, 20, 21, 22], 200, seen.part, seen.page, snapshot="new", log=None)
    assert (found.pages, seen.read) == ([20, 21, 100], [1, 6])
    assert found.index == indexed(new, "new")


@pytest.mark.parametrize(
    ("before", "after", "read"),
    [(40, 64, [2, 3]), (48, 64, [3]), (64, 48, []), (64, 40, [2]), (64, 1, [0]), (40, 40, []), (16, 33, [1, 2])],
)
def test_where_the_image_ends_is_looked_at_when_it_moved(before: int, after: int, read: list[int]) -> None:
    """From the end of the shorter image on, with the block that this end is in."""
    image = pages(64)
    seen = Seen(image[:after])
    found = indexed(image[:before]).compare_candidates([], after, seen.part, seen.page, snapshot="new", log=None)
    assert seen.read == read
    assert found.pages == list(range(before + 1, after + 1))
    assert found.index == indexed(image[:after], "new")


def test_pages_named_beyond_the_end_are_gone(tmp_path: Path) -> None:
    """The log can name pages that a later commit cut off."""
    seen = Seen(pages(20))
    found = indexed(pages(30)).compare_candidates([29, 4000], 20, seen.part, seen.page, snapshot="new", log=None)
    assert (found.pages, found.index) == ([], indexed(pages(20), "new"))


def test_a_neighbour_that_changed_unnamed_is_a_mismatch() -> None:
    """A page that sits beside a named one and differs proves that the names cannot be trusted."""
    old = pages(64)
    seen = Seen(changed(old, 20, 30))
    with pytest.raises(IndexMismatch, match="page 30 changed and nothing had written it"):
        indexed(old).compare_candidates([20], 64, seen.part, seen.page, snapshot="new", log=None)


@pytest.mark.parametrize("length", [0, 4096, BLOCK - 4096, BLOCK + 4096])
def test_a_block_of_the_wrong_length_is_a_mismatch(length: int) -> None:
    """A reader that gives more or less than the image has is not believed."""
    old = pages(64)
    with pytest.raises(IndexMismatch, match=f"{length} bytes were read from block 1 on, and 65536 requested"):
        indexed(old).compare_candidates([20], 64, lambda *_: bytes(length), lambda *_: None, snapshot="new", log=None)


def test_an_index_whose_pages_are_not_those_of_its_blocks_is_a_mismatch() -> None:
    """A block that changed while all its pages look the same means that the pages' digests are another image's."""
    old, new = pages(32), changed(pages(32), 20)
    spoilt = msgspec.structs.replace(indexed(old), page_digests=indexed(new).page_digests)
    seen = Seen(new)
    with pytest.raises(IndexMismatch, match="block 1 changed and none of its pages did"):
        spoilt.compare_candidates([20], 32, seen.part, seen.page, snapshot="new", log=None)
    with pytest.raises(IndexMismatch, match="block 1 changed"):
        spoilt.compare_all(32, seen.part, seen.page, snapshot="new", log=None)


def test_no_change_gives_the_same_fingerprint_and_no_pages() -> None:
    """Pages that were written with what was there before have not changed."""
    index, seen = indexed(pages(40)), Seen(pages(40))
    for found in (
        index.compare_candidates(range(1, 41), 40, seen.part, seen.page, snapshot="new", log=LOG),
        index.compare_all(40, seen.part, seen.page, snapshot="new", log=LOG),
    ):
        assert found.pages == []
        assert found.index == msgspec.structs.replace(index, snapshot="new", log=LOG)
    assert seen.pages == {}


def test_what_the_sink_or_the_image_raise_is_raised_and_no_thread_stays() -> None:
    """Whoever takes the pages can stop when there are too many of them."""
    index, seen, threads = indexed(pages(400)), Seen(changed(pages(400), 3, 390)), threading.active_count()

    def refuse(number: int, content: bytes) -> None:
        raise OverflowError(f"page {number} is too much")

    def broken(number: int, length: int) -> bytes:
        if number:
            raise OSError("the disk is gone")
        return seen.part(number, length)

    def enough(_length: int) -> None:
        raise TimeoutError("it took too long")

    with pytest.raises(OverflowError, match="page 3 "):
        index.compare_all(400, seen.part, refuse, snapshot="new", log=None)
    with pytest.raises(OSError, match="the disk is gone"):
        index.compare_all(400, broken, seen.page, snapshot="new", log=None)
    with pytest.raises(TimeoutError, match="too long"):
        index.compare_all(400, seen.part, seen.page, snapshot="new", log=None, progress=enough)
    assert threading.active_count() == threads


@pytest.mark.parametrize("lengths", [[], [4096, BLOCK], [BLOCK, 5000], [BLOCK + 4096], [BLOCK, 0]])
def test_what_is_no_image_is_refused(lengths: list[int]) -> None:
    """Blocks of 64 KiB, only the last one shorter, all of whole pages, and at least one page."""
    blocks, builder = [bytes(length) for length in lengths], IndexBuilder(4096)

    def build() -> PageIndex:
        for block in blocks:
            builder.add(block)
        return builder.index("new", None)

    with pytest.raises(ValueError, match=r"only the last one is shorter|no image has 0 pages"):
        build()


@pytest.mark.parametrize(("candidates", "count"), [([0], 40), ([-5, 3], 40), ([1], 0)])
def test_pages_are_numbered_from_one(candidates: list[int], count: int) -> None:
    """A number below 1 is a mistake of the caller's, not a page that did not change."""
    seen = Seen(pages(40))
    with pytest.raises(ValueError, match="numbered from 1"):
        indexed(pages(40)).compare_candidates(candidates, count, seen.part, seen.page, snapshot="new", log=None)
    with pytest.raises(ValueError, match="at least one page"):
        indexed(pages(40)).compare_all(0, seen.part, seen.page, snapshot="new", log=None)


def test_blocks_hashed_elsewhere_give_the_same_index() -> None:
    """A thread that has a block in hand can hash it; the builder only puts the results in order."""
    builder = IndexBuilder(512)
    for block in cut(pages(200, 512)):
        builder.add_hashed(IndexBuilder(512).hash_block(block))
    assert builder.index("old", None) == indexed(pages(200, 512))


@pytest.mark.parametrize("log", [None, LOG])
def test_an_index_comes_back_as_it_was_kept(log: LogPosition | None, tmp_path: Path) -> None:
    """In place of the one there, for nobody else to read, and without a trace of how it was written."""
    path = tmp_path / "pages.index"
    indexed(pages(3)).save(path)
    (tmp_path / "pages.index.new").write_bytes(b"left over")
    index = indexed(pages(100), "3f9a1c", log)
    index.save(path)
    assert PageIndex.load(path) == index
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_an_index_that_cannot_be_kept_leaves_the_old_one(tmp_path: Path) -> None:
    """Where the new one cannot take its place, nothing half-done stays beside it."""
    target = tmp_path / "pages.index"
    target.mkdir()
    (target / "in the way").write_bytes(b"")
    with pytest.raises(OSError, match=r"pages\.index"):
        indexed(pages(3)).save(target)
    assert [path.name for path in tmp_path.iterdir()] == ["pages.index"]
    assert PageIndex.load(target) is None
    assert PageIndex.load(tmp_path / "none") is None


def test_every_damaged_index_is_a_lost_one(tmp_path: Path) -> None:
    """Cut at any length or with a bit flipped in any byte, it is not used."""
    path = tmp_path / "pages.index"
    indexed(pages(5), "3f9a1c", LOG).save(path)
    good = path.read_bytes()
    for position in range(len(good)):
        path.write_bytes(good[:position])
        assert PageIndex.load(path) is None
        path.write_bytes(good[:position] + bytes([good[position] ^ 1 << position % 8]) + good[position + 1 :])
        assert PageIndex.load(path) is None
    path.write_bytes(good + b"\0")
    assert PageIndex.load(path) is None


def kept(path: Path, document: Any, magic: bytes = b"savepoint/pages/1\n") -> PageIndex | None:
    body = document if isinstance(document, bytes) else msgspec.msgpack.encode(document)
    path.write_bytes(magic + blake3(body).digest() + body)
    return PageIndex.load(path)


@pytest.mark.parametrize(
    "fields",
    [
        {"block_digests": bytes(2 * 32)},
        {"block_digests": b""},
        {"page_digests": bytes(16 * 19)},
        {"page_digests": b""},
        {"page_count": 19},
        {"page_count": 0, "page_digests": b"", "block_digests": b""},
        {"page_size": 1000},
        {"page_size": 8192},
        {"page_size": 5120, "page_count": 16, "page_digests": bytes(16 * 16)},
        {"page_count": -20},
        {"fingerprint": "b3t64:" + "0" * 64},
        {"snapshot": None},
        {"log": {"salts": b"short", "frames": 1, "checksum": bytes(8)}},
        {"log": {"salts": bytes(8), "frames": -1, "checksum": bytes(8)}},
    ],
)
def test_a_forged_index_with_a_right_checksum_is_a_lost_one(fields: dict[str, Any], tmp_path: Path) -> None:
    """An index must agree with itself; a checksum is no proof of that."""
    path = tmp_path / "pages.index"
    document = {**msgspec.structs.asdict(indexed(pages(20))), "log": None}
    assert kept(path, document) == indexed(pages(20))
    assert kept(path, {**document, **fields}) is None


@pytest.mark.parametrize("body", [b"", b"\xc1", b"\x91" * 5000, b"[]", msgspec.msgpack.encode([1, 2])])
def test_what_is_no_index_is_a_lost_one(body: bytes, tmp_path: Path) -> None:
    """Whatever stands there, the answer is an index or none."""
    path = tmp_path / "pages.index"
    assert kept(path, body) is None
    assert kept(path, msgspec.msgpack.encode(indexed(pages(20))), b"savepoint/pages/2\n") is None
