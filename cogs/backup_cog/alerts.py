"""When to alert the owner: once when something fails, once when it works again, and never about success.

``notifications`` has the texts and delivers them. Times are seconds of a monotonic clock, so that a change of the
system's time is neither an outage nor a recovery.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import discord

from . import notifications
from .core_api import (
    Snapshot,
    SnapshotDamaged,
    SnapshotError,
    StartupReport,
    VerifyReport,
    count_text,
    duration_text,
)

__all__ = ["SNAPSHOT", "VERIFICATION", "Alerts"]

SNAPSHOT = "snapshot"
VERIFICATION = "verification"


@dataclasses.dataclass(slots=True)
class _Outage:
    began: float
    failures: int
    message: str


class Alerts:
    """What the owner was notified of, and so what is news.

    ``post`` sends a notice; it must return at once. ``stale_after`` is in seconds.
    """

    def __init__(
        self, post: Callable[[discord.Embed], None], *, stale_after: float, monotonic: Callable[[], float]
    ) -> None:
        self._post = post
        self._stale_after = stale_after
        self._monotonic = monotonic
        self._outages: dict[str, _Outage] = {}
        self._damaged: set[str] = set()
        self._last_success = monotonic()
        self._stale = False

    @property
    def open(self) -> tuple[str, ...]:
        """The alerts that are not over, as sentences."""
        now = self._monotonic()
        sentences = [
            f"{operation}: failing for {duration_text(now - outage.began)}, "
            f"{count_text(outage.failures, 'time')}: {outage.message}"
            for operation, outage in self._outages.items()
        ]
        if self._stale:
            sentences.append(f"stale: no snapshot succeeded for {duration_text(now - self._last_success)}")
        return tuple(sentences)

    def failed(self, operation: str, error: SnapshotError) -> None:
        """Record a failure; alert on the first one of an outage, and once on each damaged snapshot."""
        if operation == VERIFICATION and isinstance(error, SnapshotDamaged):
            # The verification worked: what failed is the snapshot.
            self._found_damaged(error)
            return
        outage = self._outages.get(operation)
        if outage is None:
            self._outages[operation] = _Outage(self._monotonic(), 1, error.message)
            self._post(notifications.failed(operation, error))
        else:
            outage.failures += 1
            outage.message = error.message

    def shutdown_failed(self, error: SnapshotError, newest: Snapshot | None) -> None:
        """Alert that the bot shuts down without a last snapshot, also during an outage: what is lost is news."""
        self._post(notifications.shutdown_failed(error, newest))

    def succeeded(self, operation: str) -> None:
        """Record a success; alert if it ends an outage."""
        outage = self._outages.pop(operation, None)
        if outage is not None:
            self._post(notifications.recovered(operation, self._monotonic() - outage.began, outage.failures))

    def covered(self) -> None:
        """Record that the current state is covered."""
        if self._stale and SNAPSHOT not in self._outages:
            self._post(notifications.fresh_again(self._monotonic() - self._last_success))
        self.succeeded(SNAPSHOT)
        self._stale = False
        self._last_success = self._monotonic()

    def watch(self, *, expected: bool) -> None:
        """Alert if snapshots have become stale; they cannot while none are ``expected`` (the bot is in no guild)."""
        if not expected:
            self._last_success = self._monotonic()
            return
        silence = self._monotonic() - self._last_success
        # The owner knows of an open outage, and will learn of its end.
        if silence > self._stale_after and not self._stale and SNAPSHOT not in self._outages:
            self._stale = True
            self._post(notifications.stale(silence))

    def verified(self, report: VerifyReport) -> None:
        """Record that a verification could be done; if it found damage, ``failed`` was called for that."""
        self.succeeded(VERIFICATION)
        if report.ok:
            self._damaged.discard(report.id)

    def started(self, report: StartupReport) -> None:
        """Alert on the outcome of the start-up check unless all is well."""
        notice = notifications.started(report)
        if notice is not None:
            self._post(notice)

    def _found_damaged(self, error: SnapshotDamaged) -> None:
        if error.snapshot_id not in self._damaged:
            self._damaged.add(error.snapshot_id)
            self._post(notifications.damaged(error))
