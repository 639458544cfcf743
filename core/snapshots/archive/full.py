"""Full snapshots as files: write one, look into it, prove it, take the image out again.

All of it blocks, and belongs in the worker. Operating system errors (a full disk, a file that is not there) pass as
OSError; whatever is wrong with the content is SnapshotDamaged. Incremental snapshots have a module of their own beside
this one, ``pages``; here they are refused, but for a look at their ends.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from ..files import write_at
from ..progress import Watch
from . import members
from .compression import Deflate
from .fingerprint import BLOCK
from .framing import Cursor, cursor_at_last_label
from .members import BlockObserver, Expectation, Head, MemberObserver, Tail

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

__all__ = ["copy", "extract", "new_file", "read_head", "read_tail", "write_full"]

_BUFFER = 16 * BLOCK
_STEADY = 8 * 1024 * 1024


def write_full(
    target: Path,
    image: BinaryIO | Iterable[bytes],
    head: Head,
    rows: Mapping[str, int],
    watch: Watch,
    *,
    block_observer: BlockObserver | None = None,
    deflate: Deflate | None = None,
) -> Tail:
    """Write a full snapshot to a new file (0600, synced) and give its tail; on any error no file is left.

    ``image`` is a file, or the image's bytes in pieces of any length, taken in this thread. Its bytes count into the
    phase that the caller began. ``block_observer`` hears of each block, ``deflate`` compresses it. Raises what the
    image and the watch raise, FileExistsError where the target is there already, and OSError.
    """
    with new_file(target) as file:
        return members.write(file, image, head, rows, watch, block_observer=block_observer, deflate=deflate)


def read_head(path: Path) -> Head:
    """Give what the snapshot is, from the first member alone. Raises SnapshotDamaged, OSError."""
    with path.open("rb") as file:
        return members.read_head(Cursor(file, path))[0]


def read_tail(path: Path) -> Tail:
    """Give what the snapshot holds, from its two ends alone, unproven. Raises SnapshotDamaged, OSError."""
    with path.open("rb") as file:
        return _tail(file, path, Expectation(), whole=False)


def verify(
    path: Path,
    *,
    fingerprint: str | None,
    size: int | None,
    watch: Watch,
    sink: Callable[[bytes], object] = len,
    phase: str = "check",
    member_observer: MemberObserver | None = None,
) -> Tail:
    """Prove that the file gives back the image it records, and the expected one; give its tail.

    ``size`` is the image's in bytes; nothing is expanded before it and the fingerprint were compared with the tail.
    Reads from the disk rather than from memory where the platform allows. The watch's phase is ``phase``, in bytes of
    the image. ``sink`` gets the image block by block; what it got is proven only when this returns. ``member_observer`` hears
    of each member. Raises SnapshotDamaged, OSError, and what the sink and the watch raise.
    """
    with path.open("rb", buffering=_BUFFER) as file:
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        tail = _tail(file, path, Expectation(fingerprint, size))
        watch.phase(phase, tail.size)
        file.seek(0)
        expected = Expectation(tail.fingerprint, tail.size)
        return members.read(file, sink, expected, watch, path=path, member_observer=member_observer)[1]


def extract(path: Path, target: Path, *, fingerprint: str | None, size: int | None, watch: Watch) -> Tail:
    """Rebuild the image as a new file (0600, synced), proving it like ``check``; on any error no file is left.

    The watch's phase is ``extract``, in bytes of the image. Raises like ``check``, and FileExistsError where the target
    is there already.
    """
    with path.open("rb", buffering=_BUFFER) as file:
        tail = _tail(file, path, Expectation(fingerprint, size))
        watch.phase("extract", tail.size)
        file.seek(0)
        with new_file(target) as image:

            def place(offset: int, piece: bytes) -> None:
                write_at(image.fileno(), piece, offset)

            def sink(block: bytes) -> None:
                watch.wrote(len(block))

            expected = Expectation(tail.fingerprint, tail.size)
            return members.read(file, sink, expected, watch, path=path, place=place)[1]


def copy(path: Path, target: Path, watch: Watch) -> None:
    """Copy the file as it is to a new one (0600, synced); on any error none is left.

    The watch's phase is ``export``, in bytes of the file. Raises OSError, and what the watch raises.
    """
    watch.phase("export", path.stat().st_size)
    with path.open("rb") as content, new_file(target) as output:
        while piece := content.read(_BUFFER):
            output.write(piece)
            watch.wrote(len(piece))
            watch.advance(len(piece))


def _tail(file: BinaryIO, path: Path, expected: Expectation, *, whole: bool = True) -> Tail:
    """Give the tail, before anything is expanded; with ``whole``, refuse a file that holds changed pages only."""
    cursor = Cursor(file, path)
    head, seal = members.read_head(cursor)
    if whole and head.delta is not None:
        raise cursor.damaged("it holds changed pages where a whole image is expected", 0)
    return members.read_tail(cursor_at_last_label(file, path), seal, expected)


class _Steady(io.FileIO):
    """A file that goes to the disk while it is written.

    Otherwise hundreds of megabytes would go there at once, at the end, and a game that syncs its own commit would wait
    behind them. On Linux the advice that pages are not needed starts writing them and waits for nothing (fadvise64 in
    ``mm/fadvise.c``); the proof reads them from the disk anyway.
    """

    _behind = 0

    def write(self, data: ReadableBuffer, /) -> int:
        written = super().write(data)
        self._behind += written
        if self._behind >= _STEADY and hasattr(os, "posix_fadvise"):
            os.posix_fadvise(self.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            self._behind = 0
        return written


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """Give a new private file, durable where the block ends well and removed where it does not."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags, 0o600)
    try:
        with io.BufferedWriter(_Steady(descriptor, "wb"), _BUFFER) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        # What went wrong first is the news, not that the rest could not be removed.
        with suppress(OSError):
            path.unlink()
        raise
