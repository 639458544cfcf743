"""What was read for one player is kept, so that the next look at him need not expand archives again.

Kept are the pages that the answer came from, and for tables that must be searched as a whole, because no index leads
to the player, which of their leaves were searched and which of them hold a row (see ``searched``). All of it says
something about the bytes of one page in one file, never about a state; so it is as true of any other point at which
that version of the page is the newest one. A file that is not the one that was read counts as another file. It can all
be lost.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path

import msgspec

from ...archive import cache_file
from .members import bytes_of, numbers_of

__all__ = ["SUFFIX", "Kept", "Searched"]

SUFFIX = ".player"
_MAGIC = b"savepoint/player/1\n"
_MOST_PAGES = 4096
_MOST_BYTES = 64 * 1024 * 1024
"""Of all players together; those that were not looked at for longest go first."""

PageOf = dict[str, dict[int, bytes]]
"""By file what is known of its pages, by their numbers."""


class Searched(msgspec.Struct):
    """By file the numbers of the leaves that were searched for something, and of those that hold it: u32 each."""

    leaves: dict[str, bytes] = {}
    holding: dict[str, bytes] = {}

    def in_file(self, file: str) -> tuple[array[int], array[int]]:
        """Return the leaves of a file that were searched, and those that hold what was searched for."""
        return numbers_of(self.leaves.get(file, b"")), numbers_of(self.holding.get(file, b""))

    def add(self, file: str, leaves: Iterable[int], holding: Iterable[int]) -> None:
        """Add leaves of a file that were searched, and those of them that hold what was searched for."""
        for found, fresh in ((self.leaves, leaves), (self.holding, holding)):
            found[file] = bytes_of(array("I", sorted({*numbers_of(found.get(file, b"")), *fresh})))


class _Stored(msgspec.Struct):
    """``inner`` are inner pages of b-trees: the numbers of their children, u32, behind a byte that is 1 for leaves."""

    pages: PageOf = {}
    inner: PageOf = {}
    searched: dict[str, Searched] = {}


class Kept:
    """What is kept of one player in a folder of derived files; nothing if there is none, or it cannot be written."""

    def __init__(self, folder: Path | None, player: str) -> None:
        name = blake2b(player.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
        self._path = None if folder is None else folder / f"{name}{SUFFIX}"
        stored = None if self._path is None else cache_file.load(self._path, _MAGIC, _Stored)
        self._stored = stored or _Stored()
        self._room = _MOST_PAGES - sum(map(len, self._stored.pages.values()))
        self._paused = self._path is None
        self._changed = False

    def page(self, file: str, number: int) -> bytes | None:
        """Return a page of a file, or None if it is not kept."""
        pages = self._stored.pages.get(file)
        return None if pages is None else pages.get(number)

    def keep(self, file: str, number: int, page: bytes) -> None:
        """Keep a page of a file, while there is room."""
        if not self._paused and self._room > 0:
            self._room -= 1
            self._stored.pages.setdefault(file, {})[number] = page
            self._changed = True

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Keep none of the pages that are read meanwhile."""
        before, self._paused = self._paused, True
        try:
            yield
        finally:
            self._paused = before

    def children(self, file: str, number: int) -> tuple[bool, array[int]] | None:
        """Return if the children of an inner page are leaves, and the children; None if it is not kept."""
        found = self._stored.inner.get(file, {}).get(number)
        return None if found is None else (found[0] == 1, numbers_of(found[1:]))

    def keep_children(self, file: str, number: int, children: array[int], *, leaves: bool) -> None:
        """Keep the children of an inner page."""
        self._stored.inner.setdefault(file, {})[number] = bytes([leaves]) + bytes_of(children)
        self._changed = True

    def searched(self, subject: str) -> Searched:
        """Return what was searched for a subject: to be added to, and then ``note_change``."""
        return self._stored.searched.setdefault(subject, Searched())

    def note_change(self) -> None:
        """Note that something was added to what was searched."""
        self._changed = True

    def save(self) -> None:
        """Write what is kept, and remove what was kept of others if it is too much."""
        if self._path is None or not self._changed:
            return
        with suppress(OSError):  # a read-only repository: read again next time
            self._path.parent.mkdir(mode=0o700, exist_ok=True)
            cache_file.save(self._path, _MAGIC, self._stored)
            _make_room(self._path.parent)


def _make_room(folder: Path) -> None:
    files = sorted(((path.stat(), path) for path in folder.glob(f"*{SUFFIX}")), key=lambda each: -each[0].st_mtime_ns)
    total = 0
    for place, (status, path) in enumerate(files):
        total += status.st_size
        if place and total > _MOST_BYTES:
            path.unlink(missing_ok=True)
