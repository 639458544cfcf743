"""Snapshots as files outside the repository: ``export`` and ``import``."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import click

from ..engines import suffix_for
from ..models import Form, Snapshot
from ..repository.names import INCREMENTAL_SUFFIX
from ..settings.database_url import parse
from .app import command, snapshot_argument
from .invocation import Invocation
from .json_output import snapshots as documents
from .session import Session, opened, shell_user
from .text_output import snapshots as text

__all__ = ["export", "import_file"]

_STANDARD_OUTPUT = Path("-")


def _in_unicode(context: click.Context, parameter: click.Parameter, value: Path | None) -> Path | None:
    """Refuse a name that neither a worker's job nor a JSON document can hold."""
    try:
        str(value or "").encode()
    except UnicodeEncodeError:
        raise click.BadParameter("the name is not Unicode.", context, parameter) from None
    return value


@command()
@snapshot_argument
@click.argument("file", metavar="[FILE]", required=False, type=click.Path(path_type=Path), callback=_in_unicode)
@click.pass_obj
def export(invocation: Invocation, snapshot_id: str, file: Path | None) -> None:
    """Write a snapshot to a new FILE.

    It stands alone. With a name that ends with .gz it is a gzip, with any other the database itself (for PostgreSQL:
    its dump in SQL), and - is standard output, as the database itself. Without FILE it is a gzip in this folder, with
    the name that it has in the repository. A file that is there already is never replaced.
    """
    if file == _STANDARD_OUTPUT:
        _require_reader(invocation)
    with opened(invocation, reading=True, needs_snapshots=True) as session:
        found, service = session.named(snapshot_id), session.service
        if file == _STANDARD_OUTPUT:
            _export_to_output(session, found.id)
            return
        target = file or Path(_name_of(found, parse(service.settings.database.url).engine))
        exported = session.follow(lambda on_progress: service.export(found.id, target, on_progress=on_progress))
    document = documents.ExportDocument(file=str(target), size=exported.size)
    invocation.answer(document, text.exported_output(target.absolute(), exported))


def _name_of(snapshot: Snapshot, engine: str) -> str:
    """Return the name of a snapshot's file as that of a full."""
    name = Path(snapshot.path).name
    return name.removesuffix(INCREMENTAL_SUFFIX) + suffix_for(engine) if snapshot.form is Form.INCREMENTAL else name


def _require_reader(invocation: Invocation) -> None:
    """Raise click.UsageError if standard output cannot take a database."""
    if invocation.as_json:
        raise click.UsageError("With --json standard output has the document, so FILE cannot be - .")
    if sys.stdout.isatty():
        raise click.UsageError("A terminal cannot show a database: write it to a file, or into a pipe.")


def _export_to_output(session: Session, snapshot_id: str) -> None:
    # It is verified before the first byte of it goes out.
    with tempfile.TemporaryDirectory(prefix="savepoint-") as folder:
        file, service = Path(folder) / "export", session.service
        session.follow(lambda on_progress: service.export(snapshot_id, file, on_progress=on_progress))
        with file.open("rb") as content:
            shutil.copyfileobj(content, sys.stdout.buffer)


@command("import")
@click.argument("file", type=click.Path(path_type=Path), callback=_in_unicode)
@click.option("--note", metavar="TEXT", help="What to remember it by.")
@click.option("--another", is_flag=True, help="Take it although it shares no table with this database.")
@click.pass_obj
def import_file(invocation: Invocation, file: Path, note: str | None, another: bool) -> None:
    """Take a database from elsewhere into the repository.

    FILE is a SQLite database (with its -wal beside it), a gzip of one, or a full of Savepoint's. It becomes a pinned
    snapshot, which is never restored by itself; the file stays as it is, and so does the database.
    """
    with opened(invocation) as session:
        service = session.service
        snapshot = session.follow(
            lambda on_progress: service.import_file(
                file, note=note or None, another=another, actor=shell_user(), on_progress=on_progress
            )
        )
    document = documents.SnapshotAnswer(snapshot=documents.snapshot_document(snapshot))
    invocation.answer(document, text.imported_output(snapshot, session.repository, invocation.now()))
