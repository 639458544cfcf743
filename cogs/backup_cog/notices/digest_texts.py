"""The text of the weekly digest. Pure."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Sequence

import discord

from ..answers.checks import HEALTH_TITLES
from ..core_api import Kind, Snapshot, Status, Verdict
from ..formatting import AMBER, GREEN, RED, embed, listing
from ..language import duration_text, for_the_host, plural, text
from ..status.facts import off_site, space
from .models import Outages, PastAlert
from .texts import title_of

__all__ = ["Week", "digest"]

_ALERTS_LIMIT = 900


@dataclasses.dataclass(frozen=True, slots=True)
class Week:
    """What is known of a week: from ``since`` to ``until``."""

    since: dt.datetime
    until: dt.datetime
    snapshots: Sequence[Snapshot]
    restores: Sequence[dt.datetime]
    outages: Outages

    def has(self, at: dt.datetime | None) -> bool:
        """Return True for a moment in it."""
        return at is not None and self.since <= at < self.until

    @property
    def alerts(self) -> list[PastAlert]:
        """The alerts of the week, with those that are not over yet."""
        still = [PastAlert(key=key, began=each.began, ended=self.until) for key, each in self.outages.outages.items()]
        return [each for each in (*self.outages.past, *still) if each.began < self.until and each.ended >= self.since]


@for_the_host()
def digest(status: Status, week: Week, now: dt.datetime) -> discord.Embed:
    """Return the digest of a week, with how things are now."""
    title, colour = HEALTH_TITLES[status.live.verdict if status.live is not None else Verdict.UNKNOWN]
    alerts = week.alerts
    restored = [each for each in week.snapshots if week.has(each.restored_at)]
    if colour != RED and (alerts or not restored or colour != GREEN):
        colour = AMBER
    fields = [
        (text("Database"), text(title)),
        (text("Snapshots"), _snapshots(week)),
        (text("Verified restores"), _restored(restored)),
        *([(text("Restores"), _restores(week))] if any(week.has(at) for at in week.restores) else []),
        (text("Off-site"), off_site()),
        (text("Space"), space(status)),
        (text("Alerts"), listing([_alert(each) for each in alerts], _ALERTS_LIMIT) or text("none this week")),
    ]
    since, until = (discord.utils.format_dt(at, "D") for at in (week.since, week.until))
    return embed(
        text("Backups of the week"), text("{since} to {until}", since=since, until=until), fields=fields, colour=colour
    )


def _snapshots(week: Week) -> str:
    taken = [each for each in week.snapshots if week.has(each.created_at)]
    events = sum(each.requests for each in taken if each.kind is Kind.CRITICAL)
    covered = plural(events, "{count} event covered", "{count} events covered")
    return plural(
        len(taken),
        "{count} of this week is kept, {events}",
        "{count} of this week are kept, {events}",
        events=covered,
    )


def _restored(restored: Sequence[Snapshot]) -> str:
    if not restored:
        return text("none this week")
    last = max(restored, key=lambda each: each.restored_at or each.created_at)
    assert last.restored_at is not None
    return plural(
        len(restored),
        "{count} snapshot restored and compared, the last one {ago}, {seconds}",
        "{count} snapshots restored and compared, the last one {ago}, {seconds}",
        ago=discord.utils.format_dt(last.restored_at, "R"),
        seconds=duration_text(last.restored_seconds or 0.0),
    )


def _restores(week: Week) -> str:
    return plural(sum(week.has(at) for at in week.restores), "{count} restore", "{count} restores")


def _alert(alert: PastAlert) -> str:
    began = discord.utils.format_dt(alert.began, "f")
    if alert.ended <= alert.began:
        return f"{began}: {title_of(alert.key)}"
    lasted = duration_text((alert.ended - alert.began).total_seconds())
    return text("{time}: {name}, for {duration}", time=began, name=title_of(alert.key), duration=lasted)
