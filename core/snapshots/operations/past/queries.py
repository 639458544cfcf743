"""Questions about the past. They take no exclusive lock and create nothing in a repository that cannot be written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import msgspec

from ...engines import ChainFile
from ...errors import QueryError, SnapshotDamaged
from ...history.questions import (
    AskDiff,
    AskFindChange,
    AskHistory,
    AskInside,
    AskLook,
    AskNames,
    AskPlayer,
    AskPlayerHistory,
    AskQuery,
    PastFiles,
    PlayerSettings,
    Question,
)
from ...models import (
    Diff,
    FindChange,
    Inside,
    Key,
    Look,
    Names,
    OnProgress,
    Point,
    QueryResult,
    RowHistory,
    Snapshot,
)
from ...policies.chain import chain_of
from ...policies.moments import resolve_moment
from ...policies.timeline import timeline
from ...repository.catalog import Contents
from ...worker.protocol import HistoryJob
from ..context import Context
from ..exclusive import require_open

Answer = TypeVar("Answer")

__all__ = ["HistoryQueries", "files_for", "moment"]


class HistoryQueries:
    """Asks about the past of one service's database. ``when`` names a snapshot: see ``policies.moments``."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def look(self, table: str, key: Key, when: str = "latest") -> Look:
        """Return the row of a table with a key, as it was at a moment: see ``policies.moments``; "now" is one.

        Raises QueryError, SnapshotNotFound, SnapshotDamaged, DatabaseBusy or DatabaseUnavailable, as all that follow.
        """
        point = await self._moment(when)
        return await self._ask(AskLook(table=table, key=key, now=point is None), Look, point)

    async def look_at_player(self, player: str, when: str = "latest") -> Look:
        """Return all rows of a player, named by key or by name, as they were at a moment."""
        point = await self._moment(when)
        question = AskPlayer(player=player, settings=player_settings(self._context), now=point is None)
        return await self._ask(question, Look, point)

    async def history(
        self, table: str, key: Key, column: str | None = None, *, on_progress: OnProgress | None = None
    ) -> RowHistory:
        """Return every change of a row, or of one of its columns, from the oldest snapshot of the timeline to now."""
        line, left_out = await self._timeline()
        question = AskHistory(table=table, key=key, column=column, now=True)
        answer = await self._ask(question, RowHistory, *line, on_progress=on_progress)
        return msgspec.structs.replace(answer, skipped=left_out)

    async def player_history(
        self, player: str, table: str = "", *, on_progress: OnProgress | None = None
    ) -> RowHistory:
        """Return every change of a player's rows in one table ("": his own), from the oldest snapshot to now."""
        line, left_out = await self._timeline()
        question = AskPlayerHistory(player=player, table=table, settings=player_settings(self._context), now=True)
        answer = await self._ask(question, RowHistory, *line, on_progress=on_progress)
        return msgspec.structs.replace(answer, skipped=left_out)

    async def diff(
        self, since: str, until: str = "now", *, shown: int = 0, on_progress: OnProgress | None = None
    ) -> Diff:
        """Return what was added, removed and changed between two moments, ``shown`` rows of each with it."""
        first, second = await self._moment(since), await self._moment(until)
        if first is None:
            raise QueryError("A diff begins at a snapshot; now can only be its end.")
        question = AskDiff(shown=shown, now=second is None)
        return await self._ask(question, Diff, first, second, on_progress=on_progress)

    async def find_change(self, condition: str, *, on_progress: OnProgress | None = None) -> FindChange:
        """Return the first moment at which a condition holds, such as "count(*) < 1000 FROM users"."""
        line, left_out = await self._timeline()
        question = AskFindChange(condition=condition, now=True)
        answer = await self._ask(question, FindChange, *line, on_progress=on_progress)
        return msgspec.structs.replace(answer, skipped=left_out)

    async def query(self, sql: str, when: str = "latest", *, most: int = 1000) -> QueryResult:
        """Return at most so many rows of a query, as they were at a moment; nothing but reading is allowed."""
        point = await self._moment(when)
        return await self._ask(AskQuery(sql=sql, most=most, now=point is None), QueryResult, point)

    async def inside(self, when: str = "latest", table: str | None = None, *, shown: int = 10) -> Inside:
        """Return how many rows each table has at a moment; of one table, if it is named, also its first rows."""
        point = await self._moment(when)
        return await self._ask(AskInside(table=table, shown=shown, now=point is None), Inside, point)

    async def names(self, columns: Sequence[str], keys: Sequence[str]) -> Names:
        """Return what the columns, each a "table.column", say now of the rows with these keys, as far as they are."""
        settings = player_settings(self._context)
        return await self._ask(AskNames(columns=tuple(columns), keys=tuple(keys), settings=settings, now=True), Names)

    async def _moment(self, when: str) -> Snapshot | None:
        return moment(self._context, await self._contents(), when)

    async def _timeline(self) -> tuple[list[Snapshot], tuple[str, ...]]:
        """Return the snapshots of the timeline that can be read, oldest first, and the ids of the others."""
        contents = await self._contents()
        line = list(reversed(timeline(contents.snapshots, contents.restores)))
        readable = [snapshot for snapshot in line if _is_readable(snapshot, contents)]
        kept = {snapshot.id for snapshot in readable}
        return readable, tuple(snapshot.id for snapshot in line if snapshot.id not in kept)

    async def _contents(self) -> Contents:
        require_open(self._context)
        return await self._context.in_thread(self._context.repository.refresh)

    async def _ask(
        self,
        question: Question,
        result_type: type[Answer],
        *snapshots: Snapshot | None,
        on_progress: OnProgress | None = None,
    ) -> Answer:
        context = self._context
        contents = context.repository.catalog.contents
        asked = [each for each in snapshots if each is not None]
        files = await context.in_thread(files_for, context, contents, asked, present=isinstance(question, AskDiff))
        return await context.work(
            HistoryJob,
            result_type,
            on_progress,
            deadline=float(context.settings.schedule.integrity_deadline),
            question=question,
            files=files,
        )


def _is_readable(snapshot: Snapshot, contents: Contents) -> bool:
    try:
        chain_of(snapshot, contents.snapshots)
    except SnapshotDamaged:
        return False
    return not snapshot.damaged


def moment(context: Context, contents: Contents, when: str) -> Snapshot | None:
    """Return the snapshot that a moment names, or None for now."""
    return resolve_moment(when, contents.snapshots, contents.restores, context.clock())


def player_settings(context: Context) -> PlayerSettings:
    """Return what the settings say of the player."""
    history = context.settings.history
    return PlayerSettings(player=history.player, also=history.also, never=history.never)


def files_for(
    context: Context, contents: Contents, snapshots: Sequence[Snapshot], *, present: bool = False
) -> PastFiles:
    """Return what a job needs to read these snapshots, and with ``present`` to compare them with now by pages.

    Blocks. Raises SnapshotDamaged if a chain is broken. Chains reach as far as these snapshots do: damage behind them
    does not count.
    """
    repository = context.repository
    newest = _newest(contents) if present else None
    chains: list[tuple[ChainFile, ...]] = []
    places: dict[str, tuple[int, int]] = {}
    wanted = [*snapshots, *([] if newest is None else [newest])]
    for snapshot in sorted(wanted, key=lambda each: each.sequence, reverse=True):
        if snapshot.id not in places:
            chain = repository.chain(snapshot)
            places |= {part.snapshot: (len(chains), at) for at, part in enumerate(chain)}
            chains.append(chain)
    return PastFiles(
        chains=tuple(chains),
        points=tuple(_point(snapshot, *places[snapshot.id]) for snapshot in snapshots),
        cache=str(repository.history_cache),
        index=str(repository.page_index),
        newest=None if newest is None else _point(newest, *places[newest.id]),
        now=context.clock(),
    )


def _newest(contents: Contents) -> Snapshot | None:
    """Return the snapshot that the page index should describe, if it can be read."""
    newest = next(iter(timeline(contents.snapshots, contents.restores)), None)
    return newest if newest is not None and _is_readable(newest, contents) else None


def _point(snapshot: Snapshot, chain: int, position: int) -> Point:
    return Point(snapshot=snapshot.id, at=snapshot.began_at, reasons=snapshot.reasons, chain=chain, position=position)
