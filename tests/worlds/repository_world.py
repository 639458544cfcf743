"""Snapshots in a repository, with content that is known, and no database behind them."""

from __future__ import annotations

import datetime as dt
from typing import Any

from core.snapshots.models import Kind, Snapshot
from core.snapshots.repository.repository import Repository
from tests.worlds.snapshots import make_snapshot

NOON = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)
DAILY = (Kind.PERIODIC, Kind.MANUAL, Kind.SHUTDOWN)


def snapshot(sequence: int, kind: Kind = Kind.MANUAL, **changes: Any) -> Snapshot:
    """Return an entry that fits ``content(sequence)``."""
    at = NOON + dt.timedelta(minutes=sequence)
    return make_snapshot(sequence, at=at, kind=kind, size=len(content(sequence)), **changes)


def content(sequence: int) -> bytes:
    """Return the bytes of a snapshot's file."""
    return f"the bytes of snapshot {sequence}".encode()


def publish(repository: Repository, *snapshots: Snapshot) -> None:
    """Publish snapshots, each with its content."""
    for each in snapshots:
        source = repository.work / f"snapshot-{each.id}"
        source.write_bytes(content(each.sequence))
        repository.publish(source, each)


def point_latest(repository: Repository) -> None:
    """Point ``latest.*`` to the newest full that it may lead to, as the service does."""
    wanted = repository.latest_to_write(DAILY)
    if wanted is not None:
        repository.link_latest(wanted)
