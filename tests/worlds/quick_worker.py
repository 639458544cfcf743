"""A worker that is started once and forks for each job, so that a service can do hundreds of them in some seconds.

Run as ``python -m tests.worlds.quick_worker``. It takes a job a line and answers as a worker does; each job is done
in a process of its own, and only Python is not started anew for it. ``QuickWorker`` is the other side.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import msgspec

from core.snapshots.errors import from_wire
from core.snapshots.models import Progress
from core.snapshots.worker import main as worker
from core.snapshots.worker.protocol import Failed, Job, Outcome

ROOT = Path(__file__).parents[2]


class QuickWorker:
    """Does jobs in the place of ``client.run``, one at a time."""

    def __init__(self) -> None:
        """Start the process that forks."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.worlds.quick_worker"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    async def run(self, _pool: object, job: Job, gives: type[Any], _on_progress: object = None) -> Any:
        """Do a job and give its outcome, or raise what it raised."""
        answer = await asyncio.to_thread(self._ask, msgspec.json.encode(job))
        if isinstance(answer, Failed):
            raise from_wire(answer.error)
        return msgspec.json.decode(answer.value, type=gives)

    def _ask(self, job: bytes) -> Outcome | Failed:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(job + b"\n")
        self._process.stdin.flush()
        for line in self._process.stdout:
            said: Progress | Outcome | Failed = msgspec.json.decode(line, type=Progress | Outcome | Failed)
            if not isinstance(said, Progress):
                return said
        raise AssertionError("the process that forks ended")

    def close(self) -> None:
        """Let go of the process."""
        self._process.communicate()


def main() -> None:
    """Do each job that comes, until there are no more."""
    os.umask(0o077)
    for line in sys.stdin.buffer:
        child = os.fork()
        if child == 0:
            job = msgspec.json.decode(line, type=Job)
            os._exit(worker._run(job, worker.Lines(sys.stdout.buffer), threading.Event()))
        os.waitpid(child, 0)


if __name__ == "__main__":
    main()
