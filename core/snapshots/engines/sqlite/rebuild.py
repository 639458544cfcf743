"""From a chain of archives back to an image: the full first, then the pages of each incremental on it.

A full put together from a chain without rebuilding the image: only the blocks that changed are expanded.

The blocks' digests of the chain's full are known; those of the blocks that the incrementals touch are computed from
their new content; together they must fold to the fingerprint of the chain's last snapshot, or nothing is written.
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
from ...files import read_at, sync_file
from ...models import Form
from ...progress import Watch
from ..base import ChainFile

__all__ = ["assemble", "export", "rebuild", "verify"]


def rebuild(chain: Sequence[ChainFile], image: Path, watch: Watch) -> None:
    """Rebuild the last snapshot of a chain as ``image`` and prove its fingerprint; on any error no file is left."""
    first = chain[0]
    full.extract(Path(first.path), image, fingerprint=first.fingerprint, size=first.size, watch=watch)
    if len(chain) == 1:
        return
    try:
        for below, part in pairwise(chain):
            path = Path(part.path)
            incremental.apply_pages(path, image, delta=_expected(path, below, part), watch=watch)
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


def _expected(path: Path, below: ChainFile, part: ChainFile) -> Delta:
    """Give the delta of an incremental, which must be the one that the catalog knows and fit what is below it."""
    _, delta = incremental.read_delta(path)
    known = (part.base, below.fingerprint, part.fingerprint, part.size)
    if (
        delta.base,
        delta.base_fingerprint,
        delta.fingerprint,
        delta.size,
    ) != known or part.form is not Form.INCREMENTAL:
        raise SnapshotDamaged(
            f"The snapshot file {path.name} holds the changes of another snapshot than the catalog says.",
            path=str(path),
        )
    return delta


def verify(chain: Sequence[ChainFile], scratch: Path, watch: Watch) -> None:
    """Prove that a chain gives back its last snapshot."""
    if len(chain) == 1:
        full.verify(Path(chain[0].path), fingerprint=chain[0].fingerprint, size=chain[0].size, watch=watch)
        return
    image = scratch / "proven.db"
    rebuild(chain, image, watch)
    image.unlink()


def export(chain: Sequence[ChainFile], target: Path, scratch: Path, head: Head, record: Path, watch: Watch) -> None:
    """Write the last snapshot of a chain to a new file that stands alone, proven; on any error no file is left.

    Where the chain's full is the one that ``record`` describes, its unchanged members are copied.
    """
    if len(chain) == 1:
        verify(chain, scratch, watch)
        full.copy(Path(chain[0].path), target, watch)
        return
    recorded = _record_of(chain[0], record)
    if recorded is not None:
        # Where this fails the whole way is taken: it does not need the record, and says which file is damaged.
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


def _record_of(first: ChainFile, path: Path) -> MemberRecord | None:
    """Give the record of a chain's full; another full with the same image has its members elsewhere."""
    record = MemberRecord.load(path)
    if record is None or record.snapshot != first.snapshot:
        return None
    return record if record.fingerprint == first.fingerprint else None


def _rows(chain: Sequence[ChainFile]) -> dict[str, int]:
    """Give the rows that the last file of a chain records."""
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
    """Write the last snapshot of a chain as a full, copying what its first one has; raise SnapshotDamaged, OSError."""
    spool = scratch / "pages"
    with spool.open("w+b") as spooled, Path(chain[0].path).open("rb") as base:
        places, delta = _gather(chain, spooled, watch)
        blocks = _Blocks(record, base, spooled, places, delta)
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


def _gather(chain: Sequence[ChainFile], spooled: BinaryIO, watch: Watch) -> tuple[dict[int, int], Delta]:
    """Spool the pages of all incrementals; give where the newest of each begins, and the last delta."""
    places: dict[int, int] = {}
    delta: Delta | None = None
    for part in chain[1:]:
        delta = incremental.spool_pages(Path(part.path), spooled, places, watch=watch)
    if delta is None:
        raise ValueError("a chain to assemble has at least one incremental")
    spooled.flush()
    return {number: place for number, place in places.items() if number <= delta.page_count}, delta


class _Blocks:
    """The blocks of the resulting image that the incrementals touch."""

    def __init__(
        self, record: MemberRecord, base: BinaryIO, spooled: BinaryIO, places: dict[int, int], delta: Delta
    ) -> None:
        self._record = record
        self._base = base.fileno()
        self._spooled = spooled.fileno()
        self._places = places
        self._page_size = delta.page_size
        self.size = delta.size
        self._deflate = compression.default_deflate()
        per_block = BLOCK // delta.page_size
        self.touched = {(number - 1) // per_block for number in places}
        old_end, new_end = record.size, delta.size
        if old_end != new_end:
            self.touched.update(range(min(old_end, new_end) // BLOCK, -(-new_end // BLOCK)))

    def read(self, number: int) -> bytes:
        """Give one block of the resulting image."""
        length = min(BLOCK, self.size - number * BLOCK)
        content = bytearray(self._old(number).ljust(length, b"\0")[:length])
        first = number * BLOCK // self._page_size + 1
        for page in range(first, first + length // self._page_size):
            place = self._places.get(page)
            if place is not None:
                at = (page - first) * self._page_size
                content[at : at + self._page_size] = read_at(self._spooled, self._page_size, place)
        return bytes(content)

    def _old(self, number: int) -> bytes:
        if number * BLOCK >= self._record.size:
            return b""
        start, end = self._record.offset(number), self._record.offset(number + 1)
        return framing.unpack_member(read_at(self._base, end - start, start), self._deflate)


def _digests(record: MemberRecord, blocks: _Blocks, watch: Watch) -> bytes:
    count = -(-blocks.size // BLOCK)
    digests = bytearray(record.blocks[: count * DIGEST].ljust(count * DIGEST, b"\0"))
    watch.phase("compare", len(blocks.touched) * BLOCK)
    for number in sorted(blocks.touched):
        digests[number * DIGEST : (number + 1) * DIGEST] = blake3(blocks.read(number)).digest()
        watch.advance(BLOCK)
    return bytes(digests)
