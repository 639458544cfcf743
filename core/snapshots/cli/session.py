"""The service and its event loop, for a command; the settings that count, and who is at the shell."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import getpass
import os
import signal
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar, cast

import click

from ..errors import SnapshotNotFound
from ..models import Actor, Listener, OnProgress, Progress, RestoreStep, Snapshot, Stage
from ..policies.moments import moment_of
from ..service import SnapshotService
from ..settings.schema import load
from ..settings.sources import chosen_file
from .invocation import Invocation, Stopped, in_local_time
from .where import where_it_looked

__all__ = ["Invocation", "Session", "opened", "shell_user"]

Value = TypeVar("Value")

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
_STEPS = {
    RestoreStep.REBUILD: "rebuilding the snapshot",
    RestoreStep.CHECK: "checking it",
    RestoreStep.PAUSE: "pausing play",
    RestoreStep.SAFETY: "keeping what is there now",
    RestoreStep.REPLACE: "replacing",
    RestoreStep.COMPARE: "comparing the result",
    RestoreStep.RECORD: "recording it",
}
_ENDING = ("SIGTERM", "SIGHUP")
"""What ends a program in good order: a service manager, and a terminal that is closed."""


class Session:
    """An open service and its event loop, for commands, which are ordinary functions.

    Each step is a run of its own in the same loop. So Ctrl-C cancels a step in good order (``asyncio.Runner`` sees to
    that), and ends a question between two steps at once.
    """

    def __init__(
        self, service: SnapshotService, runner: asyncio.Runner, invocation: Invocation, settings_file: Path | None
    ) -> None:
        self.service = service
        self.repository = Path(service.settings.repository.path).absolute()
        self.settings_file = settings_file
        """None if there is no file, so that defaults and the environment count."""
        self._runner = runner
        self._invocation = invocation
        self._step: asyncio.Task[Any] | None = None
        self._signal: int | None = None

    def run(self, step: Coroutine[Any, Any, Value]) -> Value:
        """Run one step of the service and return its result. Raises Stopped if a signal ended it.

        A snapshot that is not found where there is none at all may be looked for in the wrong folder.
        """
        try:
            return self._runner.run(self._noted(step))
        except SnapshotNotFound as error:
            if self.service.known:
                raise
            where = where_it_looked(self.repository, self.settings_file)
            asked = error.data.get("snapshot_id", "")
            raise SnapshotNotFound(f"No snapshots in {where}, so none is {asked!r}.", snapshot_id=asked) from None
        except asyncio.CancelledError:
            if self._signal is None:
                raise
            raise Stopped(self._signal) from None

    async def _noted(self, step: Coroutine[Any, Any, Value]) -> Value:
        self._step = asyncio.current_task()
        try:
            return await step
        finally:
            self._step = None

    def stop(self, number: int, _frame: FrameType | None = None) -> None:
        """End the step that runs because of a signal, as Ctrl-C ends it, or raise Stopped between two steps."""
        self._signal = number
        step = self._step
        if step is None:
            raise Stopped(number)
        step.cancel()
        step.get_loop().call_soon_threadsafe(lambda: None)  # wakes the loop, which waits for files and not for signals

    def named(self, when: str) -> Snapshot:
        """Return the snapshot that a person names: by an id, a time of this machine's zone, or a reason.

        Raises SnapshotNotFound, AmbiguousSnapshot, and click.UsageError for "now", which is no snapshot.
        """
        found = self.run(self.service.snapshot_at(self.when(when)))
        if found is None:
            raise click.UsageError("Now is no snapshot. Take one: now.")
        return found

    def when(self, text: str) -> str:
        """Return a moment as the service reads it: a time that was written without a zone is this machine's."""
        moment = self.moment(text)
        return text if moment is None else moment.isoformat()

    def moment(self, text: str) -> dt.datetime | None:
        """Return the moment that a text means, None if it is an id or a reason."""
        return moment_of(text, self._invocation.now(), in_local_time)

    def follow(self, step: Callable[[OnProgress], Coroutine[Any, Any, Value]]) -> Value:
        """Run one long step and show its progress, if standard error is a terminal. Return its result."""
        with _progress_bar(self._invocation) as on_progress:
            return self.run(step(on_progress))


@contextlib.contextmanager
def opened(
    invocation: Invocation, *, prepare: bool = True, reading: bool = False, needs_snapshots: bool = False
) -> Iterator[Session]:
    """Open a session with the chosen settings and close it afterwards.

    The settings are those of ``--config``, else of the file that BACKUP_CONFIG names, else of the default file if it is
    there. Without ``prepare`` the service is not opened, which would clean up the repository. With ``reading`` nothing
    is created or changed, as long as the repository can be read as it is; with ``needs_snapshots`` no repository is
    created. Raises SettingsError, and what ``SnapshotService.open`` raises.
    """
    settings_file = chosen_file(os.environ) if invocation.config is None else invocation.config
    service = SnapshotService(load(settings_file))
    service.listen(cast(Listener, _Notices(invocation)))
    with asyncio.Runner() as runner:
        session = Session(service, runner, invocation, settings_file)
        with _stopped_by_signals(session):
            try:
                if reading or (needs_snapshots and not session.repository.exists()):
                    session.run(service.open_for_reading())
                elif prepare:
                    session.run(service.open())
                yield session
            finally:
                runner.run(service.close())


class _Notices:
    """The listener at a shell: it prints what the owner should know. The command's own answer says all the rest."""

    def __init__(self, invocation: Invocation) -> None:
        self._invocation = invocation

    async def noticed(self, _key: str, message: str) -> None:
        """Print something that the owner should know."""
        self._invocation.remark(f"Note: {message}")

    def __getattr__(self, name: str) -> Callable[..., Coroutine[Any, Any, None]]:
        if name.startswith("_"):
            raise AttributeError(name)
        return _passed_by


async def _passed_by(*_: object) -> None:
    """Handle an event of which nothing is printed."""


@contextlib.contextmanager
def _stopped_by_signals(session: Session) -> Iterator[None]:
    """End the session's step when one of these signals comes, unless it is ignored, as nohup has it."""
    numbers = [getattr(signal, name) for name in _ENDING if hasattr(signal, name)]
    try:
        before = {each: signal.getsignal(each) for each in numbers if signal.getsignal(each) is signal.SIG_DFL}
        for number in before:
            signal.signal(number, session.stop)
    except ValueError:  # not in the main thread
        before = {}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _progress_bar(invocation: Invocation) -> Iterator[OnProgress]:
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as ProgressBar

    console = invocation.errors
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with ProgressBar(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task, present = bar.add_task("Starting", total=None), ""

        def on_progress(progress: Progress) -> None:
            nonlocal task, present
            if progress.stage is not None:
                bar.update(task, description=_stage_text(progress.stage), total=1.0, completed=progress.stage.share)
                return
            if progress.phase != present:
                present = progress.phase
                bar.remove_task(task)
                task = bar.add_task(_PHASES.get(present, present.capitalize()), total=progress.total or None)
            bar.update(task, completed=progress.done)

        yield on_progress


def _stage_text(stage: Stage) -> str:
    """Return the step of a restore as the bar names it."""
    changed = "replaced" if stage.changed else "nothing replaced yet"
    return f"Step {stage.number} of {stage.of}: {_STEPS[stage.step]} ({changed})"


def shell_user() -> Actor:
    """Return who is at the shell, for the audit log."""
    try:
        name = getpass.getuser()
    except (OSError, KeyError):
        name = str(os.getuid()) if hasattr(os, "getuid") else ""  # a container's user without a name
    return Actor(source="shell", name=name)
