"""What somebody who waits or watches is told while operations run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec

from ..errors import SnapshotError
from .restores import RestorePlan, RestoreReport
from .snapshots import Snapshot

__all__ = ["Listener", "OnProgress", "Progress"]


class Progress(msgspec.Struct, frozen=True, tag_field="type", tag="progress"):
    """How far a phase has come; ``done`` and ``total`` are bytes, or steps where there are no bytes."""

    phase: str
    done: int
    total: int


OnProgress = Callable[[Progress], None]
"""A function that is called with each step of the progress, in the loop's thread."""


class Listener(Protocol):
    """Who wants to hear what the service does: the cog, which tells the host and the owner."""

    async def created(self, snapshot: Snapshot) -> None:
        """Hear of a snapshot that was published."""

    async def failed(self, operation: str, error: SnapshotError) -> None:
        """Hear of an operation nobody waited for that failed."""

    async def covered(self) -> None:
        """Hear that the newest state is safe: a snapshot succeeded, or one was not needed."""

    async def restore_starting(self, plan: RestorePlan) -> None:
        """Hear that a restore begins, in time to pause play."""

    async def restore_finished(self, report: RestoreReport) -> None:
        """Hear how a restore ended, also when it failed, in time to drop caches."""
