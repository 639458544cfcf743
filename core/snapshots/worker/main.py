"""The worker's main program: do one job and end.

It is started by path (see ``bootstrap``), so that the host's own modules are not imported a second time. Everything
that blocks, that reads the file of a live database, or that could crash the process is done here.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import msgspec

from ..engines import engine_for
from ..errors import NotEnoughSpace, SnapshotError, WorkerFailed
from ..files import free_space, give_to_owner, make_folder, sync_folder, translate_os_error
from ..models import Progress
from ..progress import Watch
from ..settings import database_url
from ..units import size_text
from . import handlers
from .protocol import Committed, Failed, Job, Outcome, ReplaceJob, commit_mark

__all__ = ["main"]

_NICENESS = 5
"""Compression keeps both cores of a small machine busy; the bot's event loop has priority."""

_GRACE = 3.0
"""Seconds that a job has to stop by itself after standard input is closed, before the process exits anyway."""


def main() -> int:
    """Do the job on standard input, write its outcome to standard output, and return the exit status."""
    os.umask(0o077)
    if hasattr(os, "nice"):
        os.nice(_NICENESS)
    # Ctrl-C is meant for the bot, which stops its workers itself and may need one more for its last snapshot.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    source, lines = sys.stdin.buffer, Lines(sys.stdout.buffer)
    try:
        job = msgspec.json.decode(source.readline(), type=Job)
    except msgspec.DecodeError as error:
        lines.write(Failed(WorkerFailed(f"The worker was given no job it knows: {error}").to_wire()))
        return 2
    stopping = threading.Event()
    threading.Thread(target=_stop_with_parent, args=(source, stopping, Path(job.scratch)), daemon=True).start()
    status = _run(job, lines, stopping)
    # Everything is written and removed; an orderly exit of the interpreter would only keep the bot waiting.
    sys.stderr.flush()
    os._exit(status)


class Lines:
    """Writes JSON documents to a stream, one a line. A closed pipe is ignored; see ``_stop_with_parent``."""

    def __init__(self, target: BinaryIO) -> None:
        self._target = target
        self._encoder = msgspec.json.Encoder()

    def write(self, document: Progress | Committed | Outcome | Failed) -> None:
        """Write one document and flush it."""
        try:
            self._target.write(self._encoder.encode(document) + b"\n")
            self._target.flush()
        except BrokenPipeError:
            return


def _run(job: Job, lines: Lines, stopping: threading.Event) -> int:
    scratch = Path(job.scratch)
    watch = Watch(
        deadline_at=time.monotonic() + job.deadline,
        seconds=job.deadline,
        progress=lambda phase, done, total: lines.write(Progress(phase, done, total)),
        cancelled=stopping.is_set,
        committed=lambda: _commit(job, lines),
        space=_space_check(scratch.parent, job.min_free) if job.min_free else None,
    )
    try:
        make_folder(scratch)
        engine = engine_for(database_url.parse(job.url), job.busy_timeout, exclude_unreadable=job.exclude_unreadable)
        value = handlers.do(job, engine, scratch, watch)
        lines.write(Outcome(msgspec.Raw(msgspec.json.encode(value))))
    except SnapshotError as error:
        lines.write(Failed(error.to_wire()))
        return 1
    except OSError as error:
        lines.write(Failed(translate_os_error(error).to_wire()))
        return 1
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return 0


def _commit(job: Job, lines: Lines) -> None:
    """Tell the parent that the change is made; a file tells it to the next start if the parent has died meanwhile."""
    if isinstance(job, ReplaceJob):
        mark = commit_mark(Path(job.record))
        with contextlib.suppress(OSError):  # the change is made all the same
            make_folder(mark.parent)
            mark.touch(mode=0o600)
            give_to_owner(mark)
            sync_folder(mark.parent)
    lines.write(Committed())


def _space_check(folder: Path, minimum: int) -> Callable[[], None]:
    def look() -> None:
        free = free_space(folder)
        if free < minimum:
            raise NotEnoughSpace(
                f"Stopped while writing: only {size_text(free)} are free, and {size_text(minimum)} must stay so "
                "([repository] min_free). Nothing half-written was left.",
                free=free,
                needed=0,
                minimum=minimum,
            )

    return look


def _stop_with_parent(source: BinaryIO, stopping: threading.Event, scratch: Path) -> None:
    """Wait for the end of standard input, which means that the parent died or wants the job to stop; then stop it."""
    # Not ``source.read``: Python aborts if it exits while another thread holds the buffer's lock.
    while os.read(source.fileno(), 4096):
        pass
    stopping.set()
    time.sleep(_GRACE)
    # The job is in a call that cannot be interrupted. Every job is safe to kill at any moment.
    shutil.rmtree(scratch, ignore_errors=True)
    os._exit(1)
