"""When the owner is told: once when something fails, once when it works again, and never about success.

What is said is ``notices``' business, how it arrives ``delivery``'s. Times are seconds of a clock that only goes
forward, so that a change of the system's time is neither an outage nor a recovery.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import discord

from . import notifications
from .core_api import SnapshotDamaged, SnapshotError, StartupReport, VerifyReport, duration_text

__all__ = ["SNAPSHOT", "VERIFICATION", "Alerts"]

SNAPSHOT = "snapshot"
VERIFICATION = "verification"


@dataclasses.dataclass(slots=True)
class _Outage:
    began: float
    failures: int
    message: str


class Alerts:
    """What the owner knows, and what is news."""

    def __init__(
        self, post: Callable[[discord.Embed], None], *, stale_after: float, monotonic: Callable[[], float]
    ) -> None:
        """Take how to post a notice (it must return at once), when snapshots count as stale, and the clock."""
        self._post = post
        self._stale_after = stale_after
        self._monotonic = monotonic
        self._outages: dict[str, _Outage] = {}
        self._damaged: set[str] = set()
        self._last_success = monotonic()
        self._told_stale = False

    @property
    def open(self) -> tuple[str, ...]:
        """The alerts that are not over, as sentences."""
        now = self._monotonic()
        sentences = [
            f"{operation}: failing for {duration_text(now - outage.began)}, {outage.failures} times: {outage.message}"
            for operation, outage in self._outages.items()
        ]
        if self._told_stale:
            sentences.append(f"stale: no snapshot succeeded for {duration_text(now - self._last_success)}")
        return tuple(sentences)

    def failed(self, operation: str, error: SnapshotError) -> None:
        """Take a failure; the owner hears of the first one of an outage, and of each damaged snapshot once."""
        if operation == VERIFICATION and isinstance(error, SnapshotDamaged):
            # The verification worked: what failed is the snapshot.
            self._hear_of_damage(error)
            return
        outage = self._outages.get(operation)
        if outage is None:
            self._outages[operation] = _Outage(self._monotonic(), 1, error.message)
            self._post(notifications.failed(operation, error))
        else:
            outage.failures += 1
            outage.message = error.message

    def succeeded(self, operation: str) -> None:
        """Take a success; the owner hears of it if that ends an outage."""
        outage = self._outages.pop(operation, None)
        if outage is not None:
            self._post(notifications.recovered(operation, self._monotonic() - outage.began, outage.failures))

    def covered(self) -> None:
        """Take that the newest state is safe in a snapshot."""
        if self._told_stale and SNAPSHOT not in self._outages:
            self._post(notifications.fresh_again(self._monotonic() - self._last_success))
        self.succeeded(SNAPSHOT)
        self._told_stale = False
        self._last_success = self._monotonic()

    def watch(self, *, expected: bool) -> None:
        """Look whether snapshots are stale; while none are ``expected`` (no guild, no need) they cannot become so."""
        if not expected:
            self._last_success = self._monotonic()
            return
        silence = self._monotonic() - self._last_success
        # An open outage has been told already, and its recovery will be.
        if silence > self._stale_after and not self._told_stale and SNAPSHOT not in self._outages:
            self._told_stale = True
            self._post(notifications.stale(silence))

    def verified(self, report: VerifyReport) -> None:
        """Take that a verification could be done; of one that found damage, ``failed`` heard already."""
        self.succeeded(VERIFICATION)
        if report.ok:
            self._damaged.discard(report.id)

    def _hear_of_damage(self, error: SnapshotDamaged) -> None:
        if error.snapshot_id not in self._damaged:
            self._damaged.add(error.snapshot_id)
            self._post(notifications.damaged(error))

    def started(self, report: StartupReport) -> None:
        """Take the outcome of the start-up check; the owner hears of it unless all is well."""
        notice = notifications.started(report)
        if notice is not None:
            self._post(notice)
