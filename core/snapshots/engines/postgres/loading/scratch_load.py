"""Load an archive into an empty database that is dropped if this fails."""

from __future__ import annotations

from typing import NamedTuple

from ....errors import SnapshotDamaged
from ....progress import Watch
from ...base import ChainFile
from ..connection import Address
from ..plain_dump.lexer import CopyStart
from ..plain_dump.scanner import TableEnd
from ..session import connected
from .archive_events import Content, Events, read_for
from .comparison import Comparison
from .left_out import LeftOut
from .loader import Loader

__all__ = ["Loaded", "load"]

_FASTER = "SET synchronous_commit = off; SET enable_hashjoin = off; SET maintenance_work_mem = '{memory}kB'"
"""The exchange of the databases syncs all that was loaded; if it never comes, nothing is missed. Foreign keys are
checked by a join with the referenced table's index: a merge join does not even look at frozen tables (0.4 s in place of
1.8 s for 700,000 rows that refer to 5,200,000), but the planner prefers to hash the larger one."""
_INDEX_MEMORY = 256 * 1024
"""For sorting an index, in KiB."""


class Loaded(NamedTuple):
    """What was loaded, without the tables that could not be made, and what was left out."""

    content: Content
    left_out: list[LeftOut]


def load(part: ChainFile, address: Address, watch: Watch) -> Loaded:
    """Load an archive into an empty database, and compare every table that could be made with the dump.

    Each table is a transaction of its own, so that it can be read back while the next one is loaded. Raises
    SnapshotDamaged if the archive is damaged or a table differs, and what the server says if it refuses rows.
    """
    comparison = Comparison(address, watch)

    def work(events: Events) -> Loader:
        with connected(address, events.watch, lock_timeout=None) as session:
            session.execute(_FASTER.format(memory=_INDEX_MEMORY))

            def loaded(start: CopyStart, end: TableEnd) -> None:
                # Reading is faster than loading, so a rest of the same length leaves time enough.
                comparison.add(end.block, early=part.size - end.end >= end.end - start.end)

            loader = Loader(session, loaded=loaded)
            loader.run(events)
            return loader

    with comparison.begun():
        content, loader = read_for(work, part, watch)
    if comparison.problems:
        raise SnapshotDamaged(
            f"The database rebuilt from {part.path.rpartition('/')[2]} is not what was dumped: "
            f"{'; '.join(comparison.problems[:5])}.",
            path=part.path,
        )
    return Loaded(content.without(frozenset(loader.left_out_tables)), loader.left_out)
