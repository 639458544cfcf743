"""Read an archive in one thread and work on what its dump holds in another.

The archive is verified as it is read: what the work was given is known to be sound only when ``read_for`` returns.
"""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import TypeAlias, TypeVar

import msgspec

from ....archive import full
from ....errors import OperationCancelled, SnapshotDamaged
from ....progress import Watch
from ...base import ChainFile
from ..metadata.model import Metadata
from ..plain_dump.lexer import Event
from ..plain_dump.scanner import Block, Manifest, Scanner, Table, TableEnd

__all__ = ["Content", "DumpEvent", "Events", "Stopped", "read_for", "verify"]

Value = TypeVar("Value")
DumpEvent: TypeAlias = Event | TableEnd

_PIECE_BLOCKS = 4
"""How many blocks are passed on as one piece: each costs some steps in Python, and a message to the server."""
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
        """Take no more events."""
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


def read_for(work: Callable[[Events], Value], part: ChainFile, watch: Watch) -> tuple[Content, Value]:
    """Read and verify an archive while ``work`` is given its events; return its content and what the work returned.

    Raises SnapshotDamaged, and what the work raises. The work must not commit anything before this returns.
    """
    events = Events(watch)
    with ThreadPoolExecutor(1, thread_name_prefix="load") as pool:
        working = pool.submit(work, events)
        working.add_done_callback(lambda _: events.end())
        try:
            content = _read(part, lambda found: events.put(found, watch), watch, "load")
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


def _read(part: ChainFile, take: Callable[[list[DumpEvent]], object], watch: Watch, phase: str) -> Content:
    path, scanner = Path(part.path), Scanner()
    blocks: list[bytes] = []

    def feed() -> None:
        events = scanner.feed(b"".join(blocks))
        blocks.clear()
        if events:
            take(events)

    def sink(block: bytes) -> None:
        blocks.append(block)
        if len(blocks) == _PIECE_BLOCKS:
            feed()

    tail = full.verify(path, fingerprint=part.fingerprint, size=part.size, watch=watch, sink=sink, phase=phase)
    feed()
    return Content(_own_tables(scanner, path), tail.size, scanner.manifest.metadata if scanner.manifest else None)


def _own_tables(scanner: Scanner, path: Path) -> dict[str, Block]:
    manifest: Manifest | None = scanner.manifest
    problems = list(scanner.problems(manifest))
    if problems or manifest is None:
        raise SnapshotDamaged(
            f"The dump in {path.name} is not whole: {'; '.join(problems[:5])}.", path=str(path), detail=problems[0]
        )
    return {name: block for name, block in scanner.blocks.items() if manifest.tables[name].own}
