"""The shell: the service's operations for when Discord or the bot is down.

    python -m core.snapshots now [--kind KIND] [--note TEXT] [--pin]
    python -m core.snapshots list [--kind KIND] [--all]
    python -m core.snapshots show ID
    python -m core.snapshots verify [ID] [--level checksum|restored]
    python -m core.snapshots restore ID [--yes]
    python -m core.snapshots export ID FILE
    python -m core.snapshots status
    python -m core.snapshots integrity [--quick]
    python -m core.snapshots prune [--dry-run] [--all]
    python -m core.snapshots pin ID
    python -m core.snapshots unpin ID
    python -m core.snapshots rebuild-catalog

ID is an id, a unique prefix of one, or ``latest``. Each command takes ``--config FILE`` and ``--json``, which can stand
before it too.

Exit codes: 0 done · 1 failed · 2 wrong usage (settings and unknown ids too) · 3 busy · 4 damaged (a verification or an
integrity check that found damage too) · 130 stopped by Ctrl-C.

With ``--json`` standard output is exactly one JSON document. These shapes are stable; SNAPSHOT is
``{"id", "kind", "form": "full"|"incremental", "base": id|null, "path" (relative to the repository), "created_at",
"reasons": [..], "size", "database_size", "fingerprint", "verification": {"level", "at", "ok"}, "pinned"}``:

    now               {"snapshot": SNAPSHOT|null, "unchanged"}; unchanged: nothing was written, and snapshot is null
    list              {"snapshots": [SNAPSHOT, ..]}, all of them, newest first
    show              {"snapshot": SNAPSHOT}, which also has
                      "sequence", "began_at", "note", "requests", "rows": {table: count}, "restored_at": time|null
    verify            {"id", "level", "ok", "findings": [FINDING, ..]}
    restore           {"restored": id, "safety": id|null, "lost": LOST, "ok"}; needs --yes
    export            {"file", "size"}
    status            {"engine", "database", "repository", "snapshots", "damaged", "pinned", "kinds": {kind: count},
                      "size", "free", "newest": SNAPSHOT|null, "newest_restored": SNAPSHOT|null, "next_periodic",
                      "remarks": [what the engine has to say, ..]}
    integrity         {"ok", "findings": [FINDING, ..]}
    prune             {"dry_run", "freed", "decisions": [{"id", "keep", "reasons": [..]}, ..]}
    pin, unpin        {"snapshot": SNAPSHOT}
    rebuild-catalog   {"snapshots": count, "damaged": [path, ..], "unreadable": [path, ..]}
    any that fails    {"error": {"code", "message"}}; code is the name of the error's class

FINDING is ``{"check", "severity": "error"|"warning", "message", "table": name|null}``, LOST
``{"since", "until", "seconds", "rows": {table: [then|null, now|null]}, "events": [reason, ..], "event_count"}``. Times
are ISO 8601 in UTC with a Z, sizes bytes, durations seconds. ``next_periodic`` is what a bot that starts now would do.
"""

from __future__ import annotations

import datetime as dt
import io
import sys
from pathlib import Path

import click

from ..errors import OperationCancelled
from ..models import Kind, Level
from . import json_output as documents
from . import text_output as output
from .app import Shell
from .session import Invocation, Session, opened
from .text_output import plan_output, restored_output

__all__ = ["main", "shell"]

_DAMAGED = 4
_KINDS_TO_TAKE = [kind.value for kind in Kind if kind is not Kind.SAFETY]


def main() -> None:
    """Do what this process's arguments say, and exit."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A terminal that cannot show a letter gets its number, rather than the person a traceback.
        sys.stdout.reconfigure(errors="backslashreplace")
    shell()


@click.group(cls=Shell, context_settings={"help_option_names": ["-h", "--help"]})
def shell() -> None:
    """Snapshots of the game's database, from a shell.

    An ID is a snapshot's id, the beginning of one, or "latest".

    Exit codes: 0 done, 1 failed, 2 wrong usage, 3 busy, 4 damaged, 130 stopped by Ctrl-C.
    """


@shell.command()
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
    invocation.answer(documents.now_document(created), output.created_output(created, _now()))


@shell.command("list")
@click.option("--kind", type=click.Choice([kind.value for kind in Kind]), help="Only snapshots of this kind.")
@click.option("--all", "everything", is_flag=True, help=f"Show all, not only the newest {output.SHOWN}.")
@click.pass_obj
def list_snapshots(invocation: Invocation, kind: str | None, everything: bool) -> None:
    """List the snapshots, newest first."""
    with opened(invocation) as session:
        snapshots = session.run(session.service.list(Kind(kind) if kind else None))
    shown = output.list_output(snapshots, _now(), everything=everything)
    invocation.answer(documents.list_document(snapshots), shown)


@shell.command()
@click.argument("snapshot_id", metavar="ID")
@click.pass_obj
def show(invocation: Invocation, snapshot_id: str) -> None:
    """Show one snapshot in full."""
    with opened(invocation) as session:
        snapshot = session.run(session.service.get(snapshot_id))
    document = documents.SnapshotAnswer(snapshot=documents.detailed_document(snapshot))
    invocation.answer(document, output.show_output(snapshot, _now()))


@shell.command()
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
    """Prove a snapshot again.

    Without ID it is the latest. The exit code is 4 if it is damaged.
    """
    with opened(invocation) as session:
        service = session.service
        report = session.follow(lambda on_progress: service.verify(snapshot_id, Level(level), on_progress=on_progress))
    invocation.answer(documents.verify_document(report), output.verify_output(report))
    return 0 if report.ok else _DAMAGED


@shell.command()
@click.argument("snapshot_id", metavar="ID")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def restore(invocation: Invocation, snapshot_id: str, yes: bool) -> int:
    """Put a snapshot back in the database's place.

    Shows what would be lost and asks first, unless --yes is given. A safety snapshot of the present state is taken,
    so that a restore can be undone.
    """
    if not yes:
        _require_a_person(invocation)
    with opened(invocation) as session:
        agreed = None if yes else _agreement(invocation, session, snapshot_id)
        wanted, token = agreed or (snapshot_id, None)
        invocation.if_stopped = (
            "Stopped. The database is whole: as it was, or as the snapshot has it; status and list tell more."
        )
        service = session.service
        report = session.follow(lambda on_progress: service.restore(wanted, agreed=token, on_progress=on_progress))
    invocation.answer(documents.restore_document(report), restored_output(report))
    return 0 if report.ok else 1


def _require_a_person(invocation: Invocation) -> None:
    if invocation.as_json:
        raise click.UsageError("With --json nobody can be asked, so a restore needs --yes.")
    if sys.stdin is None or not sys.stdin.isatty():
        raise click.UsageError("A restore asks first, and here is no terminal to ask at: use --yes.")


def _agreement(invocation: Invocation, session: Session, snapshot_id: str) -> tuple[str, str]:
    """Show what a restore would do and ask; give the id and the token of what was agreed to."""
    invocation.if_stopped = "Stopped; nothing was changed."
    plan = session.run(session.service.restore_plan(snapshot_id))
    if not invocation.ask(plan_output(plan, _now()), "Restore this snapshot?"):
        raise OperationCancelled("Not restored; nothing was changed.")
    return plan.snapshot.id, plan.token


def _in_unicode(context: click.Context, parameter: click.Parameter, value: Path) -> Path:
    """Refuse a name that neither a job for the worker nor a JSON document can hold."""
    try:
        str(value).encode()
    except UnicodeEncodeError:
        raise click.BadParameter("the name is not Unicode.", context, parameter) from None
    return value


@shell.command()
@click.argument("snapshot_id", metavar="ID")
@click.argument("file", type=click.Path(path_type=Path), callback=_in_unicode)
@click.pass_obj
def export(invocation: Invocation, snapshot_id: str, file: Path) -> None:
    """Write a snapshot to a new FILE.

    The file stands alone, and gunzip reads it. One that is there already is never replaced.
    """
    with opened(invocation) as session:
        service = session.service
        exported = session.follow(lambda on_progress: service.export(snapshot_id, file, on_progress=on_progress))
    document = documents.ExportDocument(file=str(file), size=exported.size)
    invocation.answer(document, output.exported_output(str(file), exported))


@shell.command()
@click.pass_obj
def status(invocation: Invocation) -> None:
    """Show the repository at a glance."""
    with opened(invocation) as session:
        found = session.run(session.service.status())
    invocation.answer(documents.status_document(found), output.status_output(found, _now()))


@shell.command()
@click.option("--quick", is_flag=True, help="Leave out what takes long on a large database.")
@click.pass_obj
def integrity(invocation: Invocation, quick: bool) -> int:
    """Check the database as it is now.

    The exit code is 4 if it is damaged.
    """
    with opened(invocation) as session:
        service = session.service
        report = session.follow(lambda on_progress: service.integrity(quick=quick, on_progress=on_progress))
    invocation.answer(documents.integrity_document(report), output.integrity_output(report))
    return 0 if report.ok else _DAMAGED


@shell.command()
@click.option("--dry-run", is_flag=True, help="Only say what it would do and why.")
@click.option("--all", "everything", is_flag=True, help=f"Show all decisions, not only {output.SHOWN}.")
@click.pass_obj
def prune(invocation: Invocation, dry_run: bool, everything: bool) -> None:
    """Remove the snapshots that retention does not keep."""
    with opened(invocation) as session:
        report = session.run(session.service.prune(dry_run=dry_run))
    shown = output.prune_output(report, _now(), everything=everything)
    invocation.answer(documents.prune_document(report), shown)


@shell.command()
@click.argument("snapshot_id", metavar="ID")
@click.pass_obj
def pin(invocation: Invocation, snapshot_id: str) -> None:
    """Keep a snapshot for ever."""
    _set_pin(invocation, snapshot_id, True)


@shell.command()
@click.argument("snapshot_id", metavar="ID")
@click.pass_obj
def unpin(invocation: Invocation, snapshot_id: str) -> None:
    """Give a snapshot back to retention."""
    _set_pin(invocation, snapshot_id, False)


def _set_pin(invocation: Invocation, snapshot_id: str, pinned: bool) -> None:
    with opened(invocation) as session:
        snapshot = session.run(session.service.pin(snapshot_id, pinned))
    document = documents.SnapshotAnswer(snapshot=documents.snapshot_document(snapshot))
    invocation.answer(document, output.pinned_output(snapshot))


@shell.command("rebuild-catalog")
@click.pass_obj
def rebuild_catalog(invocation: Invocation) -> None:
    """Make the catalog anew from the files.

    Every snapshot file is proven; nothing is removed, and the old catalog is kept beside the new one.
    """
    # Not prepared: that reads the catalog, which may be just what cannot be read, and would make it anew by itself.
    with opened(invocation, prepare=False) as session:
        service = session.service
        report = session.follow(lambda on_progress: service.rebuild_catalog(on_progress=on_progress))
    invocation.answer(documents.catalog_document(report), output.catalog_output(report))


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
