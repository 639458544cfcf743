"""Full snapshots as files: write one, read its head and tail, verify it, extract the image.

Operating system errors (a full disk, a missing file) pass as OSError; whatever is wrong with the content is
SnapshotDamaged. Incremental snapshots are handled by ``incremental``. Here they are refused, except by ``read_head``,
``read_tail`` and ``copy``.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from ..files import open_to_read, write_at
from ..models import Health
from ..progress import Watch
from . import members
from .compression import Deflate
from .fingerprint import BLOCK, NOTHING, ReadElsewhere
from .framing import Cursor, cursor_at_last_label
from .members import BlockObserver, Expectation, Head, MemberObserver, TableSpan, Tail

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

__all__ = ["copy", "extract", "new_file", "read_head", "read_tail", "write_full"]

_BUFFER = 16 * BLOCK
_WRITE_BACK_SIZE = 8 * 1024 * 1024
"""After this many bytes a new file is sent to the disk, see ``_WriteBackFile``."""


def write_full(
    target: Path,
    image: BinaryIO | Iterable[bytes],
    head: Head,
    rows: Mapping[str, int],
    watch: Watch,
    *,
    block_observer: BlockObserver | None = None,
    deflate: Deflate | None = None,
    health: Callable[[], Health | None] = members.no_health,
    tables: Callable[[], tuple[TableSpan, ...]] = members.no_tables,
) -> Tail:
    """Write a full snapshot to a new file (mode 0600, synced) and return its tail. On any error no file is left.

    ``image`` is a file, or the image's bytes in pieces of any length, read in this thread. Its bytes count as progress
    of the watch's current phase. ``block_observer`` hashes each block, ``deflate`` compresses it. ``health`` and
    ``tables`` are called last, for the tail. Raises what the image and the watch raise, FileExistsError if the target
    exists, and OSError.
    """
    with new_file(target) as file:
        return members.write(
            file,
            image,
            head,
            rows,
            watch,
            block_observer=block_observer,
            deflate=deflate,
            health=health,
            tables=tables,
        )


def read_head(path: Path) -> Head:
    """Return the head of a snapshot file, reading only its first member. Raises SnapshotDamaged, OSError."""
    with open_to_read(path) as file:
        return members.read_head(Cursor(file, path))[0]


def read_tail(path: Path) -> Tail:
    """Return the tail of a snapshot file, reading only its two ends. Raises SnapshotDamaged, OSError.

    What it says of the blocks is not verified.
    """
    with open_to_read(path) as file:
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
    elsewhere: ReadElsewhere = NOTHING,
) -> Tail:
    """Verify that the file expands to the image that it records, and to the expected one; return its tail.

    ``size`` is that of the image in bytes. It and the fingerprint are compared with the tail before anything is
    expanded. Reads from the disk rather than from memory if the platform allows it. The watch's phase is ``phase``, in
    bytes of the image. ``sink`` gets the image block by block, and ``member_observer`` each member; what they receive
    is verified only once this returns. Blocks that are read ``elsewhere`` are passed over. Raises SnapshotDamaged,
    OSError, and what the sink and the watch raise.
    """
    with open_to_read(path, _BUFFER) as file:
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        tail = _tail(file, path, Expectation(fingerprint, size))
        watch.phase(phase, tail.size)
        file.seek(0)
        expected = Expectation(tail.fingerprint, tail.size)
        return members.read(
            file, sink, expected, watch, path=path, member_observer=member_observer, elsewhere=elsewhere
        )[1]


def extract(path: Path, target: Path, *, fingerprint: str | None, size: int | None, watch: Watch) -> Tail:
    """Extract the image to a new file (mode 0600, synced), verified like ``verify``. On any error no file is left.

    The watch's phase is ``extract``, in bytes of the image. Raises like ``verify``, and FileExistsError if the target
    exists.
    """
    with open_to_read(path, _BUFFER) as file:
        tail = _tail(file, path, Expectation(fingerprint, size))
        watch.phase("extract", tail.size)
        file.seek(0)
        with new_file(target) as image:

            def write_piece(offset: int, piece: bytes) -> None:
                write_at(image.fileno(), piece, offset)

            def sink(block: bytes) -> None:
                watch.wrote(len(block))

            expected = Expectation(tail.fingerprint, tail.size)
            return members.read(file, sink, expected, watch, path=path, write_piece=write_piece)[1]


def copy(path: Path, target: Path, watch: Watch) -> None:
    """Copy a snapshot file as it is to a new one (mode 0600, synced). On any error no file is left.

    The watch's phase is ``export``, in bytes of the file. Raises OSError, and what the watch raises.
    """
    watch.phase("export", path.stat().st_size)
    with open_to_read(path) as content, new_file(target) as output:
        while piece := content.read(_BUFFER):
            output.write(piece)
            watch.wrote(len(piece))
            watch.advance(len(piece))


def _tail(file: BinaryIO, path: Path, expected: Expectation, *, whole: bool = True) -> Tail:
    """Return the tail, without expanding anything. With ``whole``, an incremental snapshot is refused."""
    cursor = Cursor(file, path)
    head, seal = members.read_head(cursor)
    if whole and head.delta is not None:
        raise cursor.damaged("it holds changed pages where a whole image is expected", 0)
    return members.read_tail(cursor_at_last_label(file, path), seal, expected)


class _WriteBackFile(io.FileIO):
    """A file that the operating system writes to the disk while it grows.

    Otherwise hundreds of megabytes would be written at once, by the sync at the end, and a game that syncs its own
    commit would wait for them. On Linux the advice that pages are not needed starts writing them without waiting for it
    (fadvise64 in ``mm/fadvise.c``). Verification reads them from the disk anyway.
    """

    _unsent = 0

    def write(self, data: ReadableBuffer, /) -> int:
        written = super().write(data)
        self._unsent += written
        if self._unsent >= _WRITE_BACK_SIZE and hasattr(os, "posix_fadvise"):
            os.posix_fadvise(self.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            self._unsent = 0
        return written


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """Create a private file (mode 0600) for the ``with`` block: synced at its end, removed if it raises."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags, 0o600)
    try:
        with io.BufferedWriter(_WriteBackFile(descriptor, "wb"), _BUFFER) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        # The first error matters, not that the file could not be removed.
        with suppress(OSError):
            path.unlink()
        raise
