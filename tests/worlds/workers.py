"""Worker processes seen from outside: which there are, and how to hold one up at a chosen point.

A test that waits until a worker "is in the middle of it" misses that moment on a busy machine. ``HeldWorkers`` makes
the worker itself wait there.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

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
        with contextlib.suppress(OSError, IndexError):
            state, its_parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
            if int(its_parent) == parent and state != "Z" and b"bootstrap.py" in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
    return found


def only_worker(parent: int) -> int:
    """Wait until a process has a worker, and return it."""
    wait_until(lambda: workers_of(parent), "a worker was started")
    return workers_of(parent)[0]


def is_running(process: int) -> bool:
    """Return True if there is such a process and it has not ended."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until_gone(*processes: int) -> None:
    """Wait until processes have ended."""
    wait_until(lambda: not any(is_running(process) for process in processes), f"the processes {processes} ended")
