"""Triggers: what in the host asks for a snapshot, and when.

``trigger`` reads an event and counts, ``events`` knows how discord.py tells of commands and clicks, ``after_commit``
waits until the game has committed.
"""

from __future__ import annotations

from .after_commit import AfterCommit
from .trigger import REASON_LIMIT, UNKNOWN, Reading, Trigger, TriggerCount, read

__all__ = ["REASON_LIMIT", "UNKNOWN", "AfterCommit", "Reading", "Trigger", "TriggerCount", "read"]
