"""Read an archive in one thread and work on what its dump holds in another.

The archive is verified as it is read: what the work was given is known to be sound only when ``read_for`` returns.
"""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import msgspec

from ....archive import full
from ....archive.fingerprint import BLOCK, ReadElsewhere
from ....errors import OperationCancelled, SnapshotDamaged
from ....progress import Watch
from ...base import ChainFile
from ..metadata.model import Metadata
from ..plain_dump.lexer import Event
from ..plain_dump.scanner import Block, Manifest, Scanner, Table, TableEnd
from .apart_table import PIECE_BLOCKS, ApartTable

__all__ = ["Content", "DumpEvent", "Events", "Stopped", "read_for", "verify"]

Value = TypeVar("Value")
DumpEvent: TypeAlias = Event | TableEnd

_QUEUED = 16
"""How many pieces of 256 KiB the reader may be ahead."""
_CHECK_EVERY = 0.2


class Content(msgspec.Struct, frozen=True):
    """What a verified dump holds: its tables by quoted name, without extensions' own, its size, and its metadata."""

    blocks: dict[str, Block]
    size: int
    metadata: Metadata | None = None

    @property
    def tables(self) -> dict[str, Table]:
        """The tables as a manifest has them."""
        return {name: Table(block.rows, block.digest) for name, block in self.blocks.items()}

    def without(self, tables: frozenset[str]) -> Content:
        """Return the content without some tables."""
        kept = {name: block for name, block in self.blocks.items() if name not in tables}
        return msgspec.structs.replace(self, blocks=kept)


class Stopped(OperationCancelled):
    """The other side of the queue failed; its error is the one to report."""


class Events:
    """The events of a dump, in order, for one thread, while another one reads the archive.

    Both sides notice within a fraction of a second if the other one ends.
    """

    def __init__(self, watch: Watch) -> None:
        self.watch = Watch(cancelled=self._is_over)
        """For the sessions of the side that takes the events."""
        self._outside = watch
        self._queue: queue.Queue[list[DumpEvent] | None] = queue.Queue(_QUEUED)
        self._ended = False
        """Nobody takes events any more."""
        self._failed = False
        """No more events come, and those that came were not all."""

    def put(self, events: list[DumpEvent] | None, watch: Watch) -> None:
        """Pass on events, None after the last; raises Stopped if nobody takes them, and what the watch raises."""
        while True:
            if self._ended:
                raise Stopped("The dump is not loaded any further.")
            with contextlib.suppress(queue.Full):
                self._queue.put(events, timeout=_CHECK_EVERY)
                return
            watch.check()

    def fail(self) -> None:
        """End the iteration with Stopped: the archive cannot be read any further."""
        self._failed = True

    def end(self) -> None:
        """Accept no more events."""
        self._ended = True

    def _is_over(self) -> bool:
        self._outside.check()
        return self._failed

    def __iter__(self) -> Iterator[DumpEvent]:
        while True:
            if self._failed:
                raise Stopped("The archive could not be read to its end.")
            with contextlib.suppress(queue.Empty):
                events = self._queue.get(timeout=_CHECK_EVERY)
                if events is None:
                    return
                yield from events


def verify(part: ChainFile, watch: Watch) -> Content:
    """Verify that an archive gives back its dump and that the dump is whole; raises SnapshotDamaged."""
    return _read(part, lambda _events: None, watch, "check")


def read_for(
    work: Callable[[Events], Value], part: ChainFile, watch: Watch, *, apart: ApartTable | None = None
) -> tuple[Content, Value]:
    """Read and verify an archive while ``work`` is given its events; return its content and what the work returned.

    The work reads the rows of a table that is read ``apart``; if it does not, they are read here. Raises
    SnapshotDamaged, and what the work raises. The work must not commit anything before this returns.
    """
    events = Events(watch)
    with ThreadPoolExecutor(1, thread_name_prefix="load") as pool:
        working = pool.submit(work, events)
        working.add_done_callback(lambda _: events.end())
        try:
            content = _read(
                part, lambda found: events.put(found, watch), watch, "load", apart, partial(_ended, events, working)
            )
            if apart is None:
                events.put(None, watch)
            while not working.done():
                watch.check()
                wait([working], timeout=_CHECK_EVERY)
        except Stopped:
            working.result()
            raise
        except BaseException:
            events.fail()
            raise
        return content, working.result()


def _ended(events: Events, working: Future[Any], apart: ApartTable, watch: Watch) -> None:
    """Wait until the table that is read apart has been read, or read it if the work has ended without; raises Stopped.

    No more events come before that: the work goes on with what follows the rows.
    """
    events.put(None, watch)
    seen, is_read = 0, False
    while not is_read:
        is_read = apart.is_read(_CHECK_EVERY)
        watch.check()
        seen, before = len(apart.digests), seen
        watch.advance(max(0, seen - before) * BLOCK)
        if not is_read and working.done():
            if working.exception() is not None:
                raise Stopped("The dump is not loaded any further.")
            apart.read(watch)


def _read(
    part: ChainFile,
    take: Callable[[list[DumpEvent]], object],
    watch: Watch,
    phase: str,
    apart: ApartTable | None = None,
    wait_for: Callable[[ApartTable, Watch], object] = lambda _apart, _watch: None,
) -> Content:
    path, scanner = Path(part.path), Scanner()
    blocks: list[bytes] = []
    seen = 0

    def feed() -> None:
        events = scanner.feed(b"".join(blocks))
        blocks.clear()
        if events:
            take(events)

    def sink(block: bytes) -> None:
        nonlocal seen
        blocks.append(block)
        seen += 1
        before_gap = apart is not None and seen == apart.blocks.start
        if before_gap or len(blocks) == PIECE_BLOCKS:
            feed()
        if apart is not None and before_gap:
            scanner.skip(len(apart.blocks) * BLOCK)

    def digests() -> Sequence[bytes]:
        feed()
        if apart is None:
            return ()
        wait_for(apart, watch)
        scanner.put(apart.block)
        return apart.digests

    elsewhere = ReadElsewhere(apart.blocks if apart is not None else range(0), digests)
    tail = full.verify(
        path,
        fingerprint=part.fingerprint,
        size=part.size,
        watch=watch,
        sink=sink,
        phase=phase,
        elsewhere=elsewhere,
    )
    return Content(_own_tables(scanner, path), tail.size, scanner.manifest.metadata if scanner.manifest else None)


def _own_tables(scanner: Scanner, path: Path) -> dict[str, Block]:
    manifest: Manifest | None = scanner.manifest
    problems = list(scanner.problems(manifest))
    if problems or manifest is None:
        raise SnapshotDamaged(
            f"The dump in {path.name} is not whole: {'; '.join(problems[:5])}.", path=str(path), detail=problems[0]
        )
    return {name: block for name, block in scanner.blocks.items() if manifest.tables[name].own}
