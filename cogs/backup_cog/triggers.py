"""Triggers: which of the game's events ask for a snapshot, and for what reason. Pure except for the counters.

The host's payload can be anything. What is missing or unreadable becomes ``unknown`` in the reason, and a condition
that cannot be evaluated counts as met: one snapshot too many costs little.
"""

from __future__ import annotations

import dataclasses
import functools
import logging
from collections.abc import Callable, Collection, Coroutine, Iterator, Mapping, Sequence
from string import Formatter
from typing import Any

from .core_api import TriggerSettings

__all__ = ["REASON_LIMIT", "UNKNOWN", "Reading", "Trigger", "TriggerCount", "read"]

REASON_LIMIT = 100
UNKNOWN = "unknown"

log = logging.getLogger(__name__)
_ABSENT = object()


@dataclasses.dataclass(frozen=True, slots=True)
class Reading:
    """What one payload means to one trigger; ``missing`` names the fields that it needed and did not find."""

    asks: bool
    reason: str
    missing: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class TriggerCount:
    """How often an event fired, how often it requested a snapshot, and how often a field was missing.

    ``lasting`` is True if earlier processes are counted too.
    """

    event: str
    fired: int
    requested: int
    incomplete: int
    lasting: bool = False


def read(settings: TriggerSettings, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Reading:
    """Return what a payload means. Positional arguments are the trigger's fields in order; keyword arguments win."""
    payload = {**dict(zip(settings.fields, args, strict=False)), **kwargs}
    missing: list[str] = []
    reason = "".join(
        literal if name is None else literal + _text(payload, name, missing)
        for literal, name in _parts(settings.reason)
    )
    asks = settings.field is None or _holds(payload.get(settings.field, _ABSENT), settings, missing)
    return Reading(asks=asks, reason=_cleaned(reason), missing=tuple(dict.fromkeys(missing)))


@functools.lru_cache(maxsize=256)
def _parts(template: str) -> tuple[tuple[str, str | None], ...]:
    return tuple((literal, name) for literal, name, _, _ in Formatter().parse(template))


def _text(payload: Mapping[str, Any], path: str, missing: list[str]) -> str:
    name, *attributes = path.split(".")
    value = payload.get(name, _ABSENT)
    if value is _ABSENT:
        missing.append(name)
        return UNKNOWN
    try:
        for attribute in attributes:
            value = getattr(value, attribute)
        # For a member of an enum the value, not "Class.NAME".
        return str(_plain(value))[:REASON_LIMIT]
    except Exception:  # noqa: BLE001 - the host's own objects can raise anything, and its game must not notice
        missing.append(path)
        return UNKNOWN


def _plain(value: Any) -> Any:
    inner = getattr(value, "value", None)
    return inner if isinstance(inner, str | int) else value


def _holds(value: Any, settings: TriggerSettings, missing: list[str]) -> bool:
    wanted = {text.strip().casefold() for text in settings.any_of}
    # An iterator can be read only once, and the host needs it.
    if value is _ABSENT or isinstance(value, Iterator):
        missing.append(str(settings.field))
        return True
    try:
        members = value if isinstance(value, Collection) and not isinstance(value, str | bytes) else (value,)
        return any(not wanted.isdisjoint(_spellings(member)) for member in members)
    except Exception:  # noqa: BLE001 - as above
        missing.append(str(settings.field))
        return True


def _spellings(member: Any) -> set[str]:
    """Return the texts that can stand for a value in the settings: itself, and an enum member's value and name."""
    found = [member, getattr(member, "value", None), getattr(member, "name", None)]
    return {str(text).strip().casefold() for text in found if isinstance(text, str | int)} or {str(member).casefold()}


def _cleaned(reason: str) -> str:
    """Return one line of printable text of at most REASON_LIMIT characters."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in reason).split())
    return line[:REASON_LIMIT] or UNKNOWN


class Trigger:
    """One configured trigger: a listener for its event that counts and requests snapshots.

    ``request`` is called with each reason; it must return at once.
    """

    def __init__(self, settings: TriggerSettings, request: Callable[[str], object]) -> None:
        self.settings = settings
        self.fired = 0
        self.requested = 0
        self.incomplete = 0
        self._earlier = (0, 0)
        """How often it fired and requested a snapshot before this process."""
        self._lasting = False
        self._kept = (0, 0)
        """How much of the counts of this process is written down."""
        self._request = request
        self._warned: set[tuple[str, ...]] = set()

    @property
    def listener_name(self) -> str:
        """The name under which discord.py calls listeners of the event."""
        return f"on_{self.settings.event}"

    @property
    def count(self) -> TriggerCount:
        """The counts since the first start, as far as they are known."""
        fired, requested = self._earlier
        return TriggerCount(
            self.settings.event, fired + self.fired, requested + self.requested, self.incomplete, self._lasting
        )

    def take_over(self, fired: Mapping[str, int], requested: Mapping[str, int]) -> None:
        """Go on with the counts of earlier processes, by event."""
        event = self.settings.event
        self._lasting = True
        self._earlier = (fired.get(event, 0), requested.get(event, 0))

    def take_new(self) -> tuple[int, int]:
        """Return how often it fired and requested a snapshot since this was last called."""
        (fired, requested), self._kept = self._kept, (self.fired, self.requested)
        return self.fired - fired, self.requested - requested

    def listener(self) -> Callable[..., Coroutine[Any, Any, None]]:
        """Return a function that discord.py accepts as a listener."""

        async def listener(*args: Any, **kwargs: Any) -> None:
            self.handle(args, kwargs)

        return listener

    def handle(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """Handle one event; never raises, whatever its payload is."""
        try:
            self.fired += 1
            reading = read(self.settings, args, kwargs)
            if reading.missing:
                self._warn(reading.missing)
            if reading.asks:
                self.requested += 1
                self._request(reading.reason)
        except Exception:
            log.exception("The event %s could not be turned into a request for a snapshot", self.settings.event)

    def _warn(self, missing: tuple[str, ...]) -> None:
        """Log what was missing, as a warning only the first time: a busy game repeats its events thousands of times."""
        self.incomplete += 1
        level = logging.DEBUG if missing in self._warned else logging.WARNING
        self._warned.add(missing)
        log.log(
            level,
            "The event %s came without %s; a snapshot is taken all the same. Its trigger expects the fields %s.",
            self.settings.event,
            ", ".join(missing),
            ", ".join(self.settings.fields) or "none",
        )
