"""Events: requests for a snapshot that a running task covers, one group after another.

``request`` returns a ``Ticket`` at once, which a caller can wait for or forget. Nearly every ticket is forgotten,
because a game reports its event and goes on. So a ticket is only a few attributes: it needs no running loop, and it
creates a future only for a caller that waits. The future never carries the error, or asyncio would log "exception was
never retrieved" for tickets that nobody waits for.

``policies/coverage.py`` decides which requests the next snapshot covers. The task exists only while requests wait.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Sequence

from ..errors import OperationCancelled, SnapshotError, WorkerFailed
from ..models import Kind, Snapshot
from ..policies.coverage import Coverage, Request, distinct_reasons, group_kind, not_before, number_of
from ..repository.names import REASON_LENGTH, legible
from ..units import count_text
from .context import Context
from .create import CreateRequest, create

__all__ = ["EventCoverage", "Ticket"]

log = logging.getLogger(__name__)

_REASONS_NAMED = 5


class Ticket:
    """The outcome of one request, once it is known: the snapshot that covers it, or an error.

    Use it in the loop's thread only.
    """

    __slots__ = ("_outcome", "_waiters", "request")

    def __init__(self, request: Request) -> None:
        self.request = request
        self._outcome: Snapshot | SnapshotError | None = None
        self._waiters: list[asyncio.Future[None]] = []

    def __repr__(self) -> str:
        state = "open" if self._outcome is None else type(self._outcome).__name__
        return f"<Ticket {self.request.number} {self.request.reason!r}: {state}>"

    @property
    def done(self) -> bool:
        """True if the request is covered or has failed."""
        return self._outcome is not None

    async def wait(self) -> Snapshot:
        """Wait for the snapshot that covers the request and return it; raise the SnapshotError if the request failed.

        Any number of tasks can wait, and each can be cancelled without an effect on the others.
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
        """Record that a snapshot covers the request, unless the outcome is known already."""
        self._settle(snapshot)

    def fail(self, error: SnapshotError) -> None:
        """Record that the request failed, unless the outcome is known already."""
        self._settle(error)

    def _settle(self, outcome: Snapshot | SnapshotError) -> None:
        if self._outcome is not None:
            return
        self._outcome = outcome
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)


class EventCoverage:
    """Takes requests, and covers each with a snapshot that begins after it."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._monotonic = context.monotonic
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
        """The number of requests that are not covered yet."""
        return self._coverage.requests

    @property
    def running(self) -> bool:
        """True while a snapshot for requests is being taken."""
        return bool(self._coverage.running)

    def request(self, kind: Kind, reason: str) -> Ticket:
        """Add a request for the next snapshot. Call it in the loop's thread; it never waits."""
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
        """Stop at once. Requests that are not covered fail with OperationCancelled, and the listeners are notified."""
        again, self._closed = self._closed, True
        await self._cancel()
        if again:
            return
        self._coverage.fail()
        dropped = self._coverage.pending
        error = OperationCancelled("The bot went down before this event was covered by a snapshot.")
        self._settle_failed(dropped, error)
        if dropped:
            reasons = ", ".join(distinct_reasons(dropped)[:_REASONS_NAMED])
            count = number_of(dropped)
            verb = "was" if count == 1 else "were"
            message = f"{count_text(count, 'event')} {verb} not covered when the bot went down: {reasons}."
            await self._context.notify(lambda listener: listener.noticed("dropped", message))

    async def settled(self) -> None:
        """Wait until no request waits. Requests whose snapshot failed are tried again, so this can take long."""
        while self._task is not None and not self._task.done():
            await asyncio.wait([self._task])

    async def flush(self) -> None:
        """Cover the waiting requests now, without the pause between snapshots; for the shutdown of the bot."""
        await self._cover_group()
        if not self._coverage.requests:
            await self._cancel()  # the task only sleeps, with nothing left to do

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
            create_request = CreateRequest(
                kind=group_kind(group),
                reasons=distinct_reasons(group),
                requests=number_of(group),
                skip_unchanged=True,
                position=await self._context.probe.position(),
                at=max(request.at for request in group),
                deadline=deadline,
            )
            # An event may wait for the lock as long as a snapshot may take.
            created = await create(self._context, create_request, wait=deadline)
        except SnapshotError as error:
            await self._failed(error)
        except asyncio.CancelledError:
            self._coverage.fail()
            raise
        except Exception as error:
            # A bug. The requests must not hang because of it, and the owner must be informed.
            log.exception("A snapshot for %s failed in an unforeseen way", count_text(number_of(group), "event"))
            await self._failed(WorkerFailed(f"A snapshot failed in an unforeseen way: {error!r}."))
        else:
            self._failures = 0
            self._settle_covered(self._coverage.succeed(), created.snapshot)

    async def _failed(self, error: SnapshotError) -> None:
        self._failures += 1
        self._last_failed = self._monotonic()
        failed = self._coverage.fail()
        log.error("The snapshot for %s failed: %s", count_text(number_of(failed), "event"), error)
        self._settle_failed(failed, error)
        await self._context.notify(lambda listener: listener.failed("snapshot", error))

    def _settle_covered(self, requests: Sequence[Request], snapshot: Snapshot) -> None:
        for ticket in self._take_tickets(requests):
            ticket.resolve(snapshot)

    def _settle_failed(self, requests: Sequence[Request], error: SnapshotError) -> None:
        for ticket in self._take_tickets(requests):
            ticket.fail(error)

    def _take_tickets(self, requests: Sequence[Request]) -> list[Ticket]:
        """Remove and return the tickets of a group: those up to its last number, whether or not it names each one."""
        last = max((request.number for request in requests), default=0)
        numbers = list(itertools.takewhile(lambda number: number <= last, self._tickets))
        return [self._tickets.pop(number) for number in numbers]

    async def _cancel(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
