"""Workers that outlived the process that started them, and still hold the repository's lock.

Such a worker ends within seconds, unless a call of it hangs or it is frozen. It may be about to move the database's
files, so whoever comes next must not begin before it is gone. Where it does not go by itself it is ended.

Processes are found and told apart in /proc by number and start time (proc(5)), so on other systems none is found.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

import msgspec

__all__ = ["PARENT_OPTION", "end_orphans", "parent_mark"]

PARENT_OPTION = "--parent="
"""The argument that tells which process started a worker: its number and its start time."""

_PROC = Path("/proc")
_PATIENCE = 5.0
"""Seconds that an orphan has to end by itself; a sound one takes three at most."""
_LOOK_EVERY = 0.05
_GONE_WITHIN = 10.0
"""Seconds after which a killed process that hangs in the kernel is given up."""


class _Process(msgspec.Struct, frozen=True):
    """One process, told from a later one with the same number by its start time."""

    pid: int
    started: str

    @property
    def is_alive(self) -> bool:
        return _started(self.pid) == self.started


def parent_mark() -> str:
    """Return the argument by which a worker of this process can be known."""
    return f"{PARENT_OPTION}{os.getpid()}:{_started(os.getpid()) or 0}"


def end_orphans(lock: Path) -> bool:
    """Wait for the orphans that hold a lock file, and end those that stay; return True if there were any. Blocks."""
    found = _orphans(lock)
    if not found:
        return False
    until = time.monotonic() + _PATIENCE
    while any(each.is_alive for each in found) and time.monotonic() < until:
        time.sleep(_LOOK_EVERY)
    for each in found:
        if each.is_alive:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(each.pid, signal.SIGKILL)
    until = time.monotonic() + _GONE_WITHIN
    while any(each.is_alive for each in found) and time.monotonic() < until:
        time.sleep(_LOOK_EVERY)
    return True


def _orphans(lock: Path) -> list[_Process]:
    try:
        status = lock.stat()
        entries = [entry for entry in _PROC.iterdir() if entry.name.isdigit()]
    except OSError:
        return []
    return [
        found
        for entry in entries
        if (found := _orphan(entry)) is not None and _has_open(entry, (status.st_dev, status.st_ino))
    ]


def _orphan(entry: Path) -> _Process | None:
    """Return a worker whose parent is gone, None for every other process."""
    try:
        words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return None
    marks = [word.removeprefix(PARENT_OPTION) for word in words if word.startswith(PARENT_OPTION)]
    if not marks or not any(word.endswith("bootstrap.py") for word in words):
        return None
    pid, _, started = marks[0].partition(":")
    own = _started(int(entry.name))
    if not pid.isdigit() or own is None or _Process(int(pid), started).is_alive:
        return None
    return _Process(int(entry.name), own)


def _has_open(entry: Path, inode: tuple[int, int]) -> bool:
    with contextlib.suppress(OSError):
        for link in (entry / "fd").iterdir():
            with contextlib.suppress(OSError):
                status = link.stat()
                if (status.st_dev, status.st_ino) == inode:
                    return True
    return False


def _started(pid: int) -> str | None:
    """Return the start time of a process in the kernel's ticks, None if there is none or it has ended.

    A process whose first thread has ended is a zombie already, while its other threads may still hold its files.
    """
    try:
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    state, threads, started = fields[0], int(fields[17]), fields[19]
    return None if state in "ZX" and threads <= 1 else started
