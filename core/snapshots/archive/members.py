"""An archive as a stream: a head that describes the snapshot, the image in blocks, a tail that describes the image.

The head is written before anything is known about the image, the tail when all of it has been written. Both are JSON
in a label (see ``framing``). Between them are the image's blocks of 64 KiB, each in a gzip member of its own. Labels
expand to nothing, so any gzip tool expands the file to the image. With zlib the same snapshot always gives the same
bytes; isal may choose other matches for the same block, depending on what its memory held before.

An incremental snapshot (``.pages.gz``, see ``incremental``) has the same form, but holds changed pages in place of the
image. Its head has a ``delta``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from functools import partial
from itertools import count
from pathlib import Path
from typing import Annotated, Any, BinaryIO, NamedTuple, Protocol, TypeVar

import msgspec
from blake3 import blake3

from ..models import Health, Identity, Kind
from ..progress import Watch
from . import compression, framing
from .compression import Deflate
from .fingerprint import BLOCK, NOTHING, BlockHash, Fingerprint, ReadElsewhere, hash_block
from .pipeline import batches, blocks, in_order

__all__ = [
    "FORMAT",
    "PAGE_SIZES",
    "BlockObserver",
    "Delta",
    "Expectation",
    "Head",
    "MemberObserver",
    "TableSpan",
    "Tail",
    "no_health",
    "no_tables",
    "read",
    "read_head",
    "read_tail",
    "write",
    "write_head",
    "write_tail",
]

FORMAT = 1
"""The format that this version writes, and the newest one that it reads."""

_NOTE_MAX = 1000  # characters
Moment = Annotated[dt.datetime, msgspec.Meta(tz=True)]
Count = Annotated[int, msgspec.Meta(ge=0)]
Text = Annotated[str, msgspec.Meta(pattern=r"^b3t64:[0-9a-f]{64}$")]
Document = TypeVar("Document")
WritePiece = Callable[[int, bytes], object]
"""Called with the offset of a piece of the image, in bytes, and the piece. Called in threads, in any order."""

PAGE_SIZES = (512, 1024, 2048, 4096, 8192, 16384, 32768, 65536)
"""The sizes that a page can have, in bytes."""

_PAGE_COUNT_MAX = 0xFFFFFFFE
TableSpan = tuple[str, Count, Count]
"""The name of a table, and where its rows begin and end in the image."""


class Delta(msgspec.Struct, frozen=True, kw_only=True):
    """How an incremental snapshot changes the image of its parent ``base``: it replaces ``pages`` of the pages.

    ``base_fingerprint`` is the fingerprint of the parent's image. The resulting image has the ``fingerprint`` and
    ``page_count`` pages of ``page_size`` bytes. Raises ValueError if no database can have these numbers
    (https://www.sqlite.org/fileformat2.html, 1.3).
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
        """The size of the resulting image in bytes."""
        return self.page_count * self.page_size


class Head(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a snapshot is, in the terms of ``models.Snapshot``: enough to rebuild the catalog from the files.

    Only an incremental snapshot has a ``delta``. A label has room for about 64 KB: ``reasons`` that do not fit are left
    out, while ``requests`` keeps their number.
    """

    # A factory, because ``omit_defaults`` would leave a plain default out of the file.
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
    identity: Identity | None = None


class Tail(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The content of an archive: ``size`` bytes in ``members`` blocks, their fingerprint, and the row counts by table.

    ``health`` is what a look at the state showed while it was written; None if nobody looked. ``tables`` says where the
    rows of each table of a dump begin and end, in bytes of the image; it is empty if that is unknown or does not fit.

    The content of a full snapshot is the image, that of an incremental one the changed pages (see ``incremental``).
    """

    size: Count
    members: Count
    fingerprint: Text
    rows: dict[str, int]
    health: Health | None = None
    tables: tuple[TableSpan, ...] = ()


def no_health() -> Health | None:
    """Return None: nobody looked at the state."""
    return None


def no_tables() -> tuple[TableSpan, ...]:
    """Return nothing: the image is no dump."""
    return ()


class Expectation(NamedTuple):
    """What the caller already knows about the content. None stands for anything."""

    fingerprint: str | None = None
    size: int | None = None


class BlockObserver(Protocol):
    """Hashes each block in its own way while an archive is written."""

    def hash_block(self, block: bytes) -> BlockHash:
        """Return the hash of a block. Called in any thread."""

    def add_hashed(self, block: BlockHash) -> None:
        """Add the hash of the next block. Called in order, in the thread that writes the archive."""


class MemberObserver(Protocol):
    """Records the offset and the hash of each block member while an archive is read."""

    def hash_member(self, member: framing.BlockMember) -> bytes:
        """Return the hash of a member. Called in any thread."""

    def add(self, offset: int, digest: bytes) -> None:
        """Add the offset and the hash of the next member. Called in order."""

    def finish(self, offset: int) -> None:
        """Record the offset where the last member ends."""


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
    health: Callable[[], Health | None] = no_health,
    tables: Callable[[], tuple[TableSpan, ...]] = no_tables,
) -> Tail:
    """Write the archive of an image (a file, or its bytes in pieces of any length) and return the tail.

    The bytes of the image count as progress of the watch's current phase. Raises what the image, the target and the
    watch raise, and ValueError if the head's details or the rows do not fit a label.
    """
    seal = write_head(target, head)
    fingerprint, members = Fingerprint(), 0
    work = partial(
        _pack,
        deflate or compression.default_deflate(),
        hash_block if block_observer is None else block_observer.hash_block,
    )
    with closing(in_order(work, batches(blocks(image)))) as packed_batches:
        for packed, batch in packed_batches:
            target.write(packed)
            for block in batch:
                fingerprint.add_digest(block.digest, block.length)
                if block_observer is not None:
                    block_observer.add_hashed(block)
            members += len(batch)
            watch.wrote(len(packed))
            watch.advance(sum(block.length for block in batch))
    tail = Tail(
        size=fingerprint.length,
        members=members,
        fingerprint=fingerprint.text(),
        rows=dict(rows),
        health=health(),
        tables=tables(),
    )
    if len(msgspec.json.encode(tail)) > framing.LABEL_MAX:
        tail = msgspec.structs.replace(tail, tables=())  # they are found again by reading the dump
    write_tail(target, tail, seal)
    return tail


def write_head(target: BinaryIO, head: Head) -> bytes:
    """Write the head and return its seal, for the tail. Raises ValueError if its details do not fit a label."""
    label = framing.make_label(framing.HEAD, _encode_head(head))
    target.write(label.member)
    return label.seal


def write_tail(target: BinaryIO, tail: Tail, seal: bytes) -> None:
    """Write the tail, bound to the ``seal`` of the head. Raises ValueError if its rows do not fit a label."""
    target.write(framing.make_label(framing.TAIL, msgspec.json.encode(tail), seal).member)


def read(
    source: BinaryIO,
    sink: Callable[[bytes], object],
    expected: Expectation,
    watch: Watch,
    *,
    path: Path | None = None,
    write_piece: WritePiece | None = None,
    member_observer: MemberObserver | None = None,
    deflate: Deflate | None = None,
    elsewhere: ReadElsewhere = NOTHING,
) -> tuple[Head, Tail]:
    """Read and verify an archive, pass its image to ``sink`` block by block, and return its head and tail.

    ``source`` is a buffered file at its beginning; ``path`` names it in errors. ``write_piece`` gets the image too, in
    larger pieces. Blocks that are read ``elsewhere`` are passed over. Whatever these and ``member_observer`` receive is
    verified only once this returns. Memory stays at a few MiB whatever the archive claims, and never more than the
    expected size is expanded. Raises SnapshotDamaged, and what the callbacks and the watch raise.
    """
    cursor = framing.Cursor(source, path)
    head, seal = read_head(cursor)
    most = None if expected.size is None else _block_count(expected.size)
    fingerprint, length, members = Fingerprint(), 0, len(elsewhere.blocks)
    gap = elsewhere.blocks.start * BLOCK if elsewhere.blocks else -1
    behind: list[tuple[bytes, int]] = []
    work = partial(_verify, deflate or compression.default_deflate(), cursor, member_observer, write_piece)
    with closing(in_order(work, batches(_block_members(cursor, most, elsewhere.blocks)))) as verified_batches:
        for batch in verified_batches:
            for offset, block, digest, member in batch:
                if length % BLOCK:
                    raise cursor.damaged("a block follows one that is shorter and therefore must be the last", offset)
                length += len(block)
                if fingerprint.length == gap:
                    behind.append((digest, len(block)))
                else:
                    fingerprint.add_digest(digest, len(block))
                sink(block)
                if member_observer is not None:
                    member_observer.add(offset, member)
            members += len(batch)
            watch.advance(sum(len(block) for _, block, _, _ in batch))
    if member_observer is not None:
        member_observer.finish(cursor.offset)
    tail = read_tail(cursor, seal, expected)
    for digest, size in (*((digest, BLOCK) for digest in elsewhere.digests()), *behind):
        fingerprint.add_digest(digest, size)
    if (tail.size, tail.members, tail.fingerprint) != (fingerprint.length, members, fingerprint.text()):
        raise cursor.damaged(
            f"the tail records {tail.size} bytes in {tail.members} blocks with fingerprint {tail.fingerprint}, the "
            f"blocks before it give {fingerprint.length} in {members} with {fingerprint.text()}"
        )
    return head, tail


def read_head(cursor: framing.Cursor) -> tuple[Head, bytes]:
    """Read the head; return it and its seal, which the tail must be bound to. Raises SnapshotDamaged."""
    opening = cursor.read_label(framing.HEAD)
    written = _decode(cursor, opening, _Format, 0).format
    if not 1 <= written <= FORMAT:
        raise cursor.damaged(f"it has format {written}, this version reads format {FORMAT}: update Savepoint", 0)
    return _decode(cursor, opening, Head, 0), opening.seal


def read_tail(cursor: framing.Cursor, seal: bytes, expected: Expectation) -> Tail:
    """Read the tail, which must be the end of the file. Raises SnapshotDamaged if it is not what is expected."""
    offset = cursor.offset
    tail = _decode(cursor, cursor.read_label(framing.TAIL, seal), Tail, offset)
    cursor.require_end()
    if tail.members != _block_count(tail.size):
        raise cursor.damaged(f"{tail.size} bytes cannot be in {tail.members} blocks", offset)
    if expected.size is not None and tail.size != expected.size:
        raise cursor.damaged(f"it holds {tail.size} bytes where {expected.size} are expected", offset)
    if expected.fingerprint is not None and tail.fingerprint != expected.fingerprint:
        detail = f"it holds the image {tail.fingerprint} where {expected.fingerprint} is expected"
        raise cursor.damaged(detail, offset)
    return tail


def _block_members(
    cursor: framing.Cursor, most: int | None, passed: range
) -> Iterator[tuple[int, framing.BlockMember]]:
    """Yield the blocks with their numbers, but for those that are passed over."""
    for number in count():
        if not cursor.at_block():
            return
        if most is not None and number >= most:
            raise cursor.damaged(f"more than the {most} blocks that the expected size needs")
        if number in passed:
            cursor.skip_block()
        else:
            yield number, cursor.read_block()


def _pack(
    deflate: Deflate, hash_block: Callable[[bytes], BlockHash], batch: list[bytes]
) -> tuple[bytes, list[BlockHash]]:
    packed = b"".join(framing.pack_block(block, deflate) for block in batch)
    return packed, [hash_block(block) for block in batch]


def _verify(
    deflate: Deflate,
    cursor: framing.Cursor,
    member_observer: MemberObserver | None,
    write_piece: WritePiece | None,
    batch: list[tuple[int, framing.BlockMember]],
) -> list[tuple[int, bytes, bytes, bytes]]:
    verified = []
    for _, packed in batch:
        try:
            block = framing.unpack_block(packed, deflate)
        except compression.DeflateError as error:
            raise cursor.damaged(str(error), packed.offset) from error
        member = b"" if member_observer is None else member_observer.hash_member(packed)
        verified.append((packed.offset, block, blake3(block).digest(), member))
    if write_piece is not None:
        # The offset is right: if a block before the last one is too short, the archive is refused in the end.
        write_piece(batch[0][0] * BLOCK, b"".join(block for _, block, _, _ in verified))
    return verified


def _block_count(size: int) -> int:
    return -(-size // BLOCK)


def _decode(cursor: framing.Cursor, label: framing.Label, kind: type[Document], offset: int) -> Document:
    try:
        return msgspec.json.decode(label.payload, type=kind)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise cursor.damaged(f"the JSON in it cannot be read ({error})", offset) from error


def _encode_head(head: Head) -> bytes:
    """Encode the head. Leaves out reasons that do not fit, and replaces characters that JSON cannot hold."""
    note = None if head.note is None else _replace_surrogates(head.note)
    bare = msgspec.structs.replace(head, reasons=(), note=note)
    if note and len(msgspec.json.encode(bare)) > framing.LABEL_MAX:
        bare = msgspec.structs.replace(bare, note=note[:_NOTE_MAX])
    room = framing.LABEL_MAX - len(msgspec.json.encode(bare))
    reasons = []
    for reason in map(_replace_surrogates, head.reasons):
        room -= len(msgspec.json.encode(reason)) + 1
        if room < 0:
            break
        reasons.append(reason)
    return msgspec.json.encode(msgspec.structs.replace(bare, reasons=tuple(reasons)))


def _replace_surrogates(text: str) -> str:
    """Replace lone surrogates, which event payloads and arguments can contain but JSON cannot."""
    return text.encode("utf-8", "replace").decode("utf-8")
