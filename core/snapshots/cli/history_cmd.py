"""Reading the past without restoring it: ``look``, ``history``, ``diff``, ``find-change`` and ``query``."""

from __future__ import annotations

import click

from ..settings.database_url import parse
from .app import command
from .invocation import Invocation
from .json_output import history as documents
from .session import opened
from .text_output import history as text

__all__ = ["diff", "find_change", "history", "look", "query"]

_ROWS = 100
"""How many rows of each kind and table ``diff --rows`` gives."""

_at = click.option(
    "--at",
    "when",
    metavar="WHEN",
    default="latest",
    show_default=True,
    help='A snapshot, a time, "20m ago", before:REASON, or now.',
)


def _key_of(values: tuple[str, ...]) -> tuple[str | None, ...]:
    """Return a key as it is asked for; NULL stands for no value."""
    return tuple(None if value.upper() == "NULL" else value for value in values)


@command()
@click.argument("table", metavar="[TABLE", required=False)
@click.argument("key", metavar="KEY..]", nargs=-1)
@click.option("--player", metavar="ID", help="All rows of a player, by key or by name.")
@_at
@click.pass_obj
def look(invocation: Invocation, table: str | None, key: tuple[str, ...], player: str | None, when: str) -> None:
    """Show a row, or all rows of a player, as they were.

    KEY has a value for each column of the table's key.
    """
    if (player is None) == (table is None) or (table is not None and not key):
        raise click.UsageError("Name either a TABLE and a KEY, or a --player.")
    with opened(invocation, reading=True, needs_snapshots=True) as session:
        service = session.service
        if player is not None:
            found = session.run(service.look_at_player(player, session.when(when)))
        else:
            found = session.run(service.look(table or "", _key_of(key), session.when(when)))
    invocation.answer(documents.look_document(found), text.look_output(found, invocation.now()))


@command()
@click.argument("table", metavar="[TABLE", default="")
@click.argument("key", metavar="KEY..]", nargs=-1)
@click.option("--column", metavar="NAME", help="Only changes of this column.")
@click.option("--player", metavar="ID", help="Of a player's own row, or of his rows in the TABLE, by key or by name.")
@click.pass_obj
def history(invocation: Invocation, table: str, key: tuple[str, ...], column: str | None, player: str | None) -> None:
    """Show every change of a row, and in which event."""
    if player is None and not (table and key):
        raise click.UsageError("Name either a TABLE and a KEY, or a --player.")
    if player is not None and (key or column is not None):
        raise click.UsageError("With --player there is a TABLE at most: no KEY and no --column.")
    with opened(invocation, reading=True, needs_snapshots=True) as session:
        service = session.service
        if player is not None:
            whose = player
            found = session.follow(lambda on_progress: service.player_history(whose, table, on_progress=on_progress))
        else:
            found = session.follow(
                lambda on_progress: service.history(table, _key_of(key), column, on_progress=on_progress)
            )
    shown = text.history_output(found, f"player {player}")
    invocation.answer(documents.history_document(found), shown)


@command()
@click.argument("since", metavar="WHEN")
@click.argument("until", metavar="[WHEN]", default="now")
@click.option("--rows", is_flag=True, help=f"Show the rows too, at most {_ROWS} of each kind and table.")
@click.pass_obj
def diff(invocation: Invocation, since: str, until: str, rows: bool) -> None:
    """Show what was added, removed and changed by table.

    From the first WHEN to the second, which is now if it is left out.
    """
    with opened(invocation, reading=True, needs_snapshots=True) as session:
        service, shown = session.service, _ROWS if rows else 0
        first, last = session.when(since), session.when(until)
        found = session.follow(lambda on_progress: service.diff(first, last, shown=shown, on_progress=on_progress))
    invocation.answer(documents.diff_document(found, rows=rows), text.diff_output(found, rows=rows))


@command("find-change")
@click.argument("condition", metavar="CONDITION")
@click.pass_obj
def find_change(invocation: Invocation, condition: str) -> None:
    """Find the first moment at which a condition holds.

    As in find-change "count(*) < 1000 FROM users".
    """
    with opened(invocation, reading=True, needs_snapshots=True) as session:
        service = session.service
        found = session.follow(lambda on_progress: service.find_change(condition, on_progress=on_progress))
    invocation.answer(documents.find_change_document(found), text.find_change_output(found, invocation.now()))


@command()
@click.argument("sql", metavar="SQL")
@_at
@click.pass_obj
def query(invocation: Invocation, sql: str, when: str) -> None:
    """Ask in SQL, at one moment; only reading is allowed."""
    with opened(invocation, reading=True, needs_snapshots=True) as session:
        found = session.run(session.service.query(sql, session.when(when)))
        server = parse(session.service.settings.database.url).engine != "sqlite"
    invocation.answer(documents.query_document(found), text.query_output(found, server=server))
