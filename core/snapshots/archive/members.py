"""An archive as a stream: a head that says what the snapshot is, the image in blocks, a tail that says how it ends.

The head is written before anything is known of the image, the tail after all of it is; both are labels in the sense
of ``framing``, and both are JSON. Between them stand the image's blocks of 64 KiB, each a gzip member of its own. Any
gzip tool reads the whole as the image, because labels expand to nothing. The same snapshot gives the same bytes with
zlib; isal can choose other matches for the same block, depending on what was in its memory before.

An incremental snapshot (``.pages.gz``, see ``pages``) is the same around changed pages in place of an image, and its
head says so with a ``delta``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Annotated, Any, BinaryIO, NamedTuple, Protocol, TypeVar

import msgspec
from blake3 import blake3

from ..models import Kind
from ..progress import Watch
from . import compression, framing
from .compression import Deflate
from .fingerprint import BLOCK, BlockHash, Fingerprint, hash_block
from .pipeline import batches, blocks, in_order

__all__ = [
    "FORMAT",
    "PAGE_SIZES",
    "BlockObserver",
    "Delta",
    "Expectation",
    "Head",
    "MemberObserver",
    "Tail",
    "read",
    "read_head",
    "read_tail",
    "write",
    "write_head",
    "write_tail",
]

FORMAT = 1
"""The newest format that this version reads, and the one it writes."""

_NOTE_MAX = 1000
Moment = Annotated[dt.datetime, msgspec.Meta(tz=True)]
Count = Annotated[int, msgspec.Meta(ge=0)]
Text = Annotated[str, msgspec.Meta(pattern=r"^b3t64:[0-9a-f]{64}$")]
Document = TypeVar("Document")
Place = Callable[[int, bytes], object]
"""Takes a piece of the image and where it begins in it, in bytes. Called in threads, in any order."""

PAGE_SIZES = (512, 1024, 2048, 4096, 8192, 16384, 32768, 65536)
"""What a page can measure in bytes."""

_PAGE_COUNT_MAX = 0xFFFFFFFE


class Delta(msgspec.Struct, frozen=True, kw_only=True):
    """What an incremental snapshot does to the image of the snapshot ``base``: it replaces ``pages`` of its pages.

    ``base_fingerprint`` is that image's, ``fingerprint`` the result's, which has ``page_count`` pages of ``page_size``
    bytes. Raises ValueError where no database has such numbers (https://www.sqlite.org/fileformat2.html, 1.3).
    """

    base: str
    base_fingerprint: Text
    fingerprint: Text
    page_size: int
    page_count: int
    pages: int

    def __post_init__(self) -> None:
        if self.page_size not in PAGE_SIZES:
            raise ValueError(f"a page has {self.page_size} bytes where a power of two from 512 to 65536 is possible")
        if not 0 < self.page_count <= _PAGE_COUNT_MAX or not 0 <= self.pages <= self.page_count:
            raise ValueError(f"{self.pages} pages cannot be replaced in an image of {self.page_count}")

    @property
    def size(self) -> int:
        """The size in bytes of the image that results."""
        return self.page_count * self.page_size


class Head(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a snapshot is, as ``models.Snapshot`` names it: enough to rebuild the catalog from the files.

    ``delta`` is there in an incremental snapshot only. The file has room for about 64 KB of this: ``reasons`` are cut
    to what fits, ``requests`` keeps the true count.
    """

    # From a factory, because a default would be left out of the file.
    format: int = msgspec.field(default_factory=lambda: FORMAT)
    id: str
    sequence: int
    kind: Kind
    created_at: Moment
    began_at: Moment
    reasons: tuple[str, ...]
    requests: int
    note: str | None
    pinned: bool
    engine: str
    details: dict[str, Any]
    delta: Delta | None = None


class Tail(msgspec.Struct, frozen=True, kw_only=True):
    """What an archive holds: ``size`` bytes in so many ``members``, their fingerprint, the rows by table.

    Of a full snapshot these bytes are the image, of an incremental one the changed pages (see ``pages``).
    """

    size: Count
    members: Count
    fingerprint: Text
    rows: dict[str, int]


class Expectation(NamedTuple):
    """What the caller knows of the image already; ``None`` is anything."""

    fingerprint: str | None = None
    size: int | None = None


class BlockObserver(Protocol):
    """Who wants to know more of each block than its digest."""

    def hash_block(self, block: bytes) -> BlockHash:
        """Hash a block; called in any thread."""

    def add_hashed(self, block: BlockHash) -> None:
        """Take the next block, in order, in the thread that writes the archive."""


class MemberObserver(Protocol):
    """Who wants to know where the members that hold blocks are, and what they hash to."""

    def hash_member(self, member: framing.BlockMember) -> bytes:
        """Hash a member; called in any thread."""

    def add(self, offset: int, digest: bytes) -> None:
        """Take the next member's place and hash, in order."""

    def finish(self, offset: int) -> None:
        """Take the place where the last member ends."""


class _Format(msgspec.Struct):
    format: int


def write(
    target: BinaryIO,
    image: BinaryIO | Iterable[bytes],
    head: Head,
    rows: Mapping[str, int],
    watch: Watch,
    *,
    block_observer: BlockObserver | None = None,
    deflate: Deflate | None = None,
) -> Tail:
    """Write the archive of an image (a file, or its bytes in pieces of any length) and give its tail.

    ``block_observer`` hashes each block, and hears of all of them in order. Counts the image's bytes into the watch's phase.
    Raises what the image, the target and the watch raise, and ValueError where the head's details or the rows do not
    fit a label.
    """
    seal = write_head(target, head)
    fingerprint, members = Fingerprint(), 0
    work = partial(
        _pack,
        deflate or compression.default_deflate(),
        hash_block if block_observer is None else block_observer.hash_block,
    )
    with closing(in_order(work, batches(blocks(image)))) as batches_packed:
        for packed, batch in batches_packed:
            target.write(packed)
            for block in batch:
                fingerprint.add_digest(block.digest, block.length)
                if block_observer is not None:
                    block_observer.add_hashed(block)
            members += len(batch)
            watch.wrote(len(packed))
            watch.advance(sum(block.length for block in batch))
    tail = Tail(size=fingerprint.length, members=members, fingerprint=fingerprint.text(), rows=dict(rows))
    write_tail(target, tail, seal)
    return tail


def write_head(target: BinaryIO, head: Head) -> bytes:
    """Write the head, and give the seal that the tail is bound to; raises ValueError where its details do not fit."""
    opening = framing.make_label(framing.HEAD, _fitted(head))
    target.write(opening.member)
    return opening.seal


def write_tail(target: BinaryIO, tail: Tail, seal: bytes) -> None:
    """Write the tail that belongs to a head; raises ValueError where its rows do not fit."""
    target.write(framing.make_label(framing.TAIL, msgspec.json.encode(tail), seal).member)


def read(
    source: BinaryIO,
    sink: Callable[[bytes], object],
    expected: Expectation,
    watch: Watch,
    *,
    path: Path | None = None,
    place: Place | None = None,
    member_observer: MemberObserver | None = None,
    deflate: Deflate | None = None,
) -> tuple[Head, Tail]:
    """Read an archive, give its image to ``sink`` block by block, and prove all that it says of itself.

    ``source`` is buffered and stands at the beginning; ``path`` names it in errors; ``place`` gets the image too, in
    pieces; ``member_observer`` hears of each member that holds a block. What they got is proven only when this returns.
    Memory stays at a few MiB whatever the archive says, and no more than the expected size is ever expanded. Raises
    SnapshotDamaged, and what the sink and the watch raise.
    """
    cursor = framing.Cursor(source, path)
    head, seal = read_head(cursor)
    most = None if expected.size is None else _members(expected.size)
    fingerprint, members = Fingerprint(), 0
    work = partial(_verify, deflate or compression.default_deflate(), cursor, member_observer, place)
    with closing(in_order(work, batches(enumerate(_packed(cursor, most))))) as batches_proven:
        for batch in batches_proven:
            for offset, block, digest, member in batch:
                if fingerprint.length % BLOCK:
                    raise cursor.damaged("a block follows one that is shorter and therefore must be the last", offset)
                fingerprint.add_digest(digest, len(block))
                sink(block)
                if member_observer is not None:
                    member_observer.add(offset, member)
            members += len(batch)
            watch.advance(sum(len(block) for _, block, _, _ in batch))
    if member_observer is not None:
        member_observer.finish(cursor.offset)
    tail = read_tail(cursor, seal, expected)
    if (tail.size, tail.members, tail.fingerprint) != (fingerprint.length, members, fingerprint.text()):
        raise cursor.damaged(
            f"the tail records {tail.size} bytes in {tail.members} blocks with fingerprint {tail.fingerprint}, the "
            f"blocks before it give {fingerprint.length} in {members} with {fingerprint.text()}"
        )
    return head, tail


def read_head(cursor: framing.Cursor) -> tuple[Head, bytes]:
    """Take the head at the beginning, and give it with the seal that the tail must be bound to."""
    opening = cursor.read_label(framing.HEAD)
    written = _decoded(cursor, opening, _Format, 0).format
    if not 1 <= written <= FORMAT:
        raise cursor.damaged(f"it has format {written}, this version reads format {FORMAT}: update Savepoint", 0)
    return _decoded(cursor, opening, Head, 0), opening.seal


def read_tail(cursor: framing.Cursor, seal: bytes, expected: Expectation) -> Tail:
    """Take the tail at the end and compare it with what is expected; raise SnapshotDamaged where they differ."""
    offset = cursor.offset
    tail = _decoded(cursor, cursor.read_label(framing.TAIL, seal), Tail, offset)
    cursor.require_end()
    if tail.members != _members(tail.size):
        raise cursor.damaged(f"{tail.size} bytes cannot be in {tail.members} blocks", offset)
    if expected.size is not None and tail.size != expected.size:
        raise cursor.damaged(f"it holds {tail.size} bytes where {expected.size} are expected", offset)
    if expected.fingerprint is not None and tail.fingerprint != expected.fingerprint:
        detail = f"it holds the image {tail.fingerprint} where {expected.fingerprint} is expected"
        raise cursor.damaged(detail, offset)
    return tail


def _packed(cursor: framing.Cursor, most: int | None) -> Iterator[framing.BlockMember]:
    count = 0
    while cursor.at_block():
        count += 1
        if most is not None and count > most:
            raise cursor.damaged(f"more than the {most} blocks that the expected size needs")
        yield cursor.read_block()


def _pack(
    deflate: Deflate, hash_block: Callable[[bytes], BlockHash], batch: list[bytes]
) -> tuple[bytes, list[BlockHash]]:
    packed = b"".join(framing.pack_block(block, deflate) for block in batch)
    return packed, [hash_block(block) for block in batch]


def _verify(
    deflate: Deflate,
    cursor: framing.Cursor,
    member_observer: MemberObserver | None,
    place: Place | None,
    batch: list[tuple[int, framing.BlockMember]],
) -> list[tuple[int, bytes, bytes, bytes]]:
    proven = []
    for _, packed in batch:
        try:
            block = framing.unpack_block(packed, deflate)
        except compression.DeflateError as error:
            raise cursor.damaged(str(error), packed.offset) from error
        member = b"" if member_observer is None else member_observer.hash_member(packed)
        proven.append((packed.offset, block, blake3(block).digest(), member))
    if place is not None:
        # Every block but the last is a whole one, or the archive is refused in the end.
        place(batch[0][0] * BLOCK, b"".join(block for _, block, _, _ in proven))
    return proven


def _members(size: int) -> int:
    return -(-size // BLOCK)


def _decoded(cursor: framing.Cursor, label: framing.Label, kind: type[Document], offset: int) -> Document:
    try:
        return msgspec.json.decode(label.payload, type=kind)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise cursor.damaged(f"the JSON in it cannot be read ({error})", offset) from error


def _fitted(head: Head) -> bytes:
    """Encode the head, without the reasons that do not fit, and with text that is not Unicode made readable."""
    note = None if head.note is None else _unicode(head.note)
    bare = msgspec.structs.replace(head, reasons=(), note=note)
    if note and len(msgspec.json.encode(bare)) > framing.LABEL_MAX:
        bare = msgspec.structs.replace(bare, note=note[:_NOTE_MAX])
    room = framing.LABEL_MAX - len(msgspec.json.encode(bare))
    reasons = []
    for reason in map(_unicode, head.reasons):
        room -= len(msgspec.json.encode(reason)) + 1
        if room < 0:
            break
        reasons.append(reason)
    return msgspec.json.encode(msgspec.structs.replace(bare, reasons=tuple(reasons)))


def _unicode(text: str) -> str:
    """Replace lone surrogates: event payloads and arguments can carry them, JSON cannot."""
    return text.encode("utf-8", "replace").decode("utf-8")
