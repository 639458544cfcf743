"""The list of snapshots: ``list``, which starts at once and shows thousands."""

from __future__ import annotations

import datetime as dt
import shutil
import sys

import click

from ..models import Kind, Snapshot
from ..policies.moments import moment_of
from .app import command
from .catalog import read_catalog
from .invocation import Invocation, in_local_time
from .text_output import listing as text
from .text_output.sizes import SHOWN

__all__ = ["list_snapshots"]

_NOT_THERE = 1


@command("list")
@click.option("--kind", type=click.Choice([kind.value for kind in Kind]), help="Only snapshots of this kind.")
@click.option("--since", metavar="WHEN", help='Only those taken since a time: "18:00", "20m ago".')
@click.option("--until", metavar="WHEN", help="Only those taken until a time.")
@click.option("--reason", metavar="TEXT", help="Only those with this text in a reason.")
@click.option("--all", "everything", is_flag=True, help=f"Show all, not only the newest {SHOWN}.")
@click.pass_obj
def list_snapshots(
    invocation: Invocation, kind: str | None, since: str | None, until: str | None, reason: str | None, everything: bool
) -> int:
    """List the snapshots, newest first.

    At a terminal that is shorter than the list the newest come last. In a pipe: one a line, with tabs between the
    columns. The exit code is 1 if there are neither snapshots nor settings here.
    """
    now = invocation.now()
    first, last = _time("--since", since, now), _time("--until", until, now)
    read = read_catalog(invocation)
    wanted = [
        snapshot
        for snapshot in reversed(read.contents.snapshots)
        if (kind is None or snapshot.kind == kind)
        and (first is None or snapshot.began_at >= first)
        and (last is None or snapshot.began_at <= last)
        and (reason is None or _has_reason(snapshot, reason))
    ]
    if invocation.as_json:
        from .json_output.snapshots import list_document

        invocation.answer_document(list_document(wanted))
    elif not read.contents.snapshots or (kind is not None and not wanted):
        invocation.write(text.nothing_output(kind, read.repository, read.settings_file))
    else:
        _show(invocation, wanted if everything else wanted[:SHOWN], len(wanted), now)
    # Where settings name the folder it is the right one, and a new bot's is empty.
    return 0 if read.contents.snapshots or read.settings_file is not None else _NOT_THERE


def _show(invocation: Invocation, shown: list[Snapshot], number: int, now: dt.datetime) -> None:
    hint = f"{number - len(shown):,} more, use --all" if number > len(shown) else ""
    if not text.is_terminal(sys.stdout):
        invocation.write("\n".join(text.plain_rows(shown)))
        if hint:
            invocation.remark(hint)
        return
    width, height = shutil.get_terminal_size()
    lines = list(text.rows(shown, now, width))
    legend = text.legend(shown)
    if len(lines) + len(legend) + 2 > height:
        # What a person looks for is next to the prompt, and not above what can be seen.
        lines = [hint, lines[0], *reversed(lines[1:])] if hint else [lines[0], *reversed(lines[1:])]
    elif hint:
        lines.append(hint)
    invocation.write("\n".join([*lines, *legend]))


def _has_reason(snapshot: Snapshot, text: str) -> bool:
    return any(text.lower() in reason.lower() for reason in snapshot.reasons)


def _time(option: str, written: str | None, now: dt.datetime) -> dt.datetime | None:
    if written is None:
        return None
    found = moment_of(written, now, in_local_time)
    if found is None:
        raise click.BadParameter(f"{written!r} is no time, like 2026-11-27T18:00, 18:00 or 20m ago.", param_hint=option)
    return found
