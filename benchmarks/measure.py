"""Clocks, and two observers: of an event loop's stalls, and of a worker's memory.

``python -m benchmarks.measure PID`` is the observer of memory: a process of its own, so that it costs the
observed one nothing. It prints the most that any worker of that process has used, in KiB, when its standard input ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import select
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Self

__all__ = [
    "MemoryObserver",
    "StallProbe",
    "median",
    "module",
    "percentile",
    "run",
    "settle",
    "size_of",
    "timed",
    "warm",
]

_PROBE_PAUSE = 0.001
_LOOK_EVERY = 0.01
_READ = 1 << 20
_WORKER_MARK = b"bootstrap.py"


def median(values: Sequence[float]) -> float:
    """Return the middle value."""
    return statistics.median(values)


def percentile(values: Sequence[float], hundredths: float) -> float:
    """Return the value that ``hundredths`` of the values do not exceed; 0 for no values."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * hundredths / 100))] if ordered else 0.0


def timed(call: Callable[..., object], *arguments: object) -> float:
    """Return how long a call takes, in seconds."""
    started = time.perf_counter()
    call(*arguments)
    return time.perf_counter() - started


def settle() -> None:
    """Sync the disk, so that what is measured next does not wait for earlier writes."""
    os.sync()


def warm(*paths: Path) -> None:
    """Read files, and all files in folders, once, so that they are in the page cache."""
    for path in paths:
        for each in path.rglob("*") if path.is_dir() else (path,):
            if each.is_file():
                with each.open("rb", buffering=0) as file:
                    while file.read(_READ):
                        pass


def size_of(path: Path) -> int:
    """Return the size of a file, or of all files in a folder, in bytes; 0 if there is nothing."""
    if not path.is_dir():
        return path.stat().st_size if path.exists() else 0
    return sum(each.stat().st_size for each in path.rglob("*") if each.is_file() and not each.is_symlink())


def run(*command: str | Path, **environment: str) -> None:
    """Run a program to its end; raise RuntimeError with its output if it fails."""
    found = subprocess.run(
        [str(part) for part in command], env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    if found.returncode:
        raise RuntimeError(f"{command[0]} failed with {found.returncode}: {(found.stderr or found.stdout)[-2000:]}")


def module(name: str, *arguments: str | Path) -> list[str]:
    """Return the command that runs a module of these benchmarks, like ``"sqlite.player"``, with this Python."""
    return [sys.executable, "-m", f"{__package__}.{name}", *(str(argument) for argument in arguments)]


class StallProbe:
    """A task that sleeps for a millisecond again and again, and remembers the most by which it woke up late."""

    def __init__(self) -> None:
        self.worst = 0.0
        """The longest stall so far, in ms."""

    async def __aenter__(self) -> Self:
        gc.collect()  # garbage of what ran before must not be measured here
        self._task = asyncio.create_task(self._look())
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.sleep(5 * _PROBE_PAUSE)  # a stall at the very end must still be seen
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def _look(self) -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(_PROBE_PAUSE)
            self.worst = max(self.worst, (time.perf_counter() - before - _PROBE_PAUSE) * 1000)


class MemoryObserver:
    """Measures the most memory that a worker of this process uses inside the ``with`` block: ``peak``, in bytes.

    That is ``VmHWM``, which only Linux has; elsewhere the peak stays 0.
    """

    def __init__(self) -> None:
        self.peak = 0

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            module("measure", str(os.getpid())), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self._process.stdout.readline()
        return self

    def __exit__(self, *_: object) -> None:
        answer, _errors = self._process.communicate()
        self.peak = int(answer) * 1024


def _workers(parent: int, known: dict[int, bool]) -> Iterator[int]:
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{parent}/task").iterdir():
            for child in map(int, (task / "children").read_text().split()):
                if not known.get(child):  # before it is a worker it is a copy of its parent
                    known[child] = _WORKER_MARK in Path(f"/proc/{child}/cmdline").read_bytes()
                if known[child]:
                    yield child


def _peak(process: int) -> int:
    with contextlib.suppress(OSError, ValueError, StopIteration):
        status = Path(f"/proc/{process}/status").read_text().splitlines()
        return int(next(line for line in status if line.startswith("VmHWM")).split()[1])
    return 0


def _observe_memory(parent: int) -> int:
    known: dict[int, bool] = {}
    most = 0
    while not select.select([sys.stdin], [], [], _LOOK_EVERY)[0]:
        most = max([most, *(_peak(worker) for worker in _workers(parent, known))])
    return most


if __name__ == "__main__":
    print("looking", flush=True)
    print(_observe_memory(int(sys.argv[1])))
