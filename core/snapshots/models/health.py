"""The verdict on a state: the live database's, or that of the state in a snapshot."""

from __future__ import annotations

import datetime as dt
from enum import StrEnum

import msgspec

from .integrity import Finding

__all__ = ["Health", "Verdict"]


class Verdict(StrEnum):
    """What may be done about a state; see ``policies/health.py``, which alone decides it.

    ``unreadable``: the data cannot be read, so a restore helps. ``inconsistent``: the data is there, and SQLite's own
    bookkeeping of it is wrong. ``suspicious``: the data is readable and not what was expected. ``unknown``: it could
    not be looked at, or not as a whole. ``missing``: there is no database yet. ``sound``: nothing was found.
    """

    SOUND = "sound"
    MISSING = "missing"
    UNKNOWN = "unknown"
    SUSPICIOUS = "suspicious"
    INCONSISTENT = "inconsistent"
    UNREADABLE = "unreadable"


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """A verdict with the findings behind it (at most ``MOST_FINDINGS`` of them) and the time of the check."""

    verdict: Verdict
    findings: tuple[Finding, ...] = ()
    checked_at: dt.datetime
