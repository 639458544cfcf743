"""When to alert the owner: once when something fails, daily while it lasts, and once when it works again.

``texts`` has the texts. There is one table of outages: whatever can fail can succeed, and ends its own outage.
It is kept on disk, so that "this message says when it works" is kept by the next process too. Staleness is measured
with a monotonic clock, so that a change of the system's time is neither an outage nor a recovery.

An outage has one message, which is edited as it goes on and closed when it is over. Discord notifies nobody of an edit:
that is right for a success. The daily reminder is a new message, and takes the place of the one before it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import discord

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
)
from . import outage_texts, texts
from .buttons import alert_buttons
from .models import Outages, PastAlert
from .outage_table import LOGIN, OutageTable, Post, Store

__all__ = ["LOGIN", "SNAPSHOT", "VERIFICATION", "Alerts"]

SNAPSHOT = "snapshot"
VERIFICATION = "verification"
_STALENESS = "staleness"
_SHOWN_ACTIONS = ("restore", "pin", "unpin", "claim", "pinned snapshot")
"""The actions in the audit log that the owner is notified of."""
_RECORDED_ONCE = (StartupOutcome.INCONSISTENT, StartupOutcome.SUSPICIOUS, StartupOutcome.UNCHECKED)
"""The outcomes of a start that are no news if the core reported the same findings before."""


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
        store: Store,
        known: Callable[[], tuple[Snapshot, ...]],
        group: str = "backup",
        tells_actors: bool = False,
    ) -> None:
        self._post = post
        self._stale_after = stale_after
        self._monotonic = monotonic
        self._now = now
        self._known = known
        self._group = group
        self._tells_actors = tells_actors
        self._outages = OutageTable(post, store, now=now, monotonic=monotonic)
        self._damaged: set[str] = set()
        self._last_success = monotonic()
        self._starting: list[Health] | None = None

    @property
    def open(self) -> tuple[str, ...]:
        """The alerts that are not over, as sentences."""
        return self._outages.open

    @property
    def past(self) -> tuple[PastAlert, ...]:
        """The newest alerts that are over, and after them those that are not, which end now."""
        return self._outages.past

    def take_over(self, found: Outages | None) -> dict[str, str]:
        """Go on with the outages that an earlier process left open; see ``OutageTable``."""
        return self._outages.take_over(found)

    # Outages

    def failed(self, operation: str, error: SnapshotError) -> None:
        """Record a failure; alert on the first one of an outage, and once on each damaged snapshot."""
        if operation == VERIFICATION and isinstance(error, SnapshotDamaged):
            # The verification worked: what failed is the snapshot.
            self._found_damaged(error)
        else:
            self._outages.fail(operation, error.message, claimable=isinstance(error, AnotherDatabase))

    def shutdown_failed(self, error: SnapshotError, newest: Snapshot | None) -> None:
        """Alert that the bot shuts down without a last snapshot, also during an outage: what is lost is news."""
        self._post(texts.shutdown_failed(error, newest))
        self._outages.note("shutdown")

    def succeeded(self, operation: str) -> None:
        """Record a success; alert if it ends an outage."""
        self._outages.succeed(operation)

    def covered(self) -> None:
        """Record that the current state is covered."""
        for operation in (SNAPSHOT, _STALENESS):
            self._outages.succeed(operation)
        self._last_success = self._monotonic()

    def watch(self, *, expected: bool) -> None:
        """Alert if snapshots have become stale, and remind of outages that last.

        Snapshots cannot become stale while none are ``expected`` (the bot is in no guild).
        """
        if not expected:
            self._last_success = self._monotonic()
        silence = self._monotonic() - self._last_success
        # The owner knows of an open outage, and will learn of its end.
        if silence > self._stale_after and SNAPSHOT not in self._outages and _STALENESS not in self._outages:
            began = self._now() - dt.timedelta(seconds=silence)
            self._outages.fail(_STALENESS, outage_texts.stale(silence), began=began)
        self._outages.remind()

    def count_start(self) -> None:
        """Count a start as one that did not reach Discord, which ``succeeded`` takes back once the bot is ready."""
        self._outages.count_start()

    async def snooze(self, name: str, person: str) -> dt.datetime | None:
        """Remind nobody of an outage for a day; return until when, or None if there is no outage of this name."""
        return await self._outages.snooze(name, person)

    def verified(self, report: VerifyReport) -> None:
        """Record that a verification could be done; if it found damage, ``failed`` was called for that."""
        self.succeeded(VERIFICATION)
        if report.ok:
            self._damaged.discard(report.id)

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
            if SNAPSHOT not in self._outages:
                self._outages.fail(SNAPSHOT, report.message, claimable=True)
            return
        if report.outcome in _RECORDED_ONCE and checked and not news:
            return  # the owner was notified of the same findings by an earlier process
        notice = texts.started(report)
        if notice is not None:
            self._outages.note("startup")
            self._post_alert(notice, report.message if report.restore is None else "")
        elif news and news[-1].verdict is Verdict.SOUND:
            self._post(texts.health(news[-1], None, self._group))

    def health_changed(self, health: Health) -> None:
        """Alert on a new verdict on the live database; during a start its own notice has it."""
        if self._starting is not None:
            self._starting.append(health)
            return
        newest = next((each for each in self._known() if _is_usable(each)), None)
        notice = texts.health(health, newest, self._group)
        if health.verdict is Verdict.SOUND:
            self._post(notice)
            return
        self._outages.note("database")
        offered = newest.id if newest is not None and health.verdict is Verdict.UNREADABLE else ""
        self._post_alert(notice, " ".join(each.message for each in health.findings), offered)

    def noticed(self, key: str, message: str) -> None:
        """Alert on something that the service came upon."""
        self._outages.note(key)
        self._post_alert(texts.noticed(key, message), message)

    def interrupted(self, message: str) -> None:
        """Alert that a crash interrupted an operation."""
        self._outages.note("interrupted")
        self._post_alert(texts.interrupted(message), message)

    def audited(self, line: AuditLine) -> None:
        """Notify of a restore or a pin, unless the one who did it would be the only reader."""
        if line.action not in _SHOWN_ACTIONS or line.actor.source == "startup":
            return  # a restore at the start has a notice of its own
        if line.actor.source != "discord" or self._tells_actors:
            self._post(texts.audited(line))

    def _found_damaged(self, error: SnapshotDamaged) -> None:
        if error.snapshot_id not in self._damaged:
            self._damaged.add(error.snapshot_id)
            self._outages.note("damaged")
            self._post_alert(texts.damaged(error), "")

    def _post_alert(self, notice: discord.Embed, message: str, offered: str = "") -> None:
        """Post a notice with buttons; the snapshot that the message names is the one to restore, else the newest."""
        named = offered or next((each.id for each in self._known() if each.id in message), "latest")
        self._post(notice, alert_buttons(named))


def _is_usable(snapshot: Snapshot) -> bool:
    return not snapshot.damaged and (snapshot.health is None or snapshot.health.verdict is not Verdict.UNREADABLE)
