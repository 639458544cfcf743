"""Around every command of the shell: its options, its two streams, its service, its exit code.

Answers go to standard output, everything else (questions, progress, log lines, errors) to standard error. Raised
errors become one sentence, or with ``--json`` one document, in one place: ``failure_of`` and ``Invocation.fail``.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
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
from ..models import OnProgress, Progress
from ..service import SnapshotService
from ..settings.schema import load, load_chosen
from .json_output import error_document
from .text_output import Shown, plain, sentence

__all__ = ["INTERRUPTED", "Failure", "Invocation", "Session", "failure_of", "logging_to", "opened"]

Value = TypeVar("Value")

INTERRUPTED = 130
"""The exit code after Ctrl-C: 128 and the signal's number, as shells have it."""

_WIDTH_OF_FILES = 160
"""How wide tables may be where they go to a file or a pipe, which have no width."""
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

log = logging.getLogger(__name__)


class Invocation:
    """What a person asked of the shell as a whole, on whichever side of the command, and where the answer goes."""

    def __init__(self) -> None:
        self.config: Path | None = None
        self.as_json = False
        self.if_stopped = "Stopped; nothing half-done is left."
        """What to say after Ctrl-C."""
        is_terminal = sys.stdout is not None and sys.stdout.isatty()
        quiet: dict[str, Any] = {"markup": False, "highlight": False, "emoji": False}
        self.output = Console(width=None if is_terminal else _WIDTH_OF_FILES, **quiet)
        self.errors = Console(stderr=True, **quiet)

    def answer(self, document: msgspec.Struct, shown: Shown) -> None:
        """Give a command's answer, to a program or to a person."""
        if self.as_json:
            click.echo(msgspec.json.encode(document))
        else:
            _print(self.output, shown)

    def ask(self, shown: Shown, question: str) -> bool:
        """Show something and ask whether to go on; where both go is not the answer's stream."""
        _print(self.errors, shown)
        return click.confirm(question, default=False, err=True)

    def fail(self, failure: Failure) -> None:
        """Say what went wrong."""
        if self.as_json:
            click.echo(msgspec.json.encode(error_document(failure.code, failure.message)))
        elif failure.usage is not None:
            failure.usage.show()
        else:
            self.errors.print(sentence(f"Error: {failure.message}", "bold red"), soft_wrap=True)


def _print(console: Console, shown: Shown) -> None:
    for part in shown:
        # A terminal breaks sentences better than rich does, and a pipe wants them whole.
        console.print(part, soft_wrap=isinstance(part, Text))


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """How a command failed; ``usage`` is click's own error where the command line was wrong."""

    code: str
    message: str
    exit_code: int
    usage: click.ClickException | None = None


def failure_of(error: BaseException, if_stopped: str) -> Failure:
    """Say what an error means for the shell; ``if_stopped`` is the sentence after Ctrl-C."""
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
    """An open service, and the event loop that it lives in; commands themselves are ordinary functions.

    Each step is a run of its own in the same loop, so that Ctrl-C cancels a step in good order (``asyncio.Runner``
    sees to that) and, between two of them, ends a question at once.
    """

    def __init__(self, service: SnapshotService, runner: asyncio.Runner, errors: Console) -> None:
        self.service = service
        self._runner = runner
        self._errors = errors

    def run(self, step: Coroutine[Any, Any, Value]) -> Value:
        """Do one step of the service and give its outcome."""
        return self._runner.run(step)

    def follow(self, step: Callable[[OnProgress], Coroutine[Any, Any, Value]]) -> Value:
        """Do one long step and show its progress, if a terminal watches."""
        with _progress_bar(self._errors) as on_progress:
            return self._runner.run(step(on_progress))


@contextlib.contextmanager
def opened(invocation: Invocation, *, prepare: bool = True) -> Iterator[Session]:
    """Give a session with the settings that were asked for, and close it; without ``prepare`` nothing is tidied first.

    Without ``--config`` the file that BACKUP_CONFIG names counts, or the default file if it is there. Raises
    SettingsError, and what ``open`` raises.
    """
    settings = load_chosen() if invocation.config is None else load(invocation.config)
    service = SnapshotService(settings)
    with asyncio.Runner() as runner:
        try:
            if prepare:
                runner.run(service.open())
            yield Session(service, runner, invocation.errors)
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
    """Send what this package logs, from warnings on, to a console."""
    logger, handler = logging.getLogger(__package__.rpartition(".")[0]), _ConsoleHandler(console)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


class _ConsoleHandler(logging.Handler):
    """Writes log lines between progress bars, with nothing in them that a terminal would obey."""

    def __init__(self, console: Console) -> None:
        super().__init__(logging.WARNING)
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        lines = self.format(record).splitlines()
        text = "\n".join(plain(line) for line in lines)
        self._console.print(Text(f"{record.levelname.capitalize()}: {text}"), soft_wrap=True)
