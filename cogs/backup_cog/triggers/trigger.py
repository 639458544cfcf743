"""Triggers: which of the game's events, commands and clicks ask for a snapshot, and for what reason.

Pure except for the counters. What Savepoint itself does never asks for one.

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

from ..core_api import TriggerSettings
from .events import DISCORD_EVENTS, EVENTS, PayloadOf, is_own

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
    matched: bool = True
    """True if the condition was looked at and met."""


@dataclasses.dataclass(frozen=True, slots=True)
class TriggerCount:
    """How often a trigger fired, how often it requested a snapshot, and how often a field was missing.

    ``lasting`` is True if earlier processes are counted too. ``unmatched`` is the field of the condition if that was
    never found, or never had a value that is wanted.
    """

    event: str
    fired: int
    requested: int
    incomplete: int
    lasting: bool = False
    unmatched: str | None = None


def read(settings: TriggerSettings, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Reading:
    """Return what a payload means. Positional arguments are the trigger's fields in order; keyword arguments win."""
    payload = {**dict(zip(settings.fields, args, strict=False)), **kwargs}
    missing: list[str] = []
    reason = "".join(
        literal if name is None else literal + _text(payload, name, missing)
        for literal, name in _parts(settings.reason)
    )
    asks, matched = True, True
    if settings.field is not None:
        known = len(missing)
        asks = _holds(_found(payload, settings.field), settings, missing)
        matched = asks and len(missing) == known
    return Reading(asks=asks, reason=_cleaned(reason), missing=tuple(dict.fromkeys(missing)), matched=matched)


@functools.lru_cache(maxsize=256)
def _parts(template: str) -> tuple[tuple[str, str | None], ...]:
    return tuple((literal, name) for literal, name, _, _ in Formatter().parse(template))


def _text(payload: Mapping[str, Any], path: str, missing: list[str]) -> str:
    value = _found(payload, path)
    try:
        if value is not _ABSENT:
            # For a member of an enum the value, not "Class.NAME".
            return str(_plain(value))[:REASON_LIMIT]
    except Exception:  # noqa: BLE001 - the host's own objects can raise anything, and its game must not notice
        log.debug("The field %s cannot be shown", path)
    missing.append(path if path.partition(".")[0] in payload else path.partition(".")[0])
    return UNKNOWN


def _found(payload: Mapping[str, Any], path: str) -> Any:
    """Return the value at a path of attributes and keys, or _ABSENT."""
    value: Any = payload
    try:
        for name in path.split("."):
            value = value[name] if isinstance(value, Mapping) else getattr(value, name)
    except Exception:  # noqa: BLE001 - as above
        return _ABSENT
    return value


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
    """One configured trigger: listeners that count and request snapshots.

    ``request`` is called with each reason, and must return at once. ``later`` is called with a function that makes the
    request and with the event's arguments, where the game has not committed yet. ``concerns_us`` returns True for a
    message with a command of Savepoint's.
    """

    def __init__(
        self,
        settings: TriggerSettings,
        request: Callable[[str], object],
        later: Callable[[Callable[[], None], Sequence[Any]], object] | None = None,
        concerns_us: Callable[[object], bool] = lambda _: False,
    ) -> None:
        self.settings = settings
        self.fired = 0
        self.requested = 0
        self.incomplete = 0
        self._matched = False
        self._earlier = (0, 0)
        """How often it fired and requested a snapshot before this process."""
        self._lasting = False
        self._kept = (0, 0)
        """How much of the counts of this process is written down."""
        self._request = request
        self._later = later if settings.buttons or settings.event in DISCORD_EVENTS else None
        self._concerns_us = concerns_us
        self._warned: set[tuple[str, ...]] = set()

    @property
    def count(self) -> TriggerCount:
        """The counts since the first start, as far as they are known."""
        fired, requested = self._earlier
        unmatched = self.settings.field if self.fired and not self._matched and not requested else None
        return TriggerCount(
            self.settings.source,
            fired + self.fired,
            requested + self.requested,
            self.incomplete,
            self._lasting,
            unmatched,
        )

    def take_over(self, fired: Mapping[str, int], requested: Mapping[str, int]) -> None:
        """Go on with the counts of earlier processes, by source."""
        source = self.settings.source
        self._lasting = True
        self._earlier = (fired.get(source, 0), requested.get(source, 0))

    def take_new(self) -> tuple[int, int]:
        """Return how often it fired and requested a snapshot since this was last called."""
        (fired, requested), self._kept = self._kept, (self.fired, self.requested)
        return self.fired - fired, self.requested - requested

    def listeners(self) -> Iterator[tuple[str, Callable[..., Coroutine[Any, Any, None]]]]:
        """Yield what discord.py accepts as listeners, each with the name under which it is called."""
        for event, payload_of in EVENTS[self.settings.kind]:
            yield f"on_{event or self.settings.event}", self._listener(payload_of)

    def _listener(self, payload_of: PayloadOf) -> Callable[..., Coroutine[Any, Any, None]]:
        async def listener(*args: Any, **kwargs: Any) -> None:
            try:
                named = None if payload_of is None else payload_of(self.settings, *args)
                if any(is_own(value) or self._concerns_us(value) for value in (*args, *kwargs.values())):
                    return
            except Exception:
                log.exception("An event could not be read for the trigger %s", self.settings.source)
                return
            if payload_of is None:
                self.handle(args, kwargs)
            elif named is not None:
                self.handle((), named)

        return listener

    def handle(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """Handle one event; never raises, whatever its payload is."""
        try:
            self.fired += 1
            reading = read(self.settings, args, kwargs)
            self._matched |= reading.matched
            if reading.missing:
                self._warn(reading.missing)
            if not reading.asks:
                return
            self.requested += 1
            if self._later is None:
                self._request(reading.reason)
            else:
                self._later(functools.partial(self._request_safely, reading.reason), (*args, *kwargs.values()))
        except Exception:
            log.exception("The event %s could not be turned into a request for a snapshot", self.settings.source)

    def _request_safely(self, reason: str) -> None:
        try:
            self._request(reason)
        except Exception:
            log.exception("The event %s could not be turned into a request for a snapshot", self.settings.source)

    def _warn(self, missing: tuple[str, ...]) -> None:
        """Log what was missing, as a warning only the first time: a busy game repeats its events thousands of times."""
        self.incomplete += 1
        level = logging.DEBUG if missing in self._warned else logging.WARNING
        self._warned.add(missing)
        log.log(
            level,
            "The event %s came without %s; a snapshot is taken all the same. Its trigger expects the fields %s.",
            self.settings.source,
            ", ".join(missing),
            ", ".join(self.settings.fields) or "none",
        )
