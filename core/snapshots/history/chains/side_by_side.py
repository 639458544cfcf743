"""Work that is shared out among processes: forks of this one, each of which does a part of it and ends.

To expand members and to hand pages to SQLite needs Python's lock too often for threads to help: two of them take nearly
as long as one, two processes take half as long. A fork knows everything that this process knows, and begins within
milliseconds. It only reads. What it could not do, for whatever reason, this process does itself, and so raises the
error, if there is one.
"""

from __future__ import annotations

import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from itertools import pairwise
from typing import NamedTuple, TypeVar

import msgspec

__all__ = ["side_by_side"]

_MOST = 2
"""Each needs some 25 MB of its own, and the game needs processors, too."""

Item = TypeVar("Item")
Result = TypeVar("Result")
Doing = Callable[[], AbstractContextManager[Callable[[Item], Result]]]
"""Opens what is needed, in the process that does the work, and gives what does one item."""


class _Fork(NamedTuple):
    """A process that is at work, and the pipe through which it will send its results."""

    process: int
    results: int


def side_by_side(
    doing: Doing[Item, Result], items: Sequence[Item], weights: Sequence[int], worth: int, kind: type[Result]
) -> list[Result]:
    """Return the result of each item, in their order.

    The items are shared out among processes in runs of about equal ``weights``, but none that weighs less than
    ``worth``. Results must be of a ``kind`` that msgspec can encode.
    """
    runs = _runs(weights, min(_processors(), _MOST, max(1, sum(weights) // worth)))
    with _forks(doing, [items[run] for run in runs[1:]]) as forks:
        results = _done(doing, items[runs[0]])
        for run, fork in zip(runs[1:], forks, strict=True):
            theirs = None if fork is None else _received(fork, kind)
            results += _done(doing, items[run]) if theirs is None else theirs
    return results


def _processors() -> int:
    """Return how many processors there are for this process; 1 where a process that is forked cannot be relied on."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else 1


def _runs(weights: Sequence[int], count: int) -> list[slice]:
    """Return so many runs of about equal weight, in order; the last ones can be empty."""
    total, weight, ends = sum(weights), 0, [0]
    for at, each in enumerate(weights):
        if weight * count >= total * len(ends):
            ends.append(at)
        weight += each
    ends += [len(weights)] * (count + 1 - len(ends))
    return [slice(start, end) for start, end in pairwise(ends)]


def _done(doing: Doing[Item, Result], items: Sequence[Item], parent: int | None = None) -> list[Result]:
    """Do items in this process; end it if that is a fork whose ``parent`` has ended."""
    results: list[Result] = []
    if items:
        with doing() as do:
            for item in items:
                if parent is not None and os.getppid() != parent:
                    os._exit(1)
                results.append(do(item))
    return results


@contextmanager
def _forks(doing: Doing[Item, Result], shares: Sequence[Sequence[Item]]) -> Iterator[list[_Fork | None]]:
    """Fork this process for each share; at the end none is left."""
    forks: list[_Fork | None] = []
    try:
        forks.extend(_forked(doing, share) for share in shares)
        yield forks
    finally:
        for fork in forks:
            if fork is not None:
                os.close(fork.results)
                with suppress(ProcessLookupError, ChildProcessError):  # a host that ignores SIGCHLD has them removed
                    os.kill(fork.process, signal.SIGKILL)
                    os.waitpid(fork.process, 0)


def _forked(doing: Doing[Item, Result], items: Sequence[Item]) -> _Fork | None:
    """Fork this process to do some items; return None if it cannot be."""
    parent, (reader, writer) = os.getpid(), os.pipe()
    try:
        with warnings.catch_warnings():
            # Python warns of locks that other threads may hold: the worker's only one waits for its standard input.
            warnings.simplefilter("ignore", DeprecationWarning)
            process = os.fork()
    except OSError:
        os.close(reader)
        os.close(writer)
        return None
    if process == 0:
        _be_fork(doing, items, parent, writer)
    os.close(writer)
    return _Fork(process, reader)


def _be_fork(doing: Doing[Item, Result], items: Sequence[Item], parent: int, results: int) -> None:
    """Do some items, send their results, and end this process, whatever happens."""
    status = 1
    try:
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1):  # whoever reads what the worker says must see its end, not this one's
            os.dup2(nothing, stream)
        encoded = memoryview(msgspec.msgpack.encode(_done(doing, items, parent)))
        while encoded:
            encoded = encoded[os.write(results, encoded) :]
        status = 0
    finally:
        os._exit(status)


def _received(fork: _Fork, kind: type[Result]) -> list[Result] | None:
    """Return the results of a fork; None if it did not end well."""
    parts = []
    while part := os.read(fork.results, 1 << 16):
        parts.append(part)
    try:
        return msgspec.msgpack.decode(b"".join(parts), type=list[kind])  # type: ignore[valid-type]
    except msgspec.DecodeError:
        return None
