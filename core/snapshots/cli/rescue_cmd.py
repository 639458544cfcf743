"""Putting rows of the past back: ``rescue``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine
from typing import Any

import click
import msgspec

from ..models import ConflictRule, OnProgress, RescueOptions, RescuePlan, RescueReport, RescueScope
from ..operations.past.rescue import Rescue
from .app import command
from .invocation import Invocation, Stopped
from .json_output import rescues as documents
from .session import Session, opened, shell_user
from .text_output import rescues as text

__all__ = ["rescue"]


@command()
@click.option("--player", metavar="ID", help="All rows of a player, by key or by name.")
@click.option("--table", metavar="TABLE", help="Rows of this table.")
@click.option("--key", metavar="KEY", multiple=True, help="The one with this key; once for each column of the key.")
@click.option("--where", metavar="SQL", help="Those under a condition.")
@click.option("--from", "when", metavar="WHEN", help='From this state: a snapshot, a time, "20m ago", before:REASON.')
@click.option("--damaged-at", metavar="WHEN", help="A state after the damage: what changed since is a conflict.")
@click.option(
    "--conflicts",
    type=click.Choice([rule.value for rule in ConflictRule]),
    default=ConflictRule.SKIP.value,
    show_default=True,
    help="What is done with rows that are somebody else's now, or changed since.",
)
@click.option("--take", metavar="ROW", multiple=True, help="Take this conflict, as the plan names it (cards:7).")
@click.option("--only", type=click.Choice(["missing"]), help="Bring back what is gone, and change nothing else.")
@click.option("--exact", is_flag=True, help="Also remove rows that were not there then.")
@click.option("--no-triggers", is_flag=True, help="Do not let the game's triggers fire.")
@click.option("--undo", metavar="ID", help="Take a rescue back, by the id that it gave.")
@click.option("--dry-run", is_flag=True, help="Only show what it would do.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def rescue(
    invocation: Invocation,
    player: str | None,
    table: str | None,
    key: tuple[str, ...],
    where: str | None,
    when: str | None,
    damaged_at: str | None,
    conflicts: str,
    take: tuple[str, ...],
    only: str | None,
    exact: bool,
    no_triggers: bool,
    undo: str | None,
    dry_run: bool,
    yes: bool,
) -> None:
    """Put back one player's rows, and leave all others.

    Shows first what it would do. Snapshots of the state before and after it are taken.
    """
    scope = RescueScope(player=player, table=table, key=key or None, where=where)
    options = RescueOptions(
        conflicts=ConflictRule(conflicts),
        take=take,
        only_missing=only == "missing",
        exact=exact,
        triggers=not no_triggers,
    )
    _require_sense(scope, when, undo, invocation, dry_run=dry_run, yes=yes)
    with opened(invocation, needs_snapshots=True) as session:
        service, agreed = session.service, None
        when, damaged_at = (None if each is None else session.when(each) for each in (when, damaged_at))
        if undo is not None:
            report = _done(
                invocation,
                session,
                lambda on_progress: service.undo_rescue(undo, actor=shell_user(), on_progress=on_progress),
            )
            invocation.answer(documents.rescue_document(report), text.rescue_output(report, invocation.now()))
            return
        asked = Rescue(scope=scope, when=when or "", damaged_at=damaged_at, options=options)
        if dry_run or not yes:
            plan = session.run(service.rescue_plan(asked))
            if dry_run or not _agreed(invocation, plan):
                if dry_run:
                    document = documents.rescue_plan_document(plan)
                    invocation.answer(document, text.rescue_plan_output(plan, invocation.now()))
                return
            # The plan's own moments: "latest" may be another one by now.
            asked = msgspec.structs.replace(asked, when=plan.then, damaged_at=plan.damaged_at)
            agreed = plan.token
        report = _done(
            invocation,
            session,
            lambda on_progress: service.rescue(asked, agreed=agreed, actor=shell_user(), on_progress=on_progress),
        )
    invocation.answer(documents.rescue_document(report), text.rescue_output(report, invocation.now()))


def _done(
    invocation: Invocation, session: Session, step: Callable[[OnProgress], Coroutine[Any, Any, RescueReport]]
) -> RescueReport:
    """Put the rows back, and if that is interrupted find out what became of them."""
    began = invocation.now()
    try:
        return session.follow(step)
    except (KeyboardInterrupt, Stopped):
        lines = session.run(session.service.audit(5))
        invocation.if_stopped = ": " + text.stopped_sentence([line for line in lines if line.at >= began])
        raise


def _require_sense(
    scope: RescueScope, when: str | None, undo: str | None, invocation: Invocation, *, dry_run: bool, yes: bool
) -> None:
    """Raise click.UsageError for options that do not go together, or if there is nobody to ask."""
    rows = [scope.player is not None, scope.table is not None]
    if undo is not None and (any(rows) or when is not None or dry_run):
        raise click.UsageError("--undo stands alone: it takes back exactly what the rescue wrote.")
    if undo is None and (sum(rows) != 1 or when is None):
        raise click.UsageError("Say whose rows and from when: --player or --table, and --from.")
    if scope.table is not None and (scope.key is None) == (scope.where is None):
        raise click.UsageError("With --table say which rows: either --key or --where.")
    if scope.table is None and (scope.key is not None or scope.where is not None):
        raise click.UsageError("--key and --where are for rows of a --table.")
    if dry_run or yes or undo is not None:
        return
    if invocation.as_json:
        raise click.UsageError("With --json nobody can be asked, so a rescue needs --dry-run or --yes.")
    if sys.stdin is None or not sys.stdin.isatty():
        raise click.UsageError("A rescue asks first, and here is no terminal to ask at: use --yes, or --dry-run.")


def _agreed(invocation: Invocation, plan: RescuePlan) -> bool:
    """Show a plan and ask; return True if it was agreed to."""
    shown = text.rescue_plan_output(plan, invocation.now())
    if plan.writes and invocation.ask(shown, "Put these rows back?"):
        return True
    invocation.remark("Nothing was changed.")
    return False
