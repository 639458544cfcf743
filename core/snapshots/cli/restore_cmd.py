"""Restoring a snapshot: ``restore``."""

from __future__ import annotations

import sys

import click

from ..errors import SnapshotNotFound
from ..models import JournalEntry, RestorePlan, RestoreReport, Snapshot
from ..policies.timeline import timeline
from .app import command
from .invocation import Invocation, Stopped
from .json_output import restores as documents
from .session import Session, opened, shell_user
from .text_output import restores as text

__all__ = ["restore"]


@command()
@click.argument("snapshot_id", metavar="[ID]", required=False)
@click.option("--before", metavar="WHEN", help="The last one before a time, an event's reason or a snapshot.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--stopped", is_flag=True, help="The bot is stopped, even if that cannot be seen from here.")
@click.pass_obj
def restore(invocation: Invocation, snapshot_id: str | None, before: str | None, yes: bool, stopped: bool) -> int:
    """Put a snapshot back in the database's place.

    Shows what would be lost and asks first, unless --yes is given. A safety snapshot of the present state is taken,
    so that a restore can be undone. --stopped is needed only where the database must be exchanged as a file and
    nobody can tell from here that no process uses it.
    """
    if (snapshot_id is None) == (before is None):
        raise click.UsageError("Name the snapshot: either an ID or --before.")
    if not yes:
        _require_terminal(invocation)
    with opened(invocation, needs_snapshots=True) as session:
        found = session.named(snapshot_id) if snapshot_id is not None else _before(session, before or "")
        agreed = None
        if not yes:
            plan = _agreement(invocation, session, found.id)
            if plan is None:
                invocation.remark("Nothing was changed.")
                return 0
            agreed = plan.token
        report = _restored(invocation, session, found.id, agreed, stopped=stopped)
    invocation.answer(documents.restore_document(report), text.restored_output(report, session.repository))
    return 0 if report.ok else 1


def _before(session: Session, when: str) -> Snapshot:
    """Return the last snapshot before a time, before the newest one of an event, or before another snapshot."""
    if session.moment(when) is not None or when.startswith("before:"):
        return session.named(when)
    try:
        return session.named(f"before:{when}")
    except SnapshotNotFound:
        named = session.named(when)
    line = timeline(session.service.catalog.snapshots, session.service.catalog.restores)
    older = [each for each in line if each.sequence < named.sequence]
    if not older:
        raise SnapshotNotFound(f"No snapshot is older than {named.id}.", snapshot_id=when)
    return older[0]


def _restored(
    invocation: Invocation, session: Session, snapshot_id: str, agreed: str | None, *, stopped: bool
) -> RestoreReport:
    """Restore, and if that is interrupted find out what became of the database."""
    service = session.service
    began = invocation.now()
    try:
        return session.follow(
            lambda on_progress: service.restore(
                snapshot_id, agreed=agreed, actor=shell_user(), stopped=stopped, on_progress=on_progress
            )
        )
    except (KeyboardInterrupt, Stopped):
        invocation.if_stopped = ": " + text.interrupted_sentence(
            snapshot_id,
            session.run(service.read_state("journal", JournalEntry)),
            [line for line in session.run(service.audit(5)) if line.at >= began],
        )
        raise


def _require_terminal(invocation: Invocation) -> None:
    """Raise click.UsageError if there is nobody to ask."""
    if invocation.as_json:
        raise click.UsageError("With --json nobody can be asked, so a restore needs --yes.")
    if sys.stdin is None or not sys.stdin.isatty():
        raise click.UsageError("A restore asks first, and here is no terminal to ask at: use --yes.")


def _agreement(invocation: Invocation, session: Session, snapshot_id: str) -> RestorePlan | None:
    """Show what a restore would do and ask. Return the plan that was agreed to, or None."""
    invocation.if_stopped = ". Nothing was changed."
    plan = session.run(session.service.restore_plan(snapshot_id))
    agreed = invocation.ask(text.plan_output(plan, invocation.now()), "Restore this snapshot?")
    return plan if agreed else None
