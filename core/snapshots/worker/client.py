"""The parent's side of the worker: starts it, hears it, stops it.

``subprocess`` in a thread rather than asyncio's own, so that it works on every event loop a host may run (Windows'
selector loop has no subprocesses) and the loop never waits for a fork. The worker has a session of its own: Ctrl-C in a
terminal is for the bot, which then decides what becomes of its workers.
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
from ..units import duration_text
from .protocol import Committed, Failed, Job, Outcome

__all__ = ["environment", "run"]

Value = TypeVar("Value")
_Message = Progress | Committed | Outcome | Failed

_KILL_AFTER = 15.0
"""So many seconds after its own deadline a worker that does not answer is killed."""
_STOP_WITHIN = 1.5
"""So many seconds a cancelled worker has to tidy up; after the 8 s of a shutdown, Docker kills the bot at 10."""
_STDERR_KEPT = 4000
_SECRET_VARIABLES = ("DISCORD_TOKEN", "DATABASE_URL", "BACKUP_DATABASE_URL")

_KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(4 << 20), "MALLOC_TRIM_THRESHOLD_": str(32 << 20)}
"""Buffers are freed and taken again all the time: let the allocator keep them, in place of giving them back and
having them cleared anew (mallopt(3); C libraries but glibc do not know the names). A first snapshot of 500 MB has 5,000
page faults in place of 50,000, and a third less time in the kernel, for 3 MB."""


async def run(
    pool: ThreadPoolExecutor,
    job: Job,
    gives: type[Value],
    on_progress: OnProgress | None = None,
    on_committed: Callable[[], None] | None = None,
) -> Value:
    """Do a job in a worker and give its outcome.

    ``on_progress`` is called in the loop's thread, ``on_committed`` in another one, before anything else is done.
    Cancelling stops the worker, and waits until it has cleaned up.
    Raises the SnapshotError that the worker reported, or WorkerFailed.
    """
    loop = asyncio.get_running_loop()

    def report(progress: Progress) -> None:
        if on_progress is not None and not loop.is_closed():
            loop.call_soon_threadsafe(on_progress, progress)

    worker = _Worker(job, report, on_committed)
    future = loop.run_in_executor(pool, worker.work)
    try:
        value = await asyncio.shield(future)
    except asyncio.CancelledError:
        # Nobody will ask how it ended, and asyncio would complain about that.
        future.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        worker.stop()
        await asyncio.wait([future], timeout=_STOP_WITHIN)
        worker.kill()
        # What it still had to say, above all that its change is made, is heard before anybody goes on.
        await asyncio.wait([future], timeout=_STOP_WITHIN)
        raise
    return msgspec.json.decode(value, type=gives)


class _Worker:
    """One child process; ``work`` blocks until it has ended."""

    def __init__(self, job: Job, report: OnProgress, on_committed: Callable[[], None] | None) -> None:
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
            process = self._process = _start()
        assert process.stdin is not None
        assert process.stdout is not None
        timer = threading.Timer(self._job.deadline + _KILL_AFTER, self._give_up)
        timer.daemon = True
        timer.start()
        errors = _Tail(process.stderr)
        try:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(msgspec.json.encode(self._job) + b"\n")
                process.stdin.flush()
            answer = self._hear(process.stdout)
        finally:
            timer.cancel()
            self.stop()
            status = process.wait()
            process.stdout.close()
        if isinstance(answer, Outcome):
            return answer.value
        if isinstance(answer, Failed):
            raise from_wire(answer.error)
        raise self._silent(status, errors.text())

    def _hear(self, lines: IO[bytes]) -> Outcome | Failed | None:
        for line in lines:
            try:
                message: Progress | Committed | Outcome | Failed = msgspec.json.decode(line, type=_Message)
            except msgspec.DecodeError:
                continue  # whatever a host's sitecustomize prints is not the worker's word
            if isinstance(message, Committed):
                if self._on_committed is not None:
                    self._on_committed()
                continue
            if not isinstance(message, Progress):
                return message
            self._report(message)
        return None

    def _give_up(self) -> None:
        self._overdue = True
        self.kill()

    def _silent(self, status: int, errors: str) -> WorkerFailed | DeadlineExceeded:
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
        """End the worker's standard input, which tells it to stop."""
        with self._guard:
            self._stopped = True
            if self._process is not None and self._process.stdin is not None:
                with contextlib.suppress(OSError):
                    self._process.stdin.close()

    def kill(self) -> None:
        """End the worker at once; safe at any point, and without effect on one that has ended."""
        if self._process is not None:
            self._process.kill()


def environment() -> dict[str, str]:
    """Give the environment of a worker: this process's, without its secrets."""
    return _KEEP_MEMORY | {name: value for name, value in os.environ.items() if name not in _SECRET_VARIABLES}


def _start() -> subprocess.Popen[bytes]:
    if not sys.executable:
        message = "This Python does not know its own path (sys.executable), so no worker can be started."
        raise WorkerFailed(message, exit_status=None, stderr="")
    launcher = Path(__file__).with_name("bootstrap.py")
    try:
        return subprocess.Popen(
            [sys.executable, "-P", str(launcher), "worker.main"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(),
            start_new_session=True,
        )
    except OSError as error:
        raise WorkerFailed(f"The worker process cannot be started: {error}.", exit_status=None, stderr="") from error


class _Tail:
    """Drains a stream in a thread, so that a talkative worker never blocks, and keeps its end."""

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
