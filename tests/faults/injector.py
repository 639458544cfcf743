"""The injector: a library that is compiled here and loaded into a process, where it counts and disturbs file calls."""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

__all__ = ["KILL", "STOP", "environment", "missing", "new_counter"]

KILL, STOP = 0, -1
"""What happens at the chosen call in place of an errno."""

_SOURCE = Path(__file__).with_name("injector.c")


def missing() -> str | None:
    """Return why there is no injector on this machine, or None if there is one."""
    if sys.platform != "linux":
        return "the injector of faults needs LD_PRELOAD, as Linux has it"
    if shutil.which("cc") is None:
        return "the injector of faults needs a C compiler (cc)"
    return None


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
    path.write_bytes(bytes(8))
    return path


def environment(
    root: Path | None = None, counter: Path | None = None, *, at: int = -1, how: int = KILL, from_then_on: bool = False
) -> dict[str, str]:
    """Return the environment of a process that is disturbed at its ``at``-th file call under ``root``."""
    values = {**os.environ, "LD_PRELOAD": str(library())}
    if root is not None and counter is not None:
        values |= {"FAULT_ROOT": str(root), "FAULT_COUNTER": str(counter), "FAULT_AT": str(at), "FAULT_HOW": str(how)}
        if from_then_on:
            values["FAULT_FROM"] = "1"
    return values
