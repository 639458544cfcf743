"""One question about the past, in a process of its own: how long it takes the first time and again, and its memory.

``python -m benchmarks.history.ask`` reads a ``Task`` as JSON from standard input and prints a ``Taken``. The first time
nothing is known of the archives; again is the same question, asked by a new process that finds what was kept.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from core.snapshots.history.answers import answer
from core.snapshots.history.questions import PastFiles, Question
from core.snapshots.progress import Watch

from ..measure import module

__all__ = ["Taken", "Task", "ask"]


class Task(msgspec.Struct, frozen=True):
    """A question and the points that it is about."""

    question: Question
    files: PastFiles
    url: str


class Taken(msgspec.Struct, frozen=True):
    """How long the answer took and how much processor time, in seconds, the memory at most in KiB, and the answer."""

    seconds: float
    processor: float
    memory: int
    answer: msgspec.Raw


def ask(task: Task) -> Taken:
    """Ask in a process of its own."""
    program = module("history.ask")
    done = subprocess.run(program, input=msgspec.json.encode(task), stdout=subprocess.PIPE, check=True)
    return msgspec.json.decode(done.stdout, type=Taken)


def main() -> None:
    """Answer the task on standard input."""
    task = msgspec.json.decode(sys.stdin.buffer.read(), type=Task)
    with tempfile.TemporaryDirectory(prefix="savepoint-ask-") as scratch:
        started, worked = time.perf_counter(), time.process_time()
        found = answer(task.question, task.files, task.url, 15.0, Path(scratch), Watch())
        seconds, processor = time.perf_counter() - started, time.process_time() - worked
    taken = Taken(seconds, processor, _most_memory(), msgspec.Raw(msgspec.json.encode(found)))
    sys.stdout.buffer.write(msgspec.json.encode(taken))


def _most_memory() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    return 0


if __name__ == "__main__":
    main()
