"""Damaged and forged archives: every one is found, by SnapshotDamaged and nothing else, in bounded memory."""

from __future__ import annotations

import datetime as dt
import gzip
import io
import random
import struct
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import msgspec
import pytest
from blake3 import blake3
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.snapshots.archive import framing, full, members
from core.snapshots.archive.compression import DEFLATED_MAX, Deflate, default_deflate
from core.snapshots.archive.fingerprint import BLOCK, Fingerprint
from core.snapshots.archive.members import Expectation, Head, Tail
from core.snapshots.errors import SnapshotDamaged, from_wire
from core.snapshots.models import Kind
from core.snapshots.progress import Watch

MOMENT = dt.datetime(2026, 11, 23, 8, tzinfo=dt.UTC)
HEAD = Head(
    id="3f9a1c",
    sequence=7,
    kind=Kind.PERIODIC,
    created_at=MOMENT,
    began_at=MOMENT,
    reasons=("periodic",),
    requests=1,
    note=None,
    pinned=False,
    engine="sqlite",
    details={},
)
IMAGE = b"".join(bytes([65 + n]) * (BLOCK - 40) + random.Random(n).randbytes(40) for n in range(3)) + b"the end"
"""Three full blocks and a short one that shrink to about a kilobyte, so that members can be cut at any place."""

ZLIB = Deflate(zlib)


def archived(image: bytes = IMAGE, head: Head = HEAD) -> bytes:
    target = io.BytesIO()
    members.write(target, [image], head, {"users": 3}, Watch())
    return target.getvalue()


GOOD = archived()
SMALL = archived(IMAGE[2 * BLOCK :])
"""One full block and a short one: small enough to try every bit of it."""


def parts(data: bytes = GOOD) -> list[bytes]:
    """Cut an archive into its members, by a reading of the format that shares no code with the reader."""
    found = []
    while data:
        member = zlib.decompressobj(wbits=31)
        member.decompress(data)
        found.append(data[: len(data) - len(member.unused_data)])
        data = member.unused_data
    return found


def checked(path: Path, data: bytes, **expected: Any) -> Tail:
    path.write_bytes(data)
    return full.verify(path, **{"fingerprint": None, "size": None, **expected}, watch=Watch())


def streamed(data: bytes, expected: Expectation | None = None, deflate: Deflate | None = None) -> bytes:
    """Read without looking at the end first, as from a source that cannot seek."""
    out = list[bytes]()
    members.read(io.BytesIO(data), out.append, expected or Expectation(), Watch(), deflate=deflate)
    return b"".join(out)


def forged(blocks: list[bytes], head: bytes | None = None, tail: bytes | None = None, **fields: Any) -> bytes:
    """Build an archive whose seals are all right, around whatever is given: somebody who knows the format made it."""
    opening = framing.make_label(framing.HEAD, msgspec.json.encode(HEAD) if head is None else head)
    plain = {
        "size": len(blocks) * BLOCK,
        "members": len(blocks),
        "fingerprint": Fingerprint().text(),
        "rows": {},
        **fields,
    }
    ending = framing.make_label(framing.TAIL, msgspec.json.encode(plain) if tail is None else tail, opening.seal)
    return opening.member + b"".join(blocks) + ending.member


def member(deflated: bytes, crc: int, length: int, size: int | None = None) -> bytes:
    """Build a block member by hand, after RFC 1952 and the layout in ``framing``."""
    whole = 24 + len(deflated) + 8 if size is None else size
    head = bytes.fromhex("1f8b08040000000000ff0c00") + b"SB\x08\x00" + struct.pack("<II", whole, zlib.crc32(deflated))
    return head + deflated + struct.pack("<II", crc, length)


def block(data: bytes) -> bytes:
    return member(zlib.compress(data, 9, -15), zlib.crc32(data), len(data))


def honest(image: bytes) -> dict[str, Any]:
    fingerprint = Fingerprint()
    for at in range(0, len(image), BLOCK):
        fingerprint.add(image[at : at + BLOCK])
    return {"size": len(image), "fingerprint": fingerprint.text()}


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
        with pytest.raises(SnapshotDamaged, match="more than the 65536 bytes"):
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
            [member(zlib.compress(DATA, 9, -15), zlib.crc32(DATA), 1999)], {}, "more than the 1999", id="short ISIZE"
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
            {"head": msgspec.json.encode(HEAD)[:-3] + b'{"a":' * 9000 + b"1" + b"}" * 9001},
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
