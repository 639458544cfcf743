"""Looking at one snapshot and at what was done: ``show`` and ``audit``."""

from __future__ import annotations

import click

from ..policies.timeline import LATEST, why_latest
from .app import command, snapshot_argument
from .invocation import Invocation
from .json_output import snapshots as documents
from .session import opened
from .text_output import snapshots as text
from .text_output.layout import SHOWN

__all__ = ["audit", "show"]


@command()
@snapshot_argument
@click.pass_obj
def show(invocation: Invocation, snapshot_id: str) -> None:
    """Show one snapshot in full."""
    with opened(invocation, reading=True, needs_snapshots=True) as session:
        snapshot = session.named(snapshot_id)
        contents = session.service.catalog
    document = documents.SnapshotAnswer(snapshot=documents.detailed_document(snapshot))
    why = why_latest(contents.snapshots, contents.restores) if snapshot_id.strip().lower() == LATEST else ""
    invocation.answer(document, text.show_output(snapshot, session.repository, invocation.now(), why=why))


@command()
@click.option("--all", "everything", is_flag=True, help=f"Show all, not only the newest {SHOWN}.")
@click.pass_obj
def audit(invocation: Invocation, everything: bool) -> None:
    """Show who restored, pinned or removed what."""
    with opened(invocation, reading=True) as session:
        lines = session.run(session.service.audit(None if everything else SHOWN))
    invocation.answer(documents.AuditDocument(lines=lines), text.audit_output(lines, invocation.now()))
