"""Work on a stream in batches, by two threads, with the results in order.

Compressing and hashing release Python's global interpreter lock: on two cores, two threads write a card game's database
of 177 MB twice as fast as one (0.23 s instead of 0.49 s), and verify it twice as fast.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import BinaryIO, TypeVar

from .fingerprint import BLOCK

__all__ = ["batches", "blocks", "in_order"]

WORKERS = 2
BATCH = 16
"""Blocks in a batch. With 1 MiB, passing batches between threads costs little, and memory stays at a few MiB."""

Item = TypeVar("Item")
Result = TypeVar("Result")


def blocks(image: BinaryIO | Iterable[bytes]) -> Iterator[bytes]:
    """Yield a file, or pieces of any length, in blocks of 64 KiB; only the last one may be shorter."""
    rest = b""
    for piece in _pieces(image):
        rest = rest + piece if rest else piece
        whole = len(rest) - len(rest) % BLOCK
        for at in range(0, whole, BLOCK):
            yield rest[at : at + BLOCK]
        rest = rest[whole:]
    if rest:
        yield rest


def batches(items: Iterable[Item]) -> Iterator[list[Item]]:
    """Yield the items in lists of at most ``BATCH``."""
    iterator = iter(items)
    while batch := list(islice(iterator, BATCH)):
        yield batch


def in_order(work: Callable[[Item], Result], items: Iterable[Item]) -> Generator[Result, None, None]:
    """Yield ``work(item)`` for each item, in order, computed by up to two threads at a time.

    The items are fetched in the caller's thread, only as results are asked for. An exception of ``work`` is raised in
    place of its result. Close the iterator to be sure that its threads have ended.
    """
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(WORKERS, thread_name_prefix="archive") as pool:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > WORKERS:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _pieces(image: BinaryIO | Iterable[bytes]) -> Iterator[bytes]:
    if isinstance(image, Iterable) and not hasattr(image, "read"):
        yield from image
        return
    while piece := image.read(BATCH * BLOCK):
        yield piece
