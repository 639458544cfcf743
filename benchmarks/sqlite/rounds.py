"""Snapshots and restores beside the peers: each kind of work once a round, and the medians of the rounds."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path

from core.snapshots import Snapshot

from ..measure import median, settle, size_of, timed, warm
from ..subject import SAVEPOINT, Subject, opened
from .peers import Peer, peers
from .player import OtherPlayer
from .results import LOG_BEGUN_ANEW, Work
from .workspace import Workspace

__all__ = ["TRANSACTIONS", "measure_rounds"]

TRANSACTIONS = 20


async def measure_rounds(workspace: Workspace, rounds: int, log: Callable[[str], None]) -> tuple[Work, ...]:
    """Measure on a workspace's database: Savepoint first, then the peers on the same state."""
    with ExitStack() as stack:
        others = await asyncio.to_thread(peers, workspace.database, workspace.second_database, workspace.folder)
        player = stack.enter_context(OtherPlayer(workspace.database))
        owned = [peer.database for peer in others if peer.own_database]
        elsewhere = [stack.enter_context(OtherPlayer(path)) for path in owned]
        measured = _Rounds(workspace, player, elsewhere, others)
        for number in range(rounds):
            log(f"round {number + 1} of {rounds}")
            await measured.once()
    return measured.works()


class _Rounds:
    """Measures round after round; ``elsewhere`` plays the same as ``player`` on the peers' own databases."""

    def __init__(
        self, workspace: Workspace, player: OtherPlayer, elsewhere: Sequence[OtherPlayer], others: Sequence[Peer]
    ) -> None:
        self._workspace = workspace
        self._player = player
        self._elsewhere = elsewhere
        self._others = others
        self._seen: dict[tuple[str, str], list[tuple[float, int]]] = {}

    def works(self) -> tuple[Work, ...]:
        """Return the medians."""
        return tuple(
            Work(work, by, median([each[0] for each in seen]), median([each[1] for each in seen]))
            for (work, by), seen in self._seen.items()
        )

    async def once(self) -> None:
        """Measure each kind of work once."""
        workspace = self._workspace
        async with opened(workspace.database, workspace.repository) as subject:
            await self._prepare(emptied=True)
            self._add_own("first", await subject.request("first"))
            await asyncio.to_thread(self._first_copies)
            await self._prepare()
            repeat = self._add_own("repeat", await subject.request("repeat"))
            await asyncio.to_thread(self._copies)
            await self._prepare(emptied=True)
            chain = self._add_own(LOG_BEGUN_ANEW, await subject.request("anew"))
            await self._prepare()
            full = self._add_own("full again", await subject.full())
            await asyncio.to_thread(self._own_restores, subject, full, chain)
            await asyncio.to_thread(self._restores, repeat)

    async def _prepare(self, *, emptied: bool = False) -> None:
        """Commit transactions, so that the state is a new one, and sync the disk."""
        await asyncio.to_thread(self._play, emptied)

    def _play(self, emptied: bool) -> None:
        if emptied:
            self._player.checkpoint()  # a peer's log is left alone: it would have to begin again
        for player in (self._player, *self._elsewhere):
            player.play(TRANSACTIONS)
        settle()

    def _add_own(self, work: str, found: tuple[float, Snapshot]) -> Snapshot:
        seconds, snapshot = found
        self._add(work, SAVEPOINT, seconds, snapshot.size)
        return snapshot

    def _add(self, work: str, by: str, seconds: float, size: int) -> None:
        self._seen.setdefault((work, by), []).append((seconds, size))

    def _first_copies(self) -> None:
        for peer in self._others:
            peer.begin()
            if peer.builds_on_the_last:
                settle()
                self._add("first", peer.name, timed(peer.copy), size_of(peer.store))

    def _copies(self) -> None:
        for peer in self._others:
            settle()
            before = size_of(peer.store)
            seconds = timed(peer.copy)
            self._add("repeat", peer.name, seconds, size_of(peer.store) - before)
            if not peer.builds_on_the_last:
                self._add("first", peer.name, seconds, size_of(peer.store) - before)

    def _own_restores(self, subject: Subject, full: Snapshot, chain: Snapshot) -> None:
        restored = self._workspace.restored
        for work, snapshot in (("restore", full), ("restore, chain", chain)):
            _forget(restored)
            warm(*subject.files(snapshot))
            self._add(work, SAVEPOINT, subject.rebuild(snapshot, restored), 0)
            _require_state(restored, snapshot)
        _forget(restored)

    def _restores(self, copied: Snapshot) -> None:
        restored = self._workspace.restored
        for peer in self._others:
            _forget(restored)
            warm(peer.store)
            self._add("restore", peer.name, timed(peer.give_back, restored), 0)
            _require_state(restored, copied)
        _forget(restored)


def _forget(path: Path) -> None:
    for each in path.parent.glob(f"{path.name}*"):
        each.unlink()
    settle()


def _require_state(path: Path, copied: Snapshot) -> None:
    """Raise RuntimeError if a restored file is not the state that was copied: no program may lose rows."""
    cards = copied.rows["user_cards"]
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute("SELECT count(*) FROM user_cards").fetchone()[0]
    if found != cards:
        raise RuntimeError(f"{path.name} has {found} cards and not {cards}: it is not the state that was copied")
