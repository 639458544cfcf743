"""Small full archives, their members, and forged ones whose seals are all right."""

from __future__ import annotations

import datetime as dt
import io
import random
import struct
import zlib
from pathlib import Path
from typing import Any

import msgspec

from core.snapshots.archive import framing, full, members
from core.snapshots.archive.compression import Deflate
from core.snapshots.archive.fingerprint import BLOCK, Fingerprint
from core.snapshots.archive.members import Expectation, Head, Tail
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
    """Return the archive of an image, in memory."""
    target = io.BytesIO()
    members.write(target, [image], head, {"users": 3}, Watch())
    return target.getvalue()


GOOD = archived()
SMALL = archived(IMAGE[2 * BLOCK :])
"""One full block and a short one: small enough to try every bit of it."""


def parts(data: bytes = GOOD) -> list[bytes]:
    """Return the members of an archive, cut by code that shares nothing with the reader."""
    found = []
    while data:
        member = zlib.decompressobj(wbits=31)
        member.decompress(data)
        found.append(data[: len(data) - len(member.unused_data)])
        data = member.unused_data
    return found


def checked(path: Path, data: bytes, **expected: Any) -> Tail:
    """Write an archive to a file and verify it."""
    path.write_bytes(data)
    return full.verify(path, **{"fingerprint": None, "size": None, **expected}, watch=Watch())


def streamed(data: bytes, expected: Expectation | None = None, deflate: Deflate | None = None) -> bytes:
    """Return the image in an archive, read from the beginning, as from a source that cannot seek."""
    out = list[bytes]()
    members.read(io.BytesIO(data), out.append, expected or Expectation(), Watch(), deflate=deflate)
    return b"".join(out)


def forged(blocks: list[bytes], head: bytes | None = None, tail: bytes | None = None, **fields: Any) -> bytes:
    """Return an archive around any blocks and labels, with the right seals: its forger knows the format."""
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
    """Return a block member, built by hand from RFC 1952 and the layout in ``framing``."""
    whole = 24 + len(deflated) + 8 if size is None else size
    head = bytes.fromhex("1f8b08040000000000ff0c00") + b"SB\x08\x00" + struct.pack("<II", whole, zlib.crc32(deflated))
    return head + deflated + struct.pack("<II", crc, length)


def block(data: bytes) -> bytes:
    """Return the member of a block."""
    return member(zlib.compress(data, 9, -15), zlib.crc32(data), len(data))


def honest(image: bytes) -> dict[str, Any]:
    """Return the fields of the tail that are true for an image."""
    fingerprint = Fingerprint()
    for at in range(0, len(image), BLOCK):
        fingerprint.add(image[at : at + BLOCK])
    return {"size": len(image), "fingerprint": fingerprint.text()}
