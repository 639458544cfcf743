"""What is measured on a database of one size: rounds beside the peers, a burst of requests, and what others feel."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path

import msgspec

from core.snapshots import Form, Kind, Level, Snapshot

from .game import generate
from .measure import MemoryObserver, OtherPlayer, StallProbe, median, percentile, size_of, timed
from .peers import Peer, peers
from .subject import Subject, opened

__all__ = ["Burst", "Felt", "Figures", "Place", "Series", "Work", "made", "measure_series", "measure_size"]

TRANSACTIONS = 20
_REQUESTS = 1000
_BURST_SECONDS = 0.9
_WRITER_RATE = 100.0
_FELT_SECONDS = 10.0
_SAVEPOINT = "Savepoint"


class Work(msgspec.Struct, frozen=True):
    """One kind of work, done by one program: the medians of seconds and of bytes added to what it keeps."""

    work: str
    by: str
    seconds: float
    size: float


class Felt(msgspec.Struct, frozen=True):
    """What others feel while work is done: loop and writer in ms, memory in bytes, over so many transactions."""

    during: str
    stall: float
    p50: float
    p99: float
    transactions: int
    memory: int


class Burst(msgspec.Struct, frozen=True):
    """A thousand requests within a second: microseconds in the caller, and what came of them."""

    requests: int
    within: float
    mean: float
    p99: float
    snapshots: int
    resolved: int
    settled: float


class Figures(msgspec.Struct, frozen=True):
    """All of one size, in MB (10^6 bytes)."""

    megabytes: int
    database_size: int
    works: tuple[Work, ...]
    felt: tuple[Felt, ...]
    burst: Burst


class Series(msgspec.Struct, frozen=True):
    """A hundred event snapshots in a row, the first included: bytes, and seconds of each."""

    megabytes: int
    snapshots: int
    fulls: int
    full_bytes: int
    incremental_bytes: int
    median: float
    mean: float
    worst: float


class _Table:
    """Collects measurements, and gives their medians."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], list[tuple[float, int]]] = {}

    def add(self, work: str, by: str, seconds: float, size: int) -> None:
        self._seen.setdefault((work, by), []).append((seconds, size))

    def works(self) -> tuple[Work, ...]:
        return tuple(
            Work(work, by, median([each[0] for each in seen]), median([each[1] for each in seen]))
            for (work, by), seen in self._seen.items()
        )


class Place:
    """The folder of one size: its database, the copy that Litestream follows, and whoever plays on both."""

    def __init__(self, folder: Path, megabytes: int) -> None:
        self.folder = folder / f"{megabytes}"
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.database = self.folder / "game.db"
        self.followed = self.folder / "followed.db"
        self.repository = self.folder / "repository"
        self.restored = self.folder / "restored.db"
        original = made(folder, megabytes)
        shutil.copy(original, self.database)
        shutil.copy(original, self.followed)


def made(folder: Path, megabytes: int) -> Path:
    """Give the generated database of a size, which is made once in a folder."""
    path = folder / f"game-{megabytes}.db"
    if not path.exists():
        scratch = path.with_suffix(".new")
        scratch.unlink(missing_ok=True)
        generate(scratch, megabytes)
        scratch.rename(path)
    return path


async def measure_size(folder: Path, megabytes: int, rounds: int, say: Callable[[str], None]) -> Figures:
    """Measure everything on a database of one size; its folder is removed afterwards."""
    place = await asyncio.to_thread(Place, folder, megabytes)
    others = peers(place.database, place.followed, place.folder)
    table = _Table()
    try:
        with OtherPlayer(place.database) as player, OtherPlayer(place.followed) as second:
            for number in range(rounds):
                say(f"{megabytes} MB: round {number + 1} of {rounds}")
                await _round(place, player, second, others, table)
            say(f"{megabytes} MB: what others feel")
            burst = await _burst(place, player)
            felt = await _feel(place, player)
            size = size_of(place.database)
    finally:
        await asyncio.to_thread(shutil.rmtree, place.folder)
    return Figures(megabytes, size, table.works(), felt, burst)


async def _round(
    place: Place,
    player: OtherPlayer,
    second: OtherPlayer,
    others: list[Peer],
    table: _Table,
) -> None:
    """Do each kind of work once, ours and then everybody else's on the same states."""

    def play() -> None:
        player.play(TRANSACTIONS)
        second.play(TRANSACTIONS)

    async with opened(place.database, place.repository) as subject:
        play()
        _add(table, "first", await subject.request("first"))
        player.checkpoint()
        play()
        _add(table, "repeat, log begun anew", await subject.request("anew"))
        for peer in others:
            await asyncio.to_thread(_peer, table, "first", peer)
        play()
        _add(table, "repeat", await subject.request("repeat"))
        for peer in others:
            await asyncio.to_thread(_peer, table, "repeat", peer)
        play()
        _add(table, "full again", await subject.full())
        await _give_back(place, subject, others, table)


def _add(table: _Table, work: str, found: tuple[float, Snapshot]) -> None:
    table.add(work, _SAVEPOINT, found[0], found[1].size)


def _peer(table: _Table, work: str, peer: Peer) -> None:
    if work == "first":
        peer.begin()
    before = size_of(peer.store) if not peer.name.startswith("backup") else 0
    seconds = timed(peer.copy)
    table.add(work, peer.name, seconds, size_of(peer.store) - before)


async def _give_back(place: Place, subject: Subject, others: list[Peer], table: _Table) -> None:
    service = subject.service
    snapshots = service.known
    chain = next(each for each in snapshots if each.form is Form.INCREMENTAL)
    for work, snapshot in (("restore", snapshots[0]), ("restore, chain", chain)):
        place.restored.unlink(missing_ok=True)
        seconds = await asyncio.to_thread(subject.rebuild, snapshot, place.restored)
        table.add(work, _SAVEPOINT, seconds, size_of(place.restored))
    for peer in others:
        place.restored.unlink(missing_ok=True)
        table.add("restore", peer.name, await asyncio.to_thread(timed, peer.give_back, place.restored), 0)
    place.restored.unlink(missing_ok=True)
    started = time.perf_counter()
    report = await service.verify(snapshots[0].id, Level.RESTORED)
    if not report.ok:
        raise RuntimeError(f"a snapshot is not sound: {report.findings}")
    table.add("rebuilt and checked in full", _SAVEPOINT, time.perf_counter() - started, 0)


async def _burst(place: Place, player: OtherPlayer) -> Burst:
    """Ask a thousand times within a second, while somebody plays; with the default spacing."""
    async with opened(place.database, place.repository, spacing=1.0) as subject:
        await subject.request("first")
        await asyncio.sleep(1.1)
        before = len(subject.service.known)
        player.start(_WRITER_RATE)
        began = time.perf_counter()
        costs, tickets = [], []
        for number in range(_REQUESTS):
            started = time.perf_counter()
            tickets.append(subject.service.request(Kind.CRITICAL, f"marketplace_buy_{number}"))
            costs.append((time.perf_counter() - started) * 1e6)
            if number % 50 == 49:
                await asyncio.sleep(_BURST_SECONDS * 50 / _REQUESTS)
        within = time.perf_counter() - began
        await asyncio.gather(*(ticket.wait() for ticket in tickets))
        settled = time.perf_counter() - began
        player.stop()
        return Burst(
            requests=_REQUESTS,
            within=within,
            mean=sum(costs) / len(costs),
            p99=percentile(costs, 99),
            snapshots=len(subject.service.known) - before,
            resolved=sum(ticket.done for ticket in tickets),
            settled=settled,
        )


async def _feel(place: Place, player: OtherPlayer) -> tuple[Felt, ...]:
    """Do each kind of work again while a writer writes, and look at the loop, the writer and the worker's memory."""
    felt = [await _felt("nothing", player, lambda: asyncio.sleep(0.05), 10**6)]

    async def first() -> object:
        async with opened(place.database, place.repository) as subject:
            return await subject.request("first")

    felt.append(await _felt("first snapshots", player, first, 3))
    async with opened(place.database, place.repository) as subject:
        await subject.request("first")
        felt.append(await _felt("repeat snapshots", player, subject.request, 10**6))
        felt.append(await _felt("standalone fulls", player, subject.full, 5))
        newest = subject.service.known[0].id
        check = subject.service.verify
        felt.append(await _felt("a rebuild, checked", player, lambda: check(newest, Level.RESTORED), 2))
    player.checkpoint()
    felt.append(await _felt("nothing, again", player, lambda: asyncio.sleep(0.05), 10**6))
    return tuple(felt)


async def _felt(during: str, player: OtherPlayer, work: Callable[[], Awaitable[object]], most: int) -> Felt:
    """Do work until ten seconds are over, but no more often than ``most`` times."""
    with ExitStack() as stack:
        memory = stack.enter_context(MemoryObserver())
        async with StallProbe() as probe:
            player.start(_WRITER_RATE)
            ends = time.perf_counter() + _FELT_SECONDS
            while time.perf_counter() < ends and most > 0:
                await work()
                most -= 1
        waited = player.stop()
    return Felt(during, probe.worst, percentile(waited, 50), percentile(waited, 99), len(waited), memory.peak)


async def measure_series(folder: Path, megabytes: int, count: int = 100) -> Series:
    """Take a hundred event snapshots of twenty transactions each, the first one included."""
    place = await asyncio.to_thread(Place, folder, megabytes)
    seconds: list[float] = []
    try:
        with OtherPlayer(place.database) as player:
            async with opened(place.database, place.repository, kept=count) as subject:
                for _ in range(count):
                    player.play(TRANSACTIONS)
                    seconds.append((await subject.request("series"))[0])
                snapshots = subject.service.known
    finally:
        await asyncio.to_thread(shutil.rmtree, place.folder)
    fulls = [snapshot.size for snapshot in snapshots if snapshot.form is Form.FULL]
    return Series(
        megabytes=megabytes,
        snapshots=len(snapshots),
        fulls=len(fulls),
        full_bytes=sum(fulls),
        incremental_bytes=sum(snapshot.size for snapshot in snapshots) - sum(fulls),
        median=median(seconds[1:]),
        mean=sum(seconds[1:]) / len(seconds[1:]),
        worst=max(seconds[1:]),
    )
