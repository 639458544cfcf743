"""Write a snapshot of a database that is held still: the whole image, or the pages that changed since the newest one.

Why the parent and the changed pages together are the state, although the parent is not read again: the page index holds
the digests of the parent's blocks, and it is used only if they give the parent's fingerprint. The new fingerprint is
computed from these digests and from those of every block that was read again. In such a block, each page that the
archive does not hold was compared with the index. So the parent and the pages give the new fingerprint, and whoever
applies them verifies it.
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
from ...archive.page_index import (
    Difference,
    IndexBuilder,
    IndexMismatch,
    LogPosition,
    PageIndex,
    PageSink,
    UnexplainedChange,
)
from ...archive.reuse import MemberRecord, ReusePlan, verify_and_record, write_reusing
from ...errors import SnapshotDamaged
from ...models import Check, Finding, Form, Health, Severity
from ...policies.health import health_of
from ...progress import Watch
from ..base import ParentSnapshot, SnapshotResult
from .checks import cut_findings
from .look import Look, looking
from .page_decoding import implausible
from .source import Source
from .wal import NotRecognised, frame_checksum, read_overlay

__all__ = ["capture", "difference_from"]

_INCREMENTAL_MAX = 0.5
"""If more than this part of the image changed, a full is written: it needs no parent, and is not much larger."""


def capture(
    source: Source,
    target: Path,
    scratch: Path,
    head: Head,
    tables: tuple[str, ...] | None,
    parent: ParentSnapshot,
    watch: Watch,
) -> SnapshotResult:
    """Write the state to ``target`` as ``parent`` allows, verify it by reading it back, and keep its page index.

    Raises NotRecognised if the files could not be read this way after all, and what the watch raises; no file is left
    then.
    """
    with looking(source.connection, tables) as look:
        for finding in cut_findings(source.missing):
            look.add(finding)
            look.examine()
        if parent.unreadable:
            look.examine()  # the damage may have been mended since
        writer = _Writer(source, target, scratch, head, look, parent, watch)
        index = _load_index(parent, source)
        if index is not None:
            try:
                return writer.from_index(index)
            except UnexplainedChange as change:
                # A file that was in WAL mode, where SQLite counts nothing, and is not now was replaced by somebody.
                if source.journal_mode == "wal" or parent.journal_mode != "wal":
                    look.add(_rotten(change))
            except IndexMismatch:
                pass  # a full needs no index
        if parent.skip_unchanged and parent.fingerprint and writer.fingerprint() == parent.fingerprint:
            return SnapshotResult(unchanged=True, fingerprint=parent.fingerprint)
        return writer.whole()


def _rotten(change: UnexplainedChange) -> Finding:
    message = (
        f"Page {change.page} of the file changed although nothing wrote it: the disk, or another program that writes "
        "to the file past SQLite."
    )
    remedy = "Check the disk. The snapshots from before are not affected: compare, and restore one if rows are wrong."
    return Finding(check=Check.ROT, severity=Severity.ERROR, message=message, remedy=remedy)


def _load_index(parent: ParentSnapshot, source: Source) -> PageIndex | None:
    index = PageIndex.load(Path(parent.index))
    if index is None or parent.id is None:
        return None
    expected = (parent.id, parent.fingerprint, source.page_size)
    return index if (index.snapshot, index.fingerprint, index.page_size) == expected else None


class _Writer:
    """Writes one snapshot in one of its forms."""

    def __init__(
        self,
        source: Source,
        target: Path,
        scratch: Path,
        head: Head,
        look: Look,
        parent: ParentSnapshot,
        watch: Watch,
    ) -> None:
        self._source = source
        self._target = target
        self._scratch = scratch
        self._look = look
        self._parent = parent
        self._watch = watch
        self._details = head.details | {"journal_mode": source.journal_mode, "page_size": source.page_size}
        self._head = msgspec.structs.replace(head, details=self._details)

    def fingerprint(self) -> str:
        """Return the fingerprint of the whole image."""
        found = Fingerprint()
        self._watch.phase("compare", self._source.size)
        for block in self._source.blocks(self._watch):
            found.add(block)
            self._watch.advance(len(block))
        return found.text()

    def from_index(self, index: PageIndex) -> SnapshotResult:
        """Write the changes since the index's snapshot, or a full if an incremental is not allowed or not worth it."""
        spool = self._scratch / "changed-pages"
        with spool.open("w+b") as changed:
            difference = self._difference(index, changed)
            same = not difference.pages and difference.index.page_count == index.page_count
            if same and self._parent.skip_unchanged:
                # The same state, further on in the log: the index stays that of the snapshot that covers it.
                msgspec.structs.replace(difference.index, snapshot=index.snapshot).save(Path(self._parent.index))
                return SnapshotResult(unchanged=True, fingerprint=index.fingerprint)
            small = len(difference.pages) <= _INCREMENTAL_MAX * self._source.page_count
            if self._parent.incremental and small:
                return self._write_incremental(index, difference, changed)
            record = self._load_record() if small else None
            return self.whole() if record is None else self._write_reusing(record, difference)

    def _difference(self, index: PageIndex, changed: BinaryIO) -> Difference:
        source = self._source

        def keep(number: int, page: bytes) -> None:
            changed.write(page)
            if implausible(page, number, source.page_count):
                self._look.examine()
            self._watch.wrote(len(page))
            self._watch.check()

        return difference_from(source, index, keep, self._head.id, self._watch)

    def _write_incremental(self, index: PageIndex, difference: Difference, changed: BinaryIO) -> SnapshotResult:
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
        with self._removed_on_error():
            incremental.verify_pages(self._target, delta=delta, watch=self._watch)
            difference.index.save(Path(self._parent.index))
        return self._result(Form.INCREMENTAL, index.snapshot, delta.fingerprint, delta.size, rows)

    def whole(self) -> SnapshotResult:
        """Write the whole image, and build its page index at the same time."""
        source, builder = self._source, IndexBuilder(self._source.page_size)
        self._watch.phase("compress", source.size)
        self._look.as_full()
        rows = self._look.rows()
        with contextlib.closing(source.blocks(self._watch)) as blocks:
            tail: Tail = full.write_full(
                self._target, blocks, self._head, rows, self._watch, block_observer=builder, health=self._health
            )
        with self._removed_on_error():
            index = builder.index(self._head.id, _log_position(source))
            recorded = verify_and_record(
                self._target,
                self._head.id,
                index.block_digests,
                self._watch,
                fingerprint=tail.fingerprint,
                size=tail.size,
            )
            index.save(Path(self._parent.index))
            recorded.save(Path(self._parent.record))
        return self._result(Form.FULL, None, tail.fingerprint, tail.size, rows)

    def _load_record(self) -> MemberRecord | None:
        """Return the record of the newest full, or None if there is none or it describes another full."""
        record = MemberRecord.load(Path(self._parent.record))
        if record is None or self._parent.full is None:
            return None
        return record if self._parent.full_id == record.snapshot else None

    def _write_reusing(self, record: MemberRecord, difference: Difference) -> SnapshotResult:
        """Write a full that copies the unchanged members of the newest full."""
        source, index = self._source, difference.index
        self._look.as_full()
        rows = self._look.rows()
        self._watch.phase("compress", source.size)
        assert self._parent.full is not None
        plan = ReusePlan(
            size=index.size,
            digests=index.block_digests,
            read_block=source.block,
            previous=Path(self._parent.full),
            record=record,
        )
        try:
            tail, recorded = write_reusing(self._target, plan, self._head, rows, self._watch, health=self._health)
        except (SnapshotDamaged, OSError):
            # The earlier full is damaged or cannot be read. Its own verification will find that; this snapshot does
            # not need it. An error of the target will be raised again.
            return self.whole()
        with self._removed_on_error():
            index.save(Path(self._parent.index))
            recorded.save(Path(self._parent.record))
        return self._result(Form.FULL, None, tail.fingerprint, tail.size, rows)

    def _health(self) -> Health | None:
        """Return the verdict on the state as of its beginning, waiting for the check; None if nobody looked."""
        findings = self._look.findings()
        return None if findings is None else health_of(findings, self._head.began_at)

    @contextlib.contextmanager
    def _removed_on_error(self) -> Iterator[None]:
        """Remove the target if the ``with`` block raises."""
        try:
            yield
        except BaseException:
            self._target.unlink(missing_ok=True)
            raise

    def _result(
        self, form: Form, base: str | None, fingerprint: str, size: int, rows: dict[str, int]
    ) -> SnapshotResult:
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


def difference_from(source: Source, index: PageIndex, sink: PageSink, snapshot: str, watch: Watch) -> Difference:
    """Find the pages that changed since an index, by the log where that tells, otherwise by comparing all of them.

    ``sink`` gets each of them in order; the index of the result is that of ``snapshot``. Raises IndexMismatch if the
    two do not fit each other.
    """
    log, candidates = _log_position(source), _candidates(source, index.log)
    if candidates is not None:
        return index.compare_candidates(candidates, source.page_count, source.block, sink, snapshot=snapshot, log=log)
    watch.phase("compare", source.size)
    difference = index.compare_all(
        source.page_count, source.block, sink, snapshot=snapshot, log=log, progress=watch.advance
    )
    # In rollback mode every transaction counts up the change counter, which is in the first page
    # (https://www.sqlite.org/fileformat2.html, 1.3.6).
    if source.journal_mode != "wal" and difference.pages and difference.pages[0] != 1:
        raise UnexplainedChange(difference.pages[0])
    return difference


def _log_position(source: Source) -> LogPosition | None:
    """Return the position in the log where the state ends, for the next snapshot; None without a log."""
    state = source.state
    if state is None or not state.frames:
        return None
    first, second = state.checksum
    checksum = first.to_bytes(4, "big") + second.to_bytes(4, "big")
    return LogPosition(salts=state.salts, frames=state.frames, checksum=checksum)


def _candidates(source: Source, since: LogPosition | None) -> frozenset[int] | None:
    """Return the pages in the log's frames since a position, or None if the log does not tell.

    A log with the same salts has not been restarted since that position, only grown, so every later commit is in the
    later frames. The frame at the position must still have the same checksum.
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
        return frozenset(read_overlay(source.log, state, first=since.frames + 1).offsets)
    except NotRecognised:
        return None
