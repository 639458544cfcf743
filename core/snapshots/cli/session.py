"""What surrounds every command of the shell: its options, its two streams, its service, and its failures.

Answers go to standard output, everything else (questions, progress, log lines, errors) to standard error. An error
that is raised becomes one sentence, or with ``--json`` one document, in one place: ``failure_of`` and
``Invocation.fail``.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import getpass
import logging
import os
import sys
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as ProgressBar
from rich.text import Text

from ..errors import OperationCancelled, SnapshotError
from ..models import Actor, OnProgress, Progress
from ..service import SnapshotService
from ..settings.schema import load
from ..settings.sources import chosen_file
from .json_output.errors import error_document
from .text_output.layout import BAD, Shown, plain, sentence

__all__ = ["INTERRUPTED", "Failure", "Invocation", "Session", "failure_of", "logging_to", "opened", "shell_user"]

Value = TypeVar("Value")

INTERRUPTED = 130
"""The exit code after Ctrl-C: 128 and the signal's number, as shells have it."""

_FILE_WIDTH = 160
"""How wide tables may be in a file or a pipe, which have no width."""
_PHASES = {
    "read": "Reading",
    "compress": "Compressing",
    "check": "Checking",
    "extract": "Rebuilding",
    "write": "Writing",
    "copy": "Copying",
    "compare": "Comparing",
    "export": "Exporting",
    "scan": "Looking through the files",
}
_ANSWERED = ("Restored snapshot ",)
"""Beginnings of log lines that say what a command's own answer says better."""

log = logging.getLogger(__name__)


class Invocation:
    """The shared options as they were given, and the two streams."""

    def __init__(self) -> None:
        self.config: Path | None = None
        self.as_json = False
        self.if_stopped = "Stopped; nothing half-done is left."
        """The sentence for Ctrl-C."""
        is_terminal = sys.stdout is not None and sys.stdout.isatty()
        quiet: dict[str, Any] = {"markup": False, "highlight": False, "emoji": False}
        self.output = Console(width=None if is_terminal else _FILE_WIDTH, **quiet)
        self.errors = Console(stderr=True, **quiet)

    def now(self) -> dt.datetime:
        """Return the present moment, in UTC."""
        return dt.datetime.now(dt.UTC)

    def answer(self, document: msgspec.Struct, shown: Shown) -> None:
        """Print a command's answer, for a program or for a person."""
        if self.as_json:
            click.echo(msgspec.json.encode(document))
        else:
            _print(self.output, shown)

    def ask(self, shown: Shown, question: str) -> bool:
        """Show something and ask whether to go on, on standard error."""
        _print(self.errors, shown)
        return click.confirm(question, default=False, err=True)

    def remark(self, text: str) -> None:
        """Print a sentence that is not the answer, on standard error."""
        _print(self.errors, (sentence(text),))

    def fail(self, failure: Failure) -> None:
        """Print what went wrong."""
        if self.as_json:
            click.echo(msgspec.json.encode(error_document(failure.code, failure.message)))
        elif failure.usage is not None:
            failure.usage.show()
        else:
            _print(self.errors, (sentence(f"Error: {failure.message}", BAD),))


def _print(console: Console, shown: Shown) -> None:
    for part in shown:
        # A terminal breaks sentences better than rich does, and a pipe wants them whole.
        console.print(part, soft_wrap=isinstance(part, Text))


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """How a command failed; ``usage`` is click's own error if the command line was wrong."""

    code: str
    message: str
    exit_code: int
    usage: click.ClickException | None = None


def failure_of(error: BaseException, if_stopped: str) -> Failure:
    """Return what an error means for the shell; ``if_stopped`` is the sentence for Ctrl-C."""
    code = type(error).__name__
    match error:
        case SnapshotError():
            return Failure(code=code, message=str(error), exit_code=error.exit_code)
        case click.ClickException():
            return Failure(code=code, message=error.format_message(), exit_code=error.exit_code, usage=error)
        case click.Abort() | KeyboardInterrupt():
            return Failure(code=OperationCancelled.__name__, message=if_stopped, exit_code=INTERRUPTED)
        case OSError():
            return Failure(code=code, message=f"The operating system said: {error}.", exit_code=1)
    log.error("This should not happen; please report it.", exc_info=error)
    return Failure(code=code, message=f"An unexpected error: {code}: {error}", exit_code=1)


class Session:
    """An open service and its event loop, for commands, which are ordinary functions.

    Each step is a run of its own in the same loop. So Ctrl-C cancels a step in good order (``asyncio.Runner`` sees to
    that), and ends a question between two steps at once.
    """

    def __init__(
        self, service: SnapshotService, runner: asyncio.Runner, errors: Console, settings_file: Path | None
    ) -> None:
        self.service = service
        self.repository = Path(service.settings.repository.path).absolute()
        self.settings_file = settings_file
        """None if there is no file, so that defaults and the environment count."""
        self._runner = runner
        self._errors = errors

    def run(self, step: Coroutine[Any, Any, Value]) -> Value:
        """Run one step of the service and return its result."""
        return self._runner.run(step)

    def follow(self, step: Callable[[OnProgress], Coroutine[Any, Any, Value]]) -> Value:
        """Run one long step and show its progress, if standard error is a terminal. Return its result."""
        with _progress_bar(self._errors) as on_progress:
            return self._runner.run(step(on_progress))


@contextlib.contextmanager
def opened(invocation: Invocation, *, prepare: bool = True, reading: bool = False) -> Iterator[Session]:
    """Open a session with the chosen settings and close it afterwards.

    The settings are those of ``--config``, else of the file that BACKUP_CONFIG names, else of the default file if it is
    there. Without ``prepare`` the service is not opened, which would clean up the repository. With ``reading`` nothing
    is created or changed, as long as the repository can be read as it is. Raises SettingsError, and what
    ``SnapshotService.open`` raises.
    """
    settings_file = chosen_file(os.environ) if invocation.config is None else invocation.config
    service = SnapshotService(load(settings_file))
    with asyncio.Runner() as runner:
        try:
            if reading:
                runner.run(service.open_for_reading())
            elif prepare:
                runner.run(service.open())
            yield Session(service, runner, invocation.errors, settings_file)
        finally:
            runner.run(service.close())


@contextlib.contextmanager
def _progress_bar(console: Console) -> Iterator[OnProgress]:
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with ProgressBar(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task, present = bar.add_task("Starting", total=None), ""

        def on_progress(progress: Progress) -> None:
            nonlocal task, present
            if progress.phase != present:
                present = progress.phase
                bar.remove_task(task)
                task = bar.add_task(_PHASES.get(present, present.capitalize()), total=progress.total or None)
            bar.update(task, completed=progress.done)

        yield on_progress


@contextlib.contextmanager
def logging_to(console: Console) -> Iterator[None]:
    """Print the warnings and errors that this package logs on a console."""
    logger, handler = logging.getLogger(__package__.rpartition(".")[0]), _ConsoleHandler(console)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


class _ConsoleHandler(logging.Handler):
    """Prints log lines between progress bars, with nothing in them that a terminal would obey."""

    def __init__(self, console: Console) -> None:
        super().__init__(logging.WARNING)
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        if str(record.msg).startswith(_ANSWERED):
            return
        lines = self.format(record).splitlines()
        text = "\n".join(plain(line) for line in lines)
        self._console.print(Text(f"{record.levelname.capitalize()}: {text}"), soft_wrap=True)


def shell_user() -> Actor:
    """Return who is at the shell, for the audit log."""
    try:
        name = getpass.getuser()
    except (OSError, KeyError):
        name = str(os.getuid()) if hasattr(os, "getuid") else ""  # a container's user without a name
    return Actor(source="shell", name=name)
