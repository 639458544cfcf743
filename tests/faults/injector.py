"""The injector: it counts and disturbs the file calls of a process, and of those that it starts.

Where there is a C compiler it is a library, compiled here and loaded with LD_PRELOAD, which sees every call, SQLite's
too. Elsewhere, or if SAVEPOINT_FAULTS is "hooks", it is Python's own functions with hooks (``hooks/sitecustomize.py``).
"""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

__all__ = ["KILL", "STOP", "count", "environment", "has_library", "missing", "new_counter"]

KILL, STOP = 0, -1
"""What happens at the chosen call in place of an errno."""

_SOURCE = Path(__file__).with_name("injector.c")
_HOOKS = Path(__file__).with_name("hooks")


def missing() -> str | None:
    """Return why there is no injector on this machine, or None if there is one."""
    return None if os.name == "posix" else "the injector of faults needs signals and file descriptors of POSIX"


def has_library() -> bool:
    """Return True if the injector is the library, False if it is the hooks."""
    return sys.platform == "linux" and shutil.which("cc") is not None and os.environ.get("SAVEPOINT_FAULTS") != "hooks"


@functools.cache
def library() -> Path:
    """Compile the library, once for each content of its source, and return its path."""
    digest = hashlib.sha256(_SOURCE.read_bytes()).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"savepoint-faults-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    target = folder / f"injector-{digest}.so"
    if not target.exists():
        part = folder / f"{digest}-{os.getpid()}.so"
        command = ["cc", "-O1", "-shared", "-fPIC", "-o", str(part), str(_SOURCE), "-ldl"]
        subprocess.run(command, check=True, capture_output=True)
        part.replace(target)
    return target


def new_counter(folder: Path) -> Path:
    """Create the file in which processes count together."""
    path = folder / "fault-counter"
    path.write_bytes(bytes(8) if has_library() else b"")
    return path


def count(counter: Path) -> int:
    """Return how many calls were counted."""
    content = counter.read_bytes()
    return int(struct.unpack("q", content)[0]) if has_library() else len(content)


def environment(
    root: Path | None = None, counter: Path | None = None, *, at: int = -1, how: int = KILL, from_then_on: bool = False
) -> dict[str, str]:
    """Return the environment of a process that is disturbed at its ``at``-th file call under ``root``."""
    values = (
        {**os.environ, "LD_PRELOAD": str(library())} if has_library() else {**os.environ, "PYTHONPATH": str(_HOOKS)}
    )
    if root is not None and counter is not None:
        values |= {"FAULT_ROOT": str(root), "FAULT_COUNTER": str(counter), "FAULT_AT": str(at), "FAULT_HOW": str(how)}
        if from_then_on:
            values["FAULT_FROM"] = "1"
    return values
