"""The shell: the service's operations for when Discord or the bot is down.

    python -m core.snapshots now [--kind KIND] [--note TEXT] [--pin]
    python -m core.snapshots list [--kind KIND] [--all]
    python -m core.snapshots show ID
    python -m core.snapshots verify [ID] [--level checksum|restored]
    python -m core.snapshots restore ID [--yes]
    python -m core.snapshots export ID FILE
    python -m core.snapshots status
    python -m core.snapshots integrity [--quick]
    python -m core.snapshots audit [--all]
    python -m core.snapshots prune [--dry-run] [--all]
    python -m core.snapshots pin ID
    python -m core.snapshots unpin ID
    python -m core.snapshots rebuild-catalog
    python -m core.snapshots claim

ID is an id, a unique prefix of one, or ``latest``. Each command takes ``--config FILE`` and ``--json``, which can stand
before it too.

Exit codes: 0 done · 1 failed · 2 wrong usage (settings and unknown ids too) · 3 busy · 4 damaged (a verification or an
integrity check that found damage, and a status of a database that cannot be read) · 130 stopped by Ctrl-C.

With ``--json`` standard output is exactly one JSON document. These shapes are stable; SNAPSHOT is
``{"id", "kind", "form": "full"|"incremental", "base": id|null, "path" (relative to the repository), "created_at",
"reasons": [..], "size", "database_size", "fingerprint", "verification": {"level", "at", "ok"}, "pinned",
"health": HEALTH|null}``:

    now               {"snapshot": SNAPSHOT|null, "unchanged"}; unchanged: nothing was written, and snapshot is null
    list              {"snapshots": [SNAPSHOT, ..]}, all of them, newest first
    show              {"snapshot": SNAPSHOT}, which also has
                      "sequence", "began_at", "note", "requests", "rows": {table: count}, "restored_at": time|null
    verify            {"id", "level", "ok", "findings": [FINDING, ..], "health": HEALTH|null}
    restore           {"restored": id, "safety": id|null, "lost": LOST, "ok", "left_out": [sentence, ..]}; needs --yes
    export            {"file", "size"}
    status            {"engine", "database", "repository", "snapshots", "damaged", "pinned", "kinds": {kind: count},
                      "size", "free", "newest": SNAPSHOT|null, "newest_restored": SNAPSHOT|null, "next_periodic",
                      "remarks": [sentence of the engine, ..], "live": HEALTH, "audit": [LINE, ..], the newest five}
    integrity         {"ok", "verdict", "findings": [FINDING, ..]}
    audit             {"lines": [LINE, ..]}, oldest first
    prune             {"dry_run", "freed", "decisions": [{"id", "keep", "reasons": [..]}, ..]}
    pin, unpin        {"snapshot": SNAPSHOT}
    rebuild-catalog   {"snapshots": count, "damaged": [path, ..], "unreadable": [path, ..]}
    claim             {"engine", "location"}, what the repository belongs to now
    any that fails    {"error": {"code", "message"}}; code is the name of the error's class

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

from . import check_cmd, maintenance_cmd, restore_cmd, show_cmd, take_cmd
from .app import Shell

__all__ = ["main", "shell"]

_COMMANDS = (
    take_cmd.now,
    show_cmd.list_snapshots,
    show_cmd.show,
    check_cmd.verify,
    restore_cmd.restore,
    take_cmd.export,
    show_cmd.status,
    check_cmd.integrity,
    show_cmd.audit,
    maintenance_cmd.prune,
    take_cmd.pin,
    take_cmd.unpin,
    maintenance_cmd.rebuild_catalog,
    maintenance_cmd.claim,
)
"""In the order in which the help lists them: what people need most comes first."""


def main() -> None:
    """Run the command that this process's arguments name, and exit."""
    _require_unicode()
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A letter that the terminal cannot show becomes its number, not a traceback.
        sys.stdout.reconfigure(errors="backslashreplace")
    shell()


def _require_unicode() -> None:
    """Start again in Python's UTF-8 mode if the locale (LANG=C of cron and systemd) knows only ASCII.

    Otherwise paths and notes in other scripts would come as halves of characters that no JSON can hold.
    """
    if sys.getfilesystemencoding().lower().replace("-", "") != "utf8" and sys.orig_argv and sys.executable:
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])


@click.group(cls=Shell, context_settings={"help_option_names": ["-h", "--help"]})
def shell() -> None:
    """Snapshots of the game's database, from a shell.

    An ID is a snapshot's id, the beginning of one, or "latest".

    Exit codes: 0 done, 1 failed, 2 wrong usage, 3 busy, 4 damaged, 130 stopped by Ctrl-C.
    """


for _command in _COMMANDS:
    shell.add_command(_command)
