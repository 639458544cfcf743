"""An engine's operations in processes that die, or get no more room, at a chosen point.

Run as ``python -m tests.worlds.crashing_engine`` from the project's root. It takes one JSON document a line,
``{"operation", "database", "other", "quarantine", "journal_mode", "at"}``, does each in a fork of its own (starting
Python anew for every point would take ten times as long), and answers with ``[exit status, output]``.

The points are Python's own look-outs (audit hooks, PEP 578): the fork counts every file that is opened, renamed or
removed and every look at the watch, and kills itself with SIGKILL right before number ``at``; if it lives, its output
is what they were. With ``"full"`` instead it may write no file larger than so many bytes from the phase
``"during"`` on, and its output is the class of the error.
"""

from __future__ import annotations

import itertools
import json
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any

from core.snapshots.engines.sqlite.engine import SqliteEngine
from core.snapshots.engines.sqlite.source import read_image
from core.snapshots.errors import SnapshotError
from core.snapshots.models import Method
from core.snapshots.progress import Watch
from tests.worlds.chain_world import empty_base
from tests.worlds.engine_cases import CHECKS, HEAD
from tests.worlds.game_database import CRITICAL_TABLES

_EVENTS = frozenset(
    {"open", "os.rename", "os.link", "os.remove", "os.mkdir", "os.chmod", "os.chown", "sqlite3.connect", "watch"}
)


def _do(job: dict[str, Any], watch: Watch) -> None:
    engine = SqliteEngine(Path(job["database"]), 5.0)
    other, quarantine = Path(job["other"]), Path(job["quarantine"])
    if job["operation"] == "snapshot":
        engine.snapshot(other / "archive", other, HEAD, CRITICAL_TABLES, empty_base(other), watch)
    elif job["operation"] == "copy":
        read_image(Path(job["database"]), other / "image.db", 5.0, watch)
    elif job["operation"] == "put back":
        engine.put_back(quarantine, watch)
    else:
        method = Method(job["operation"])
        engine.replace(other, method, quarantine, {"journal_mode": job["journal_mode"]}, CHECKS, watch, stopped=True)


def _die_at(number: int | None, job: dict[str, Any]) -> str:
    seen: list[str] = []

    def look(event: str, _arguments: tuple[Any, ...] = ()) -> None:
        if event in _EVENTS:
            seen.append(event)
            if len(seen) == number:
                os.kill(os.getpid(), signal.SIGKILL)

    def watched() -> bool:
        look("watch")
        return False

    sys.addaudithook(look)
    _do(job, Watch(cancelled=watched))
    return " ".join(seen)


def _run_out_of_room(limit: int, job: dict[str, Any]) -> str:
    def fill(phase: str, _done: int, _total: int) -> None:
        if phase == job["during"]:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))

    try:
        _do(job, Watch(progress=fill, monotonic=map(float, itertools.count()).__next__))
    except (SnapshotError, OSError) as error:
        return type(error).__name__
    return "done"


def _in_a_fork(job: dict[str, Any]) -> tuple[int, str]:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        output = _run_out_of_room(job["full"], job) if "full" in job else _die_at(job.get("at"), job)
        os.write(writing, output.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        output = answer.read()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), output


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(_in_a_fork(json.loads(line))), flush=True)
