"""Which requests wait, which are being covered: at most one group runs and one waits (group commit).

A request is covered by a snapshot that *began* after it. While one snapshot runs, whatever is requested joins the group
that waits; when the next one begins, the whole group shares it. A burst of a thousand requests so costs two snapshots:
one for the first request, one for all that came while it ran or while the spacing lasted.

A group that fails goes back to the front of those that wait, so that the retry covers it too, although the callers have
been told of the failure by then. Plain bookkeeping: the clock, the snapshot and the waiting belong to the service.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import msgspec

from ..models import Kind

__all__ = ["Coverage", "Request", "distinct_reasons", "group_kind", "not_before"]

# A shared snapshot goes where the most demanding of its requests is kept.
_PRECEDENCE = (Kind.CRITICAL, Kind.SAFETY, Kind.SHUTDOWN, Kind.MANUAL, Kind.PERIODIC)
_MOST_DOUBLINGS = 62


class Request(msgspec.Struct, frozen=True):
    """One event's wish for a snapshot; ``number`` is unique in this process, ``at`` is when it arrived."""

    number: int
    kind: Kind
    reason: str
    at: dt.datetime


class Coverage:
    """The requests that are not covered yet, in the order in which they arrived."""

    __slots__ = ("_pending", "_running")

    def __init__(self) -> None:
        """Start with nothing requested."""
        self._pending: list[Request] = []
        self._running: tuple[Request, ...] = ()

    @property
    def pending(self) -> tuple[Request, ...]:
        """The requests that wait for the next snapshot."""
        return tuple(self._pending)

    @property
    def running(self) -> tuple[Request, ...]:
        """The requests that the snapshot now running will cover."""
        return self._running

    @property
    def requests(self) -> int:
        """How many requests are not covered yet, waiting and running together."""
        return len(self._pending) + len(self._running)

    def add(self, request: Request) -> None:
        """Let a request wait for the next snapshot that begins."""
        self._pending.append(request)

    def begin(self) -> tuple[Request, ...]:
        """Make everything that waits the running group and give it; () where nothing waits, and then nothing runs.

        Call it before the database is read: whatever arrives later is not in this group. Raise RuntimeError when a
        group is running already.
        """
        if self._running:
            raise RuntimeError("a group of requests is being covered already")
        self._running, self._pending = tuple(self._pending), []
        return self._running

    def succeed(self) -> tuple[Request, ...]:
        """Give the running group, which is covered now; () where none runs."""
        covered, self._running = self._running, ()
        return covered

    def fail(self) -> tuple[Request, ...]:
        """Give the running group, which failed and waits again before all others; () where none runs."""
        failed, self._running = self._running, ()
        self._pending[:0] = failed
        return failed


def group_kind(requests: Sequence[Request]) -> Kind:
    """Give the kind of a snapshot that these requests share: critical if any is; raise ValueError for no requests."""
    if not requests:
        raise ValueError("a group of no requests has no kind")
    return min((request.kind for request in requests), key=_PRECEDENCE.index)


def distinct_reasons(requests: Sequence[Request]) -> tuple[str, ...]:
    """Give each different reason once, in the order of first arrival."""
    return tuple(dict.fromkeys(request.reason for request in requests))


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
    """Give how many seconds to wait before the next group may begin; 0 means now.

    Snapshots begin at least ``spacing`` seconds apart. After ``failures`` in a row the pause is ``retry_first``,
    doubled with each further failure up to ``retry_longest``, counted from ``last_failed`` where it is given (a
    snapshot that fails at its deadline has used up any pause counted from its beginning), otherwise from
    ``last_began``. Times are seconds of one monotonic clock; ``last_began`` is None before the first snapshot.

    A request that arrives during the pause does not shorten it: what failed is most often a full disk or a busy
    database, and a busy game would otherwise hammer it with every purchase. The retry covers the newcomer as well.
    """
    delay = _rest(last_began, now, spacing)
    if failures > 0:
        pause = min(retry_first * 2 ** min(failures - 1, _MOST_DOUBLINGS), retry_longest)
        delay = max(delay, _rest(last_began if last_failed is None else last_failed, now, pause))
    return delay


def _rest(since: float | None, now: float, pause: float) -> float:
    if since is None:
        return 0.0
    # A clock that ran backwards must not stretch the pause.
    return max(0.0, pause - max(0.0, now - since))
