"""The time zone in which a person types and reads times: their own choice, which is remembered, or the settings'."""

from __future__ import annotations

import asyncio
import datetime as dt
import functools
import logging
import zoneinfo

import msgspec
from discord import app_commands

from ..core_api import SnapshotError
from ..formatting import CHOICE_LIMIT, CHOICES_LIMIT, GREEN, Reply, clip, embed, plain, visible
from ..language import text
from ..notices.documents import StoredDocument
from ..permissions import Interaction
from .groups import BACKUP
from .parts import CogPart

__all__ = ["ChosenZones", "TimeZones", "ZoneCommands"]

log = logging.getLogger(__name__)
_UTC = "UTC"
_AS_SET = "default"
"""What one types to go back to the zone of the settings."""
_COMMON = (
    *("Europe/Berlin", "Europe/Vienna", "Europe/Zurich", "Europe/London", "Europe/Paris", "Europe/Moscow"),
    *("America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles", "America/Sao_Paulo"),
    *("Asia/Kolkata", "Asia/Singapore", "Asia/Tokyo", "Australia/Sydney"),
)
"""Suggested to a person who has typed nothing yet."""

_FRESH_SECONDS = 2.0
"""How long an answer waits for what other processes have written."""
_Name = app_commands.Range[str, 1, 100]


class ChosenZones(msgspec.Struct, frozen=True, kw_only=True):
    """The names of the zones that people chose, by the ids of their Discord users."""

    zones: dict[str, str] = {}


class TimeZones:
    """The zones of all people. ``default`` is the name of the zone in the settings."""

    def __init__(self, default: str, document: StoredDocument[ChosenZones]) -> None:
        self.default = default
        self._document = document
        self._chosen: dict[str, str] = {}
        self._seen: dict[str, str] = {}
        """What stood on disk when it was last read."""
        self._reading: asyncio.Task[None] | None = None
        self._loaded: dict[str, dt.tzinfo] = {_UTC: dt.UTC}
        self._load({default})  # it was read when the settings were checked

    async def open(self) -> None:
        """Take over what earlier processes left; a choice of this process wins over it."""
        found = await self._document.open() or ChosenZones()
        self._seen = found.zones
        self._chosen = found.zones | self._chosen
        await asyncio.to_thread(self._load, set(self._chosen.values()))

    def refresh(self) -> asyncio.Task[None]:
        """Take over soon what people have chosen in other processes since; returns at once."""
        if self._reading is None or self._reading.done():
            self._reading = asyncio.get_running_loop().create_task(self._read(), name="savepoint time zones")
        return self._reading

    async def _read(self) -> None:
        before = self._chosen
        found = await self._document.latest()
        # Nothing new may also mean that a choice could not be written: it counts in this process then.
        if found is None or found.zones == self._seen:
            return
        await asyncio.to_thread(self._load, set(found.zones.values()))
        if self._chosen is before:
            self._seen = self._chosen = found.zones

    async def save(self) -> None:
        """Wait until every choice is written."""
        if self._reading is not None:
            self._reading.cancel()
        await self._document.save()

    def name(self, user_id: int) -> str:
        """Return the name of a person's zone."""
        return self._chosen.get(str(user_id), self.default)

    def has_chosen(self, user_id: int) -> bool:
        """Return True if a person chose a zone."""
        return str(user_id) in self._chosen

    def of(self, user_id: int) -> dt.tzinfo:
        """Return a person's zone; UTC where this machine does not know it any more."""
        return self._loaded.get(self.name(user_id)) or self._loaded.get(self.default, dt.UTC)

    @property
    def host(self) -> dt.tzinfo:
        """The zone of the settings; UTC where this machine does not know it."""
        return self._loaded.get(self.default, dt.UTC)

    async def choose(self, user_id: int, name: str | None) -> None:
        """Remember a person's choice; with None, forget it."""
        if name is not None:
            await asyncio.to_thread(self._load, {name})
        self._chosen = _changed(self._chosen, user_id, name)
        self._document.change(
            lambda found: ChosenZones(zones=_changed(found.zones if found is not None else {}, user_id, name))
        )

    def _load(self, names: set[str]) -> None:
        for name in names - self._loaded.keys():
            try:
                self._loaded[name] = zoneinfo.ZoneInfo(name)
            except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
                log.warning("The time zone %s is not known here", name)


def _changed(zones: dict[str, str], user_id: int, name: str | None) -> dict[str, str]:
    others = {key: zone for key, zone in zones.items() if key != str(user_id)}
    return others if name is None else others | {str(user_id): name}


class ZoneCommands(CogPart):
    """A part of ``BackupCog``."""

    zones: TimeZones

    @BACKUP.command(name="timezone")
    @app_commands.describe(zone='Yours, like "Europe/Berlin"; without it, shows which one counts')
    async def time_zone(self, interaction: Interaction, zone: _Name | None = None) -> None:
        """Choose in which time zone you type times and read them in suggestions."""
        answer = self.answer_to(interaction)
        await answer.defer()
        await self.permissions.require_manager(interaction)
        person = interaction.user.id
        # A disk that hangs must not keep the answer back.
        await asyncio.wait([self.zones.refresh()], timeout=_FRESH_SECONDS)
        if zone is not None:
            name = None if zone.strip().lower() == _AS_SET else await asyncio.to_thread(zone_named, zone)
            await self.zones.choose(person, name)
        await answer.show(_shown(self.zones, person, self.service.now(), chosen=zone is not None), outcome=True)

    @time_zone.autocomplete("zone")
    async def suggest_zones(self, interaction: Interaction, typed: str) -> list[app_commands.Choice[str]]:
        """Suggest time zones, each with the time that it is there."""
        try:
            if not await self.permissions.may_manage(interaction):
                return []
            self.answer_to(interaction)  # speaks the person's language from here on
            default = text("as in the settings: {zone}", zone=self.zones.default)
            found = await asyncio.to_thread(_matching, str(typed), self.service.now())
        except Exception:
            log.exception("Time zones could not be suggested")
            return []
        names = [*([(default, _AS_SET)] if not typed.strip() else []), *found]
        return [
            app_commands.Choice(name=clip(name, CHOICE_LIMIT), value=value) for name, value in names[:CHOICES_LIMIT]
        ]


def _shown(zones: TimeZones, user_id: int, now: dt.datetime, *, chosen: bool) -> Reply:
    """Show which zone counts for a person, and the time that it is there."""
    values = {"zone": plain(zones.name(user_id)), "time": f"{now.astimezone(zones.of(user_id)):%Y-%m-%d %H:%M}"}
    if zones.has_chosen(user_id):
        sentence = text("Times are meant in **{zone}**, where it is {time} now.", **values)
    else:
        sentence = text("Times are meant in **{zone}**, as in the settings; there it is {time} now.", **values)
    return Reply(embed(text("Your time zone"), sentence, colour=GREEN if chosen else None))


@functools.cache
def _names() -> tuple[str, ...]:
    """Return the names of all zones. Blocks the first time, because it looks through a folder."""
    return (_UTC, *sorted(zoneinfo.available_timezones() - {_UTC}))


def zone_named(typed: str) -> str:
    """Return the name of the zone that a person means: the whole name, or its last part where no other one has it.

    Blocks. Raises SnapshotError with a sentence for a person.
    """
    wanted = typed.strip().replace(" ", "_").casefold()
    names = _names()
    whole = [name for name in names if name.casefold() == wanted]
    found = whole or [name for name in names if name.rpartition("/")[2].casefold() == wanted]
    if len(found) == 1:
        return found[0]
    shown = repr(clip(visible(typed), 40))
    if len(names) == 1:
        raise SnapshotError(
            text("Only UTC is known on this machine. To have all time zones, install the package tzdata for the bot.")
        )
    if found:
        raise SnapshotError(text("{typed} may be any of these: {zones}.", typed=shown, zones=", ".join(found)))
    raise SnapshotError(
        text("{typed} is no time zone. Pick one from the list, such as Europe/Berlin or UTC.", typed=shown)
    )


def _matching(typed: str, now: dt.datetime) -> list[tuple[str, str]]:
    """Return the zones that may be meant, as they are shown and by name. Blocks."""
    wanted = typed.strip().replace(" ", "_").casefold()
    names = _names()
    found = [name for name in names if wanted in name.casefold()] if wanted else [_UTC, *_COMMON]
    found.sort(key=lambda name: not name.rpartition("/")[2].casefold().startswith(wanted))
    return [(_with_time(name, now), name) for name in found[:CHOICES_LIMIT] if name in names]


def _with_time(name: str, now: dt.datetime) -> str:
    zone = dt.UTC if name == _UTC else zoneinfo.ZoneInfo(name)
    return f"{name} · {now.astimezone(zone):%H:%M}"
