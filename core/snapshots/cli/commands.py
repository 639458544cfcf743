"""The shell: the service's operations for when Discord or the bot is down.

    python -m core.snapshots now [--kind KIND] [--note TEXT] [--pin]
    python -m core.snapshots list [--kind KIND] [--since WHEN] [--until WHEN] [--reason TEXT] [--all]
    python -m core.snapshots show ID
    python -m core.snapshots verify [ID] [--level checksum|restored]
    python -m core.snapshots restore [ID] [--before WHEN] [--yes] [--stopped]
    python -m core.snapshots export ID [FILE]
    python -m core.snapshots import FILE [--note TEXT] [--another]
    python -m core.snapshots status
    python -m core.snapshots integrity [--quick]
    python -m core.snapshots audit [--all]
    python -m core.snapshots prune [--dry-run] [--all]
    python -m core.snapshots pin ID
    python -m core.snapshots unpin ID
    python -m core.snapshots rebuild-catalog
    python -m core.snapshots claim
    python -m core.snapshots settings
    python -m core.snapshots doctor [--write]
    python -m core.snapshots look [TABLE KEY..] [--player ID] [--at WHEN]
    python -m core.snapshots history [TABLE KEY..] [--column NAME] [--player ID]
    python -m core.snapshots diff WHEN [WHEN] [--rows]
    python -m core.snapshots find-change CONDITION
    python -m core.snapshots query SQL [--at WHEN]
    python -m core.snapshots rescue [--player ID] [--table TABLE] [--key KEY] [--where SQL] [--from WHEN] [--undo ID]
        [--damaged-at WHEN] [--conflicts skip|take|fail] [--take ROW]... [--only missing] [--exact] [--no-triggers]
        [--dry-run] [--yes]

ID is an id, a unique prefix of one, or ``latest``, a time ("2026-11-27T18:00", "18:00", "yesterday 18:00"), "20m ago",
or ``before:REASON`` (the snapshot before the newest one of that event); a time means the newest snapshot by then, in
this machine's zone unless one is written. WHEN is the same or ``now``. Each command takes ``--config FILE`` and
``--json``, which can stand before it too.

Exit codes: 0 done · 1 failed · 2 wrong usage (settings and unknown ids too) · 3 busy · 4 damaged (a verification or an
integrity check that found damage, and a status of a database that cannot be read) · 130 stopped by Ctrl-C, 143 by
SIGTERM.

With ``--json`` standard output is exactly one JSON document. These shapes are stable; SNAPSHOT is
``{"id", "kind", "form": "full"|"incremental", "base": id|null, "path" (relative to the repository), "created_at",
"reasons": [..], "size", "database_size", "fingerprint", "verification": {"level", "at", "ok", "seconds"}, "pinned",
"health": HEALTH|null}`` (``seconds`` is left out until it is verified after it was taken):

    now               {"snapshot": SNAPSHOT|null, "unchanged", "left_out": [sentence, ..]}; unchanged: nothing was
                      written, and snapshot is null; left_out: what a restore by this database role cannot bring back
    list              {"snapshots": [SNAPSHOT, ..]}, all that were asked for, newest first
    show              {"snapshot": SNAPSHOT}, which also has
                      "sequence", "began_at", "note", "requests", "rows": {table: count}, "restored_at": time|null
    verify            {"id", "level", "ok", "findings": [FINDING, ..], "health": HEALTH|null}
    restore           {"restored": id, "safety": id|null, "lost": LOST, "ok", "left_out": [sentence, ..]}; needs --yes
    export            {"file", "size"}; none with the FILE -
    status            {"engine", "database", "repository", "snapshots", "damaged", "pinned", "kinds": {kind: count},
                      "size", "free", "newest": SNAPSHOT|null, "newest_restored": SNAPSHOT|null, "next_periodic",
                      "remarks": [sentence of the engine, ..], "live": HEALTH, "audit": [LINE, ..] (the newest five),
                      "settings_file": path|null, "triggers": count, "verified": SNAPSHOT|null, "users": [process that
                      has the database open, ..]|null, "problems": [{"check", "message", "fix"}, ..],
                      "restored": {"id", "at", "seconds"}|null (the newest test restore that passed), "lasts": seconds
                      for which the free space lasts at the pace of the last day, if nothing is removed|null}
    integrity         {"ok", "verdict", "findings": [FINDING, ..]}
    audit             {"lines": [LINE, ..]}, oldest first
    prune             {"dry_run", "freed", "decisions": [{"id", "keep", "reasons": [..]}, ..]}
    pin, unpin        {"snapshot": SNAPSHOT}
    import            {"snapshot": SNAPSHOT}
    rebuild-catalog   {"snapshots": count, "damaged": [path, ..], "unreadable": [path, ..]}
    claim             {"engine", "location"}, what the repository belongs to now
    settings          {"file": path|null, "settings": {"section.key": {"value", "source"}}}
    doctor            {"database": url|null, "tables": {table: rows}, "player": "table.column"|null,
                      "references": ["table.column", ..], "problems": [{"check", "message", "fix"}, ..],
                      "settings": {"section.key": value}, which --write writes}
    look              {"at": id or now, "tables": {table: [{column: value}, ..]}, "by": archives or rebuild}
    history           {"changes": [{"snapshot": id or now, "since": id|null, "at", "reasons": [..],
                      "before": {column: value}|null, "after": {column: value}|null}, ..], "points", "read",
                      "left_out": [id, ..], "by"}, oldest first
    diff              {"from": id, "to": id or now, "by": pages or comparison, "tables": {table: {"added", "removed",
                      "changed"}}}; with "columns_added", "columns_removed" if there are some; with --rows also
                      "rows": {"added": [..], "removed": [..], "changed": [[before, after], ..]}
    find-change       {"first": {"snapshot", "at", "reasons"}|null, "before": the same|null, "points", "read",
                      "left_out": [ids of damaged snapshots], "by": bisection or all}
    query             {"at", "columns": [..], "rows": [[..], ..], "truncated", "by"}
    rescue            {"id": id|null, "at": id, "plan": {table: {"put_back", "changed", "removed", "conflicts"}},
                      "conflicts": [{"name", "table", "key": {column: value}, "why", "holder": text|null, "taken"}, ..],
                      "left_out": [sentence, ..], "notes": [sentence, ..], "done", "safety": id|null,
                      "snapshot": id|null}; needs --dry-run or --yes
    any that fails    {"error": {"type", "code", "message"}}; type is the name of the error's class, and so is code

A value is a number, a text or null; a blob is an object with its hexadecimal digits. Without the package apsw
snapshots are rebuilt to be read (``rebuild``).

FINDING is ``{"check", "severity": "error"|"warning", "message", "table": name|null, "remedy": sentence|null}``,
HEALTH ``{"verdict", "findings": [FINDING, ..], "checked_at"}``, the verdict one of sound, missing, unknown, suspicious,
inconsistent, unreadable; LINE ``{"at", "actor": {"source", "name", "id"}, "action", "outcome", "snapshot", "detail"}``
(what is empty is left out), LOST
``{"since", "until", "seconds", "rows": {table: [then|null, now|null]}, "events": [reason, ..], "event_count"}``. Times
are ISO 8601 in UTC with a Z, sizes bytes, durations seconds. ``next_periodic`` is what a bot that starts now would do.
"""

from __future__ import annotations

import io
import os
import sys

import click

from ..version import __version__
from .app import Commands, Place, Shell

__all__ = ["main", "shell"]

_COMMANDS = {
    "now": Place("take_cmd", "now", "Take a snapshot."),
    "list": Place("list_cmd", "list_snapshots", "List the snapshots, newest first."),
    "show": Place("show_cmd", "show", "Show one snapshot in full."),
    "verify": Place("check_cmd", "verify", "Verify a snapshot."),
    "restore": Place("restore_cmd", "restore", "Put a snapshot back in the database's place."),
    "export": Place("file_cmd", "export", "Write a snapshot to a new FILE."),
    "import": Place("file_cmd", "import_file", "Take a database from elsewhere into the repository."),
    "status": Place("status_cmd", "status", "Show the database and the repository at a glance."),
    "integrity": Place("check_cmd", "integrity", "Check the database as it is now."),
    "audit": Place("show_cmd", "audit", "Show who restored, pinned or removed what."),
    "prune": Place("maintenance_cmd", "prune", "Remove the snapshots that retention does not keep."),
    "pin": Place("take_cmd", "pin", "Keep a snapshot for ever."),
    "unpin": Place("take_cmd", "unpin", "Let retention decide about a snapshot again."),
    "rebuild-catalog": Place("maintenance_cmd", "rebuild_catalog", "Make the catalog anew from the files."),
    "claim": Place("maintenance_cmd", "claim", "Make the repository that of the database in the settings."),
    "settings": Place("status_cmd", "settings", "Show each setting that counts, and where it came from."),
    "doctor": Place("doctor_cmd", "doctor", "Find the bot's database, and say what is not well."),
    "look": Place("history_cmd", "look", "Show a row, or all rows of a player, as they were."),
    "history": Place("history_cmd", "history", "Show every change of a row, and in which event."),
    "diff": Place("history_cmd", "diff", "Show what was added, removed and changed by table."),
    "find-change": Place("history_cmd", "find_change", "Find the first moment at which a condition holds."),
    "query": Place("history_cmd", "query", "Ask in SQL, at one moment; only reading is allowed."),
    "rescue": Place("rescue_cmd", "rescue", "Put back one player's rows, and leave all others."),
}
"""In the order in which the help lists them: what people need most comes first. The texts are the commands' own."""


def main(program: str | None = None) -> None:
    """Run the command that this process's arguments name, and exit. ``program`` is how usage lines name the shell."""
    _require_unicode()
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A letter that the terminal cannot show becomes its number, not a traceback.
        sys.stdout.reconfigure(errors="backslashreplace")
    shell(prog_name=program)


def _require_unicode() -> None:
    """Start again in Python's UTF-8 mode if the locale (LANG=C of cron and systemd) knows only ASCII.

    Otherwise paths and notes in other scripts would come as halves of characters that no JSON can hold.
    """
    if sys.getfilesystemencoding().lower().replace("-", "") != "utf8" and sys.orig_argv and sys.executable:
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])


@click.group(cls=Shell, commands=Commands(_COMMANDS), context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="savepoint", message="%(prog)s %(version)s")
def shell() -> None:
    """Snapshots of the game's database, from a shell.

    An ID is a snapshot's id, the beginning of one, or "latest"; a time ("18:00", "yesterday 18:00", "20m ago"), which
    means the newest snapshot by then; or before:REASON, the last snapshot before that event.

    Exit codes: 0 done, 1 failed, 2 wrong usage, 3 busy, 4 damaged, 130 stopped by Ctrl-C.
    """
