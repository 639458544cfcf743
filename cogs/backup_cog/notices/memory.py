"""What the cog remembers across restarts: open outages, notices that wait, and how often the events fired."""

from __future__ import annotations

from collections.abc import Sequence

from ..permissions import Bot
from ..triggers import Trigger
from .alerts import Alerts
from .documents import StoredDocument
from .models import Outages, TriggerCounts, added_counts
from .outbox import Outbox

__all__ = ["Memory"]


class Memory:
    """The documents of one cog, and what they are taken over by."""

    def __init__(
        self,
        bot: Bot,
        outages: StoredDocument[Outages],
        counts: StoredDocument[TriggerCounts],
        alerts: Alerts,
        outbox: Outbox,
        triggers: Sequence[Trigger],
    ) -> None:
        self._bot = bot
        self._outages = outages
        self._counts = counts
        self._alerts = alerts
        self._outbox = outbox
        self._triggers = triggers
        self._opened = False

    async def open(self) -> None:
        """Take over what earlier processes left, once the repository may be written to."""
        if self._opened:
            return
        self._opened = True
        renamed = self._alerts.take_over(await self._outages.open())
        counts = await self._counts.open() or TriggerCounts()
        for trigger in self._triggers:
            trigger.take_over(counts.fired, counts.requested)
        if not self._bot.is_ready():
            self._alerts.count_start()
        await self._outbox.open(renamed)

    def keep_counts(self) -> None:
        """Write down how often the events fired since they were last written down."""
        fired: dict[str, int] = {}
        requested: dict[str, int] = {}
        for trigger in self._triggers:
            name, (more_fired, more_requested) = trigger.settings.source, trigger.take_new()
            fired[name] = fired.get(name, 0) + more_fired
            requested[name] = requested.get(name, 0) + more_requested
        if any(fired.values()):
            self._counts.change(lambda document: added_counts(document, fired, requested))

    async def save(self) -> None:
        """Write down what is left to write."""
        self.keep_counts()
        await self._outages.save()
        await self._counts.save()
