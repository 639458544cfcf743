"""Forged archives whose seals are all right: every statement is compared with what is there, in bounded memory."""

from __future__ import annotations

import gzip
import io
import struct
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import msgspec
import pytest
from blake3 import blake3

from core.snapshots.archive import members
from core.snapshots.archive.compression import DEFLATED_MAX, Deflate, default_deflate
from core.snapshots.archive.fingerprint import BLOCK
from core.snapshots.archive.members import Expectation
from core.snapshots.errors import SnapshotDamaged
from core.snapshots.progress import Watch
from tests.worlds.full_archives import (
    HEAD,
    IMAGE,
    ZLIB,
    block,
    checked,
    forged,
    honest,
    member,
    parts,
    streamed,
)


def test_forgeries_are_built_right() -> None:
    """The forging functions give a good archive when told the truth: what they give otherwise is forged, not broken."""
    blocks = [block(IMAGE[at : at + BLOCK]) for at in range(0, len(IMAGE), BLOCK)]
    assert streamed(forged(blocks, **honest(IMAGE))) == IMAGE
    assert streamed(forged([])) == b""


@pytest.mark.parametrize("deflate", [default_deflate(), ZLIB], ids=["isal", "zlib"])
def test_a_bomb_is_refused_in_bounded_memory(deflate: Deflate) -> None:
    """64 MB in a 64 KiB member stop at the length the member records, and no member records more than 64 KiB."""
    bomb = zlib.compress(bytes(64_000_000), 9, -15)
    crc = zlib.crc32(bytes(64_000_000))
    assert len(bomb) < DEFLATED_MAX
    tracemalloc.start()
    try:
        with pytest.raises(SnapshotDamaged, match="more than 65536 bytes"):
            streamed(forged([member(bomb, crc, BLOCK)]), deflate=deflate)
        with pytest.raises(SnapshotDamaged, match="a block of 64000000 bytes"):
            streamed(forged([member(bomb, crc, 64_000_000)], size=64_000_000), deflate=deflate)
        assert tracemalloc.get_traced_memory()[1] < 4 * 1024 * 1024
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("size", [0, 24, 32, 28 + DEFLATED_MAX + 5, 2**31, 2**32 - 1])
def test_a_member_of_impossible_size_is_refused_before_it_is_read(size: int) -> None:
    """A forged size never makes the reader ask for more than one block can need."""

    class Source(io.BytesIO):
        asked = 0

        def read(self, amount: int | None = -1, /) -> bytes:
            self.asked = max(self.asked, amount or 0)
            return super().read(amount)

    source = Source(forged([member(b"\x03\x00", 0, 1, size=size)]))
    with pytest.raises(SnapshotDamaged, match=f"a member of {size} bytes"):
        members.read(source, len, Expectation(), Watch())
    assert source.asked < BLOCK


DATA = b"data" * 500


@pytest.mark.parametrize(
    ("blocks", "fields", "detail"),
    [
        pytest.param([member(b"\x03\x00", 0, 0)], {}, "a block of 0 bytes", id="an empty block"),
        pytest.param(
            [member(zlib.compress(DATA, 9, -15), zlib.crc32(DATA), 1999)], {}, "more than 1999", id="short ISIZE"
        ),
        pytest.param(
            [member(zlib.compress(DATA, 9, -15), zlib.crc32(DATA), 2001)], {}, "has 2000 bytes", id="long ISIZE"
        ),
        pytest.param(
            [member(zlib.compress(DATA, 9, -15), 1, 2000)], {}, "the block does not have the recorded", id="wrong CRC"
        ),
        pytest.param(
            [member(zlib.compress(DATA, 9, -15) + b"\0", zlib.crc32(DATA), 2000)], {}, "follows", id="hidden bytes"
        ),
        pytest.param([member(b"\xff" * 30, 0, 30)], {}, "damaged", id="no DEFLATE"),
        pytest.param(
            [block(DATA), block(DATA)],
            {"size": BLOCK + 1},
            "must be the last",
            id="a short block in the middle",
        ),
        pytest.param([block(DATA)], {**honest(DATA), "size": 1999}, "the tail records 1999 bytes", id="wrong size"),
        pytest.param([block(DATA)], {**honest(DATA), "members": 2}, "cannot be in 2 blocks", id="wrong members"),
        pytest.param([block(DATA)], {**honest(DATA), "size": 10**40}, "cannot be in", id="enormous size"),
        pytest.param([block(DATA)], {**honest(IMAGE), "size": 2000}, "the tail records", id="wrong fingerprint"),
        pytest.param([], {"fingerprint": "md5:0"}, "the JSON", id="unknown fingerprint"),
        pytest.param([], {"size": -1}, "the JSON", id="negative size"),
        pytest.param([], {"rows": [1]}, "the JSON", id="rows of the wrong type"),
        pytest.param([], {"tail": b""}, "the JSON", id="no tail JSON"),
        pytest.param([], {"tail": b"\xff\xfe"}, "the JSON", id="tail not UTF-8"),
        pytest.param([], {"tail": b"[" * 60_000}, "the JSON", id="tail nested deeply"),
        pytest.param([], {"head": b"{}"}, "the JSON", id="head without a format"),
        pytest.param([], {"head": b'{"format": 1}'}, "the JSON", id="head without content"),
        pytest.param([], {"head": b'{"format": 1e999}'}, "the JSON", id="head with an infinite format"),
        pytest.param([], {"head": b'{"format": 2}'}, "format 2, this version reads format 1", id="newer format"),
        pytest.param([], {"head": b'{"format": ' + b"9" * 6000 + b"}"}, "JSON|format 9", id="enormous format"),
        pytest.param(
            [],
            {"head": msgspec.json.encode(HEAD)[:-3] + b'{"a":' + b"[" * 29_000 + b"]" * 29_000 + b"}}"},
            "the JSON",
            id="details nested deeply",
        ),
        pytest.param(
            [],
            {"head": msgspec.json.encode(HEAD).replace(b"08:00:00Z", b"08:00:00")},
            "the JSON",
            id="a time without a zone",
        ),
        pytest.param(
            [], {"head": msgspec.json.encode(HEAD).replace(b"periodic", b"whenever")}, "the JSON", id="unknown kind"
        ),
    ],
)
def test_a_forgery_with_right_seals_is_found(
    blocks: list[bytes], fields: dict[str, Any], detail: str, tmp_path: Path
) -> None:
    """Seals and checksums are no proof by themselves: every statement is compared with what is there."""
    data = forged(blocks, **fields)
    with pytest.raises(SnapshotDamaged, match=detail):
        checked(tmp_path / "s.db.gz", data)
    with pytest.raises(SnapshotDamaged, match=detail):
        streamed(data)


def test_the_seal_is_what_the_format_says() -> None:
    """The layout in the docstring of ``framing``, recomputed by hand for both labels."""
    first, *_, last = parts()
    seals = [first[-42:-10], last[-42:-10]]
    assert seals == [blake3(first[:-42]).digest(), blake3(seals[0] + last[:-42]).digest()]
    for label, name in ((first, b"SH"), (last, b"ST")):
        extra, found, length = struct.unpack("<H2sH", label[10:16])
        assert (extra, found, length) == (len(label) - 22, name, len(label) - 66)
        assert struct.unpack("<I", label[-46:-42]) == (len(label),)
        assert gzip.decompress(label) == b""
        assert msgspec.json.decode(label[16 : 16 + length])
