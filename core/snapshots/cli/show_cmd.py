"""Looking at snapshots: ``list``, ``show``, ``status`` and ``audit``."""

from __future__ import annotations

import click

from ..errors import DatabaseDamaged
from ..models import Kind, Verdict
from .app import command, snapshot_argument
from .json_output import snapshots as documents
from .session import Invocation, opened
from .text_output import snapshots as text
from .text_output.layout import SHOWN

_DAMAGED = DatabaseDamaged.exit_code

__all__ = ["audit", "list_snapshots", "show", "status"]


@command("list")
@click.option("--kind", type=click.Choice([kind.value for kind in Kind]), help="Only snapshots of this kind.")
@click.option("--all", "everything", is_flag=True, help=f"Show all, not only the newest {SHOWN}.")
@click.pass_obj
def list_snapshots(invocation: Invocation, kind: str | None, everything: bool) -> None:
    """List the snapshots, newest first."""
    only = Kind(kind) if kind else None
    with opened(invocation, reading=True) as session:
        snapshots = session.run(session.service.list(only))
    if snapshots:
        shown = text.list_output(snapshots, invocation.now(), everything=everything)
    else:
        shown = text.no_snapshots_output(session.repository, only, session.settings_file)
    invocation.answer(documents.list_document(snapshots), shown)


@command()
@snapshot_argument
@click.pass_obj
def show(invocation: Invocation, snapshot_id: str) -> None:
    """Show one snapshot in full."""
    with opened(invocation, reading=True) as session:
        snapshot = session.run(session.service.get(snapshot_id))
    document = documents.SnapshotAnswer(snapshot=documents.detailed_document(snapshot))
    invocation.answer(document, text.show_output(snapshot, session.repository, invocation.now()))


@command()
@click.pass_obj
def status(invocation: Invocation) -> int:
    """Show the database and the repository at a glance.

    The exit code is 4 if the database cannot be read.
    """
    with opened(invocation, reading=True) as session:
        found = session.run(session.service.status())
    invocation.answer(documents.status_document(found), text.status_output(found, invocation.now()))
    return _DAMAGED if found.live is not None and found.live.verdict is Verdict.UNREADABLE else 0


@command()
@click.option("--all", "everything", is_flag=True, help=f"Show all, not only the newest {SHOWN}.")
@click.pass_obj
def audit(invocation: Invocation, everything: bool) -> None:
    """Show who restored, pinned or removed what."""
    with opened(invocation, reading=True) as session:
        lines = session.run(session.service.audit(None if everything else SHOWN))
    invocation.answer(documents.AuditDocument(lines=lines), text.audit_output(lines, invocation.now()))
