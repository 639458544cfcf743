"""The labels of snapshots where Discord shows a text as it is: no format, no link, no direction of writing. Pure."""

from __future__ import annotations

import dataclasses
import datetime as dt

from ...core_api import Snapshot
from ...formatting import CHOICE_LIMIT, clip, visible
from ...language import duration_text, text, word
from .finding import Shown, as_is
from .lines import own_reasons

__all__ = ["Reader", "headline", "label"]

_ID_LENGTH = 4


@dataclasses.dataclass(frozen=True, slots=True)
class Reader:
    """Who reads: the zone of their times, the moment, and how reasons are shown to them."""

    zone: dt.tzinfo
    now: dt.datetime
    shown: Shown = as_is

    @property
    def here(self) -> dt.datetime:
        """The moment as it is where they are."""
        return self.now.astimezone(self.zone)

    @property
    def today(self) -> dt.date:
        """The date where they are."""
        return self.here.date()


def label(snapshot: Snapshot, reader: Reader, wanted: str = "", *, limit: int = CHOICE_LIMIT) -> str:
    """Return a snapshot as one line: its time and age, the beginning of its id, and the reason that matches a text."""
    wanted = wanted.strip().casefold()
    named = wanted if snapshot.id.startswith(wanted) else ""
    age = duration_text(max(0.0, float(round((reader.now - snapshot.created_at).total_seconds()))))
    parts = [
        f"{snapshot.created_at.astimezone(reader.zone):%Y-%m-%d %H:%M:%S}",
        text("{duration} ago", duration=age),
        snapshot.id[: max(_ID_LENGTH, len(named))],
        word("damaged") if snapshot.damaged else "",
        headline(snapshot, reader, wanted),
    ]
    return clip(" · ".join(part for part in parts if part), limit)


def headline(snapshot: Snapshot, reader: Reader, wanted: str) -> str:
    """Return the reason or the note that has a text, else the note, else the first reason, else the kind."""
    wanted = wanted.strip().casefold()
    reasons = [reader.shown(reason) for reason in own_reasons(snapshot)]
    texts = [*reasons, *([snapshot.note] if snapshot.note else [])]
    matching = [each for each in texts if wanted and wanted in each.casefold()]
    exact = [each for each in matching if wanted == each.casefold()]
    best = next(iter([*exact, *matching, *([snapshot.note] if snapshot.note else []), *reasons]), "")
    return visible(best) or word(snapshot.kind)
