"""When to alert the owner: once when something fails, daily while it lasts, and once when it works again.

``texts`` has the texts. There is one table of outages: whatever can fail can succeed, and ends its own outage.
It is kept on disk, so that "this message says when it works" is kept by the next process too. Staleness is measured
with a monotonic clock, so that a change of the system's time is neither an outage nor a recovery.

An outage has one message, which is edited as it goes on and closed when it is over. Discord notifies nobody of an edit:
that is right for a success. The daily reminder is a new message, and takes the place of the one before it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Protocol

import discord
import msgspec

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
from .buttons import alert_buttons, claim_buttons
from .models import Button, How, Outage, Outages, PastAlert
from .outages import PAST_KEPT, about, changed, ended, noted

__all__ = ["LOGIN", "SNAPSHOT", "VERIFICATION", "Alerts", "Changes", "Post"]

SNAPSHOT = "snapshot"
VERIFICATION = "verification"
LOGIN = "login"
_STALENESS = "staleness"
_STARTS_IN_VAIN = 3
"""How many starts in a row must not reach Discord before the owner is alerted."""
_REMIND_AFTER = dt.timedelta(days=1)
_SNOOZE = dt.timedelta(days=1)
_UPDATE_AFTER = 60.0
"""Seconds between two edits of the message about an outage that goes on."""
_SHOWN_ACTIONS = ("restore", "pin", "unpin", "claim", "pinned snapshot")
"""The actions in the audit log that the owner is notified of."""
_RECORDED_ONCE = (StartupOutcome.INCONSISTENT, StartupOutcome.SUSPICIOUS, StartupOutcome.UNCHECKED)
"""The outcomes of a start that are no news if the core reported the same findings before."""


class Post(Protocol):
    """Sends a notice and returns at once; see ``Notice`` for what it is about, and how it goes."""

    def __call__(
        self, embed: discord.Embed, buttons: Sequence[Button] = (), *, about: str = "", how: How = How.NEW
    ) -> None: ...


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
        self._past: tuple[PastAlert, ...] = ()
        self._updated: dict[str, float] = {}
        self._damaged: set[str] = set()
        self._last_success = monotonic()
        self._starting: list[Health] | None = None

    @property
    def open(self) -> tuple[str, ...]:
        """The alerts that are not over, as sentences."""
        now = self._now()
        return tuple(
            outage_texts.open_alert(operation, outage, now)
            for operation, outage in self._outages.items()
            if _is_told(operation, outage)
        )

    @property
    def past(self) -> tuple[PastAlert, ...]:
        """The newest alerts that are over, and after them those that are not, which end now."""
        now = self._now()
        told = (each for each in self._outages.items() if _is_told(*each))
        return (*self._past, *(PastAlert(key=key, began=outage.began, ended=now) for key, outage in told))

    def take_over(self, found: Outages | None) -> dict[str, str]:
        """Go on with the outages that an earlier process left open.

        Returns the names of those that began here before that was known, with the names that they have from now on.
        """
        renamed: dict[str, str] = {}
        earlier = dict(found.outages) if found is not None else {}
        for operation, outage in self._outages.items():
            before = earlier.get(operation)
            if before is not None:
                failures = before.failures + outage.failures
                renamed[about(operation, outage)] = about(operation, before)
                outage = msgspec.structs.replace(before, failures=failures, message=outage.message)
            earlier[operation] = outage
        self._outages = earlier
        self._past = ((*found.past, *self._past) if found is not None else self._past)[-PAST_KEPT:]
        return {old: new for old, new in renamed.items() if old != new}

    # Outages

    def failed(self, operation: str, error: SnapshotError) -> None:
        """Record a failure; alert on the first one of an outage, and once on each damaged snapshot."""
        if operation == VERIFICATION and isinstance(error, SnapshotDamaged):
            # The verification worked: what failed is the snapshot.
            self._found_damaged(error)
        elif self._begin(operation, error.message, claimable=isinstance(error, AnotherDatabase)):
            self._post_outage(operation, How.NEW)
        else:
            self._update(operation)

    def shutdown_failed(self, error: SnapshotError, newest: Snapshot | None) -> None:
        """Alert that the bot shuts down without a last snapshot, also during an outage: what is lost is news."""
        self._post(texts.shutdown_failed(error, newest))
        self._note("shutdown")

    def succeeded(self, operation: str) -> None:
        """Record a success; alert if it ends an outage."""
        outage = self._outages.pop(operation, None)
        if outage is None:
            return
        past = self._end(operation, outage)
        if past is not None:
            notice = outage_texts.recovered(operation, outage, self._now())
            self._post(notice, about=about(operation, outage), how=How.CLOSE)

    def covered(self) -> None:
        """Record that the current state is covered."""
        if SNAPSHOT in self._outages:
            # They failed together, and are over together; the one message of each is closed.
            self.succeeded(SNAPSHOT)
        self.succeeded(_STALENESS)
        self._last_success = self._monotonic()

    def watch(self, *, expected: bool) -> None:
        """Alert if snapshots have become stale, and remind of outages that last.

        Snapshots cannot become stale while none are ``expected`` (the bot is in no guild).
        """
        if not expected:
            self._last_success = self._monotonic()
        silence = self._monotonic() - self._last_success
        # The owner knows of an open outage, and will learn of its end.
        if silence > self._stale_after and not self._outages.keys() & {SNAPSHOT, _STALENESS}:
            began = self._now() - dt.timedelta(seconds=silence)
            self._begin(_STALENESS, outage_texts.stale(silence), began=began)
            self._post_outage(_STALENESS, How.NEW)
        self._remind()

    def count_start(self) -> None:
        """Count a start as one that did not reach Discord, which ``succeeded`` takes back once the bot is ready."""
        if not self._begin(LOGIN, outage_texts.login()) and self._outages[LOGIN].failures == _STARTS_IN_VAIN:
            self._post_outage(LOGIN, How.NEW)

    def verified(self, report: VerifyReport) -> None:
        """Record that a verification could be done; if it found damage, ``failed`` was called for that."""
        self.succeeded(VERIFICATION)
        if report.ok:
            self._damaged.discard(report.id)

    def snooze(self, name: str, person: str) -> dt.datetime | None:
        """Remind nobody of an outage for a day; return until when, or None if there is no outage of this name."""
        found = (each for each, outage in self._outages.items() if about(each, outage) == name)
        operation = next(found, None)
        if operation is None:
            return None
        until = self._now() + _SNOOZE
        outage = msgspec.structs.replace(self._outages[operation], snoozed_until=until, snoozed_by=person)
        self._keep(operation, outage)
        self._post_outage(operation, How.EDIT)
        return until

    def _begin(
        self, operation: str, message: str, *, began: dt.datetime | None = None, claimable: bool = False
    ) -> bool:
        """Count a failure; return True if it is the first one of an outage."""
        before = self._outages.get(operation)
        now = self._now()
        if before is None:
            outage = Outage(began=began or now, failures=1, message=message, told=now, claimable=claimable)
        else:
            outage = msgspec.structs.replace(before, failures=before.failures + 1, message=message)
        self._outages[operation] = outage
        # An outage is written when it begins and now and then, not at every attempt.
        if before is None or operation == LOGIN or now - before.told > _REMIND_AFTER:
            self._keep(operation, outage)
        return before is None

    def _keep(self, operation: str, outage: Outage) -> None:
        self._outages[operation] = outage
        self._store(lambda document: changed(document, operation, outage))

    def _remind(self) -> None:
        now = self._now()
        for operation, outage in tuple(self._outages.items()):
            snoozed = outage.snoozed_until is not None and outage.snoozed_until > now
            if now - outage.told > _REMIND_AFTER and _is_told(operation, outage) and not snoozed:
                self._keep(operation, msgspec.structs.replace(outage, told=now))
                self._post_outage(operation, How.NEW, again=True)

    def _update(self, operation: str) -> None:
        """Edit the message about an outage that goes on, now and then."""
        last = self._updated.get(operation)
        if last is None or self._monotonic() - last >= _UPDATE_AFTER:
            self._post_outage(operation, How.EDIT)

    def _post_outage(self, operation: str, how: How, *, again: bool = False) -> None:
        outage = self._outages[operation]
        name = about(operation, outage)
        self._updated[operation] = self._monotonic()
        if outage.claimable:
            self._post(texts.another_database(outage.message), claim_buttons(), about=name, how=how)
        else:
            notice = outage_texts.failed(operation, outage, self._now(), again=again)
            self._post(notice, alert_buttons(about=name), about=name, how=how)

    def _end(self, operation: str, outage: Outage) -> PastAlert | None:
        """Write down that an outage is over; return it as one, or None if nobody was told of it."""
        past = None
        if _is_told(operation, outage):
            past = PastAlert(key=operation, began=outage.began, ended=self._now())
            self._past = (*self._past, past)[-PAST_KEPT:]
        self._store(lambda document: ended(document, operation, past))
        return past

    def _note(self, key: str) -> None:
        """Write down an alert that is no outage."""
        past = PastAlert(key=key, began=self._now(), ended=self._now())
        self._past = (*self._past, past)[-PAST_KEPT:]
        self._store(lambda document: noted(document, past))

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
            if self._begin(SNAPSHOT, report.message, claimable=True):
                self._post_outage(SNAPSHOT, How.NEW)
            return
        if report.outcome in _RECORDED_ONCE and checked and not news:
            return  # the owner was notified of the same findings by an earlier process
        notice = texts.started(report)
        if notice is not None:
            self._note("startup")
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
        self._note("database")
        offered = newest.id if newest is not None and health.verdict is Verdict.UNREADABLE else ""
        self._post_alert(notice, " ".join(each.message for each in health.findings), offered)

    def noticed(self, key: str, message: str) -> None:
        """Alert on something that the service came upon."""
        self._note(key)
        self._post_alert(texts.noticed(key, message), message)

    def interrupted(self, message: str) -> None:
        """Alert that a crash interrupted an operation."""
        self._note("interrupted")
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
            self._note("damaged")
            self._post_alert(texts.damaged(error), "")

    def _post_alert(self, notice: discord.Embed, message: str, offered: str = "") -> None:
        """Post a notice with buttons; the snapshot that the message names is the one to restore, else the newest."""
        named = offered or next((each.id for each in self._known() if each.id in message), "latest")
        self._post(notice, alert_buttons(named))


def _is_told(operation: str, outage: Outage) -> bool:
    return operation != LOGIN or outage.failures >= _STARTS_IN_VAIN


def _is_usable(snapshot: Snapshot) -> bool:
    return not snapshot.damaged and (snapshot.health is None or snapshot.health.verdict is not Verdict.UNREADABLE)
