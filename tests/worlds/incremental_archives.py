"""Small incrementals, their pages, and forged ones whose seals are all right."""

from __future__ import annotations

import datetime as dt
import random
import struct
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from core.snapshots.archive import framing
from core.snapshots.archive.compression import Deflate
from core.snapshots.archive.fingerprint import BLOCK, Fingerprint
from core.snapshots.archive.incremental import Delta, write_pages
from core.snapshots.archive.members import Head, Tail
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
Image = list[bytes]
"""A database image as its pages."""


def fingerprint_of(image: Image) -> str:
    """Return the fingerprint of an image."""
    fingerprint, whole = Fingerprint(), b"".join(image)
    for at in range(0, len(whole), BLOCK):
        fingerprint.add(whole[at : at + BLOCK])
    return fingerprint.text()


def pages_of(seed: int, count: int, page_size: int = 512) -> Image:
    """Return an image of random pages that compress well."""
    source = random.Random(seed)
    return [(b"card %d " % source.randrange(99) + source.randbytes(20)).ljust(page_size, b".") for _ in range(count)]


def delta_of(old: Image, new: Image, pages: int) -> Delta:
    """Return the delta between two images, of which ``pages`` pages differ."""
    return Delta(
        base="0a1b2c",
        base_fingerprint=fingerprint_of(old),
        fingerprint=fingerprint_of(new),
        page_size=len(new[0]),
        page_count=len(new),
        pages=pages,
    )


def changes(old: Image, new: Image) -> list[int]:
    """Return the numbers of the pages that differ, from 1."""
    return [number for number, page in enumerate(new, 1) if number > len(old) or page != old[number - 1]]


def headed(delta: Delta | None) -> Head:
    """Return the head of an incremental with a delta."""
    return msgspec.structs.replace(PLAIN, delta=delta)


def written(path: Path, old: Image, new: Image) -> tuple[Delta, Tail]:
    """Write the incremental between two images; return its delta and tail."""
    numbers = changes(old, new)
    delta = delta_of(old, new, len(numbers))
    contents = (new[number - 1] for number in numbers)
    return delta, write_pages(path, headed(delta), numbers, contents, {"users": 3}, Watch())


def payload(numbers: Sequence[int], contents: Iterable[bytes]) -> bytes:
    """Return the content of an incremental: page numbers, then pages."""
    return struct.pack(f"<{len(numbers)}I", *numbers) + b"".join(contents)


def forged(delta: Delta | bytes, content: bytes, blocks: list[bytes] | None = None, **tail: Any) -> bytes:
    """Return an incremental of any delta and content, with the right seals and checksums: its forger has this code."""
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


OLD = pages_of(1, 6)
NEW = [OLD[0], b"new".ljust(512, b"!"), *OLD[2:4], b"sold".ljust(512, b"?")]
"""Page 2 and 5 changed, page 6 is gone."""
DELTA = delta_of(OLD, NEW, 2)
PAYLOAD = payload([2, 5], [NEW[1], NEW[4]])
GOOD = forged(DELTA, PAYLOAD)
