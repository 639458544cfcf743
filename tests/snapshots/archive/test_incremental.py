"""Incremental snapshots as files: applied to their base they give the result, and anything wrong is found before."""

from __future__ import annotations

import gzip
import stat
import zlib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.snapshots.archive import compression
from core.snapshots.archive.compression import Deflate
from core.snapshots.archive.fingerprint import of_file
from core.snapshots.archive.incremental import apply_pages, payload_size, read_delta, verify_pages, write_pages
from core.snapshots.archive.members import Head
from core.snapshots.errors import NotEnoughSpace, OperationCancelled
from core.snapshots.progress import Watch
from tests.worlds.incremental_archives import (
    DELTA,
    GOOD,
    NEW,
    OLD,
    PAYLOAD,
    PLAIN,
    Image,
    headed,
    pages_of,
    written,
)

PAGE_SIZES = (512, 1024, 2048, 4096, 8192, 16384, 32768, 65536)


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
