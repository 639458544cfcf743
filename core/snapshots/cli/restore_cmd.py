"""Restoring a snapshot: ``restore``."""

from __future__ import annotations

import sys

import click

from ..models import RestorePlan
from .app import command, snapshot_argument
from .json_output import restores as documents
from .session import Invocation, Session, opened, shell_user
from .text_output import restores as text

__all__ = ["restore"]


@command()
@snapshot_argument
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--stopped", is_flag=True, help="The bot is stopped, even if that cannot be seen from here.")
@click.pass_obj
def restore(invocation: Invocation, snapshot_id: str, yes: bool, stopped: bool) -> int:
    """Put a snapshot back in the database's place.

    Shows what would be lost and asks first, unless --yes is given. A safety snapshot of the present state is taken,
    so that a restore can be undone. --stopped is needed only where the database must be exchanged as a file and
    nobody can tell from here that no process uses it.
    """
    if not yes:
        _require_terminal(invocation)
    with opened(invocation) as session:
        agreed = None
        if not yes:
            plan = _agreement(invocation, session, snapshot_id)
            if plan is None:
                invocation.remark("Nothing was changed.")
                return 0
            # The plan's own id: "latest" may be another snapshot by now.
            snapshot_id, agreed = plan.snapshot.id, plan.token
        invocation.if_stopped = "Stopped. The database is whole: either as it was, or as the snapshot has it."
        service = session.service
        report = session.follow(
            lambda on_progress: service.restore(
                snapshot_id, agreed=agreed, actor=shell_user(), stopped=stopped, on_progress=on_progress
            )
        )
    invocation.answer(documents.restore_document(report), text.restored_output(report, session.repository))
    return 0 if report.ok else 1


def _require_terminal(invocation: Invocation) -> None:
    """Raise click.UsageError if there is nobody to ask."""
    if invocation.as_json:
        raise click.UsageError("With --json nobody can be asked, so a restore needs --yes.")
    if sys.stdin is None or not sys.stdin.isatty():
        raise click.UsageError("A restore asks first, and here is no terminal to ask at: use --yes.")


def _agreement(invocation: Invocation, session: Session, snapshot_id: str) -> RestorePlan | None:
    """Show what a restore would do and ask. Return the plan that was agreed to, or None."""
    invocation.if_stopped = "Stopped; nothing was changed."
    plan = session.run(session.service.restore_plan(snapshot_id))
    agreed = invocation.ask(text.plan_output(plan, invocation.now()), "Restore this snapshot?")
    return plan if agreed else None
