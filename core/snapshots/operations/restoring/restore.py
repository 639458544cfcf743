"""Putting a snapshot back: what was agreed to, the journal around it, and a report of what happened.

The steps themselves are in ``steps``.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any

from ...errors import Busy, CatalogError, PlanOutdated, SnapshotNotFound
from ...models import NOBODY, Actor, Finding, OnProgress, OnWait, RestorePlan, RestoreReport
from ...repository.catalog import Contents
from ..context import Context
from ..exclusive import exclusive
from ..identity import require_own
from ..journal import journaled
from ..rebuild_catalog import readable_contents
from ..verify import current_entry
from .plan import plan_for
from .steps import RestoreSteps, release_image

__all__ = ["restore", "restore_locked"]

RESTORE_PREFIX = 4
"""A shorter beginning of an id never restores: too easily it is another snapshot's."""


async def restore(
    context: Context,
    text: str,
    *,
    agreed: str | None,
    actor: Actor = NOBODY,
    stopped: bool = False,
    on_wait: OnWait | None = None,
    on_progress: OnProgress | None = None,
) -> RestoreReport:
    """Restore the snapshot named by ``text``; see ``restore_locked``, and ``exclusive`` for ``on_wait``.

    From a read-only repository too: nobody can change that, so there is nothing to lock, and what is kept of the state
    before lies beside the database.
    """

    async def from_contents(contents: Contents) -> RestoreReport:
        plan = await plan_for(context, contents, contents.find(text, shortest=RESTORE_PREFIX))
        if plan.another_database is not None and agreed is None:
            await require_own(context, contents)  # raises: only a person who saw both may put one over the other
        return await restore_locked(
            context, contents, plan, agreed=agreed, actor=actor, stopped=stopped, on_progress=on_progress
        )

    with _the_only_one(context):
        return await _in_turn(context, text, actor, on_wait, from_contents)


async def _in_turn(
    context: Context,
    text: str,
    actor: Actor,
    on_wait: OnWait | None,
    from_contents: Callable[[Contents], Awaitable[RestoreReport]],
) -> RestoreReport:
    """Call ``from_contents`` with the catalog, inside an operation unless the repository is read-only."""
    if await context.in_thread(lambda: context.repository.is_read_only):
        return await from_contents(await context.in_thread(context.repository.refresh))
    with contextlib.suppress(CatalogError, SnapshotNotFound):  # raised below, unless that is mended first
        known = await context.in_thread(context.repository.refresh)
        await current_entry(context, known.find(text, shortest=RESTORE_PREFIX))
    async with exclusive(context, "a restore", actor=actor, on_wait=on_wait):
        return await from_contents(await readable_contents(context))


@contextlib.contextmanager
def _the_only_one(context: Context) -> Iterator[None]:
    """Raise Busy if this process restores already, or waits for its turn to do so."""
    if context.restoring:
        running = next((each for each in context.doing if each.operation == "a restore"), None)
        since = "" if running is None else f", since {running.since:%H:%M:%S} UTC"
        whose = "" if running is None or running.actor is None else f" for {running.actor}"
        raise Busy(f"Busy: a restore is running already{whose}{since}.", operation="restore", pid=None)
    context.restoring = True
    try:
        yield
    finally:
        context.restoring = False


async def restore_locked(
    context: Context,
    contents: Contents,
    plan: RestorePlan,
    *,
    agreed: str | None,
    actor: Actor,
    automatic: bool = False,
    findings: tuple[Finding, ...] = (),
    stopped: bool = False,
    on_progress: OnProgress | None = None,
) -> RestoreReport:
    """Carry out a plan inside an operation that holds the repository.

    ``agreed`` is the token that somebody agreed to; PlanOutdated is raised if the state is another one now. An
    ``automatic`` restore is refused (StateUnfit) if the state in the snapshot cannot be read, or has one of the
    ``findings``; a restore by hand is not. ``stopped`` says that nobody uses the database, where that cannot be
    found out.

    Raises SnapshotDamaged if the snapshot does not give back its state, DatabaseBusy at the deadline, RestoreFailed if
    the result failed its check and was undone. After any of them the database is as it was. What goes wrong after the
    change was made is in the report, and raises nothing.
    """
    if agreed is not None and agreed != plan.token:
        raise PlanOutdated(
            "The database or the snapshots changed since this restore was shown. Look at it again, then decide."
        )
    read_only = await context.in_thread(lambda: context.repository.is_read_only)
    root = await context.in_thread(context.scratch_root) if read_only else context.repository.work
    image = root / f"restore-{plan.snapshot.id}-{context.token_hex(4)}" / "rebuilt.db"
    work = RestoreSteps(
        context, contents, plan, image, automatic, findings, on_progress, read_only=read_only, stopped=stopped
    )
    report: RestoreReport | None = None
    try:
        async with journaled(
            context,
            "start-up restore" if automatic else "restore",
            actor,
            snapshot=plan.snapshot.id,
            sequence=plan.snapshot.sequence,
            method=plan.method.value,
            automatic=automatic,
        ) as journal:
            try:
                report = await work.carry_out(journal)
            except BaseException as error:
                if not journal.entry.committed:
                    raise
                # The database is the snapshot's now, and that is what must be reported.
                report = await _in_any_case(work.finished_without_comparison(error))
                journal.unfinished = report.error
                if not isinstance(error, Exception):
                    raise  # a cancellation: the report goes to the listeners
        return report
    except BaseException as error:
        report = report or work.failure(error)
        raise
    finally:
        # Also after a cancellation: a listener that paused the game must let it go on.
        final = report
        if final is not None:
            await context.notify(lambda listener: listener.restore_finished(final))
        await release_image(context, image)


async def _in_any_case(work: Coroutine[Any, Any, RestoreReport]) -> RestoreReport:
    """Return the result of ``work``, however often the caller is cancelled meanwhile."""
    future = asyncio.ensure_future(work)
    while not future.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait([future])
    return future.result()
