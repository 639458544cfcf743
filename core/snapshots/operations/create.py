"""Taking one snapshot, from the lock to retention, in the order that makes every crash harmless."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import logging

import msgspec

from ..archive.members import Head
from ..engines import ParentSnapshot, Position, SnapshotResult, creates_databases
from ..errors import DatabaseDamaged, NotEnoughSpace, SnapshotDamaged, SnapshotError
from ..files import remove, require_space, translate_os_error
from ..models import Created, Form, Health, Kind, Level, OnProgress, Snapshot, Verification
from ..policies.chain import chain_of, choose_form
from ..policies.health import health_of
from ..policies.schedule import last_periodic
from ..policies.space import needed_for_snapshot
from ..repository.catalog import Contents
from ..repository.names import INCREMENTAL_SUFFIX, new_id, relative_path
from ..worker.protocol import SnapshotJob
from .context import Context
from .exclusive import exclusive
from .latest import refresh_latest
from .live import record_capture, record_refusal
from .prune import expired, prune_locked
from .rebuild_catalog import readable_contents

__all__ = ["CreateRequest", "create", "create_locked"]

log = logging.getLogger(__name__)


class CreateRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A snapshot somebody wants. ``skip_unchanged``: none is written if the newest one holds the same state.

    ``after`` is when the last periodic one was taken that a periodic one is to follow: one of another process that came
    later does as well. ``position`` is how far the database's log had come when the last of the events had happened, by
    the clock ``at``: a snapshot of another process that began later by both covers them. None: whatever came meanwhile,
    this one is wanted.
    """

    kind: Kind
    reasons: tuple[str, ...]
    requests: int = 0
    note: str | None = None
    pinned: bool = False
    skip_unchanged: bool = False
    after: dt.datetime | None = None
    position: Position | None = None
    at: dt.datetime | None = None
    deadline: float


async def create(
    context: Context, wanted: CreateRequest, *, wait: float | None = None, on_progress: OnProgress | None = None
) -> Created:
    """Take a snapshot, or find that the newest one covers it; raise a SnapshotError and leave nothing otherwise.

    ``wait`` is how long to wait for another operation, in seconds; None takes the setting.
    """
    async with exclusive(context, "a snapshot", wait=wait):
        contents = await readable_contents(context)
        created = await _taken_meanwhile(context, contents, wanted)
        if created is None:
            created = await create_locked(context, contents, wanted, on_progress)
    if not created.unchanged:
        await context.notify(lambda listener: listener.created(created.snapshot))
    await context.notify(lambda listener: listener.covered())
    return created


async def _taken_meanwhile(context: Context, contents: Contents, wanted: CreateRequest) -> Created | None:
    """Give the snapshot of another process that makes this one needless, None where there is none."""
    newest = contents.newest_sound
    if newest is None:
        return None
    if wanted.after is not None:
        last = last_periodic(contents.snapshots, contents.periodic_checked_at, context.clock())
        return Created(snapshot=newest, unchanged=True) if last is not None and last > wanted.after else None
    if _began_later(newest, wanted) and await context.in_thread(context.repository.is_stored, newest):
        return await _record_covered(context, newest, wanted)
    return None


def _began_later(snapshot: Snapshot, wanted: CreateRequest) -> bool:
    """Whether a snapshot began after the events for which one is wanted."""
    if wanted.position is None or wanted.at is None or snapshot.began_at <= wanted.at:
        return False
    log, offset = snapshot.details.get("log"), snapshot.details.get("position")
    return log == wanted.position.log and isinstance(offset, int) and offset > wanted.position.offset


async def create_locked(
    context: Context, contents: Contents, wanted: CreateRequest, on_progress: OnProgress | None = None
) -> Created:
    """Take a snapshot inside an operation that holds the repository already."""
    # The order matters: a commit after the token makes the next token differ, a commit before it is in the image.
    token = await context.probe.token()
    newest = await _newest_sound(context, contents)
    base, why = await context.in_thread(_base, context, contents, newest, wanted)
    if base.id is None:
        newest = None  # something that it builds on is gone: it can stand for nothing
    if wanted.skip_unchanged and newest is not None and token is not None and context.covered == (token, newest.id):
        return await _record_covered(context, newest, wanted)
    began_at = context.clock()
    await _make_room(context, contents, wanted, incremental=base.incremental)
    snapshot_id = new_id(context.token_hex, {snapshot.id for snapshot in contents.snapshots})
    head = _head(context, contents, wanted, snapshot_id, began_at)
    target = context.repository.work / f"snapshot-{snapshot_id}"
    try:
        taken = await context.work(
            SnapshotJob,
            SnapshotResult,
            on_progress,
            deadline=wanted.deadline,
            min_free=int(context.settings.repository.min_free),
            target=str(target),
            head=head,
            tables=_counted(context, wanted),
            base=base,
        )
        if taken.unchanged and newest is not None:
            context.covered = (token, newest.id) if token is not None else None
            return await _record_covered(context, newest, wanted)
        snapshot = _entry(context, head, wanted, taken, newest)
        log.debug("Snapshot %s is %s: %s", snapshot.id, snapshot.form, why)
        await context.in_thread(context.repository.publish, target, snapshot)
    except DatabaseDamaged as error:
        await record_refusal(context, str(error))
        raise
    finally:
        await asyncio.shield(context.in_thread(remove, target))
    await record_capture(context, taken.findings)
    await _after_publishing(context, snapshot)
    context.covered = (token, snapshot.id) if token is not None else None
    return Created(snapshot=snapshot, unchanged=False)


async def _after_publishing(context: Context, snapshot: Snapshot) -> None:
    """Refresh ``latest.*`` and apply retention after a snapshot, which stands whatever becomes of these."""
    if snapshot.kind in context.settings.repository.latest_after:
        await refresh_latest(context)
    try:
        _, freed = await context.in_thread(prune_locked, context, context.repository.catalog.contents)
        if freed:
            await refresh_latest(context)
    except OSError as caught:
        log.error("Retention could not be applied: %s", caught)
        error = caught if isinstance(caught, SnapshotError) else translate_os_error(caught)
        await context.notify(lambda listener: listener.failed("retention", error))


def _base(
    context: Context, contents: Contents, newest: Snapshot | None, wanted: CreateRequest
) -> tuple[ParentSnapshot, str]:
    """Say what the snapshot may build on, and why. Looks at the disk."""
    repository = context.repository
    chain: tuple[Snapshot, ...] = ()
    if newest is not None:
        with contextlib.suppress(SnapshotDamaged):
            chain = chain_of(newest, contents.snapshots)
    if not all(repository.is_stored(each) for each in chain):
        chain = ()
    choice = choose_form(
        wanted.kind,
        context.clock(),
        chain,
        index_known=repository.page_index.exists(),
        pinned=wanted.pinned,
        last_periodic=last_periodic(contents.snapshots, None, context.clock()),
    )
    full = _newest_full(context, contents)
    base = ParentSnapshot(
        id=newest.id if chain and newest else None,
        fingerprint=newest.fingerprint if chain and newest else None,
        index=str(repository.page_index),
        record=str(repository.member_record),
        full=None if full is None else str(repository.store.fetch(full.path)),
        full_id=None if full is None else full.id,
        incremental=choice.form is Form.INCREMENTAL,
        skip_unchanged=wanted.skip_unchanged,
    )
    return base, choice.reason


def _newest_full(context: Context, contents: Contents) -> Snapshot | None:
    fulls = (each for each in reversed(contents.snapshots) if each.form is Form.FULL and not each.damaged)
    newest = next(fulls, None)
    return newest if newest is not None and context.repository.is_stored(newest) else None


async def _newest_sound(context: Context, contents: Contents) -> Snapshot | None:
    """Give the newest snapshot if it can stand for the present state: sound, and its file still there."""
    if not contents.snapshots or contents.snapshots[-1].damaged:
        return None
    newest = contents.snapshots[-1]
    return newest if await context.in_thread(context.repository.is_stored, newest) else None


async def _record_covered(context: Context, newest: Snapshot, wanted: CreateRequest) -> Created:
    """Write down that the newest snapshot covers these requests, and when the periodic one was last looked after."""
    now = context.clock()
    covering = msgspec.structs.replace(
        newest,
        reasons=tuple(dict.fromkeys((*newest.reasons, *wanted.reasons))) if wanted.requests else newest.reasons,
        requests=newest.requests + wanted.requests,
    )

    def record(contents: Contents) -> Contents:
        checked = now if wanted.kind is Kind.PERIODIC else contents.periodic_checked_at
        return msgspec.structs.replace(contents.adding(covering), periodic_checked_at=checked)

    await context.in_thread(context.repository.catalog.change, record)
    return Created(snapshot=covering, unchanged=True)


async def _make_room(context: Context, contents: Contents, wanted: CreateRequest, *, incremental: bool) -> None:
    """See that the disk keeps its minimum; where it would not, expired snapshots go first."""
    size, elsewhere = await context.probe.size(), creates_databases(context.url)
    needed = needed_for_snapshot(size, contents.snapshots, incremental=incremental, elsewhere=elsewhere)
    root, minimum = context.repository.root, int(context.settings.repository.min_free)
    try:
        await context.in_thread(require_space, root, needed, minimum)
    except NotEnoughSpace:
        dropped = [decision.snapshot for decision in expired(context, contents) if not decision.keep]
        if not dropped:
            raise
        log.warning("Little disk space: removing %d expired snapshots before a %s one", len(dropped), wanted.kind)
        await context.in_thread(context.repository.drop, dropped)
        await context.in_thread(require_space, root, needed, minimum)


def _head(context: Context, contents: Contents, wanted: CreateRequest, snapshot_id: str, began_at: dt.datetime) -> Head:
    return Head(
        id=snapshot_id,
        sequence=contents.next_sequence,
        kind=wanted.kind,
        created_at=began_at,
        began_at=began_at,
        reasons=wanted.reasons,
        requests=wanted.requests,
        note=wanted.note,
        pinned=wanted.pinned,
        engine=context.url.engine,
        details={},
    )


def _counted(context: Context, wanted: CreateRequest) -> tuple[str, ...] | None:
    """Return the tables to count: the critical ones, or every table (empty), but none for an event's incremental.

    What an event costs must not grow with the database.
    """
    critical = context.settings.database.critical_tables
    return critical if critical or wanted.kind is not Kind.CRITICAL else None


def _health(head: Head, taken: SnapshotResult, newest: Snapshot | None) -> Health | None:
    """Return the verdict on the state; an incremental that was not looked at has its parent's."""
    if taken.findings is not None:
        return health_of(taken.findings, head.began_at)
    return newest.health if newest is not None and taken.form is Form.INCREMENTAL else None


def _entry(
    context: Context, head: Head, wanted: CreateRequest, taken: SnapshotResult, newest: Snapshot | None
) -> Snapshot:
    reason = wanted.reasons[0] if wanted.reasons else wanted.kind.value
    path = relative_path(
        created_at=head.created_at,
        kind=head.kind,
        reason=reason,
        snapshot_id=head.id,
        suffix=context.repository.suffix if taken.form is Form.FULL else INCREMENTAL_SUFFIX,
    )
    return Snapshot(
        id=head.id,
        sequence=head.sequence,
        kind=head.kind,
        form=taken.form,
        base=taken.base,
        path=path,
        created_at=head.created_at,
        began_at=head.began_at,
        reasons=wanted.reasons,
        requests=wanted.requests,
        size=taken.size,
        database_size=taken.database_size,
        fingerprint=taken.fingerprint,
        verification=Verification(level=Level.CHECKSUM, at=context.clock(), ok=True),
        pinned=wanted.pinned,
        note=wanted.note,
        rows=taken.rows,
        health=_health(head, taken, newest),
        details=taken.details,
    )
