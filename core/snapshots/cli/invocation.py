"""One invocation of the shell: the shared options, the two streams, and what becomes of an error.

Answers go to standard output, everything else (questions, progress, log lines, errors) to standard error. An error
that is raised becomes one sentence, or with ``--json`` one document, in one place: ``failure_of`` and
``Invocation.fail``. What only some commands need is imported when they need it, because people wait for the others.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
import logging
import os
import signal
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from ..errors import OperationCancelled, SnapshotError
from ..units import printable
from .libraries import LACKING, document_without_libraries, lacking

if TYPE_CHECKING:
    import msgspec
    from rich.console import Console, RenderableType

__all__ = ["INTERRUPTED", "Failure", "Invocation", "Stopped", "failure_of", "in_local_time", "logging_to"]

INTERRUPTED = 130
"""The exit code after Ctrl-C: 128 and the signal's number, as shells have it."""

_FILE_WIDTH = 160
"""How wide tables may be in a file or a pipe, which have no width."""
_ANSWERED = ("Restored snapshot ", "Rescue %s wrote ", "The rows were put back before ")
"""Beginnings of log lines that say what a command's own answer says better."""

log = logging.getLogger(__name__)


class Stopped(BaseException):
    """A signal that ends programs came, such as the SIGTERM of a service manager. No ``except Exception`` stops it."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def in_local_time(naive: dt.datetime) -> dt.datetime:
    """Return a moment that was written without a zone: at a shell it is the machine's own.

    Of two, where a clock was put back, it is the last one that is over; one that a clock skipped is as if it had not.
    """
    earlier, later = sorted(naive.replace(fold=fold).astimezone() for fold in (0, 1))
    return later if later <= dt.datetime.now(dt.UTC) else earlier


class Invocation:
    """The shared options as they were given, and the two streams."""

    def __init__(self) -> None:
        self.config: Path | None = None
        self.as_json = False
        self.if_stopped = "; nothing half-done is left."
        """How the sentence goes on that begins with "Stopped", or with "Stopped by SIGTERM"."""
        self.logged: set[str] = set()
        """What the log has said on standard error."""

    @functools.cached_property
    def output(self) -> Console:
        """Standard output."""
        is_terminal = sys.stdout is not None and sys.stdout.isatty()
        return _console(width=None if is_terminal else _FILE_WIDTH)

    @functools.cached_property
    def errors(self) -> Console:
        """Standard error."""
        return _console(stderr=True)

    def now(self) -> dt.datetime:
        """Return the present moment, in UTC."""
        return dt.datetime.now(dt.UTC)

    def answer(self, document: msgspec.Struct, shown: Iterable[RenderableType]) -> None:
        """Print a command's answer, for a program or for a person."""
        if self.as_json:
            self.answer_document(document)
        else:
            _print(self.output, shown)

    def write(self, text: str) -> None:
        """Print lines as they are. Not by click, which writes UTF-8 into a terminal that knows only ASCII."""
        if sys.stdout is None:  # closed by whoever started this process
            return
        sys.stdout.write(text + "\n")
        sys.stdout.flush()

    def answer_document(self, document: msgspec.Struct) -> None:
        """Print a command's answer for a program."""
        import msgspec

        click.echo(msgspec.json.encode(document))

    def ask(self, shown: Iterable[RenderableType], question: str) -> bool:
        """Show something and ask whether to go on, on standard error. No answer is no."""
        _print(self.errors, shown)
        try:
            answer = click.prompt(f"{question} [y/N]", default="", show_default=False, err=True)
        except click.Abort:
            click.echo(err=True)  # whatever comes next begins a line of its own
            raise
        return answer.strip().lower() in ("y", "yes")

    def remark(self, text: str) -> None:
        """Print a sentence that is not the answer, on standard error."""
        click.echo(printable(text), err=True)

    def fail(self, failure: Failure) -> None:
        """Print what went wrong."""
        if self.as_json and failure.code == LACKING:
            self.write(document_without_libraries(failure.message))
        elif self.as_json:
            import msgspec

            from .json_output.errors import error_document

            click.echo(msgspec.json.encode(error_document(failure.code, failure.message)))
        elif failure.usage is not None:
            failure.usage.show()
        elif failure.message not in self.logged:
            bold = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
            message = printable(f"Error: {failure.message}")
            click.echo(click.style(message, fg="red", bold=True) if bold else message, err=True)


def _console(**options: Any) -> Console:
    from rich.console import Console

    # rich leaves colours out where NO_COLOR is set, and bold in; https://no-color.org means both.
    if os.environ.get("NO_COLOR"):
        options["color_system"] = None
    return Console(markup=False, highlight=False, emoji=False, **options)


def _print(console: Console, shown: Iterable[RenderableType]) -> None:
    from rich.text import Text

    for part in shown:
        # A terminal breaks sentences better than rich does, and a pipe wants them whole.
        console.print(part, soft_wrap=isinstance(part, Text))


class Failure(NamedTuple):
    """How a command failed; ``usage`` is click's own error if the command line was wrong."""

    code: str
    message: str
    exit_code: int
    usage: click.ClickException | None = None


def failure_of(error: BaseException, if_stopped: str) -> Failure:
    """Return what an error means for the shell; ``if_stopped`` is how the sentence for Ctrl-C goes on."""
    code = type(error).__name__
    match error:
        case SnapshotError():
            return Failure(code, str(error), error.exit_code)
        case click.ClickException():
            return Failure(code, error.format_message(), error.exit_code, error)
        case Stopped():
            name = signal.Signals(error.number).name
            return Failure(OperationCancelled.__name__, f"Stopped by {name}{if_stopped}", 128 + error.number)
        case click.Abort() | KeyboardInterrupt():
            return Failure(OperationCancelled.__name__, f"Stopped{if_stopped}", INTERRUPTED)
        case ImportError() if sentence := lacking(error):
            return Failure(LACKING, sentence, 1)
        case OSError():
            return Failure(code, f"The operating system said: {error}.", 1)
    log.error("This should not happen; please report it.", exc_info=error)
    return Failure(code, f"An unexpected error: {code}: {error}", 1)


@contextlib.contextmanager
def logging_to(invocation: Invocation) -> Iterator[None]:
    """Print the warnings and errors that this package logs on standard error."""
    logger, handler = logging.getLogger(__package__.rpartition(".")[0]), _ErrorHandler(invocation)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


class _ErrorHandler(logging.Handler):
    """Prints log lines between progress bars, with nothing in them that a terminal would obey."""

    def __init__(self, invocation: Invocation) -> None:
        super().__init__(logging.WARNING)
        self._invocation = invocation

    def emit(self, record: logging.LogRecord) -> None:
        if str(record.msg).startswith(_ANSWERED):
            return
        self._invocation.logged.add(record.getMessage())
        text = "\n".join(printable(line) for line in self.format(record).splitlines())
        _print(self._invocation.errors, (_as_text(f"{record.levelname.capitalize()}: {text}"),))


def _as_text(text: str) -> RenderableType:
    from rich.text import Text

    return Text(text)
