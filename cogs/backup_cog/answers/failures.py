"""What is shown when something fails: a title and what to do for each error of the core, in Discord's words.

The core's own sentence stands between the two. It says what happened, and can name a command of the shell.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import aiohttp
import discord
from discord import app_commands

from ..core_api import (
    AmbiguousSnapshot,
    AnotherDatabase,
    Busy,
    CatalogError,
    CatalogTooNew,
    DatabaseBusy,
    DatabaseDamaged,
    DatabaseError,
    DatabaseMissing,
    DatabaseUnavailable,
    DeadlineExceeded,
    ImportRefused,
    NotEnoughSpace,
    OperationCancelled,
    PlanOutdated,
    QueryError,
    RepositoryError,
    RepositoryVanished,
    RestoreFailed,
    RestoreTestUnavailable,
    SettingsError,
    Snapshot,
    SnapshotDamaged,
    SnapshotError,
    SnapshotNotFound,
    StateUnfit,
    WorkerFailed,
)
from ..formatting import AMBER, RED, Reply, embed, listing, plain
from ..language import core_text, phrase, text
from ..notices.delivery import is_temporary
from ..permissions import NotAllowed
from ..slash.snapshots.finding import Shown, as_is
from ..slash.snapshots.lines import snapshot_line

__all__ = ["FAILURES", "Failure", "failure", "failure_of"]

_MESSAGE_LIMIT = 1500
_SUGGESTIONS_LIMIT = 1600


class Failure(NamedTuple):
    """The title of an error, and what a person does about it; the groups of commands have their names from settings."""

    title: str
    remedy: str


FAILURES: dict[type[SnapshotError], Failure] = {
    SnapshotError: Failure(
        phrase("That did not work"),
        phrase("`/{backup} status` shows how things stand; the bot's log has the details."),
    ),
    SettingsError: Failure(
        phrase("A setting cannot be used"),
        phrase("Correct it in config/backup.toml or in the bot's environment, then restart the bot."),
    ),
    Busy: Failure(
        phrase("Something else is running"),
        phrase("Nothing was done. `/{backup} status` shows what is running, since when and for whom."),
    ),
    SnapshotNotFound: Failure(
        phrase("There is no such snapshot"),
        phrase("`/{backup} list` shows all there are; `/{backup} now` takes one."),
    ),
    AmbiguousSnapshot: Failure(
        phrase("More than one snapshot is meant"),
        phrase("Type more of the id, or pick one of those that Discord suggests while you type."),
    ),
    SnapshotDamaged: Failure(
        phrase("The snapshot is damaged"),
        phrase("Take another one: `/{backup} list` marks those that are damaged."),
    ),
    CatalogError: Failure(
        phrase("The list of the snapshots cannot be read"),
        phrase("The snapshots are still there. At a shell, this makes the list anew: `{shell} rebuild-catalog`"),
    ),
    CatalogTooNew: Failure(
        phrase("The snapshots are from a newer Savepoint"),
        phrase("Update Savepoint, then restart the bot."),
    ),
    RepositoryError: Failure(
        phrase("The folder of the snapshots cannot be used"),
        phrase("Look at its permissions and at its disk. The bot tries again by itself."),
    ),
    NotEnoughSpace: Failure(
        phrase("The disk is nearly full"),
        phrase("Make room on it, or keep fewer snapshots: `[retention]` in the settings."),
    ),
    RepositoryVanished: Failure(
        phrase("The snapshots are gone from their folder"),
        phrase("Mount the volume that they are on. Only if they are to begin anew there: `{shell} claim` at a shell."),
    ),
    DatabaseError: Failure(
        phrase("The database could not be used"),
        phrase("`/{database} integrity` shows what state it is in."),
    ),
    DatabaseBusy: Failure(
        phrase("The database is locked"),
        phrase("The game or another program holds a lock on it. Try again; if it stays, look for a stuck transaction."),
    ),
    DatabaseMissing: Failure(
        phrase("There is no database"),
        phrase("Start the game, which makes it, or correct the address: `DATABASE_URL`, or `database.url`."),
    ),
    DatabaseDamaged: Failure(
        phrase("The database is damaged"),
        phrase("`/{backup} restore` shows what a snapshot would bring back, and asks before it does."),
    ),
    DatabaseUnavailable: Failure(
        phrase("The database cannot be reached"),
        phrase("That says nothing about damage. Look at its address, its permissions and its server, then try again."),
    ),
    RestoreTestUnavailable: Failure(
        phrase("A test restore is not possible here"),
        phrase("Restores are. `/{backup} verify level:checksum` still shows whether a snapshot's file is whole."),
    ),
    RestoreFailed: Failure(
        phrase("The restore did not happen"),
        phrase("Check the database with `/{database} integrity`, then look at the preview again: `/{backup} restore`."),
    ),
    PlanOutdated: Failure(
        phrase("Something changed since the preview"),
        phrase("Ask for the preview again, and decide on what it says now."),
    ),
    StateUnfit: Failure(
        phrase("This snapshot would not help"),
        phrase("Look at an older one: `/{backup} list`."),
    ),
    QueryError: Failure(
        phrase("There is no answer to that"),
        phrase('A moment is typed as "20m ago", "yesterday 18:00", before:REASON or a snapshot\'s id.'),
    ),
    ImportRefused: Failure(
        phrase("The file was not taken"),
        phrase("Nothing was changed. A database file becomes a snapshot at a shell: `{shell} import FILE`"),
    ),
    AnotherDatabase: Failure(
        phrase("The snapshots are of another database"),
        phrase("If it is the same one, moved or renamed, the alert has a button for the owner that says so."),
    ),
    DeadlineExceeded: Failure(
        phrase("It took too long"),
        phrase("Was the disk or the server busy? Then try again. `{setting}` in the settings is how long it may take."),
    ),
    OperationCancelled: Failure(
        phrase("It was stopped"),
        phrase("Nothing half-done is left. If the bot is not closing, try again."),
    ),
    WorkerFailed: Failure(
        phrase("The process that does the work ended"),
        phrase("Often a server is out of memory then. Look at the bot's log, and try again."),
    ),
}
"""What is shown of each error of the core; a class that is not here is shown as the one it is a kind of."""


def failure_of(error: SnapshotError) -> Failure:
    """Return what is shown of an error of the core."""
    return next(FAILURES[kind] for kind in type(error).__mro__ if kind in FAILURES)


def failure(
    error: BaseException,
    suggested: Sequence[Snapshot] = (),
    *,
    shown: Shown = as_is,
    backup: str = "backup",
    database: str = "db",
) -> Reply:
    """Show an error: ours with its own sentence, any other without its text, which can hold anything.

    ``suggested`` are the snapshots that may have been meant, and ``shown`` returns a reason as it is shown. ``backup``
    and ``database`` name the slash commands.
    """
    if not isinstance(error, SnapshotError):
        return _other_failure(error, backup)
    found = failure_of(error)
    names = {"backup": backup, "database": database, "shell": "python -m core.snapshots"}
    remedy = text(found.remedy, setting=error.data.get("setting") or "schedule", **names)
    if suggested:
        lines = listing([snapshot_line(snapshot, shown) for snapshot in suggested], _SUGGESTIONS_LIMIT)
        remedy = f"{text('Pick one of these:')}\n{lines}"
    said = f"{plain(core_text(error.message), _MESSAGE_LIMIT)}\n\n{remedy}"
    return Reply(embed(text(found.title), said, colour=RED))


def _other_failure(error: BaseException, backup: str) -> Reply:
    if isinstance(error, NotAllowed):
        return Reply(embed(text("Not allowed"), error.shown(), colour=AMBER))
    if isinstance(error, app_commands.CommandSignatureMismatch):
        said = text("The bot's owner registers the new form: mention the bot with `{word} sync`.", word=backup)
        return Reply(embed(text("Discord knows an older form of this command"), said, colour=AMBER))
    if isinstance(error, discord.DiscordException | aiohttp.ClientError) and is_temporary(error):
        said = text("Try again in a moment. `/{backup} status` shows what was done until then.", backup=backup)
        return Reply(embed(text("Discord did not answer the bot"), said, colour=RED))
    said = text("Something unforeseen went wrong. The details are in the bot's log.")
    return Reply(embed(text("That did not work"), said, colour=RED))
