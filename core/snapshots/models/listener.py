"""Notifications: the progress of an operation, and the events of the service."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec

from ..errors import SnapshotError
from .audit import AuditLine
from .health import Health
from .rescues import RescueReport
from .restores import RestorePlan, RestoreReport
from .snapshots import Snapshot

__all__ = ["Listener", "OnProgress", "Progress"]


class Progress(msgspec.Struct, frozen=True, tag_field="type", tag="progress"):
    """The progress of a phase; ``done`` and ``total`` are bytes, or steps if there are no bytes."""

    phase: str
    done: int
    total: int


OnProgress = Callable[[Progress], None]
"""A function that is called with the progress, in the loop's thread."""


class Listener(Protocol):
    """A receiver of the service's events, such as the cog, which informs the host and the owner."""

    async def created(self, snapshot: Snapshot) -> None:
        """Handle the publication of a snapshot."""

    async def failed(self, operation: str, error: SnapshotError) -> None:
        """Handle the failure of an operation that no caller waits for."""

    async def succeeded(self, operation: str) -> None:
        """Handle the success of an operation that ``failed`` may have named before."""

    async def health_changed(self, health: Health) -> None:
        """Handle new findings in the live database, or the news that it is sound again."""

    async def noticed(self, key: str, message: str) -> None:
        """Handle something that the owner should know; ``key`` is the same for the same matter."""

    async def audited(self, line: AuditLine) -> None:
        """Handle a new line of the audit log."""

    async def interrupted(self, message: str) -> None:
        """Handle the message for the owner about an operation that a crash interrupted."""

    async def covered(self) -> None:
        """Handle the news that the current state is covered: a snapshot succeeded, or none was needed."""

    async def rescued(self, report: RescueReport) -> None:
        """Handle rows that were put back, so that caches can be dropped."""

    async def restore_starting(self, plan: RestorePlan) -> None:
        """Handle the start of a restore, before the database changes, so that the game can be paused."""

    async def restore_finished(self, report: RestoreReport) -> None:
        """Handle the end of a restore, successful or not, so that caches can be dropped before play goes on."""
