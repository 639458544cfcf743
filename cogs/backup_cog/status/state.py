"""What the cog itself adds to a status."""

from __future__ import annotations

import dataclasses

from ..core_api import StartupReport
from ..slash.snapshots.finding import Shown, as_is
from ..triggers import TriggerCount

__all__ = ["CogState"]


@dataclasses.dataclass(frozen=True, slots=True)
class CogState:
    """The state of the cog, beside the repository's: ``problem`` keeps it from working, ``outages`` are open alerts.

    ``shown`` is how a reason is shown to who reads it.
    """

    problem: str | None
    outages: tuple[str, ...]
    startup: StartupReport | None
    triggers: tuple[TriggerCount, ...]
    shown: Shown = as_is
