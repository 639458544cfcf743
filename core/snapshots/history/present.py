"""The present as one more point of a chain: the pages that changed since the newest snapshot, in a file of their own.

So the present is compared as two snapshots are, by the pages that differ, and as one state, however long that takes:
the database is held still only while its changed pages are found, as it is for a snapshot.
"""

from __future__ import annotations

import datetime as dt
import tempfile
from pathlib import Path
from typing import BinaryIO

from ..archive import incremental
from ..archive.members import Delta, Head
from ..archive.page_index import Difference, IndexMismatch, PageIndex
from ..engines import ChainFile
from ..engines.sqlite.capture import difference_from
from ..engines.sqlite.source import NotRecognised, Source, open_live
from ..models import NOW, Form, Kind
from ..progress import Watch

__all__ = ["present_file"]

_MOST, _ALWAYS = 0.25, 500
"""If more than this part of the pages changed, or so many, all rows are compared as quickly."""


class _TooMany(Exception):
    """So many pages changed that they tell nothing."""


def present_file(
    database: Path,
    below: ChainFile,
    index: PageIndex,
    scratch: Path,
    now: dt.datetime,
    busy_timeout: float,
    watch: Watch,
) -> tuple[ChainFile, PageIndex] | None:
    """Write what changed since the last file of a chain, of which this is the page index, to a file in ``scratch``.

    Returns the file, which builds on that one (or that one itself, if nothing changed) and its index; None if the pages
    cannot tell. No other connection of this process may have the database open.
    """
    if (index.snapshot, index.fingerprint, index.size) != (below.snapshot, below.fingerprint, below.size):
        return None
    with tempfile.TemporaryFile(dir=scratch) as changed:
        try:
            with open_live(database, busy_timeout, watch) as source:
                found = _difference(source, index, changed, watch)
        except (NotRecognised, IndexMismatch, _TooMany):
            return None
        if not found.pages and found.index.fingerprint == index.fingerprint:
            return below, index
        delta = Delta(
            base=index.snapshot,
            base_fingerprint=index.fingerprint,
            fingerprint=found.index.fingerprint,
            page_size=index.page_size,
            page_count=found.index.page_count,
            pages=len(found.pages),
        )
        target = scratch / f"{NOW}.pages"
        changed.seek(0)
        contents = iter(lambda: changed.read(index.page_size), b"")
        watch.phase("compress", incremental.payload_size(delta))
        incremental.write_pages(target, _head(delta, now), found.pages, contents, {}, watch)
    file = ChainFile(
        snapshot=NOW,
        path=str(target),
        form=Form.INCREMENTAL,
        base=delta.base,
        fingerprint=delta.fingerprint,
        size=delta.size,
    )
    return file, found.index


def _difference(source: Source, index: PageIndex, changed: BinaryIO, watch: Watch) -> Difference:
    if source.page_size != index.page_size:
        raise IndexMismatch("the page size is another one now")
    room = max(_ALWAYS, int(_MOST * source.page_count))

    def keep(_: int, page: bytes) -> None:
        nonlocal room
        room -= 1
        if room < 0:
            raise _TooMany
        changed.write(page)
        watch.wrote(len(page))
        watch.check()

    return difference_from(source, index, keep, NOW, watch)


def _head(delta: Delta, now: dt.datetime) -> Head:
    return Head(
        id=NOW,
        sequence=0,
        kind=Kind.MANUAL,
        created_at=now,
        began_at=now,
        reasons=(),
        requests=0,
        note=None,
        pinned=False,
        engine="sqlite",
        details={},
        delta=delta,
    )
