"""The chart of the snapshots over time: their sizes, with events, restores and alerts marked. Pure.

What is drawn is described in words too, for who cannot see it.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence

import msgspec

from ..core_api import Kind, Snapshot
from ..language import phrase, plural, size_text, text

__all__ = ["Chart", "chart_of"]

_LONGEST, _SHORTEST = dt.timedelta(days=30), dt.timedelta(hours=1)
_ONE_DAY = dt.timedelta(hours=36)
"""Up to this long the axis has the time of day, else the date."""
_TICKS = 4
_MARGIN = 0.06
_DOT, _EVENT, _DAMAGED = "dot", "diamond", "cross"
_LEGEND = {
    _DOT: phrase("snapshot"),
    _EVENT: phrase("event"),
    _DAMAGED: phrase("damaged"),
    "restore": phrase("restore"),
    "alert": phrase("alert"),
}


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """What ``drawing`` draws, place for place, and ``description`` in words."""

    title: str
    marks: tuple[tuple[float, float, str], ...]
    restores: tuple[float, ...]
    alerts: tuple[tuple[float, float], ...]
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]
    legend: tuple[tuple[str, str], ...]
    description: str


def chart_of(
    snapshots: Sequence[Snapshot],
    restores: Sequence[dt.datetime],
    alerts: Sequence[tuple[dt.datetime, dt.datetime]],
    now: dt.datetime,
    zone: dt.tzinfo,
) -> Chart | None:
    """Return the chart of at most the last thirty days, with times of ``zone``; None without a snapshot in them."""
    # By the minute, so that the same state gives the same picture for a while.
    until = now.replace(second=0, microsecond=0) + dt.timedelta(minutes=1)
    shown = [each for each in snapshots if until - _LONGEST <= each.created_at <= until]
    if not shown:
        return None
    since = min(min(each.created_at for each in shown), until - _SHORTEST)
    span = until - since

    def place(at: dt.datetime) -> float:
        return round(min(1.0, max(0.0, (at - since) / span)), 4)

    sizes = [max(1, each.size) for each in shown]
    low, high = math.log(min(sizes)) - 0.1, math.log(max(sizes)) + 0.1
    marks = tuple((place(each.created_at), _height(each.size, low, high), _shape(each)) for each in shown)
    restored = tuple(place(at) for at in restores if since <= at <= until)
    told = tuple((place(began), place(ended)) for began, ended in alerts if ended >= since)
    used = {shape for *_, shape in marks} | ({"restore"} if restored else set()) | ({"alert"} if told else set())
    return Chart(
        title=text("Sizes of the snapshots"),
        marks=marks,
        restores=restored,
        alerts=told,
        x_ticks=tuple((step / _TICKS, _time(since + span * step / _TICKS, span, zone)) for step in range(_TICKS + 1)),
        y_ticks=tuple(_size_tick(low + (high - low) * part, low, high) for part in (0.0, 0.5, 1.0)),
        legend=tuple((shape, text(label)) for shape, label in _LEGEND.items() if shape in used),
        description=_described(shown, len(restored), len(told)),
    )


def _height(size: int, low: float, high: float) -> float:
    """Return how high a size stands: by its logarithm, since a full can be a thousand times an incremental."""
    return round(_MARGIN + (1 - _MARGIN) * (math.log(max(1, size)) - low) / (high - low), 4)


def _size_tick(logarithm: float, low: float, high: float) -> tuple[float, str]:
    return _height(round(math.exp(logarithm)), low, high), size_text(math.exp(logarithm))


def _time(at: dt.datetime, span: dt.timedelta, zone: dt.tzinfo) -> str:
    return f"{at.astimezone(zone):%H:%M}" if span <= _ONE_DAY else f"{at.astimezone(zone):%Y-%m-%d}"


def _shape(snapshot: Snapshot) -> str:
    if snapshot.damaged:
        return _DAMAGED
    return _EVENT if snapshot.kind is Kind.CRITICAL else _DOT


def _described(shown: Sequence[Snapshot], restores: int, alerts: int) -> str:
    events = sum(each.kind is Kind.CRITICAL for each in shown)
    return text(
        "{snapshots} of {smallest} to {largest}, of which {events}; {restores}, {alerts}.",
        snapshots=plural(len(shown), "{count} snapshot", "{count} snapshots"),
        smallest=size_text(min(each.size for each in shown)),
        largest=size_text(max(each.size for each in shown)),
        events=plural(events, "{count} of an event", "{count} of events"),
        restores=plural(restores, "{count} restore", "{count} restores"),
        alerts=plural(alerts, "{count} alert", "{count} alerts"),
    )
