"""The verdict on a state: that of the live database, or that in a snapshot."""

from __future__ import annotations

import datetime as dt
from enum import StrEnum

import msgspec

from .integrity import Finding

__all__ = ["Health", "Verdict"]


class Verdict(StrEnum):
    """How sound a state is, as ``policies/health.py`` decides.

    ``unreadable``: data cannot be read, so a restore helps. ``inconsistent``: the data is there, but SQLite's own
    structures around it are wrong. ``suspicious``: the data is readable, but not what was expected. ``unknown``: the
    state could not be checked, or not completely. ``missing``: there is no database yet. ``sound``: nothing was found.
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
