"""Notifications: the progress of an operation, and the events of the service."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec

from ..errors import SnapshotError
from .audit import AuditLine
from .health import Health
from .rescues import RescueReport
from .restores import RestorePlan, RestoreReport, RestoreStep
from .snapshots import Snapshot

__all__ = ["Listener", "OnProgress", "Progress", "Stage"]


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """How far a restore is: in step ``number`` of ``of``, with ``share`` of the whole done, between 0 and 1.

    ``left`` is about how many seconds are left, None if nobody can say. ``changed`` is True after the point of no
    return; until then the database is as it was.
    """

    step: RestoreStep
    number: int
    of: int
    share: float
    left: float | None
    changed: bool


class Progress(msgspec.Struct, frozen=True, tag_field="type", tag="progress", omit_defaults=True):
    """The progress of a phase; ``done`` and ``total`` are bytes, or steps if there are no bytes.

    ``stage`` is how far the whole is, where that is a restore.
    """

    phase: str
    done: int
    total: int
    stage: Stage | None = None


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
        """Handle that a restore is about to change the database, so that the game can be paused.

        The snapshot is rebuilt and has passed its check by then: what fails before pauses nobody.
        """

    async def restore_finished(self, report: RestoreReport) -> None:
        """Handle the end of a restore, successful or not, so that caches can be dropped before play goes on."""
