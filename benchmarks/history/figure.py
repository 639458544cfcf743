"""What was measured of one piece of work."""

from __future__ import annotations

import msgspec

__all__ = ["Figure"]


class Figure(msgspec.Struct, frozen=True):
    """One line of the table: the work, its time and processor time, the memory in MiB, and its goal in seconds."""

    work: str
    seconds: float
    processor: float
    memory: float
    goal: float | None
