"""The doctor at a glance: what ``status`` says is not well, before the next snapshot finds it out."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

from ..models import Status, Verdict
from ..policies.health import usable_state
from ..settings.schema import Settings
from ..units import count_text, duration_text
from . import surroundings
from .models import Problem

__all__ = ["glance"]

_INTEGRITY = "See what was found: integrity."
_BAD = (Verdict.UNREADABLE, Verdict.INCONSISTENT, Verdict.SUSPICIOUS)


def glance(status: Status, settings: Settings, now: dt.datetime) -> tuple[Problem, ...]:
    """Return what is not well, the worst first. Blocks; changes nothing."""
    return (*_database(status), *_snapshots(status, settings, now), *_needs(status, settings))


def _database(status: Status) -> Iterator[Problem]:
    live = status.live
    if live is not None and live.verdict in _BAD:
        message = live.findings[0].message if live.findings else f"The database is {live.verdict}."
        fix = "Restore a snapshot: restore latest." if live.verdict is Verdict.UNREADABLE else _INTEGRITY
        yield Problem(check="database", message=message, fix=fix)


def _snapshots(status: Status, settings: Settings, now: dt.datetime) -> Iterator[Problem]:
    if status.damaged:
        yield Problem(
            check="damaged",
            message=f"{count_text(status.damaged, 'snapshot')} cannot be restored: the files are damaged.",
            fix="Look at the disk, and take one that stands alone: now.",
        )
    newest = status.newest
    if newest is None:
        return
    if not usable_state(newest):
        yield Problem(
            check="newest", message=f"The newest snapshot, {newest.id}, cannot be restored.", fix="Take one: now."
        )
    since = (now - status.next_periodic).total_seconds()
    if status.users and since > float(settings.schedule.stale_after):
        yield Problem(
            check="overdue",
            message=f"A periodic snapshot is {duration_text(since)} overdue, although something uses the database.",
            fix="Look into the bot's log; if the cog is not loaded there, load it.",
        )


def _needs(status: Status, settings: Settings) -> Iterator[Problem]:
    for question in status.unanswered:
        message = f"[history] watch names {question!r}, and the newest snapshot could not be asked for it."
        yield Problem(check="watch", message=message, fix=f"Try it: query 'SELECT {question}'.")
    yield from (surroundings.lacking_programs(each) for each in status.lacking)
    size = status.newest.database_size if status.newest is not None else 0
    repository = Path(status.repository)
    for finding in surroundings.disk(repository, size, int(settings.repository.min_free)):
        if isinstance(finding, Problem):
            yield finding
