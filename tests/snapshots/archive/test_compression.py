"""The two implementations of DEFLATE: each reads the other, both refuse what is not exactly one bounded stream."""

from __future__ import annotations

import random
import sys
import zlib
from types import ModuleType

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.snapshots.archive.compression import DEFLATED_MAX, Deflate, DeflateError, default_deflate, stored
from core.snapshots.archive.fingerprint import BLOCK

STANDARD = Deflate(zlib)
BOTH = [pytest.param(STANDARD, id="zlib"), pytest.param(default_deflate(), id="isal")]


def test_isal_is_chosen_where_it_is_installed() -> None:
    """The development requirements install isal, so these tests do run both implementations."""
    assert default_deflate().name == "isal.isal_zlib"


def test_the_standard_library_serves_where_isal_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no isal for every platform; without it the archive works all the same."""
    monkeypatch.setitem(sys.modules, "isal", None)
    assert default_deflate().name == "zlib"


@pytest.mark.parametrize("reader", BOTH)
@pytest.mark.parametrize("writer", BOTH)
@settings(max_examples=60, deadline=None)
@given(st.binary(min_size=1, max_size=2000), st.integers(1, 40))
@example(b"\0", BLOCK)
def test_each_reads_what_the_other_wrote(writer: Deflate, reader: Deflate, data: bytes, times: int) -> None:
    """A snapshot written with one implementation is restored with the other."""
    block = (data * times)[:BLOCK]
    assert reader.expand(writer.compress(block), len(block)) == block
    assert reader.crc32(block) == writer.crc32(block) == zlib.crc32(block)


@pytest.mark.parametrize("deflate", BOTH)
def test_what_will_not_shrink_stays_within_the_bound(deflate: Deflate) -> None:
    """The reader refuses members above a bound, so no block may be compressed to more."""
    block = random.Random(1).randbytes(BLOCK)
    deflated = deflate.compress(block)
    assert BLOCK < len(deflated) <= DEFLATED_MAX
    assert deflate.expand(deflated, BLOCK) == block


@pytest.mark.parametrize("size", [1, 65535, BLOCK])
@pytest.mark.parametrize("deflate", BOTH)
def test_stored_pieces_are_a_stream_that_everyone_reads(deflate: Deflate, size: int) -> None:
    """The uncompressed form is valid DEFLATE, and the largest block in it meets the bound exactly."""
    block = random.Random(size).randbytes(size)
    assert deflate.expand(stored(block), size) == block
    assert zlib.decompress(stored(block), -15) == block
    assert len(stored(bytes(BLOCK))) == DEFLATED_MAX


def test_an_implementation_that_swells_a_block_is_not_believed() -> None:
    """Some builds of zlib expand what will not shrink by an eighth: such a block is stored instead."""
    swelling = ModuleType("swelling")
    swelling.compress = lambda block, level, wbits: bytes(len(block) * 9 // 8)  # type: ignore[attr-defined]
    block = random.Random(4).randbytes(BLOCK)
    assert Deflate(swelling).compress(block) == stored(block)


@pytest.mark.parametrize("deflate", BOTH)
def test_a_stream_is_refused_when_it_gives_more_than_it_may(deflate: Deflate) -> None:
    """A decompression bomb stops at the limit; exactly the limit is allowed."""
    bomb = zlib.compress(bytes(50_000_000), 9, -15)
    assert len(bomb) < DEFLATED_MAX
    with pytest.raises(DeflateError, match="more than 65536 bytes"):
        deflate.expand(bomb, BLOCK)
    assert deflate.expand(zlib.compress(bytes(BLOCK), 9, -15), BLOCK) == bytes(BLOCK)
    with pytest.raises(DeflateError, match="more than 9 bytes"):
        deflate.expand(zlib.compress(bytes(10), 9, -15), 9)


@pytest.mark.parametrize("deflate", BOTH)
def test_a_stream_ends_exactly_where_the_bytes_end(deflate: Deflate) -> None:
    """A stream that was cut off, or is followed by anything, is refused; so is what is no stream."""
    deflated = STANDARD.compress(random.Random(5).randbytes(300))
    for length in range(len(deflated)):
        with pytest.raises(DeflateError):
            deflate.expand(deflated[:length], 300)
    with pytest.raises(DeflateError, match="something follows"):
        deflate.expand(deflated + b"\0", 300)
    with pytest.raises(DeflateError):
        deflate.expand(b"\xff" * 40, 300)


@pytest.mark.parametrize("deflate", BOTH)
@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400), st.integers(0, BLOCK))
def test_arbitrary_bytes_are_refused_or_stay_within_the_limit(deflate: Deflate, data: bytes, limit: int) -> None:
    """Whatever the bytes, there is a block within the limit or a DeflateError, never another exception."""
    try:
        assert len(deflate.expand(data, limit)) <= limit
    except DeflateError:
        pass
