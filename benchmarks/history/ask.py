"""One question about the past, in a process of its own: how long it takes the first time and again, and its memory.

``python -m benchmarks.history.ask`` reads a ``Task`` as JSON from standard input and prints a ``Taken``. The first time
nothing is known of the archives; again is the same question, asked by a new process that finds what was kept.

The memory is that of the process and of those that it forks: of each page that they share, its share. To look at it
costs time, so a question whose memory is looked at is not one whose time counts.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
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


def ask(task: Task, *, look_at_memory: bool = False) -> Taken:
    """Ask in a process of its own, and look at its memory all the time, or only at its end."""
    with subprocess.Popen(module("history.ask"), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        with ThreadPoolExecutor(1) as pool:
            looking = pool.submit(_most_together, process) if look_at_memory else None
            output, _ = process.communicate(msgspec.json.encode(task))
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, process.args)
    taken = msgspec.json.decode(output, type=Taken)
    return taken if looking is None else msgspec.structs.replace(taken, memory=max(taken.memory, looking.result()))


def main() -> None:
    """Answer the task on standard input."""
    task = msgspec.json.decode(sys.stdin.buffer.read(), type=Task)
    with tempfile.TemporaryDirectory(prefix="savepoint-ask-") as scratch:
        started, worked = time.perf_counter(), _processor_time()
        found = answer(task.question, task.files, task.url, 15.0, Path(scratch), Watch())
        seconds, processor = time.perf_counter() - started, _processor_time() - worked
    taken = Taken(seconds, processor, _most_memory(), msgspec.Raw(msgspec.json.encode(found)))
    sys.stdout.buffer.write(msgspec.json.encode(taken))


def _processor_time() -> float:
    """Return the processor time of this process and of those that it forked and that have ended, in seconds."""
    forks = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + forks.ru_utime + forks.ru_stime


def _most_together(process: subprocess.Popen[bytes]) -> int:
    """Return the most memory, in KiB, that a process and its forks had together at a time."""
    most = 0
    while process.poll() is None:
        with suppress(OSError):
            forks = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            most = max(most, sum(map(_share, [str(process.pid), *forks])))
        time.sleep(0.005)
    return most


def _share(process: str) -> int:
    """Return the memory of a process in KiB: of each page that others have, too, its share; 0 if it has ended."""
    with suppress(OSError):
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0


def _most_memory() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    return 0


if __name__ == "__main__":
    main()
