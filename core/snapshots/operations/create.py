"""The creation of one snapshot, from the lock to retention, in an order that makes a crash at any step harmless."""

from __future__ import annotations

import contextlib
import datetime as dt
import logging

import msgspec

from ..archive.members import Head
from ..engines import ParentSnapshot, Position, SnapshotResult, creates_databases
from ..errors import DatabaseDamaged, NotEnoughSpace, SnapshotDamaged, SnapshotError
from ..files import remove, require_space, translate_os_error
from ..models import NOBODY, Actor, Created, Form, Health, Kind, Level, OnProgress, OnWait, Snapshot, Verification
from ..policies.chain import chain_of, choose_form
from ..policies.coverage import capped_reasons
from ..policies.health import health_of, readable
from ..policies.schedule import last_periodic
from ..policies.shrink import shrunk
from ..policies.space import needed_for_snapshot
from ..policies.timeline import of_this_database, timeline
from ..repository.catalog import Contents
from ..repository.names import INCREMENTAL_SUFFIX, new_id, relative_path
from ..units import count_text
from ..worker.protocol import SnapshotJob
from .context import Context
from .exclusive import exclusive
from .identity import identified, require_own
from .latest import refresh_latest
from .live import record_capture, record_refusal
from .past.watch import look_for_jumps
from .prune import drop, expired, prune_locked
from .rebuild_catalog import readable_contents
from .whereabouts import remember_whereabouts

__all__ = ["CreateRequest", "create", "create_locked"]

log = logging.getLogger(__name__)

_KEPT_AFTER_A_LOSS = dt.timedelta(days=30)
_LOSSES_NAMED = 5


class CreateRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request for a snapshot. ``deadline`` is in seconds.

    With ``skip_unchanged`` none is written if the newest one holds the same state; ``joins`` asks for that only if this
    process was taking a snapshot when the request came. ``after`` is for a periodic request: the time of the last
    periodic snapshot that was known; a later one by another process covers the request. ``position`` and ``at`` are for
    events: the position of the database's log after the last event, and the time of that event; a snapshot of another
    process that began after both covers them. ``may_be_incremental`` allows an incremental of a kind that is otherwise
    always full. Retention keeps the snapshot at least until ``kept_until``.
    """

    kind: Kind
    reasons: tuple[str, ...]
    requests: int = 0
    note: str | None = None
    pinned: bool = False
    skip_unchanged: bool = False
    joins: bool = False
    after: dt.datetime | None = None
    position: Position | None = None
    at: dt.datetime | None = None
    may_be_incremental: bool = False
    kept_until: dt.datetime | None = None
    deadline: float


async def create(
    context: Context,
    request: CreateRequest,
    *,
    actor: Actor = NOBODY,
    wait: float | None = None,
    on_wait: OnWait | None = None,
    on_progress: OnProgress | None = None,
) -> Created:
    """Take a snapshot, or return the newest one if it covers the request.

    ``actor`` is who asked for it, ``wait`` how long to wait for another operation, in seconds; None means the setting.
    ``on_wait`` is called with what is waited for. Raises a SnapshotError if it fails, and leaves no file behind then.
    """
    # A commit since the running snapshot began is not in it, so that one covers the request only if there was none.
    joins = request.joins and any(each.operation == "a snapshot" for each in context.doing)
    known = {snapshot.id for snapshot in context.repository.catalog.contents.snapshots}
    async with exclusive(context, "a snapshot", actor=actor, wait=wait, on_wait=on_wait):
        contents = await readable_contents(context)
        await require_own(context, contents)
        contents = await identified(context, contents)
        created = await _covered_by_another(context, contents, request)
        if created is None:
            wanted = msgspec.structs.replace(request, skip_unchanged=request.skip_unchanged or joins)
            created = await create_locked(context, contents, wanted, on_progress)
    if joins and created.unchanged:
        created = msgspec.structs.replace(created, joined=created.snapshot.id not in known)
    if not created.unchanged:
        await context.notify(lambda listener: listener.created(created.snapshot))
    await context.notify(lambda listener: listener.covered())
    return created


async def _covered_by_another(context: Context, contents: Contents, request: CreateRequest) -> Created | None:
    """Return the snapshot by another process that covers the request already, or None."""
    newest = contents.newest_sound
    if newest is None:
        return None
    if request.after is not None:
        last = last_periodic(contents.snapshots, contents.periodic_checked_at, context.clock())
        return Created(snapshot=newest, unchanged=True) if last is not None and last > request.after else None
    if _began_later(newest, request) and await context.in_thread(context.repository.is_stored, newest):
        return await _record_covered(context, newest, request)
    return None


def _began_later(snapshot: Snapshot, request: CreateRequest) -> bool:
    """Return True if a snapshot began after the events of a request."""
    if request.position is None or request.at is None or snapshot.began_at <= request.at:
        return False
    log, offset = snapshot.details.get("log"), snapshot.details.get("position")
    return log == request.position.log and isinstance(offset, int) and offset > request.position.offset


async def create_locked(
    context: Context, contents: Contents, request: CreateRequest, on_progress: OnProgress | None = None
) -> Created:
    """Take a snapshot; the caller holds the exclusive lock."""
    began = context.monotonic()
    # The token comes first: a commit after it changes the next token, and a commit before it is in the snapshot.
    token = await context.probe.token()
    newest = await _newest_sound(context, contents)
    parent, why = await context.in_thread(_parent, context, contents, newest, request)
    if parent.id is None:
        newest = None  # a file of its chain is missing, so it cannot be restored and covers nothing
    if request.skip_unchanged and newest is not None and token is not None and context.covered == (token, newest.id):
        return await _record_covered(context, newest, request)
    began_at = context.clock()
    await _make_room(context, contents, request, incremental=parent.incremental)
    snapshot_id = new_id(context.token_hex, {snapshot.id for snapshot in contents.snapshots})
    head = _head(context, contents, request, snapshot_id, began_at)
    target = context.repository.work / f"snapshot-{snapshot_id}"
    try:
        result = await context.work(
            SnapshotJob,
            SnapshotResult,
            on_progress,
            deadline=request.deadline,
            deadline_key="schedule.shutdown_deadline" if request.kind is Kind.SHUTDOWN else None,
            min_free=int(context.settings.repository.min_free),
            target=str(target),
            head=head,
            tables=_counted(context, request),
            parent=parent,
        )
        if result.unchanged and newest is not None:
            context.covered = (token, newest.id) if token is not None else None
            return await _record_covered(context, newest, request)
        snapshot = _entry(context, head, request, result, newest)
        log.debug("Snapshot %s is %s: %s", snapshot.id, snapshot.form, why)
        await context.in_thread(context.repository.publish, target, snapshot)
    except DatabaseDamaged as error:
        await record_refusal(context, str(error))
        raise
    finally:
        await context.in_thread(remove, target)
    await record_capture(context, result.findings)
    await context.in_thread(remember_whereabouts, context)
    await _look_for_losses(context, contents, snapshot)
    await look_for_jumps(context, contents, snapshot)
    await _after_publishing(context, snapshot)
    context.covered = (token, snapshot.id) if token is not None else None
    return Created(snapshot=snapshot, unchanged=False, seconds=context.monotonic() - began)


async def _look_for_losses(context: Context, contents: Contents, snapshot: Snapshot) -> None:
    """Alert if a table lost many rows since the last counted snapshot, and keep that snapshot for a while.

    The new snapshot is valid, and the alert is due, even if it cannot be written down that the other one is kept.
    A safety snapshot holds what somebody is about to undo: it neither alerts nor is compared with, unless it was
    restored.
    """
    restored = {record.sequence for record in contents.restores}
    line = timeline(contents.snapshots, contents.restores)
    counted = (each for each in line if each.rows and (each.kind is not Kind.SAFETY or each.sequence in restored))
    before = next(counted, None)
    if before is None or snapshot.kind is Kind.SAFETY:
        return
    named = {table.lower() for table in context.settings.database.critical_tables}
    # Tables that are not counted any more, because others were named since, are not gone.
    rows = {table: count for table, count in before.rows.items() if not named or table.lower() in named}
    losses = shrunk(rows, snapshot.rows, context.settings.database.shrink_percent)
    if not losses:
        return
    until = context.clock() + _KEPT_AFTER_A_LOSS
    kept = f"That snapshot is kept until {until:%Y-%m-%d}."
    try:
        await context.in_thread(context.repository.update, msgspec.structs.replace(before, kept_until=until))
    except (SnapshotError, OSError) as error:
        log.error("That snapshot %s is to be kept could not be recorded: %s", before.id, error)
        kept = "That it is to be kept could not be recorded: pin it."
    worst = ", ".join(f"{each.table} from {each.before:,} to {each.after:,}" for each in losses[:_LOSSES_NAMED])
    message = (
        f"Many rows are gone since snapshot {before.id} of {before.began_at:%Y-%m-%d %H:%M} UTC: {worst}. {kept} "
        f"If it was not meant: restore {before.id}."
    )
    await context.notify(lambda listener: listener.noticed("shrink", message))


async def _after_publishing(context: Context, snapshot: Snapshot) -> None:
    """Refresh ``latest.*`` and apply retention. The snapshot is valid even if one of them fails."""
    if snapshot.kind in context.settings.repository.latest_after:
        await refresh_latest(context)
    try:
        _, freed = await context.in_thread(prune_locked, context, context.repository.catalog.contents)
        if freed:
            await refresh_latest(context)
        await context.notify(lambda listener: listener.succeeded("retention"))
    except OSError as caught:
        log.error("Retention could not be applied: %s", caught)
        error = caught if isinstance(caught, SnapshotError) else translate_os_error(caught)
        await context.notify(lambda listener: listener.failed("retention", error))


def _parent(
    context: Context, contents: Contents, newest: Snapshot | None, request: CreateRequest
) -> tuple[ParentSnapshot, str]:
    """Return what the snapshot can build on, and the reason for that choice. Blocks."""
    repository = context.repository
    chain: tuple[Snapshot, ...] = ()
    if newest is not None:
        with contextlib.suppress(SnapshotDamaged):
            chain = chain_of(newest, contents.snapshots)
    if not all(repository.is_stored(each) for each in chain):
        chain = ()
    choice = choose_form(
        Kind.CRITICAL if request.may_be_incremental else request.kind,
        context.clock(),
        chain,
        index_known=repository.page_index.exists(),
        pinned=request.pinned,
        last_periodic=last_periodic(contents.snapshots, None, context.clock()),
        by_hour=context.settings.retention.by_hour,
    )
    full = _newest_full(context, contents)
    parent = ParentSnapshot(
        id=newest.id if chain and newest else None,
        fingerprint=newest.fingerprint if chain and newest else None,
        index=str(repository.page_index),
        record=str(repository.member_record),
        full=None if full is None else str(repository.store.fetch(full.path)),
        full_id=None if full is None else full.id,
        incremental=choice.form is Form.INCREMENTAL,
        skip_unchanged=request.skip_unchanged,
        unreadable=newest is not None and not readable(newest.health),
        journal_mode=newest.details.get("journal_mode") if newest else None,
    )
    return parent, choice.reason


def _newest_full(context: Context, contents: Contents) -> Snapshot | None:
    own = of_this_database(contents.snapshots, contents.restores)
    fulls = (each for each in reversed(own) if each.form is Form.FULL and not each.damaged)
    newest = next(fulls, None)
    return newest if newest is not None and context.repository.is_stored(newest) else None


async def _newest_sound(context: Context, contents: Contents) -> Snapshot | None:
    """Return the newest snapshot of this database, or None if it is damaged or its file is missing."""
    own = of_this_database(contents.snapshots, contents.restores)
    if not own or own[-1].damaged:
        return None
    newest = own[-1]
    return newest if await context.in_thread(context.repository.is_stored, newest) else None


async def _record_covered(context: Context, newest: Snapshot, request: CreateRequest) -> Created:
    """Record that the newest snapshot covers the request and, for a periodic one, the time of this check."""
    now = context.clock()
    covering = msgspec.structs.replace(
        newest,
        reasons=capped_reasons((*newest.reasons, *request.reasons)) if request.requests else newest.reasons,
        requests=newest.requests + request.requests,
    )

    def record(contents: Contents) -> Contents:
        checked = now if request.kind is Kind.PERIODIC else contents.periodic_checked_at
        return msgspec.structs.replace(contents.adding(covering), periodic_checked_at=checked)

    await context.in_thread(context.repository.catalog.change, record)
    return Created(snapshot=covering, unchanged=True)


async def _make_room(context: Context, contents: Contents, request: CreateRequest, *, incremental: bool) -> None:
    """Require enough disk space; remove expired snapshots early if there is too little."""
    size, elsewhere = await context.probe.size(), creates_databases(context.url)
    needed = needed_for_snapshot(size, contents.snapshots, incremental=incremental, elsewhere=elsewhere)
    root, minimum = context.repository.root, int(context.settings.repository.min_free)
    try:
        await context.in_thread(require_space, root, needed, minimum)
    except NotEnoughSpace:
        dropped = [decision.snapshot for decision in expired(context, contents) if not decision.keep]
        if not dropped:
            raise
        number = count_text(len(dropped), "expired snapshot")
        log.warning("Little disk space: removing %s before a %s one", number, request.kind)
        await context.in_thread(drop, context, dropped)
        await context.in_thread(require_space, root, needed, minimum)


def _head(
    context: Context, contents: Contents, request: CreateRequest, snapshot_id: str, began_at: dt.datetime
) -> Head:
    return Head(
        id=snapshot_id,
        sequence=contents.next_sequence,
        kind=request.kind,
        created_at=began_at,
        began_at=began_at,
        reasons=request.reasons,
        requests=request.requests,
        note=request.note,
        pinned=request.pinned,
        engine=context.url.engine,
        details={},
        identity=contents.identity,
    )


def _counted(context: Context, request: CreateRequest) -> tuple[str, ...] | None:
    """Return the tables to count: the critical ones, or every table (empty), but none for an event's incremental.

    What an event costs must not grow with the database.
    """
    critical = context.settings.database.critical_tables
    return critical if critical or request.kind is not Kind.CRITICAL else None


def _health(head: Head, result: SnapshotResult, newest: Snapshot | None) -> Health | None:
    """Return the verdict on the state; an incremental that was not looked at has its parent's."""
    if result.findings is not None:
        return health_of(result.findings, head.began_at)
    return newest.health if newest is not None and result.form is Form.INCREMENTAL else None


def _entry(
    context: Context, head: Head, request: CreateRequest, result: SnapshotResult, newest: Snapshot | None
) -> Snapshot:
    reason = request.reasons[0] if request.reasons else request.kind.value
    path = relative_path(
        created_at=head.created_at,
        kind=head.kind,
        reason=reason,
        snapshot_id=head.id,
        suffix=context.repository.suffix if result.form is Form.FULL else INCREMENTAL_SUFFIX,
    )
    return Snapshot(
        id=head.id,
        sequence=head.sequence,
        kind=head.kind,
        form=result.form,
        base=result.base,
        path=path,
        created_at=head.created_at,
        began_at=head.began_at,
        reasons=request.reasons,
        requests=request.requests,
        size=result.size,
        database_size=result.database_size,
        fingerprint=result.fingerprint,
        verification=Verification(level=Level.CHECKSUM, at=context.clock(), ok=True),
        pinned=request.pinned,
        kept_until=request.kept_until,
        note=request.note,
        rows=result.rows,
        health=_health(head, result, newest),
        details=result.details,
    )
