"""Checking: ``verify`` a snapshot, or the ``integrity`` of the database."""

from __future__ import annotations

import click

from ..errors import SnapshotDamaged
from ..models import Level, Verdict
from ..policies.health import judge
from .app import command
from .invocation import Invocation
from .json_output import checks as documents
from .session import opened
from .text_output import checks as text

__all__ = ["integrity", "verify"]

_DAMAGED = SnapshotDamaged.exit_code
_FAILED = 1


@command()
@click.argument("snapshot_id", metavar="[ID]", default="latest")
@click.option(
    "--level",
    type=click.Choice([level.value for level in Level]),
    default=Level.CHECKSUM.value,
    show_default=True,
    help="checksum: its bytes give back the fingerprint; restored: rebuild it and check it as a database.",
)
@click.pass_obj
def verify(invocation: Invocation, snapshot_id: str, level: str) -> int:
    """Verify a snapshot.

    Without ID it is the latest. The exit code is 4 if it is damaged.
    """
    with opened(invocation, reading=True, needs_snapshots=True) as session:
        service, found = session.service, session.named(snapshot_id).id
        report = session.follow(lambda on_progress: service.verify(found, Level(level), on_progress=on_progress))
    invocation.answer(documents.verify_document(report), text.verify_output(report))
    return 0 if report.ok else _DAMAGED


@command()
@click.option("--quick", is_flag=True, help="Leave out what takes long on a large database.")
@click.pass_obj
def integrity(invocation: Invocation, quick: bool) -> int:
    """Check the database as it is now.

    The exit code is 4 if it is damaged, 1 if it could not be looked at.
    """
    with opened(invocation, reading=True) as session:
        service = session.service
        report = session.follow(lambda on_progress: service.integrity(quick=quick, on_progress=on_progress))
    invocation.answer(documents.integrity_document(report), text.integrity_output(report))
    if report.ok:
        return 0
    # What could not be looked at is a failure, and no damage.
    return _FAILED if judge(report.findings) is Verdict.UNKNOWN else _DAMAGED
