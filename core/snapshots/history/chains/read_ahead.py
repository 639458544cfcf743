"""Members that will be needed next are expanded by two threads, while SQLite is at work on those that it has.

Expanding releases Python's lock. So a search of a whole table, of which nearly all of the time is the expansion of
members, takes about half as long on two cores.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from ...archive import compression, framing
from ...engines import ChainFile
from ...errors import SnapshotError
from ...files import read_at

__all__ = ["Workers"]

_THREADS = 2
_BATCH = 16
"""Members in a batch: to pass one between threads costs little then."""
_MOST = 96
"""Members that wait to be used: six MiB."""

Place = tuple[str, int]
"""A snapshot and the number of a member in its file."""


class _Batch:
    """Members that are expanded together, by a thread or by whoever needs them before one has begun."""

    def __init__(self, descriptor: int, spans: Sequence[tuple[int, int]], deflate: compression.Deflate) -> None:
        self._descriptor = descriptor
        self._spans = spans
        self._deflate = deflate
        self.future: Future[list[bytes | None]] = Future()

    def members(self) -> list[bytes | None]:
        """Return the members; None for each that cannot be expanded."""
        return [self._member(start, end) for start, end in self._spans]

    def taken(self) -> list[bytes | None]:
        """Return the members, which a thread expands, or nobody yet."""
        if not self.future.cancel():
            return self.future.result()
        self.future = Future()
        self.future.set_running_or_notify_cancel()
        self.future.set_result(self.members())
        return self.future.result()

    def _member(self, start: int, end: int) -> bytes | None:
        try:
            return framing.unpack_member(read_at(self._descriptor, end - start, start), self._deflate)
        except (SnapshotError, OSError):
            return None  # raised again, with the snapshot's name, for whoever reads the page


class Workers:
    """Expands members ahead of their use. One that cannot be expanded is left to whoever needs it."""

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None
        self._waiting: dict[Place, tuple[_Batch, int]] = {}
        self._deflate = compression.default_deflate()

    def only(self, places: Sequence[Place]) -> list[Place]:
        """Forget members that are not among these; return those of them that are to be expanded now."""
        wanted = set(places)
        for place in [place for place in self._waiting if place not in wanted]:
            del self._waiting[place]
        free = _MOST - len(self._waiting)
        fresh = [place for place in places if place not in self._waiting][:free]
        return fresh if len(fresh) >= _BATCH or len(fresh) < free else []

    def expand(self, part: ChainFile, descriptor: int, numbers: Sequence[int], offsets: array[int]) -> None:
        """Begin to expand members of a chain file; the descriptor must stay open until they are taken."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="read-ahead")
        for at in range(0, len(numbers), _BATCH):
            some = numbers[at : at + _BATCH]
            batch = _Batch(descriptor, [(offsets[number], offsets[number + 1]) for number in some], self._deflate)
            batch.future = self._pool.submit(batch.members)
            self._waiting.update({(part.snapshot, number): (batch, place) for place, number in enumerate(some)})

    def take(self, place: Place) -> bytes | None:
        """Return a member that was to be expanded; None if none was, or it cannot be."""
        if place not in self._waiting:
            return None
        batch, at = self._waiting.pop(place)
        return batch.taken()[at]

    def close(self) -> None:
        """Wait for the threads, and forget what they did."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None
        self._waiting.clear()
