"""What somebody who waits or watches is told while operations run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec

from ..errors import SnapshotError
from .audit import AuditLine
from .health import Health
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

    async def health_changed(self, health: Health) -> None:
        """Hear of findings in the live database that are new, or that it is sound again."""

    async def audited(self, line: AuditLine) -> None:
        """Hear of a line of the audit log."""

    async def interrupted(self, message: str) -> None:
        """Hear what an operation that a crash interrupted has left behind: the owner's sentence."""

    async def covered(self) -> None:
        """Hear that the newest state is safe: a snapshot succeeded, or one was not needed."""

    async def restore_starting(self, plan: RestorePlan) -> None:
        """Hear that a restore begins, in time to pause play."""

    async def restore_finished(self, report: RestoreReport) -> None:
        """Hear how a restore ended, also when it failed, in time to drop caches."""
