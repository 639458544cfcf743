"""Writing down a database that is held still: whole, or only the pages that changed since the newest snapshot.

Why base and pages together are the state, without reading the base again: the page index holds the digests of the
base's blocks, and they fold to the base's fingerprint, or the index is not used. The new state's fingerprint is folded
from these digests and from those of every block that was read again. In such a block each page that the archive does
not hold was compared with the index. So base and pages give the new fingerprint, and whoever replays them proves it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from ...archive import full, incremental
from ...archive.fingerprint import Fingerprint
from ...archive.members import Delta, Head, Tail
from ...archive.page_index import Difference, IndexBuilder, IndexMismatch, LogPosition, PageIndex, UnexplainedChange
from ...archive.reuse import MemberRecord, ReusePlan, verify_and_record, write_reusing
from ...errors import SnapshotDamaged
from ...models import Check, Finding, Form, Health, Severity
from ...policies.health import health_of
from ...progress import Watch
from ..base import ParentSnapshot, SnapshotResult
from .look import Look, looking
from .page_decoding import implausible
from .source import Source
from .wal import NotRecognised, frame_checksum, read_overlay

__all__ = ["capture"]

_MOST_OF_IMAGE = 0.5
"""Where more than this part of the image changed, a full is written: it is no larger, and it stands alone."""


def capture(
    source: Source,
    target: Path,
    scratch: Path,
    head: Head,
    tables: tuple[str, ...] | None,
    base: ParentSnapshot,
    watch: Watch,
) -> SnapshotResult:
    """Write the state to ``target`` as ``base`` allows, verify it by reading it back, and keep its page index.

    Raises NotRecognised if the files could not be read this way after all, and what the watch raises; no file is left
    then.
    """
    with looking(source.connection, tables) as look:
        writer = _Writer(source, target, scratch, head, look, base, watch)
        index = _usable(base, source)
        if index is not None:
            try:
                return writer.from_index(index)
            except UnexplainedChange as change:
                look.add(_rotten(change))
            except IndexMismatch:
                pass  # the index is of no use: a full needs none
        if base.skip_unchanged and base.fingerprint and writer.fingerprint() == base.fingerprint:
            return SnapshotResult(unchanged=True, fingerprint=base.fingerprint)
        return writer.whole()


def _rotten(change: UnexplainedChange) -> Finding:
    message = (
        f"Page {change.page} of the file changed although nothing wrote it: the disk, or another program that writes "
        "to the file past SQLite."
    )
    remedy = "Check the disk. The snapshots from before are not affected: compare, and restore one if rows are wrong."
    return Finding(check=Check.ROT, severity=Severity.ERROR, message=message, remedy=remedy)


def _usable(base: ParentSnapshot, source: Source) -> PageIndex | None:
    index = PageIndex.load(Path(base.index))
    if index is None or base.id is None:
        return None
    fits = index.snapshot == base.id and index.fingerprint == base.fingerprint and index.page_size == source.page_size
    return index if fits else None


class _Writer:
    def __init__(
        self,
        source: Source,
        target: Path,
        scratch: Path,
        head: Head,
        look: Look,
        base: ParentSnapshot,
        watch: Watch,
    ) -> None:
        self._source = source
        self._target = target
        self._scratch = scratch
        self._look = look
        self._base = base
        self._watch = watch
        self._details = {"journal_mode": source.journal_mode, "page_size": source.page_size}
        self._head = msgspec.structs.replace(head, details=self._details)

    def fingerprint(self) -> str:
        """Hash the whole image."""
        found = Fingerprint()
        self._watch.phase("compare", self._source.size)
        for block in self._source.blocks(self._watch):
            found.add(block)
            self._watch.advance(len(block))
        return found.text()

    def from_index(self, index: PageIndex) -> SnapshotResult:
        """Write what changed since the index's snapshot, or the whole image if that is not wanted or not worth it."""
        spool = self._scratch / "changed-pages"
        with spool.open("w+b") as changed:
            difference = self._difference(index, changed)
            same = not difference.pages and difference.index.page_count == index.page_count
            if same and self._base.skip_unchanged:
                # The same state further on in the log; it goes on being that of the snapshot that covers it.
                msgspec.structs.replace(difference.index, snapshot=index.snapshot).save(Path(self._base.index))
                return SnapshotResult(unchanged=True, fingerprint=index.fingerprint)
            small = len(difference.pages) <= _MOST_OF_IMAGE * self._source.page_count
            if self._base.incremental and small:
                return self._increment(index, difference, changed)
            record = self._reusable() if small else None
            return self.whole() if record is None else self._reusing(record, difference)

    def _difference(self, index: PageIndex, changed: BinaryIO) -> Difference:
        source = self._source

        def keep(number: int, page: bytes) -> None:
            changed.write(page)
            if implausible(page, number, source.page_count):
                self._look.examine()
            self._watch.wrote(len(page))
            self._watch.check()

        log, candidates = _position(source), _candidates(source, index.log)
        if candidates is None:
            self._watch.phase("compare", source.size)
            return index.compare_all(
                source.page_count, source.block, keep, snapshot=self._head.id, log=log, progress=self._watch.advance
            )
        return index.compare_candidates(
            candidates, source.page_count, source.block, keep, snapshot=self._head.id, log=log
        )

    def _increment(self, index: PageIndex, difference: Difference, changed: BinaryIO) -> SnapshotResult:
        delta = Delta(
            base=index.snapshot,
            base_fingerprint=index.fingerprint,
            fingerprint=difference.index.fingerprint,
            page_size=index.page_size,
            page_count=difference.index.page_count,
            pages=len(difference.pages),
        )
        head = msgspec.structs.replace(self._head, delta=delta)
        rows = self._look.rows()
        self._watch.phase("compress", incremental.payload_size(delta))
        changed.seek(0)
        contents = iter(lambda: changed.read(index.page_size), b"")
        incremental.write_pages(self._target, head, difference.pages, contents, rows, self._watch, health=self._health)
        with self._unless_done():
            incremental.verify_pages(self._target, delta=delta, watch=self._watch)
            difference.index.save(Path(self._base.index))
        return self._taken(Form.INCREMENTAL, index.snapshot, delta.fingerprint, delta.size, rows)

    def whole(self) -> SnapshotResult:
        """Write the whole image, and index it on the way."""
        source, builder = self._source, IndexBuilder(self._source.page_size)
        self._watch.phase("compress", source.size)
        self._look.as_full()
        rows = self._look.rows()
        with contextlib.closing(source.blocks(self._watch)) as blocks:
            tail: Tail = full.write_full(
                self._target, blocks, self._head, rows, self._watch, block_observer=builder, health=self._health
            )
        with self._unless_done():
            index = builder.index(self._head.id, _position(source))
            recorded = verify_and_record(
                self._target,
                self._head.id,
                index.block_digests,
                self._watch,
                fingerprint=tail.fingerprint,
                size=tail.size,
            )
            index.save(Path(self._base.index))
            recorded.save(Path(self._base.record))
        return self._taken(Form.FULL, None, tail.fingerprint, tail.size, rows)

    def _reusable(self) -> MemberRecord | None:
        """Return the record of the newest full, or None if there is none or it describes another full."""
        record = MemberRecord.load(Path(self._base.record))
        if record is None or self._base.full is None:
            return None
        return record if self._base.full_id == record.snapshot else None

    def _reusing(self, record: MemberRecord, difference: Difference) -> SnapshotResult:
        """Write a full that copies the unchanged members of the newest full."""
        source, index = self._source, difference.index
        self._look.as_full()
        rows = self._look.rows()
        self._watch.phase("compress", source.size)
        assert self._base.full is not None
        plan = ReusePlan(
            size=index.size,
            digests=index.block_digests,
            read_block=source.block,
            previous=Path(self._base.full),
            record=record,
        )
        try:
            tail, recorded = write_reusing(self._target, plan, self._head, rows, self._watch, health=self._health)
        except (SnapshotDamaged, OSError):
            # The earlier full is damaged or cannot be read. Its own verification will find that; this snapshot does
            # not need it. An error of the target will be raised again.
            return self.whole()
        with self._unless_done():
            index.save(Path(self._base.index))
            recorded.save(Path(self._base.record))
        return self._taken(Form.FULL, None, tail.fingerprint, tail.size, rows)

    def _health(self) -> Health | None:
        """Return the verdict on the state as of its beginning, waiting for the check; None if nobody looked."""
        findings = self._look.findings()
        return None if findings is None else health_of(findings, self._head.began_at)

    @contextlib.contextmanager
    def _unless_done(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self._target.unlink(missing_ok=True)
            raise

    def _taken(self, form: Form, base: str | None, fingerprint: str, size: int, rows: dict[str, int]) -> SnapshotResult:
        return SnapshotResult(
            unchanged=False,
            form=form,
            base=base,
            fingerprint=fingerprint,
            size=self._target.stat().st_size,
            database_size=size,
            rows=rows,
            findings=self._look.findings(),
            details=self._details,
        )


def _position(source: Source) -> LogPosition | None:
    """Say where in the log the state ends, for the next snapshot to begin there."""
    state = source.state
    if state is None or not state.frames:
        return None
    first, second = state.checksum
    checksum = first.to_bytes(4, "big") + second.to_bytes(4, "big")
    return LogPosition(salts=state.salts, frames=state.frames, checksum=checksum)


def _candidates(source: Source, since: LogPosition | None) -> frozenset[int] | None:
    """Give the pages that the log's frames since a position name; None where the log cannot tell.

    While the log's salts stay the same it only grows: it has not been started over since that position, so that every
    commit after it is in the frames after it. The frame at the position must still carry the checksum that it had.
    """
    state = source.state
    if state is None or since is None or state.salts != since.salts or state.frames < since.frames:
        return None
    try:
        first, second = frame_checksum(source.log, since.frames, state)
        if first.to_bytes(4, "big") + second.to_bytes(4, "big") != since.checksum:
            return None
        if state.frames == since.frames:
            return frozenset()
        return frozenset(read_overlay(source.log, source.index, state, first=since.frames + 1).offsets)
    except NotRecognised:
        return None
