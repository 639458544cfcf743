"""Taking and keeping snapshots: ``now``, ``pin`` and ``unpin``."""

from __future__ import annotations

import click

from ..models import Kind
from .app import command, snapshot_argument
from .invocation import Invocation
from .json_output import snapshots as documents
from .session import opened, shell_user
from .text_output import snapshots as text

__all__ = ["now", "pin", "unpin"]

_KINDS_TO_TAKE = [kind.value for kind in Kind if kind is not Kind.SAFETY]


@command()
@click.option(
    "--kind",
    type=click.Choice(_KINDS_TO_TAKE),
    default=Kind.MANUAL.value,
    show_default=True,
    help="Why it is taken; it decides where it is kept and for how long.",
)
@click.option("--note", metavar="TEXT", help="What to remember it by.")
@click.option("--pin", is_flag=True, help="Keep it for ever.")
@click.pass_obj
def now(invocation: Invocation, kind: str, note: str | None, pin: bool) -> None:
    """Take a snapshot.

    One of kind manual, or with --pin, is always written; the others only if something changed.
    """
    with opened(invocation) as session:
        service = session.service
        created = session.follow(
            lambda on_progress: service.create(Kind(kind), note=note or None, pin=pin, on_progress=on_progress)
        )
    shown = text.created_output(created, session.repository, invocation.now())
    invocation.answer(documents.now_document(created), shown)


@command()
@snapshot_argument
@click.pass_obj
def pin(invocation: Invocation, snapshot_id: str) -> None:
    """Keep a snapshot for ever."""
    _set_pin(invocation, snapshot_id, True)


@command()
@snapshot_argument
@click.pass_obj
def unpin(invocation: Invocation, snapshot_id: str) -> None:
    """Let retention decide about a snapshot again."""
    _set_pin(invocation, snapshot_id, False)


def _set_pin(invocation: Invocation, snapshot_id: str, pinned: bool) -> None:
    with opened(invocation, needs_snapshots=True) as session:
        found = session.named(snapshot_id).id
        snapshot = session.run(session.service.pin(found, pinned, actor=shell_user()))
    document = documents.SnapshotAnswer(snapshot=documents.snapshot_document(snapshot))
    invocation.answer(document, text.pinned_output(snapshot))
