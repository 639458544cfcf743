"""A mark that a process holds while it does something, so that others can see if it lives to do it.

A mark is a lock file in the folder for temporary files. The operating system releases it when the process dies, and its
workers do not inherit it. What a crash left of it is removed with the other temporary files.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

from .lock import InUseLock, is_abandoned

__all__ = ["ProcessMark"]

_NAME = re.compile(r"[0-9a-z-]{1,64}")


class ProcessMark:
    """One mark. ``in_thread`` calls a blocking function in a thread. A name that is none is never held."""

    def __init__(self, work: Path, name: str, in_thread: Callable[..., Coroutine[Any, Any, Any]]) -> None:
        self._path = work / f"mark-{name}.lock"
        self._is_name = _NAME.fullmatch(name) is not None
        self._in_thread = in_thread

    async def is_held(self) -> bool:
        """Return True if a process that lives holds the mark, this one or another; raises RepositoryError."""
        return self._is_name and not await self._in_thread(is_abandoned, self._path)

    @contextlib.asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Hold the mark while the block runs; raises Busy if another one does, ValueError and RepositoryError."""
        if not self._is_name:
            raise ValueError(f"{self._path.name} is no name of a mark")
        lock = InUseLock(self._path)
        try:
            await self._in_thread(lock.hold)
            yield
        finally:
            # A cancelled operation may have got the lock in its thread. Shielded, because it must be released.
            await asyncio.shield(self._in_thread(lock.release))
