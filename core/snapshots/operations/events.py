"""Covering requests: the task that turns what waits into snapshots, one after another.

The bookkeeping is ``coverage.Coverage``'s, the outcome of each request its ``Ticket``'s. The task lives only while
something waits.

What ``service.request()`` gives back at once: a promise that a caller can await, or forget.

Nearly every ticket is forgotten, because a game says its event and goes on. So a ticket is a few plain attributes; it
needs no running loop, and only somebody who waits costs a future. That future never carries the error, so nothing is
logged as "exception was never retrieved" where nobody waits. Use it in the loop's thread only.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Callable, Sequence

from ..errors import OperationCancelled, SnapshotError, WorkerFailed
from ..models import Kind, Snapshot
from ..policies.coverage import Coverage, Request, distinct_reasons, group_kind, not_before
from ..repository.names import REASON_LENGTH, legible
from .context import Context
from .create import CreateRequest, create

__all__ = ["EventCoverage", "Ticket"]


log = logging.getLogger(__name__)


class EventCoverage:
    """Takes requests and sees that each is covered by a snapshot that began after it."""

    def __init__(self, context: Context, monotonic: Callable[[], float]) -> None:
        """Take the service's context and a clock in seconds that only goes forward."""
        self._context = context
        self._monotonic = monotonic
        self._coverage = Coverage()
        self._tickets: dict[int, Ticket] = {}
        self._numbers = itertools.count(1)
        self._task: asyncio.Task[None] | None = None
        self._last_began: float | None = None
        self._last_failed: float | None = None
        self._failures = 0
        self._closed = False
        self._one_at_a_time = asyncio.Lock()

    @property
    def waiting(self) -> int:
        """How many requests are not covered yet."""
        return self._coverage.requests

    @property
    def running(self) -> bool:
        """Whether a snapshot for requests is being taken now."""
        return bool(self._coverage.running)

    def request(self, kind: Kind, reason: str) -> Ticket:
        """Let a request wait for the next snapshot; call it in the loop's thread."""
        request = Request(next(self._numbers), kind, legible(reason, REASON_LENGTH), self._context.clock())
        ticket = Ticket(request)
        if self._closed:
            ticket.fail(OperationCancelled("The snapshot service is closed; this event is not covered by a snapshot."))
            return ticket
        self._coverage.add(request)
        self._tickets[request.number] = ticket
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._cover(), name="savepoint coverage")
        return ticket

    async def close(self) -> None:
        """Stop, waiting for nothing: whatever is not covered fails."""
        self._closed = True
        await self._cancel()
        self._coverage.fail()
        error = OperationCancelled("The bot went down before this event was covered by a snapshot.")
        self._settle_failed(self._coverage.pending, error)

    async def settled(self) -> None:
        """Wait until nothing waits or runs; requests that fail are retried, and this goes on waiting for them."""
        while self._task is not None and not self._task.done():
            await asyncio.wait([self._task])

    async def flush(self) -> None:
        """Cover what waits now without the pauses between snapshots; for the last moments of a bot."""
        await self._cover_group()
        if not self._coverage.requests:
            await self._cancel()  # it only waits for its time, with nothing left to do

    async def _cover(self) -> None:
        while self._coverage.requests:
            delay = self._delay()
            if delay > 0:
                await asyncio.sleep(delay)
            await self._cover_group()

    def _delay(self) -> float:
        schedule = self._context.settings.schedule
        return not_before(
            self._last_began,
            self._monotonic(),
            float(schedule.critical_spacing),
            self._failures,
            float(schedule.retry_first),
            float(schedule.retry_longest),
            last_failed=self._last_failed,
        )

    async def _cover_group(self) -> None:
        async with self._one_at_a_time:
            if group := self._coverage.begin():
                await self._cover_these(group)

    async def _cover_these(self, group: tuple[Request, ...]) -> None:
        self._last_began = self._monotonic()
        deadline = float(self._context.settings.schedule.snapshot_deadline)
        try:
            wanted = CreateRequest(
                kind=group_kind(group),
                reasons=distinct_reasons(group),
                requests=len(group),
                skip_unchanged=True,
                position=await self._context.probe.position(),
                at=max(request.at for request in group),
                deadline=deadline,
            )
            # An event waits its turn, for as long as a snapshot itself may take.
            created = await create(self._context, wanted, wait=deadline)
        except SnapshotError as error:
            await self._failed(error)
        except asyncio.CancelledError:
            self._coverage.fail()
            raise
        except Exception as error:
            # Ours to mend, but the requests must not hang on it, and the owner must hear of it.
            log.exception("A snapshot for %d events failed in an unforeseen way", len(group))
            await self._failed(WorkerFailed(f"A snapshot failed in an unforeseen way: {error!r}."))
        else:
            self._failures = 0
            self._settle_covered(self._coverage.succeed(), created.snapshot)

    async def _failed(self, error: SnapshotError) -> None:
        self._failures += 1
        self._last_failed = self._monotonic()
        failed = self._coverage.fail()
        log.error("The snapshot for %d events failed: %s", len(failed), error)
        self._settle_failed(failed, error)
        await self._context.notify(lambda listener: listener.failed("snapshot", error))

    def _settle_covered(self, requests: Sequence[Request], snapshot: Snapshot) -> None:
        for request in requests:
            ticket = self._tickets.pop(request.number, None)
            if ticket is not None:
                ticket.resolve(snapshot)

    def _settle_failed(self, requests: Sequence[Request], error: SnapshotError) -> None:
        for request in requests:
            ticket = self._tickets.pop(request.number, None)
            if ticket is not None:
                ticket.fail(error)

    async def _cancel(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])


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
