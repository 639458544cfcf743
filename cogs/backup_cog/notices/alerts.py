"""When to alert the owner: once when something fails, daily while it lasts, and once when it works again.

``texts`` has the texts. There is one table of outages: whatever can fail can succeed, and ends its own outage.
It is kept on disk, so that "you are notified when it works" is kept by the next process too. Staleness is measured with
a monotonic clock, so that a change of the system's time is neither an outage nor a recovery.
"""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Callable
from typing import Protocol

import discord
import msgspec

from ..controls import CLAIM, LOOK, custom_id
from ..core_api import (
    AnotherDatabase,
    AuditLine,
    Health,
    Snapshot,
    SnapshotDamaged,
    SnapshotError,
    StartupOutcome,
    StartupReport,
    Verdict,
    VerifyReport,
    count_text,
    duration_text,
)
from . import texts
from .models import Outage, Outages

__all__ = ["LOGIN", "SNAPSHOT", "VERIFICATION", "Alerts", "Changes", "Post"]

SNAPSHOT = "snapshot"
VERIFICATION = "verification"
LOGIN = "login"
_STALENESS = "staleness"
_STARTS_IN_VAIN = 3
"""How many starts in a row must not reach Discord before the owner is alerted."""
_REMIND_AFTER = dt.timedelta(days=1)
_SHOWN_ACTIONS = ("restore", "pin", "unpin", "claim", "pinned snapshot")
"""The actions in the audit log that the owner is notified of."""
_RECORDED_ONCE = (StartupOutcome.INCONSISTENT, StartupOutcome.SUSPICIOUS, StartupOutcome.UNCHECKED)
"""The outcomes of a start that are no news if the core reported the same findings before."""


class Post(Protocol):
    """Sends a notice and returns at once; ``control`` is the custom id of a button under it."""

    def __call__(self, embed: discord.Embed, control: str = "", label: str = "") -> None: ...


Changes = Callable[[Callable[[Outages | None], Outages]], None]
"""A function that changes the document of outages in the background."""


class Alerts:
    """What the owner was notified of, and so what is news.

    ``stale_after`` is in seconds, ``now`` returns the time in UTC, and ``store`` keeps the outages on disk. ``known``
    returns the known snapshots, newest first, and ``group`` is the name of the slash commands.
    """

    def __init__(
        self,
        post: Post,
        *,
        stale_after: float,
        monotonic: Callable[[], float],
        now: Callable[[], dt.datetime],
        store: Changes,
        known: Callable[[], tuple[Snapshot, ...]],
        group: str = "backup",
        tells_actors: bool = False,
    ) -> None:
        self._post = post
        self._stale_after = stale_after
        self._monotonic = monotonic
        self._now = now
        self._store = store
        self._known = known
        self._group = group
        self._tells_actors = tells_actors
        self._outages: dict[str, Outage] = {}
        self._damaged: set[str] = set()
        self._last_success = monotonic()
        self._starting: list[Health] | None = None

    @property
    def open(self) -> tuple[str, ...]:
        """The alerts that are not over, as sentences."""
        now = self._now()
        return tuple(
            f"{operation}: failing for {duration_text(_seconds(now, outage))}, "
            f"{count_text(outage.failures, 'time')}: {outage.message}"
            for operation, outage in self._outages.items()
            if _is_told(operation, outage)
        )

    def take_over(self, found: Outages | None) -> None:
        """Go on with the outages that an earlier process left open."""
        earlier = dict(found.outages) if found is not None else {}
        for operation, outage in self._outages.items():
            before = earlier.get(operation)
            if before is not None:
                outage = msgspec.structs.replace(
                    outage, began=before.began, failures=before.failures + outage.failures, told=before.told
                )
            earlier[operation] = outage
        self._outages = earlier

    # Outages

    def failed(self, operation: str, error: SnapshotError) -> None:
        """Record a failure; alert on the first one of an outage, and once on each damaged snapshot."""
        if operation == VERIFICATION and isinstance(error, SnapshotDamaged):
            # The verification worked: what failed is the snapshot.
            self._found_damaged(error)
        elif self._begin(operation, error.message):
            if isinstance(error, AnotherDatabase):
                self._post_another(error.message)
            else:
                self._post(texts.failed(operation, error.message))

    def shutdown_failed(self, error: SnapshotError, newest: Snapshot | None) -> None:
        """Alert that the bot shuts down without a last snapshot, also during an outage: what is lost is news."""
        self._post(texts.shutdown_failed(error, newest))

    def succeeded(self, operation: str) -> None:
        """Record a success; alert if it ends an outage."""
        outage = self._outages.pop(operation, None)
        if outage is None:
            return
        self._store(lambda document: _changed(document, operation, None))
        if _is_told(operation, outage):
            self._post(texts.recovered(operation, _seconds(self._now(), outage), outage.failures))

    def covered(self) -> None:
        """Record that the current state is covered."""
        if SNAPSHOT in self._outages:
            # One success, one notice.
            self._outages.pop(_STALENESS, None)
            self._store(lambda document: _changed(document, _STALENESS, None))
        self.succeeded(_STALENESS)
        self.succeeded(SNAPSHOT)
        self._last_success = self._monotonic()

    def watch(self, *, expected: bool) -> None:
        """Alert if snapshots have become stale, and remind of outages that last.

        Snapshots cannot become stale while none are ``expected`` (the bot is in no guild).
        """
        if not expected:
            self._last_success = self._monotonic()
        silence = self._monotonic() - self._last_success
        # The owner knows of an open outage, and will learn of its end.
        if silence > self._stale_after and SNAPSHOT not in self._outages:
            message = (
                f"No snapshot succeeded in the last {duration_text(silence)}. If the bot should be taking snapshots, "
                "look at its log and at the status command: another process may hold the repository, or there is no "
                "database yet."
            )
            if _STALENESS not in self._outages:
                self._begin(_STALENESS, message, began=self._now() - dt.timedelta(seconds=silence))
                self._post(texts.failed(_STALENESS, message))
        self._remind()

    def count_start(self) -> None:
        """Count a start as one that did not reach Discord, which ``succeeded`` takes back once the bot is ready."""
        if not self._begin(LOGIN, "It ended before it was ready.") and self._outages[LOGIN].failures == _STARTS_IN_VAIN:
            self._post(texts.failed(LOGIN, "Look at its log: the token may be wrong, or something ends it early."))

    def verified(self, report: VerifyReport) -> None:
        """Record that a verification could be done; if it found damage, ``failed`` was called for that."""
        self.succeeded(VERIFICATION)
        if report.ok:
            self._damaged.discard(report.id)

    def _begin(self, operation: str, message: str, *, began: dt.datetime | None = None) -> bool:
        """Count a failure; return True if it is the first one of an outage."""
        before = self._outages.get(operation)
        now = self._now()
        if before is None:
            outage = Outage(began=began or now, failures=1, message=message, told=now)
        else:
            outage = msgspec.structs.replace(before, failures=before.failures + 1, message=message)
        self._outages[operation] = outage
        # An outage is written when it begins and now and then, not at every attempt.
        if before is None or operation == LOGIN or now - before.told > _REMIND_AFTER:
            self._store(lambda document: _changed(document, operation, outage))
        return before is None

    def _remind(self) -> None:
        now = self._now()
        for operation, outage in tuple(self._outages.items()):
            if now - outage.told > _REMIND_AFTER and _is_told(operation, outage):
                self._outages[operation] = msgspec.structs.replace(outage, told=now)
                self._store(functools.partial(_changed, operation=operation, outage=self._outages[operation]))
                self._post(texts.reminder(operation, outage.message, _seconds(now, outage), outage.failures))

    # The database

    def begin_start(self) -> None:
        """Keep what the start-up check finds for its own notice."""
        self._starting = []

    def started(self, report: StartupReport, *, checked: bool) -> None:
        """Alert on the outcome of the start-up check unless all is well.

        ``checked`` is False if the check could not even be begun.
        """
        news, self._starting = self._starting or [], None
        if report.another_database:
            if self._begin(SNAPSHOT, report.message):
                self._post_another(report.message)
            return
        if report.outcome in _RECORDED_ONCE and checked and not news:
            return  # the owner was notified of the same findings by an earlier process
        notice = texts.started(report)
        if notice is not None:
            self._post_with_look(notice, report.message if report.restore is None else "")
        elif news and news[-1].verdict is Verdict.SOUND:
            self._post(texts.health(news[-1], None, self._group))

    def health_changed(self, health: Health) -> None:
        """Alert on a new verdict on the live database; during a start its own notice has it."""
        if self._starting is not None:
            self._starting.append(health)
            return
        newest = next((each for each in self._known() if _is_usable(each)), None)
        notice = texts.health(health, newest, self._group)
        about = " ".join(each.message for each in health.findings)
        offered = newest.id if newest is not None and health.verdict is Verdict.UNREADABLE else ""
        self._post_with_look(notice, about, offered)

    def noticed(self, key: str, message: str) -> None:
        """Alert on something that the service came upon."""
        self._post_with_look(texts.noticed(key, message), message)

    def interrupted(self, message: str) -> None:
        """Alert that a crash interrupted an operation."""
        self._post(texts.interrupted(message))

    def audited(self, line: AuditLine) -> None:
        """Notify of a restore or a pin, unless the one who did it would be the only reader."""
        if line.action not in _SHOWN_ACTIONS or line.actor.source == "startup":
            return  # a restore at the start has a notice of its own
        if line.actor.source != "discord" or self._tells_actors:
            self._post(texts.audited(line))

    def _found_damaged(self, error: SnapshotDamaged) -> None:
        if error.snapshot_id not in self._damaged:
            self._damaged.add(error.snapshot_id)
            self._post(texts.damaged(error))

    def _post_another(self, message: str) -> None:
        self._post(texts.another_database(message), custom_id(CLAIM), "These are this database's snapshots")

    def _post_with_look(self, notice: discord.Embed, about: str, offered: str = "") -> None:
        """Post a notice; a snapshot that it is about gets a button that shows what restoring it would do."""
        named = offered or next((each.id for each in self._known() if each.id in about), "")
        if named:
            self._post(notice, custom_id(LOOK, named), f"Look at restoring {named}")
        else:
            self._post(notice)


def _changed(document: Outages | None, operation: str, outage: Outage | None) -> Outages:
    outages = dict(document.outages) if document is not None else {}
    outages.pop(operation, None)
    if outage is not None:
        outages[operation] = outage
    return Outages(outages=outages)


def _seconds(now: dt.datetime, outage: Outage) -> float:
    return max(0.0, (now - outage.began).total_seconds())


def _is_told(operation: str, outage: Outage) -> bool:
    return operation != LOGIN or outage.failures >= _STARTS_IN_VAIN


def _is_usable(snapshot: Snapshot) -> bool:
    return not snapshot.damaged and (snapshot.health is None or snapshot.health.verdict is not Verdict.UNREADABLE)
