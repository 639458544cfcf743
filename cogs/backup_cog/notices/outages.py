"""The document of outages, changed: pure functions, which run in a thread and one process at a time."""

from __future__ import annotations

import datetime as dt

import msgspec

from .models import Outage, Outages, PastAlert

__all__ = [
    "DAY",
    "PAST_KEPT",
    "about",
    "begun",
    "changed",
    "ended",
    "is_quiet",
    "noted",
    "reminded",
    "seconds_of",
    "snoozed",
]

DAY = dt.timedelta(days=1)
"""How often the owner is reminded of an outage, and how long a snooze is."""
PAST_KEPT = 200
"""How many alerts that are over are kept."""


def about(operation: str, outage: Outage) -> str:
    """Return what names one outage: the next one of the same operation has another name."""
    return f"{operation}@{int(outage.began.timestamp())}"


def seconds_of(outage: Outage, now: dt.datetime) -> float:
    """Return for how long an outage has lasted."""
    return max(0.0, (now - outage.began).total_seconds())


def changed(document: Outages | None, operation: str, outage: Outage) -> Outages:
    """Return the document with an outage as it is now; what another process told or was asked about it stays."""
    before = document or Outages()
    shared = before.outages.get(operation)
    if shared is not None and shared.began == outage.began:
        outage = msgspec.structs.replace(
            outage, failures=max(shared.failures, outage.failures), told=max(shared.told, outage.told)
        )
        if shared.snoozed_until is not None and shared.snoozed_until > (outage.snoozed_until or shared.told):
            outage = msgspec.structs.replace(outage, snoozed_until=shared.snoozed_until, snoozed_by=shared.snoozed_by)
    return _with(before, operation, outage)


def _with(document: Outages, operation: str, outage: Outage) -> Outages:
    outages = {name: each for name, each in document.outages.items() if name != operation}
    return msgspec.structs.replace(document, outages={**outages, operation: outage})


def begun(document: Outages | None, operation: str, outage: Outage) -> Outages:
    """Return the document with an outage that one process meets for the first time, as what another one met before."""
    shared = (document or Outages()).outages.get(operation)
    if shared is not None:
        outage = msgspec.structs.replace(shared, failures=shared.failures + outage.failures, message=outage.message)
    return changed(document, operation, outage)


def is_quiet(outage: Outage, now: dt.datetime) -> bool:
    """Return True if nobody should be reminded of an outage: told of it within a day, or asked not to for a day.

    Moments that only a clock that was wrong can have written say nothing.
    """
    told = now - DAY <= outage.told <= now
    return told or (outage.snoozed_until is not None and now < outage.snoozed_until <= now + DAY)


def reminded(document: Outages | None, operation: str, outage: Outage) -> Outages:
    """Return the document with an outage that its process reminds of; as it is if another one said to be quiet."""
    shared = document.outages.get(operation) if document is not None else None
    if document is not None and shared is not None and is_quiet(shared, outage.told):
        return document
    return _with(document or Outages(), operation, outage)


def snoozed(document: Outages | None, name: str, until: dt.datetime, person: str) -> Outages:
    """Return the document with the outage of this name snoozed, if it has one."""
    before = document or Outages()
    operation = next((each for each, outage in before.outages.items() if about(each, outage) == name), None)
    if operation is None:
        return before
    outage = msgspec.structs.replace(before.outages[operation], snoozed_until=until, snoozed_by=person)
    return _with(before, operation, outage)


def ended(document: Outages | None, operation: str, past: PastAlert | None) -> Outages:
    """Return the document without an outage that is over; ``past`` is None if nobody was told of it."""
    before = document or Outages()
    outages = {name: each for name, each in before.outages.items() if name != operation}
    left = msgspec.structs.replace(before, outages=outages)
    return left if past is None else noted(left, past)


def noted(document: Outages | None, past: PastAlert) -> Outages:
    """Return the document with one more alert that is over."""
    before = document or Outages()
    return msgspec.structs.replace(before, past=(*before.past, past)[-PAST_KEPT:])
