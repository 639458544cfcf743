"""Worker processes seen from outside: which there are, and how to hold one up at a chosen point.

A test that waits until a worker "is in the middle of it" misses that moment on a busy machine. ``HeldWorkers`` makes
the worker itself wait there.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from pathlib import Path
from typing import Any, cast

import pytest

from core.snapshots.repository.orphans import PARENT_OPTION
from tests.worlds.waiting import until, wait_until

_HOLD = """
import os, sys, time

openings = 0


def told_to_stop():
    for frame in sys._current_frames().values():
        if frame.f_code.co_name == "_stop_with_parent" and frame.f_locals["stopping"].is_set():
            return True
    return False


def look(event, arguments):
    global openings
    if event == "open" and {name!r} in os.path.basename(str(arguments[0])):
        openings += 1
        if openings == {opening}:
            os.close(os.open({sign!r}, os.O_CREAT))
            while not told_to_stop() and not os.path.exists({release!r}):
                time.sleep(0.01)


sys.addaudithook(look)
"""


class HeldWorkers:
    """Makes every worker wait where it opens a file, until it is told to stop or released.

    ``name`` is a part of the file's name, ``opening`` says which time counts: a snapshot's file is opened first to be
    written, and then to be verified.
    """

    def __init__(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, name: str = "snapshot-", *, opening: int = 1
    ) -> None:
        self._sign = folder / "held"
        self._release = folder / "released"
        site = folder / "held-site"
        site.mkdir()
        # Every Python that this process starts reads this file first.
        (site / "sitecustomize.py").write_text(
            _HOLD.format(name=name, opening=opening, sign=str(self._sign), release=str(self._release))
        )
        monkeypatch.setenv("PYTHONPATH", str(site))

    async def until_one_waits(self) -> None:
        """Wait until a worker is at its point."""
        await until(self._sign.exists, "a worker opened its file")

    def release(self) -> None:
        """Release all workers."""
        self._release.touch()


def workers_of(parent: int) -> list[int]:
    """Return the workers that a process started and that have not ended."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            state, its_parent = _fields_of(int(entry.name))[:2]
            if int(its_parent) == parent and state != "Z" and b"bootstrap.py" in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
    return found


def left_behind_by(process: subprocess.Popen[Any]) -> list[int]:
    """Return the workers that a process, which has ended, started and that have not ended.

    One that the kernel was about to start has the command line of its parent until it has its own. (The parent's list
    of children, read while it is stopped, would miss it: SIGSTOP takes effect some time after it was sent.)
    """
    command = [os.fsencode(argument) for argument in cast("list[str]", process.args)]
    mark = f"{PARENT_OPTION}{process.pid}:".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            words = _command_of(int(entry.name))
            if words is None or words == command or any(word.startswith(mark) for word in words):
                found.append(int(entry.name))
    return found


def _command_of(process: int) -> list[bytes] | None:
    """Return a process's command line: empty for one of the kernel's or one that has ended, None if it ends just now.

    While the kernel exchanges the program of a process, that process has none for an instant.
    """
    with contextlib.suppress(OSError):
        while is_running(process):
            line = Path(f"/proc/{process}/cmdline").read_bytes()
            if line:
                return line.split(b"\0")[:-1]
            if not _has_program(process):
                return None if _fields_of(process)[0] == "Z" else []
    return []


def _has_program(process: int) -> bool:
    """Return False for a thread of the kernel, and for a process that ends."""
    try:
        return bool(Path(f"/proc/{process}/exe").readlink())
    except OSError:
        return False


def _fields_of(process: int) -> list[str]:
    """Return what proc(5) says of a process, from its state on."""
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()


def only_worker(parent: int) -> int:
    """Wait until a process has a worker, and return it."""
    wait_until(lambda: workers_of(parent), "a worker was started")
    return workers_of(parent)[0]


def is_running(process: int) -> bool:
    """Return True if there is such a process and it has not ended, with all its threads: they may hold its files."""
    try:
        fields = _fields_of(process)
    except OSError:
        return False
    return fields[0] != "Z" or int(fields[17]) > 1


def wait_until_gone(*processes: int) -> None:
    """Wait until processes have ended."""
    wait_until(lambda: not any(is_running(process) for process in processes), f"the processes {processes} ended")
