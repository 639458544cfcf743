"""A repository with ten thousand snapshots in its catalog, and what the commands cost there."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec

from cogs.backup_cog.slash.snapshots.finding import searched
from core.snapshots import Form, Kind, Level, Snapshot, Verification
from core.snapshots.repository.catalog import Contents
from core.snapshots.repository.names import INCREMENTAL_SUFFIX, relative_path

from ..measure import StallProbe, median, timed
from ..subject import Subject, opened, repository_of
from .player import OtherPlayer
from .results import CatalogFigures
from .rounds import TRANSACTIONS
from .workspace import Workspace

__all__ = ["ENTRIES", "measure_catalog"]

ENTRIES = 10_000
_CHAIN = 50
_KEPT = 1_000_000
"""Retention would make short work of ten thousand event snapshots."""
_BYTES = 1000
_TABLES = ("users", "cards", "creator_packs", "user_cards")


async def measure_catalog(workspace: Workspace, megabytes: int, rounds: int) -> CatalogFigures:
    """Measure with a small database, whose own snapshots cost little."""
    database, folder = workspace.database, workspace.repository
    with OtherPlayer(database) as player:
        async with opened(database, folder, kept=_KEPT) as subject:
            small = await _repeats(subject, player, rounds)
        await asyncio.to_thread(_fill, folder)
        async with AsyncExitStack() as stack:
            async with StallProbe() as opening:
                started = time.perf_counter()
                subject = await stack.enter_async_context(opened(database, folder, kept=_KEPT, anew=False))
                open_seconds = time.perf_counter() - started
            async with StallProbe() as probe:
                seen = await _reading(subject, rounds)
                large = await _repeats(subject, player, rounds)
            seen["autocomplete"] = [await asyncio.to_thread(timed, _suggest, subject) for _ in range(rounds)]
            seen["publish"] = await asyncio.to_thread(_publish, folder, rounds)
    return CatalogFigures(
        megabytes=megabytes,
        entries=ENTRIES,
        catalog_bytes=(folder / "backup_metadata.json").stat().st_size,
        open=open_seconds * 1000,
        small=median(small) * 1000,
        large=median(large) * 1000,
        stall=probe.worst,
        stall_opening=opening.worst,
        **{name: median(values) * 1000 for name, values in seen.items()},
    )


async def _reading(subject: Subject, rounds: int) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {"list_cold": [], "list_warm": [], "prune": []}
    for _ in range(rounds):
        (subject.folder / "backup_metadata.json").touch()  # as if another process had written it
        started = time.perf_counter()
        await subject.service.list()
        found["list_cold"].append(time.perf_counter() - started)
        started = time.perf_counter()
        await subject.service.list()
        found["list_warm"].append(time.perf_counter() - started)
        started = time.perf_counter()
        await subject.service.prune(dry_run=True)
        found["prune"].append(time.perf_counter() - started)
    return found


def _suggest(subject: Subject) -> int:
    """Search as the cog's autocomplete does, in the worst case: nothing matches, so that it looks at every snapshot."""
    return sum("nothing is called this" in searched(snapshot) for snapshot in subject.service.known)


async def _repeats(subject: Subject, player: OtherPlayer, rounds: int) -> list[float]:
    """Return the seconds of repeat snapshots. The chain begins with a manual one, to make ``latest.*`` a real file."""
    await subject.full()
    seconds = []
    for _ in range(rounds + 1):
        await asyncio.to_thread(player.play, TRANSACTIONS)
        seconds.append((await subject.request())[0])
    return seconds[1:]


def _publish(folder: Path, rounds: int) -> list[float]:
    repository = repository_of(folder)
    newest = repository.catalog.contents.snapshots[-1]
    seconds = []
    for number in range(rounds):
        entry = _entry(newest.sequence + 1 + number, newest.created_at + dt.timedelta(seconds=number + 1), None)
        source = repository.work / "published"
        source.write_bytes(bytes(_BYTES))
        started = time.perf_counter()
        repository.publish(source, entry)
        seconds.append(time.perf_counter() - started)
    return seconds


def _fill(folder: Path) -> None:
    repository = repository_of(folder)
    known = repository.catalog.contents.snapshots
    entries = list(_entries(ENTRIES - len(known), known[0].created_at))
    for entry in entries:
        with (folder / entry.path).open("wb") as file:
            file.truncate(entry.size)
    before = {each.id: each for each in entries}
    later = [msgspec.structs.replace(each, sequence=each.sequence + len(entries)) for each in known]
    contents = Contents().with_snapshots([*before.values(), *later])
    repository.catalog.change(lambda _: contents)


def _entries(count: int, until: dt.datetime) -> Iterator[Snapshot]:
    base: str | None = None
    for number in range(count):
        base = None if number % _CHAIN == 0 else base
        entry = _entry(number + 1, until - dt.timedelta(minutes=count - number), base)
        base = entry.id
        yield entry


def _entry(sequence: int, at: dt.datetime, base: str | None) -> Snapshot:
    kind = Kind.PERIODIC if sequence % 20 == 0 else Kind.CRITICAL
    snapshot_id, reason = f"{sequence:012x}", f"marketplace_buy_{sequence * 7919 % 1_000_000}"
    suffix = ".db.gz" if base is None else INCREMENTAL_SUFFIX
    return Snapshot(
        id=snapshot_id,
        sequence=sequence,
        kind=kind,
        form=Form.FULL if base is None else Form.INCREMENTAL,
        base=base,
        path=relative_path(created_at=at, kind=kind, reason=reason, snapshot_id=snapshot_id, suffix=suffix),
        created_at=at,
        began_at=at,
        reasons=(reason, f"pack_opening_user_{sequence}"),
        requests=2,
        size=_BYTES,
        database_size=10_000_000,
        fingerprint=f"b3t64:{sequence:064x}",
        verification=Verification(level=Level.CHECKSUM, at=at, ok=True),
        rows=dict.fromkeys(_TABLES, 100_000),
        details={"journal_mode": "wal", "page_size": 4096},
    )
