"""The client of the worker, in the bot's process: start it, read its messages, stop it.

It uses ``subprocess`` in a thread, not asyncio's subprocesses: this works on every event loop that a host may run
(Windows' selector loop has no subprocesses), and the loop never waits for a fork. The worker runs in a session of its
own, because Ctrl-C in a terminal is meant for the bot, which then stops its workers itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, TypeVar

import msgspec

from ..errors import DeadlineExceeded, WorkerFailed, from_wire
from ..models import OnProgress, Progress
from ..repository.orphans import parent_mark
from ..units import duration_text
from .protocol import Committed, Failed, Job, Outcome

__all__ = ["environment", "require_python", "run"]

Value = TypeVar("Value")
_Message = Progress | Committed | Outcome | Failed

_KILL_AFTER = 15.0
"""Seconds after its deadline when a worker that has not ended is killed."""
_STOP_WITHIN = 1.5
"""Seconds that a cancelled worker has to clean up. A shutdown takes up to 8 s, and Docker kills the bot after 10."""
_STDERR_KEPT = 4000
"""Bytes."""
_SECRET_VARIABLES = (
    "DISCORD_TOKEN",
    "DATABASE_URL",
    "BACKUP_DATABASE_URL",
    "BACKUP_DISCORD_ALERT_WEBHOOK_URL",
)

_KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(4 << 20), "MALLOC_TRIM_THRESHOLD_": str(32 << 20)}
"""Let the allocator keep freed buffers, because new ones are allocated all the time and the kernel would have to clear
them again (see mallopt(3); only glibc knows these variables). Measured for the first snapshot of 500 MB: 5,000 page
faults instead of 50,000 and a third less time in the kernel, for 3 MB more memory."""


async def run(
    pool: ThreadPoolExecutor,
    job: Job,
    result_type: type[Value],
    on_progress: OnProgress | None = None,
    on_committed: Callable[[], None] | None = None,
    *,
    inherited: int | None = None,
) -> Value:
    """Run a job in a worker and return its result, decoded as ``result_type``.

    ``inherited`` is an open file that the worker keeps open as long as it lives: the repository's lock.
    ``on_progress`` is called in the loop's thread, ``on_committed`` in another one, before anything else is done.
    Cancelling stops the worker, and waits until it has cleaned up.
    Raises the SnapshotError that the worker reported, or WorkerFailed.
    """
    loop = asyncio.get_running_loop()

    def report(progress: Progress) -> None:
        if on_progress is not None and not loop.is_closed():
            loop.call_soon_threadsafe(on_progress, progress)

    worker = _Worker(job, report, on_committed, inherited)
    future = loop.run_in_executor(pool, worker.work)
    try:
        value = await asyncio.shield(future)
    except asyncio.CancelledError:
        # Retrieve the exception, or asyncio logs that it never was.
        future.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        worker.stop()
        await asyncio.wait([future], timeout=_STOP_WITHIN)
        worker.kill()
        # What it still had to say, above all that its change is made, is heard before anybody goes on.
        await asyncio.wait([future], timeout=_STOP_WITHIN)
        raise
    return msgspec.json.decode(value, type=result_type)


class _Worker:
    """One child process; ``work`` runs the job and blocks until the process has ended."""

    def __init__(
        self, job: Job, report: OnProgress, on_committed: Callable[[], None] | None, inherited: int | None
    ) -> None:
        self._inherited = inherited
        self._job = job
        self._report = report
        self._on_committed = on_committed
        self._process: subprocess.Popen[bytes] | None = None
        self._stopped = False
        self._overdue = False
        self._guard = threading.Lock()

    def work(self) -> msgspec.Raw:
        with self._guard:
            if self._stopped:
                raise WorkerFailed("The worker was stopped before it began.", exit_status=None, stderr="")
            process = self._process = _start(self._inherited)
        assert process.stdin is not None
        assert process.stdout is not None
        timer = threading.Timer(self._job.deadline + _KILL_AFTER, self._kill_overdue)
        timer.daemon = True
        timer.start()
        errors = _Tail(process.stderr)
        try:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(msgspec.json.encode(self._job) + b"\n")
                process.stdin.flush()
            answer = self._read_messages(process.stdout)
        finally:
            timer.cancel()
            self.stop()
            status = process.wait()
            process.stdout.close()
        if isinstance(answer, Outcome):
            return answer.value
        if isinstance(answer, Failed):
            raise from_wire(answer.error)
        raise self._error_without_answer(status, errors.text())

    def _read_messages(self, lines: IO[bytes]) -> Outcome | Failed | None:
        for line in lines:
            try:
                message: Progress | Committed | Outcome | Failed = msgspec.json.decode(line, type=_Message)
            except msgspec.DecodeError:
                continue  # not a message: something in the process printed, a host's sitecustomize perhaps
            if isinstance(message, Committed):
                if self._on_committed is not None:
                    self._on_committed()
                continue
            if not isinstance(message, Progress):
                return message
            self._report(message)
        return None

    def _kill_overdue(self) -> None:
        self._overdue = True
        self.kill()

    def _error_without_answer(self, status: int, errors: str) -> WorkerFailed | DeadlineExceeded:
        if self._overdue:
            limit = duration_text(self._job.deadline)
            return DeadlineExceeded(
                f"The operation did not end within {limit} and was ended; nothing half-done is left.",
                seconds=self._job.deadline,
            )
        last = errors.strip().splitlines()[-1:] or ["it said nothing"]
        return WorkerFailed(
            f"The worker process ended without an answer (exit status {status}): {last[0]}. Nothing half-done is left.",
            exit_status=status,
            stderr=errors,
        )

    def stop(self) -> None:
        """Close the worker's standard input, which tells it to stop."""
        with self._guard:
            self._stopped = True
            if self._process is not None and self._process.stdin is not None:
                with contextlib.suppress(OSError):
                    self._process.stdin.close()

    def kill(self) -> None:
        """Kill the worker; safe at any moment, and without effect if it has ended."""
        if self._process is not None:
            self._process.kill()


def environment() -> dict[str, str]:
    """Return the environment of a worker: that of this process, without the secrets."""
    return _KEEP_MEMORY | {name: value for name, value in os.environ.items() if name not in _SECRET_VARIABLES}


def require_python() -> None:
    """Raise WorkerFailed if this process has no Python to start: a frozen bot would start itself again and again."""
    if getattr(sys, "frozen", False):
        message = (
            "This bot is a frozen program (PyInstaller, cx_Freeze or the like), so there is no Python with which "
            "snapshots could be taken. Run the bot with a Python of its own instead."
        )
        raise WorkerFailed(message, exit_status=None, stderr="")
    if not sys.executable:
        message = "This Python does not know its own path (sys.executable), so no worker can be started."
        raise WorkerFailed(message, exit_status=None, stderr="")


def _start(inherited: int | None) -> subprocess.Popen[bytes]:
    require_python()
    launcher = Path(__file__).with_name("bootstrap.py")
    try:
        return subprocess.Popen(
            # In UTF-8 mode whatever the locale is: the paths in its job are UTF-8.
            [sys.executable, "-X", "utf8", "-P", str(launcher), "worker.main", parent_mark()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(),
            start_new_session=True,
            pass_fds=() if inherited is None else (inherited,),
        )
    except OSError as error:
        raise WorkerFailed(f"The worker process cannot be started: {error}.", exit_status=None, stderr="") from error


class _Tail:
    """Reads a stream in a thread, so that its writer never blocks, and keeps the last bytes of it."""

    def __init__(self, stream: IO[bytes] | None) -> None:
        self._kept = b""
        self._thread = threading.Thread(target=self._drain, args=(stream,), daemon=True)
        self._thread.start()

    def _drain(self, stream: IO[bytes] | None) -> None:
        if stream is None:
            return
        with stream:
            while block := stream.read1(4096):  # type: ignore[attr-defined]
                self._kept = (self._kept + block)[-_STDERR_KEPT:]

    def text(self) -> str:
        self._thread.join(timeout=1.0)
        return self._kept.decode(errors="replace")
