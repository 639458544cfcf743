"""Who sends a notice: several processes can know of the same one, and the owner should read it once.

A process that sends a notice holds its mark, which the operating system releases if the process dies. That it was sent
stands on disk before the mark is given back. Where the disk does not answer, a notice is sent all the same: twice is
better than never.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from enum import Enum, auto

from ..core_api import Busy, SnapshotError, SnapshotService
from .documents import StoredDocument
from .models import WaitingNotices

__all__ = ["Claim", "Claims"]

log = logging.getLogger(__name__)
_SECONDS = 5.0
"""How long a notice waits for the disk."""


class Claim(Enum):
    """What a process may do with a notice."""

    OURS = auto()
    """Send it."""
    TAKEN = auto()
    """Leave it for now: another process is sending it."""
    DONE = auto()
    """Forget it: another process has sent it."""


class Claims:
    """The claims of one process on the notices in a document."""

    def __init__(self, service: SnapshotService, document: StoredDocument[WaitingNotices]) -> None:
        self._service = service
        self._document = document

    @contextlib.asynccontextmanager
    async def claimed(self, notice_id: str) -> AsyncIterator[Claim]:
        """Claim a notice while the block runs, and until the changes that it made to the document are on disk."""
        if not self._document.opened:  # nobody else can know of what is only in memory
            yield Claim.OURS
            return
        loop = asyncio.get_running_loop()
        found: asyncio.Future[Claim] = loop.create_future()
        ended = asyncio.Event()
        holding = loop.create_task(self._hold(notice_id, found, ended), name="savepoint claim")
        # A task of its own, so that nothing waits for ever for a disk that hangs.
        answered, _ = await asyncio.wait([found], timeout=_SECONDS)
        try:
            yield found.result() if answered else Claim.OURS
        finally:
            ended.set()
            await asyncio.wait([holding], timeout=_SECONDS)

    async def _hold(self, notice_id: str, found: asyncio.Future[Claim], ended: asyncio.Event) -> None:
        try:
            async with self._service.mark(notice_id).held():
                document = await self._document.latest()
                done = document is not None and notice_id in document.done
                found.set_result(Claim.DONE if done else Claim.OURS)
                await ended.wait()
                await self._document.save()
        except Busy:
            found.set_result(Claim.TAKEN)
        except (OSError, SnapshotError, ValueError) as error:
            log.warning("It cannot be found out if another process sends a notice: %s", error)
            if not found.done():
                found.set_result(Claim.OURS)
