"""What ``service.request()`` gives back at once: a promise that a caller can await, or forget.

Nearly every ticket is forgotten, because a game says its event and goes on. So a ticket is a few plain attributes; it
needs no running loop, and only somebody who waits costs a future. That future never carries the error, so nothing is
logged as "exception was never retrieved" where nobody waits. Use it in the loop's thread only.
"""

from __future__ import annotations

import asyncio

from .errors import SnapshotError
from .models import Snapshot
from .policies.coverage import Request

__all__ = ["Ticket"]


class Ticket:
    """One request's outcome, now or later: the snapshot that covers it, or why there is none."""

    __slots__ = ("_outcome", "_waiters", "request")

    def __init__(self, request: Request) -> None:
        """Open a ticket for a request."""
        self.request = request
        self._outcome: Snapshot | SnapshotError | None = None
        self._waiters: list[asyncio.Future[None]] = []

    def __repr__(self) -> str:
        state = "open" if self._outcome is None else type(self._outcome).__name__
        return f"<Ticket {self.request.number} {self.request.reason!r}: {state}>"

    @property
    def done(self) -> bool:
        """Whether the request is covered or has failed."""
        return self._outcome is not None

    async def wait(self) -> Snapshot:
        """Give the snapshot that covers the request, as soon as there is one; raise the SnapshotError if it failed.

        Any number of tasks can wait, and each can give up without harm to the others.
        """
        if self._outcome is None:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            try:
                await waiter
            finally:
                self._waiters.remove(waiter)
        if isinstance(self._outcome, SnapshotError):
            raise self._outcome
        assert self._outcome is not None
        return self._outcome

    def resolve(self, snapshot: Snapshot) -> None:
        """Say that this snapshot covers the request; without effect where the outcome is known already."""
        self._settle(snapshot)

    def fail(self, error: SnapshotError) -> None:
        """Say that the request's snapshot failed; without effect where the outcome is known already."""
        self._settle(error)

    def _settle(self, outcome: Snapshot | SnapshotError) -> None:
        if self._outcome is not None:
            return
        self._outcome = outcome
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
