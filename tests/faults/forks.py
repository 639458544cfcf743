"""Exchanges of files in forks of one process, each disturbed at a chosen file call.

Run as ``python -m tests.faults.forks`` with the injector loaded. It takes one JSON document a line, does it in a fork
(starting Python for each would take twenty times as long), and answers with ``[exit status, number of calls, output]``.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from core.snapshots.engines.sqlite.exchanging import moves
from core.snapshots.engines.sqlite.exchanging.exchange import exchange_files, put_back, recover
from core.snapshots.progress import Watch

_ROOM = 24


def _do(job: dict[str, Any]) -> str:
    database, record = Path(job["database"]), Path(job["record"])
    if job["operation"] == "recover":
        found = recover(database, record, Watch())
        return "none" if found is None else str(found.restored)
    quarantine = Path(job["quarantine"])
    if job["operation"] == "put back":
        put_back(database, quarantine, Watch(), record=record)
        return "done"
    image, details = Path(job["image"]), {"journal_mode": job["journal_mode"]}
    exchange_files(database, image, quarantine, details, 1.0, Watch(), record=record, stopped=True)
    return "done"


def _arm(job: dict[str, Any]) -> Callable[[], int]:
    """Let the injector, whichever there is, disturb this process; return what counts the calls."""
    at, how, from_then_on, busy = job.get("at", -1), job.get("how", 0), job.get("from", 0), job.get("busy", 0)
    if "LD_PRELOAD" in os.environ:
        library: Any = ctypes.CDLL(None)
        library.fault_count.restype = ctypes.c_long
        library.fault_arm(job["root"].encode(), ctypes.c_long(at), how, from_then_on, busy)
        return cast(Callable[[], int], library.fault_count)
    hooks: Any = sys.modules["sitecustomize"]
    if busy:
        moves._exchange = _refuse_to_exchange
    hooks.fault.arm(job["root"], at, how, bool(from_then_on))
    return lambda: int(hooks.fault.count)


def _refuse_to_exchange(one: Path, other: Path) -> bool:
    raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), str(one), None, str(other))


def _in_a_fork(job: dict[str, Any]) -> tuple[int, int, str]:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        count = _arm(job)
        try:
            output = _do(job)
        except OSError as error:
            output = f"{type(error).__name__}: {error}"
        os.write(writing, f"{count():{_ROOM}}{output}".encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        output = answer.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return status, int(output[:_ROOM] or 0), output[_ROOM:]


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(_in_a_fork(json.loads(line))), flush=True)
