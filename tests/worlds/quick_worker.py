"""A worker that is started once and forks for each job, so that a service can do hundreds of them in a few seconds.

Run as ``python -m tests.worlds.quick_worker``. It reads one job a line and writes what a worker writes. Each job runs
in a process of its own, but Python is not started again for it. ``QuickWorker`` is the client.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from core.snapshots.errors import from_wire
from core.snapshots.models import Progress
from core.snapshots.worker import main as worker
from core.snapshots.worker.protocol import Committed, Failed, Job, Outcome

ROOT = Path(__file__).parents[2]
_MESSAGE = Progress | Committed | Outcome | Failed


class QuickWorker:
    """Runs jobs in place of ``client.run``, one at a time."""

    def __init__(self) -> None:
        """Start the process that forks."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.worlds.quick_worker"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    async def run(
        self,
        _pool: object,
        job: Job,
        result_type: type[Any],
        _on_progress: object = None,
        on_committed: Callable[[], None] | None = None,
        inherited: int | None = None,
    ) -> Any:
        """Run a job and return its result, or raise its error."""
        answer = await asyncio.to_thread(self._ask, msgspec.json.encode(job), on_committed)
        if isinstance(answer, Failed):
            raise from_wire(answer.error)
        return msgspec.json.decode(answer.value, type=result_type)

    def _ask(self, job: bytes, on_committed: Callable[[], None] | None) -> Outcome | Failed:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(job + b"\n")
        self._process.stdin.flush()
        for line in self._process.stdout:
            message: Progress | Committed | Outcome | Failed = msgspec.json.decode(line, type=_MESSAGE)
            if isinstance(message, Committed):
                if on_committed is not None:
                    on_committed()
            elif not isinstance(message, Progress):
                return message
        raise AssertionError("the process that forks ended")

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def main() -> None:
    """Run one job after another, until there are no more."""
    os.umask(0o077)
    for line in sys.stdin.buffer:
        child = os.fork()
        if child == 0:
            job = msgspec.json.decode(line, type=Job)
            os._exit(worker._run(job, worker.Lines(sys.stdout.buffer), threading.Event()))
        os.waitpid(child, 0)


if __name__ == "__main__":
    main()
