"""Taking and keeping snapshots: ``now``, ``export``, ``pin`` and ``unpin``."""

from __future__ import annotations

from pathlib import Path

import click

from ..models import Kind
from .app import command, snapshot_argument
from .json_output import snapshots as documents
from .session import Invocation, opened, shell_user
from .text_output import snapshots as text

__all__ = ["export", "now", "pin", "unpin"]

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


def _in_unicode(context: click.Context, parameter: click.Parameter, value: Path) -> Path:
    """Refuse a name that neither a worker's job nor a JSON document can hold."""
    try:
        str(value).encode()
    except UnicodeEncodeError:
        raise click.BadParameter("the name is not Unicode.", context, parameter) from None
    return value


@command()
@snapshot_argument
@click.argument("file", type=click.Path(path_type=Path), callback=_in_unicode)
@click.pass_obj
def export(invocation: Invocation, snapshot_id: str, file: Path) -> None:
    """Write a snapshot to a new FILE.

    The file stands alone, and gunzip reads it. A file that is there already is never replaced.
    """
    with opened(invocation, reading=True) as session:
        service = session.service
        exported = session.follow(lambda on_progress: service.export(snapshot_id, file, on_progress=on_progress))
    document = documents.ExportDocument(file=str(file), size=exported.size)
    invocation.answer(document, text.exported_output(file.absolute(), exported))


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
    with opened(invocation) as session:
        snapshot = session.run(session.service.pin(snapshot_id, pinned, actor=shell_user()))
    document = documents.SnapshotAnswer(snapshot=documents.snapshot_document(snapshot))
    invocation.answer(document, text.pinned_output(snapshot))
