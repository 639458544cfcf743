"""A document in the repository's ``state`` folder, changed in the background, so that nothing waits for the disk."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

import msgspec

from ..core_api import SnapshotError, SnapshotService

__all__ = ["StoredDocument"]

log = logging.getLogger(__name__)

Document = TypeVar("Document", bound=msgspec.Struct)


class StoredDocument(Generic[Document]):
    """One document. Changes are applied in order, once ``open`` has allowed it; until then they wait.

    A repository that is not mounted, or that belongs to another database, must not be written to, so it is never opened
    there. What cannot be written stays in memory, and is logged.
    """

    def __init__(self, service: SnapshotService, name: str, kind: type[Document]) -> None:
        self._service = service
        self._name = name
        self._kind = kind
        self._changes: deque[Callable[[Document | None], Document]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._opened = False

    async def open(self) -> Document | None:
        """Read the document and allow changes of it; None if there is none, or if it cannot be read."""
        try:
            found = await self._service.read_state(self._name, self._kind)
        except OSError as error:
            log.warning("%s.json cannot be read: %s", self._name, error)
            found = None
        self._opened = True
        self._start()
        return found

    def change(self, change: Callable[[Document | None], Document]) -> None:
        """Change the document soon; returns at once. ``change`` runs in a thread."""
        self._changes.append(change)
        self._start()

    async def save(self) -> None:
        """Wait until all changes are written or have failed."""
        if self._task is not None:
            await asyncio.wait([self._task])

    def _start(self) -> None:
        if self._opened and self._changes and (self._task is None or self._task.done()):
            self._task = asyncio.get_running_loop().create_task(self._apply(), name=f"savepoint {self._name}")

    async def _apply(self) -> None:
        while self._changes:
            change = self._changes.popleft()
            try:
                await self._service.change_state(self._name, self._kind, change)
            except (OSError, SnapshotError) as error:
                log.warning("%s.json could not be written, so a restart forgets its news: %s", self._name, error)
