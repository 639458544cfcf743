"""Group commit for requests: one group is being covered by a snapshot, and all later requests wait as the next group.

A request is covered by a snapshot that *began* after it. Requests that arrive while a snapshot runs wait, and share the
next one. So a burst of a thousand requests costs two snapshots: one for the first request, and one for all that arrived
while it ran or during the spacing after it.

If a snapshot fails, its group goes back to the front of the waiting requests, and the retry covers it, although its
tickets have failed by then. During an outage that lasts days at most ``MOST_REQUESTS`` are kept one by one: the others
are only counted, with the last of them. This module only keeps the lists; the clock, the snapshots and the waiting are
elsewhere.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from itertools import islice

import msgspec

from ..models import Kind

__all__ = [
    "MOST_REASONS",
    "MOST_REQUESTS",
    "Coverage",
    "Request",
    "capped_reasons",
    "distinct_reasons",
    "group_kind",
    "not_before",
    "number_of",
]

MOST_REASONS = 500
"""So many different reasons a snapshot names."""
MOST_REQUESTS = 10_000
"""So many requests are kept one by one."""

_PRECEDENCE = (Kind.CRITICAL, Kind.SAFETY, Kind.SHUTDOWN, Kind.MANUAL, Kind.PERIODIC)
"""A shared snapshot has the first of these kinds that one of its requests has."""
_MOST_DOUBLINGS = 62


class Request(msgspec.Struct, frozen=True):
    """A request for a snapshot; ``number`` grows with each in this process, ``at`` is the time when it arrived.

    ``count`` is how many requests it stands for: itself, and others that were not kept.
    """

    number: int
    kind: Kind
    reason: str
    at: dt.datetime
    count: int = 1


class Coverage:
    """The requests that are not covered yet, in the order in which they arrived."""

    __slots__ = ("_pending", "_running")

    def __init__(self) -> None:
        self._pending: list[Request] = []
        self._running: tuple[Request, ...] = ()

    @property
    def pending(self) -> tuple[Request, ...]:
        """The requests that wait for the next snapshot."""
        return tuple(self._pending)

    @property
    def running(self) -> tuple[Request, ...]:
        """The requests that the running snapshot will cover."""
        return self._running

    @property
    def requests(self) -> int:
        """The number of requests that are not covered yet, waiting and running."""
        return number_of(self._pending) + number_of(self._running)

    def add(self, request: Request) -> None:
        """Add a request for the next snapshot that begins."""
        self._pending.append(request)
        if len(self._pending) > MOST_REQUESTS:
            self._pending[-2:] = [_together(self._pending[-2:])]

    def begin(self) -> tuple[Request, ...]:
        """Start the waiting requests as one group and return them; the group is empty, and not started, if none wait.

        Call it before the database is read, because later requests are not in the group. Raises RuntimeError if a group
        is running already.
        """
        if self._running:
            raise RuntimeError("a group of requests is being covered already")
        self._running, self._pending = tuple(self._pending), []
        return self._running

    def succeed(self) -> tuple[Request, ...]:
        """End the running group as covered, and return its requests (empty if none runs)."""
        covered, self._running = self._running, ()
        return covered

    def fail(self) -> tuple[Request, ...]:
        """Put the running group back in front of the waiting requests, and return it (empty if none runs)."""
        failed, self._running = self._running, ()
        self._pending[:0] = failed
        if len(self._pending) > MOST_REQUESTS:
            self._pending[MOST_REQUESTS - 1 :] = [_together(self._pending[MOST_REQUESTS - 1 :])]
        return failed


def number_of(requests: Sequence[Request]) -> int:
    """Return how many requests these are, with those that were not kept."""
    return sum(request.count for request in requests)


def _together(requests: Sequence[Request]) -> Request:
    """Return one request that stands for several, and is covered by no snapshot that does not cover each of them."""
    return Request(
        number=requests[-1].number,
        kind=group_kind(requests),
        reason=requests[0].reason,
        at=max(request.at for request in requests),
        count=number_of(requests),
    )


def group_kind(requests: Sequence[Request]) -> Kind:
    """Return the kind of a snapshot that these requests share: critical if one of them is.

    Raises ValueError if there are no requests.
    """
    if not requests:
        raise ValueError("a group of no requests has no kind")
    return min((request.kind for request in requests), key=_PRECEDENCE.index)


def distinct_reasons(requests: Sequence[Request]) -> tuple[str, ...]:
    """Return the distinct reasons in the order of their first arrival, at most ``MOST_REASONS`` of them."""
    return capped_reasons(request.reason for request in requests)


def capped_reasons(reasons: Iterable[str]) -> tuple[str, ...]:
    """Return each different reason once, at most ``MOST_REASONS`` of them: the others are only counted."""
    return tuple(islice(dict.fromkeys(reasons), MOST_REASONS))


def not_before(
    last_began: float | None,
    now: float,
    spacing: float,
    failures: int,
    retry_first: float,
    retry_longest: float,
    *,
    last_failed: float | None = None,
) -> float:
    """Return how many seconds to wait before the next group may begin; 0 means now.

    Snapshots begin at least ``spacing`` seconds apart. After the first failure the pause is ``retry_first``, and it
    doubles with each further failure in a row up to ``retry_longest``. The pause is counted from ``last_failed``, or
    from ``last_began`` if that is None. (A snapshot that fails at its deadline began longer ago than any pause lasts.)
    Times are seconds of one monotonic clock; ``last_began`` is None before the first snapshot.

    A request that arrives during the pause does not shorten it. Most failures are a full disk or a busy database, and
    a busy game would try again with every purchase. The retry covers the new request too.
    """
    delay = _rest(last_began, now, spacing)
    if failures > 0:
        pause = min(retry_first * 2 ** min(failures - 1, _MOST_DOUBLINGS), retry_longest)
        delay = max(delay, _rest(last_began if last_failed is None else last_failed, now, pause))
    return delay


def _rest(since: float | None, now: float, pause: float) -> float:
    if since is None:
        return 0.0
    # If the clock went back, the pause must not become longer.
    return max(0.0, pause - max(0.0, now - since))
