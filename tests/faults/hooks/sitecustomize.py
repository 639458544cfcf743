"""The injector where there is no C compiler: Python's own file functions count and disturb calls.

Every Python that is started with this folder in PYTHONPATH reads this file first. It does what ``injector.c`` does, by
the same environment, but sees only what Python calls: not SQLite's own calls.
"""

from __future__ import annotations

import builtins
import io
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any


class _Fault:
    """What to do at which call, and how many there have been."""

    def __init__(self) -> None:
        self.root, self.at, self.how, self.from_then_on, self.count = "", -1, 0, False, 0
        self.counter: int | None = None

    def arm(self, root: str, at: int, how: int, from_then_on: bool) -> None:
        """Begin to count the calls under a folder."""
        self.root, self.at, self.how, self.from_then_on, self.count = root, at, how, from_then_on, 0

    def arm_by_environment(self) -> None:
        """Begin with what the environment says, counting together with other processes."""
        if "FAULT_ROOT" in os.environ:
            number = {name: int(os.environ.get(f"FAULT_{name}", -1)) for name in ("AT", "HOW")}
            self.counter = _REAL_OPEN(os.environ["FAULT_COUNTER"], os.O_WRONLY | os.O_APPEND)
            self.arm(os.environ["FAULT_ROOT"], number["AT"], number["HOW"], "FAULT_FROM" in os.environ)

    def meet(self, where: object) -> None:
        """Count a call, and disturb it if it is the chosen one."""
        if not self.root or not self._is_ours(where):
            return
        if self.counter is None:
            self.count += 1
        else:
            _REAL_WRITE(self.counter, b".")
            self.count = os.lseek(self.counter, 0, os.SEEK_CUR)
        if self.at < 0 or not (self.count == self.at or (self.from_then_on and self.count > self.at)):
            return
        if self.how > 0:
            raise OSError(self.how, os.strerror(self.how), str(where))
        os.kill(os.getpid(), signal.SIGSTOP if self.how < 0 else signal.SIGKILL)

    def _is_ours(self, where: object) -> bool:
        if isinstance(where, int):
            try:
                return str(Path(f"/proc/self/fd/{where}").readlink()).startswith(self.root)
            except OSError:
                return False
        return isinstance(where, str | bytes | os.PathLike) and os.fsdecode(where).startswith(self.root)


_REAL_OPEN, _REAL_WRITE = os.open, os.write
fault = _Fault()
"""That of this process."""


def _hook(module: Any, name: str, argument: int) -> None:
    real: Callable[..., Any] | None = getattr(module, name, None)
    if real is None:
        return

    def hooked(*arguments: Any, **options: Any) -> Any:
        if len(arguments) > argument:
            fault.meet(arguments[argument])
        return real(*arguments, **options)

    setattr(module, name, hooked)


_CHANGES = {
    "open": 0, "write": 0, "pwrite": 0, "fsync": 0, "fdatasync": 0, "ftruncate": 0, "unlink": 0, "remove": 0,
    "mkdir": 0, "rmdir": 0, "rename": 1, "replace": 1, "link": 1, "symlink": 1,
}  # fmt: skip
for _name, _argument in _CHANGES.items():
    _hook(os, _name, _argument)
_hook(io, "open", 0)
builtins.open = io.open
fault.arm_by_environment()
