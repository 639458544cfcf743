"""Rebuild, verify and export the last snapshot of a chain of archives.

``rebuild`` makes the image: it extracts the full at the beginning of the chain and applies the pages of each
incremental to it. ``assemble`` writes the last snapshot as a full without an image: it expands only the blocks that the
incrementals touch and copies the other members. It knows the digests of the full's blocks and computes those of the
touched blocks from their new content. Together they must give the fingerprint of the last snapshot, or nothing is
written.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

from blake3 import blake3

from ...archive import compression, fingerprint, framing, full, incremental
from ...archive.fingerprint import BLOCK, DIGEST, of_digests
from ...archive.members import Delta, Head
from ...archive.reuse import MemberRecord, ReusePlan, write_reusing
from ...errors import SnapshotDamaged
from ...files import open_to_read, read_at, sync_file
from ...models import Form
from ...progress import Watch
from ..base import ChainFile

__all__ = ["assemble", "export", "rebuild", "verify"]


def rebuild(chain: Sequence[ChainFile], image: Path, watch: Watch) -> None:
    """Rebuild the last snapshot of a chain as ``image`` and verify its fingerprint. On any error no file is left.

    Raises SnapshotDamaged, OSError, FileExistsError if the image exists, and what the watch raises.
    """
    first = chain[0]
    full.extract(Path(first.path), image, fingerprint=first.fingerprint, size=first.size, watch=watch)
    if len(chain) == 1:
        return
    try:
        for parent, part in pairwise(chain):
            path = Path(part.path)
            incremental.apply_pages(path, image, delta=_read_delta(path, parent, part), watch=watch)
        found = fingerprint.of_file(image, watch)
        if found != chain[-1].fingerprint:
            name = Path(chain[-1].path).name
            raise SnapshotDamaged(
                f"The snapshot file {name} and those it builds on give the image {found}, not {chain[-1].fingerprint}.",
                path=chain[-1].path,
            )
        sync_file(image)
    except BaseException:
        image.unlink(missing_ok=True)
        raise


def _read_delta(path: Path, parent: ChainFile, part: ChainFile) -> Delta:
    """Return the delta of an incremental. Raises SnapshotDamaged unless the catalog knows it as the parent's next."""
    _, delta = incremental.read_delta(path)
    found = (delta.base, delta.base_fingerprint, delta.fingerprint, delta.size)
    expected = (part.base, parent.fingerprint, part.fingerprint, part.size)
    if found != expected or part.form is not Form.INCREMENTAL:
        raise SnapshotDamaged(
            f"The snapshot file {path.name} holds the changes of another snapshot than the catalog says.",
            path=str(path),
        )
    return delta


def verify(chain: Sequence[ChainFile], scratch: Path, watch: Watch) -> None:
    """Verify that a chain restores to its last snapshot, in a temporary image if it has incrementals."""
    if len(chain) == 1:
        full.verify(Path(chain[0].path), fingerprint=chain[0].fingerprint, size=chain[0].size, watch=watch)
        return
    image = scratch / "verified.db"
    rebuild(chain, image, watch)
    image.unlink()


def export(chain: Sequence[ChainFile], target: Path, scratch: Path, head: Head, record: Path, watch: Watch) -> None:
    """Write the last snapshot of a chain to a new file as a verified full. On any error no file is left.

    Unchanged members are copied if the record of members at ``record`` describes the chain's full.
    """
    if len(chain) == 1:
        verify(chain, scratch, watch)
        full.copy(Path(chain[0].path), target, watch)
        return
    recorded = _load_record(chain[0], record)
    if recorded is not None:
        # If this fails, the image is rebuilt instead: that needs no record, and finds out which file is damaged.
        with contextlib.suppress(SnapshotDamaged):
            assemble(chain, recorded, target, scratch, head, _rows(chain), watch)
            return
    image = scratch / "exported.db"
    rebuild(chain, image, watch)
    watch.phase("compress", chain[-1].size)
    with image.open("rb") as content:
        full.write_full(target, content, head, _rows(chain), watch)
    image.unlink()
    try:
        full.verify(target, fingerprint=chain[-1].fingerprint, size=chain[-1].size, watch=watch)
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def _load_record(first: ChainFile, path: Path) -> MemberRecord | None:
    """Return the record of members if it is that of this full, not of another one with the same image."""
    record = MemberRecord.load(path)
    if record is None or record.snapshot != first.snapshot:
        return None
    return record if record.fingerprint == first.fingerprint else None


def _rows(chain: Sequence[ChainFile]) -> dict[str, int]:
    """Return the row counts that the last file of a chain records."""
    return full.read_tail(Path(chain[-1].path)).rows


def assemble(
    chain: Sequence[ChainFile],
    record: MemberRecord,
    target: Path,
    scratch: Path,
    head: Head,
    rows: Mapping[str, int],
    watch: Watch,
) -> None:
    """Write the last snapshot of a chain to a new file as a full, copying the unchanged members of the chain's full.

    The chain has at least one incremental. Raises SnapshotDamaged, OSError, and what the watch raises.
    """
    spool = scratch / "pages"
    with spool.open("w+b") as spooled, open_to_read(Path(chain[0].path)) as base:
        offsets, delta = _spool(chain, spooled, watch)
        blocks = _TouchedBlocks(record, base, spooled, offsets, delta)
        digests = _digests(record, blocks, watch)
        if of_digests(digests, delta.size) != chain[-1].fingerprint:
            raise SnapshotDamaged("The chain does not give back its last snapshot.", path=chain[-1].path)
        watch.phase("assemble", delta.size)
        plan = ReusePlan(
            size=delta.size,
            digests=digests,
            read_block=blocks.read,
            previous=Path(chain[0].path),
            record=record,
        )
        write_reusing(target, plan, head, rows, watch)
    spool.unlink()


def _spool(chain: Sequence[ChainFile], spooled: BinaryIO, watch: Watch) -> tuple[dict[int, int], Delta]:
    """Append the pages of all incrementals to a file; return the offsets of the newest ones, and the last delta."""
    offsets: dict[int, int] = {}
    delta: Delta | None = None
    for part in chain[1:]:
        delta = incremental.spool_pages(Path(part.path), spooled, offsets, watch=watch)
    if delta is None:
        raise ValueError("a chain to assemble has at least one incremental")
    spooled.flush()
    return {number: offset for number, offset in offsets.items() if number <= delta.page_count}, delta


class _TouchedBlocks:
    """The blocks of the resulting image that incrementals or a change of its size touch."""

    def __init__(
        self, record: MemberRecord, base: BinaryIO, spooled: BinaryIO, offsets: dict[int, int], delta: Delta
    ) -> None:
        self._record = record
        self._base = base.fileno()
        self._spooled = spooled.fileno()
        self._offsets = offsets
        self._page_size = delta.page_size
        self.size = delta.size
        self._deflate = compression.default_deflate()
        per_block = BLOCK // delta.page_size
        self.touched = {(number - 1) // per_block for number in offsets}
        old_end, new_end = record.size, delta.size
        if old_end != new_end:
            self.touched.update(range(min(old_end, new_end) // BLOCK, -(-new_end // BLOCK)))

    def read(self, number: int) -> bytes:
        """Return a block of the resulting image, by its number from 0."""
        length = min(BLOCK, self.size - number * BLOCK)
        content = bytearray(self._original(number).ljust(length, b"\0")[:length])
        first = number * BLOCK // self._page_size + 1
        for page in range(first, first + length // self._page_size):
            offset = self._offsets.get(page)
            if offset is not None:
                at = (page - first) * self._page_size
                content[at : at + self._page_size] = read_at(self._spooled, self._page_size, offset)
        return bytes(content)

    def _original(self, number: int) -> bytes:
        if number * BLOCK >= self._record.size:
            return b""
        start, end = self._record.offset(number), self._record.offset(number + 1)
        return framing.unpack_member(read_at(self._base, end - start, start), self._deflate)


def _digests(record: MemberRecord, blocks: _TouchedBlocks, watch: Watch) -> bytes:
    count = -(-blocks.size // BLOCK)
    digests = bytearray(record.blocks[: count * DIGEST].ljust(count * DIGEST, b"\0"))
    watch.phase("compare", len(blocks.touched) * BLOCK)
    for number in sorted(blocks.touched):
        digests[number * DIGEST : (number + 1) * DIGEST] = blake3(blocks.read(number)).digest()
        watch.advance(BLOCK)
    return bytes(digests)
