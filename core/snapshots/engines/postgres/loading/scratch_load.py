"""Load an archive into an empty database that is dropped if this fails."""

from __future__ import annotations

import contextlib
from typing import NamedTuple

from ....errors import SnapshotDamaged
from ....progress import Watch
from ...base import ChainFile
from ..connection import Address
from ..plain_dump.lexer import CopyStart
from ..plain_dump.scanner import TableEnd
from ..session import connected
from .apart_table import ApartTable
from .archive_events import Content, Events, read_for
from .comparison import Comparison
from .left_out import LeftOut
from .loader import Loader
from .second_loader import SETTINGS, SecondLoader, may_load_on_two

__all__ = ["Loaded", "load"]


class Loaded(NamedTuple):
    """What was loaded, without the tables that could not be made, and what was left out."""

    content: Content
    left_out: list[LeftOut]


def load(part: ChainFile, address: Address, watch: Watch) -> Loaded:
    """Load an archive into an empty database, and compare every table that could be made with the dump.

    Each table is a transaction of its own, so that it can be read back while the next one is loaded. Large dumps are
    loaded on two connections. Raises
    SnapshotDamaged if the archive is damaged or a table differs, and what the server says if it refuses rows.
    """
    comparison = Comparison(address, watch)

    def loaded(_start: CopyStart, end: TableEnd) -> None:
        comparison.add(end.block)

    on_two = may_load_on_two(part)
    apart = ApartTable.of(part) if on_two else None

    def work(events: Events) -> Loader:
        with contextlib.ExitStack() as stack:
            session = stack.enter_context(connected(address, events.watch, lock_timeout=None))
            session.execute(SETTINGS)
            second = SecondLoader(part, address, loaded, apart) if on_two else None
            if second is None:
                comparison.begin()
            else:
                stack.enter_context(second.running(events.watch, comparison.begin))
            loader = Loader(session, loaded=loaded, second=second)
            loader.load(events)
            return loader

    with comparison.begun():
        content, loader = read_for(work, part, watch, apart=apart)
    if comparison.problems:
        raise SnapshotDamaged(
            f"The database rebuilt from {part.path.rpartition('/')[2]} is not what was dumped: "
            f"{'; '.join(comparison.problems[:5])}.",
            path=part.path,
        )
    return Loaded(content.without(frozenset(loader.left_out_tables)), loader.left_out)
