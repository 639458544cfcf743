"""Maintenance of the repository: ``prune``, ``rebuild-catalog`` and ``claim``."""

from __future__ import annotations

import click

from .app import command
from .invocation import Invocation
from .json_output import maintenance as documents
from .session import opened, shell_user
from .text_output import maintenance as text
from .text_output.layout import SHOWN

__all__ = ["claim", "prune", "rebuild_catalog"]


@command()
@click.option("--dry-run", is_flag=True, help="Only show what it would do and why.")
@click.option("--all", "everything", is_flag=True, help=f"Show all decisions, not only {SHOWN}.")
@click.pass_obj
def prune(invocation: Invocation, dry_run: bool, everything: bool) -> None:
    """Remove the snapshots that retention does not keep."""
    with opened(invocation) as session:
        report = session.run(session.service.prune(dry_run=dry_run, actor=shell_user()))
    shown = text.prune_output(report, invocation.now(), everything=everything)
    invocation.answer(documents.prune_document(report), shown)


@command("rebuild-catalog")
@click.pass_obj
def rebuild_catalog(invocation: Invocation) -> None:
    """Make the catalog anew from the files.

    Every snapshot file is verified; nothing is removed, and the old catalog is kept beside the new one.
    """
    # Not prepared: opening reads the catalog, which may be what is broken, and would rebuild it by itself.
    with opened(invocation, prepare=False) as session:
        service = session.service
        report = session.follow(
            lambda on_progress: service.rebuild_catalog(actor=shell_user(), on_progress=on_progress)
        )
    invocation.answer(documents.catalog_document(report), text.catalog_output(report))


@command()
@click.pass_obj
def claim(invocation: Invocation) -> None:
    """Make the repository that of the database in the settings.

    Needed once after the database or its host has moved: until then nothing is written and nothing restored.
    """
    with opened(invocation, prepare=False) as session:
        identity = session.run(session.service.claim(actor=shell_user()))
    document = documents.ClaimDocument(engine=identity.engine, location=identity.location)
    invocation.answer(document, text.claim_output(identity))
