"""What all commands of the shell share: the options on either side of a command, and one edge for all errors."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import click

from .invocation import Invocation, Stopped, failure_of, logging_to
from .libraries import LACKING

__all__ = ["Command", "Commands", "Place", "Shell", "command", "snapshot_argument"]


def _shared_options() -> list[click.Parameter]:
    """Return the options that may stand before or after a command's name; if one is given twice, the last one wins."""

    def keep_config(context: click.Context, _: click.Parameter, value: Path | None) -> None:
        if value is not None:
            context.ensure_object(Invocation).config = value

    def keep_json(context: click.Context, _: click.Parameter, value: bool) -> None:
        if value:
            context.ensure_object(Invocation).as_json = True

    return [
        click.Option(
            ["--config"],
            type=click.Path(path_type=Path),
            metavar="FILE",
            expose_value=False,
            callback=keep_config,
            help=(
                "Settings to use; without it the file that BACKUP_CONFIG names, or config/backup.toml if it is there. "
                "The environment wins over the file."
            ),
        ),
        click.Option(
            ["--json"],
            is_flag=True,
            expose_value=False,
            callback=keep_json,
            help="Answer with one JSON document on standard output.",
        ),
    ]


class Command(click.Command):
    """A command with the shared options. It returns its exit code, or None for 0."""

    def __init__(self, name: str | None, *, params: list[click.Parameter] | None = None, **more: Any) -> None:
        super().__init__(name, params=[*(params or []), *_shared_options()], **more)


command = partial(click.command, cls=Command)
"""The decorator that makes a function a command of the shell."""

snapshot_argument = click.argument("snapshot_id", metavar="ID")
"""The decorator of a command whose first argument names a snapshot."""


class Place(NamedTuple):
    """Where a command is, by module and name, and the line that the help of the shell has for it."""

    module: str
    name: str
    help: str


class Commands(MutableMapping[str, click.Command]):
    """Commands by name, each imported when it is asked for: people wait for ``list``, and not for ``rescue``."""

    def __init__(self, places: Mapping[str, Place]) -> None:
        self.places = places
        self._others: dict[str, click.Command] = {}

    def __getitem__(self, name: str) -> click.Command:
        if name in self.places:
            place = self.places[name]
            found: click.Command = getattr(importlib.import_module(f".{place.module}", __package__), place.name)
            return found
        return self._others[name]

    def __setitem__(self, name: str, command: click.Command) -> None:
        self._others[name] = command

    def __delitem__(self, name: str) -> None:
        del self._others[name]

    def __iter__(self) -> Iterator[str]:
        yield from (*self.places, *self._others)

    def __len__(self) -> int:
        return len(self.places) + len(self._others)


class Shell(click.Group):
    """The group of all commands; what they raise becomes a sentence or a document, and an exit code."""

    def __init__(
        self, name: str | None, *, commands: Commands, params: list[click.Parameter] | None = None, **more: Any
    ) -> None:
        super().__init__(name, commands=commands, params=[*(params or []), *_shared_options()], **more)
        self._places = commands.places

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing any of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, place.help) for name, place in self._places.items()])

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands in the order in which they were added."""
        return list(self.commands)

    def main(self, args: Sequence[str] | None = None, *arguments: Any, **more: Any) -> Any:
        """Run the command that the arguments name (None: this process's arguments), and exit."""
        written = sys.argv[1:] if args is None else list(args)
        invocation = Invocation()
        # Click's standalone mode knows neither documents nor our exit codes.
        more |= {"standalone_mode": False, "obj": invocation}
        with logging_to(invocation):
            try:
                code = super().main(args, *arguments, **more)
            except (Exception, KeyboardInterrupt, Stopped) as error:  # noqa: BLE001 - the edge: nothing is above it
                failure = failure_of(error, invocation.if_stopped)
                # If the command line cannot be read, parsing may have stopped before this option.
                unread = failure.usage is not None or failure.code == LACKING
                invocation.as_json |= unread and "--json" in written
                invocation.fail(failure)
                code = failure.exit_code
        sys.exit(code)
