"""A document in the repository's ``state`` folder, changed in the background, so that nothing waits for the disk."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeAlias, TypeVar

import msgspec

from ..core_api import SnapshotError, SnapshotService

__all__ = ["StoredDocument"]

log = logging.getLogger(__name__)
_THEN_SECONDS = 10.0

Document = TypeVar("Document", bound=msgspec.Struct)
Then: TypeAlias = Callable[[Document | None], None]


class StoredDocument(Generic[Document]):
    """One document. Changes are applied in order, once ``open`` has allowed it; until then they wait.

    A repository that is not mounted, or that belongs to another database, must not be written to, so it is never opened
    there. What cannot be written stays in memory, and is logged.
    """

    def __init__(self, service: SnapshotService, name: str, kind: type[Document]) -> None:
        self._service = service
        self._name = name
        self._kind = kind
        self._changes: deque[tuple[Callable[[Document | None], Document], Then[Document] | None]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._opened = False

    @property
    def opened(self) -> bool:
        """True once the document may be changed."""
        return self._opened

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

    def change(self, change: Callable[[Document | None], Document], then: Then[Document] | None = None) -> None:
        """Change the document soon; returns at once. ``change`` runs in a thread.

        ``then`` is called once with the document after the change; with None if it cannot be written, if that takes
        long (a disk that hangs must not silence the alert about it), and at once if it must not be written yet.
        """
        if then is not None and not self._opened:
            then(None)
            then = None
        elif then is not None:
            then = _called_once(then)
        self._changes.append((change, then))
        self._start()

    async def latest(self) -> Document | None:
        """Return the document with all changes of this process and of others; None if it cannot be read yet."""
        await self.save()
        if not self._opened:
            return None
        try:
            return await self._service.read_state(self._name, self._kind)
        except OSError as error:
            log.warning("%s.json cannot be read: %s", self._name, error)
            return None

    async def save(self) -> None:
        """Wait until all changes are written or have failed."""
        if self._task is not None:
            await asyncio.wait([self._task])

    def _start(self) -> None:
        if self._opened and self._changes and (self._task is None or self._task.done()):
            self._task = asyncio.get_running_loop().create_task(self._apply(), name=f"savepoint {self._name}")

    async def _apply(self) -> None:
        while self._changes:
            change, then = self._changes.popleft()
            after: Document | None = None
            try:
                after = await self._service.change_state(self._name, self._kind, change)
            except (OSError, SnapshotError) as error:
                log.warning("%s.json could not be written, so a restart forgets its news: %s", self._name, error)
            if then is not None:
                then(after)


def _called_once(then: Then[Document]) -> Then[Document]:
    """Return a function that calls ``then`` the first time; that is after ten seconds if nobody calls it."""
    called = False

    def call(document: Document | None) -> None:
        nonlocal called
        if not called:
            called = True
            timer.cancel()
            then(document)

    timer = asyncio.get_running_loop().call_later(_THEN_SECONDS, call, None)
    return call
