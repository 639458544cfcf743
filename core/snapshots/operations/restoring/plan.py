"""What a restore would do now, shown before anybody agrees to it."""

from __future__ import annotations

import hashlib

import msgspec

from ...errors import AnotherDatabase
from ...models import DatabaseState, Lost, Method, RestorePlan, Snapshot
from ...policies.estimate import pause_of
from ...policies.timeline import timeline
from ...repository.catalog import Contents
from ...worker.protocol import InspectJob
from ..context import Context
from ..identity import require_own
from ..past.loss import loss_since
from .stages import expected_seconds

__all__ = ["lost_until", "plan_for"]


async def plan_for(context: Context, contents: Contents, snapshot: Snapshot, *, compared: bool = False) -> RestorePlan:
    """Return what restoring a snapshot would do to the database as it is now; change nothing.

    With ``compared`` it also says which rows differ, which takes as long as reading them. Raises DatabaseBusy or
    DatabaseUnavailable; neither means damage.
    """
    token = await context.probe.token()
    database = await context.work(
        InspectJob,
        DatabaseState,
        deadline=float(context.settings.schedule.integrity_deadline),
        tables=_compared_tables(context, snapshot),
    )
    method = database.method or (Method.ONLINE if database.openable else Method.SWAP)
    seconds = await expected_seconds(context, contents, snapshot, method)
    now = context.clock()
    age = max(0.0, (now - snapshot.began_at).total_seconds())
    line = timeline(contents.snapshots, contents.restores)
    later = [other for other in reversed(line) if other.sequence > snapshot.sequence]
    lost = Lost(
        since=snapshot.began_at,
        until=now,
        seconds=age,
        rows=_rows_then_and_now(context, snapshot, database),
        events=tuple(dict.fromkeys(reason for other in later if other.requests for reason in other.reasons)),
        event_count=sum(other.requests for other in later),
    )
    undone = _undone(contents, snapshot)
    compared = compared and database.openable
    return RestorePlan(
        snapshot=snapshot,
        age=age,
        method=method,
        lost=lost,
        database=database,
        token=_token(contents, snapshot, method, database),
        another_database=await _another_database(context, contents),
        unchanged=token is not None and context.covered == (token, snapshot.id),
        loss=await loss_since(context, contents, snapshot) if compared else None,
        pause=pause_of(method, seconds),
        seconds=seconds,
        undoes=None if undone is None else undone.id,
        since_restore=await loss_since(context, contents, undone) if compared and undone is not None else None,
    )


def _undone(contents: Contents, snapshot: Snapshot) -> Snapshot | None:
    """Return the snapshot of the last restore, if this one is the safety snapshot that was taken before it."""
    last = contents.restores[-1] if contents.restores else None
    if last is None or last.safety != snapshot.id:
        return None
    return next((each for each in contents.snapshots if each.id == last.snapshot), None)


async def _another_database(context: Context, contents: Contents) -> str | None:
    try:
        await require_own(context, contents)
    except AnotherDatabase as error:
        return f"These are snapshots of {error.recorded}, and the settings name {error.present}."
    return None


def lost_until(lost: Lost, safety: Snapshot | None) -> Lost:
    """Return what is lost, counted up to the safety snapshot, because play went on while the snapshot was rebuilt."""
    if safety is None:
        return lost
    return msgspec.structs.replace(
        lost,
        until=safety.began_at,
        seconds=max(0.0, (safety.began_at - lost.since).total_seconds()),
        rows={table: (then, safety.rows.get(table, now)) for table, (then, now) in lost.rows.items()},
    )


def _compared_tables(context: Context, snapshot: Snapshot) -> tuple[str, ...]:
    """Return the tables to count now: the critical ones, and what the snapshot counted when others were critical."""
    critical = context.settings.database.critical_tables
    return tuple(dict.fromkeys((*critical, *snapshot.rows))) if critical else ()


def _rows_then_and_now(
    context: Context, snapshot: Snapshot, database: DatabaseState
) -> dict[str, tuple[int | None, int | None]]:
    if not snapshot.rows and not context.settings.database.critical_tables:
        return {}  # an event counts nothing then, which does not mean that it has no tables
    tables = dict.fromkeys((*context.settings.database.critical_tables, *snapshot.rows, *database.rows))
    return {table: (snapshot.rows.get(table), database.rows.get(table)) for table in tables}


def _token(contents: Contents, snapshot: Snapshot, method: Method, database: DatabaseState) -> str:
    """Return a token for what a plan shows: the snapshot, the method, the database, and no restore since.

    Rows are left out: a game in progress would outdate every plan before anyone could read it.
    """
    last = contents.restores[-1] if contents.restores else None
    shown = (snapshot.id, snapshot.fingerprint, snapshot.damaged, method, database.token, last and last.at.isoformat())
    return hashlib.sha256(repr(shown).encode()).hexdigest()[:16]
