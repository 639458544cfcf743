"""BackupCog: the slash commands, and the parts of the cog put together.

Every command defers before anything else, checks who asks, calls one method of the service and shows the outcome to
that person only. Errors of commands, buttons and modals are answered in one place, ``answer_error``.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import functools
import logging
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import discord
from discord import app_commands
from discord.ext import commands

from .answers.failures import failure
from .clicks import Clicks
from .confirmation import Asking
from .core_api import Kind, SnapshotError, SnapshotNotFound, SnapshotService
from .host_events import HostEvents
from .language import set_host_language, speak, text
from .lifecycle import Lifecycle
from .mentions import MentionCommands
from .notices import texts
from .notices.alerts import LOGIN, Alerts
from .notices.buttons import buttons_in
from .notices.digest import WeeklyDigest
from .notices.documents import StoredDocument
from .notices.memory import Memory
from .notices.models import Outages, TriggerCounts
from .notices.outbox import Outbox
from .owners import Owners
from .permissions import Bot, Denials, Interaction, NotAllowed, Permissions, actor_of
from .players.menu import MemberMenu
from .responses import Answer, cannot_answer
from .slash import suggestions
from .slash.groups import BACKUP, DATABASE, name_groups
from .slash.snapshots.labels import Reader
from .slash.snapshots.names import Names
from .slash.snapshots.picking import picking
from .slash.time_zone import ChosenZones, TimeZones
from .status.picture import Pictures
from .triggers import AfterCommit, Trigger

__all__ = ["ANSWERED", "BackupCog"]

ANSWERED = "backup_error_answered"
"""Set in ``interaction.extras`` if an error was answered here, so that a host's ``tree.on_error`` can leave it."""

log = logging.getLogger(__name__)
_COMMAND_SECONDS = 60.0
"""How long an unload waits for a command that is not a restore."""
_NOTICES_SECONDS = 1.5
"""How long an unload waits for the last notices to be delivered."""


class BackupCog(Clicks):
    """Verified snapshots of the game's database.

    ``monotonic`` is a clock in seconds; only tests pass another one.
    """

    backup, database = BACKUP, DATABASE

    def __init__(
        self,
        bot: Bot,
        service: SnapshotService,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.bot = bot
        self.service = service
        settings = service.settings
        set_host_language(settings.discord.language)
        self.repository = Path(settings.repository.path).absolute()
        self.permissions = Permissions(bot, settings.discord.admin_guild_ids, settings.discord.owner_ids)
        self._owners = Owners(bot, monotonic)
        channel_id = settings.discord.alert_channel_id
        self.outbox = Outbox(bot, service, channel_id=channel_id, webhook_url=settings.discord.alert_webhook_url)
        outages = StoredDocument(service, "outages", Outages)
        self.alerts = Alerts(
            self.outbox.post,
            stale_after=float(settings.schedule.stale_after),
            monotonic=monotonic,
            now=service.now,
            store=outages.change,
            known=lambda: service.known,
            group=settings.discord.backup_group,
            tells_actors=channel_id is not None,
        )
        self.host_events = HostEvents(bot, self.alerts)
        self.lifecycle = Lifecycle(
            bot,
            service,
            self.alerts,
            self.host_events,
            open_documents=self._open_documents,
            on_tick=self._on_tick,
            cog=self,
            monotonic=monotonic,
        )
        self._mentions = MentionCommands(
            bot,
            self.permissions,
            settings.discord.backup_group,
            settings.discord.admin_guild_ids,
            lambda lines: self.status_text([*lines, *self._menu.lines()]),
        )
        self._menu = MemberMenu(bot, settings.discord.admin_guild_ids, self.show_history, self.answer_error)
        self._after_commit = AfterCommit(service, monotonic=monotonic)
        later, concerns_us = self._after_commit.add, self._mentions.concerns
        self.triggers = tuple(Trigger(each, self._request, later, concerns_us) for each in settings.triggers)
        counts = StoredDocument(service, "triggers", TriggerCounts)
        self.pictures = Pictures()
        self.zones = TimeZones(settings.discord.time_zone, StoredDocument(service, "time_zones", ChosenZones))
        self.names = Names(service, settings.discord.names, monotonic)
        self._memory = Memory(bot, outages, counts, self.alerts, self.outbox, self.triggers)
        self._listeners = tuple(each for trigger in self.triggers for each in trigger.listeners())
        self.views: set[discord.ui.View] = set()
        self.outbox.draw = self.picture
        self._digest = WeeklyDigest(bot, service, self.outbox, zone=lambda: self.host_zone, monotonic=monotonic)
        self._denials = Denials(monotonic)
        self._running: dict[asyncio.Task[Any], float] = {}
        """The commands that run, and for how many seconds an unload waits for each."""
        # discord.py has copied the groups for this instance, so another cog keeps its names.
        name_groups(settings, self.backup, self.database)

    # Life

    async def cog_load(self) -> None:
        """Check the database, then listen to the game's events; returns when the host's cogs may use the database."""
        self.service.listen(self.host_events)
        await self.lifecycle.start()
        self._mentions.install()
        self._menu.install()
        for name, listener in self._listeners:
            self.bot.add_listener(listener, name)

    async def cog_unload(self) -> None:
        """Wait for running commands, take the last snapshot if the bot shuts down, and release everything."""
        self._mentions.remove()
        self._menu.remove()
        for view in self.views:
            view.stop()
        await self._wait_for_commands()
        await self._after_commit.close()
        await self.names.close()
        await self._digest.close()
        await self.lifecycle.stop()
        for name, listener in self._listeners:
            self.bot.remove_listener(listener, name)
        await self.service.close()
        await self._memory.save()  # what it learns may be news
        await self.outbox.close(_NOTICES_SECONDS)
        await self._owners.close()
        await self._memory.save()
        await self.zones.save()
        await self.lifecycle.end()

    async def _open_documents(self) -> None:
        await self._memory.open()
        await self.zones.open()

    def asking(self, interaction: Interaction) -> Asking:
        """Return what a confirmation for the owner needs of the cog."""
        seconds = float(self.service.settings.discord.confirm_timeout)
        return Asking(interaction, self.permissions.require_owner, self.answer_to, self.answer_error, seconds)

    def end_with_the_cog(self, view: discord.ui.View) -> None:
        """Let an unload end a view."""
        self.views = {each for each in self.views if not each.is_finished()} | {view}

    def _on_tick(self) -> None:
        self._owners.refresh()
        self.outbox.flush()
        self._memory.keep_counts()
        self.zones.refresh()
        if self.service.settings.discord.weekly_digest and self.lifecycle.usable:
            self._digest.tick()

    def answer_to(self, interaction: Interaction) -> Answer:
        """Return what answers an interaction; an outcome that cannot be shown to the person is kept for the owner."""
        speak(interaction.locale)
        return Answer(
            interaction,
            lambda reply, user, view: self.outbox.post(texts.not_shown(reply.embed, user), buttons_in(view)),
        )

    async def _wait_for_commands(self) -> None:
        """Wait for commands that run; a restore gets all the time that it may take."""
        waited_for = {task: seconds for task, seconds in self._running.items() if task is not asyncio.current_task()}
        # If the bot shuts down, the shutdown snapshot waits for the exclusive lock, within its own deadline.
        if waited_for and not self.lifecycle.closing:
            await asyncio.wait(waited_for, timeout=max(waited_for.values()))

    def _request(self, reason: str) -> None:
        self.service.request(Kind.CRITICAL, reason)

    # What commands share

    @property
    def host_zone(self) -> dt.tzinfo:
        """The time zone of the host, by the settings."""
        return self.zones.host

    def reader(self, interaction: Interaction) -> Reader:
        """Return how snapshots are shown to a person."""
        return Reader(self.zones.of(interaction.user.id), self.service.now(), self.names.shown)

    async def named(self, interaction: Interaction, typed: str, *, now: bool = False) -> str:
        """Return the id of the snapshot that a person means by an id, a reason, a time or a part of one.

        With ``now``, the present can be meant too: then "now". Raises SnapshotNotFound and AmbiguousSnapshot.
        """
        known, reader = await self.service.list(), self.reader(interaction)
        exact = suggestions.exactly(known, typed, reader)
        moment = suggestions.moment_of(known, typed, reader) if exact is None else None
        if exact is None and moment is None:
            exact = suggestions.one_of(known, typed, reader)
        found = exact or await self.service.snapshot_at(moment or typed, reader.zone)
        if found is not None:
            return found.id
        if now:
            return "now"
        raise SnapshotNotFound(text("Now is no snapshot yet; one can be taken first."), snapshot_id="")

    async def suggested(self, interaction: Interaction, typed: str) -> list[app_commands.Choice[str]]:
        """Return snapshots that may be meant, from memory; none for people who may not see them, or if that fails."""
        try:
            if not await self.permissions.may_manage(interaction):
                return []
            speak(interaction.locale)
            reader = self.reader(interaction)
            at = functools.partial(self.service.known_at, zone=reader.zone)
            known = self.service.known
            self.names.learn_soon(suggestions.first_reasons(known))
            return suggestions.choices(known, str(typed), reader, at)
        except Exception:
            log.exception("Snapshots could not be suggested")
            return []

    @contextlib.asynccontextmanager
    async def managing(
        self, interaction: Interaction, require: Callable[[Interaction], Any] | None = None, *, in_place: bool = False
    ) -> AsyncIterator[Answer]:
        """Defer, check who asks (without ``require``: for a manager), and require a usable repository."""
        answer = self.answer_to(interaction)
        await answer.defer(thinking=not in_place)
        await (require or self.permissions.require_manager)(interaction)
        if self.lifecycle.problem is not None:
            raise self.lifecycle.problem
        async with self.counted():
            yield answer

    @contextlib.asynccontextmanager
    async def counted(self, seconds: float = _COMMAND_SECONDS) -> AsyncIterator[None]:
        """Make an unload wait for this task, for at most ``seconds``."""
        task = asyncio.current_task()
        assert task is not None
        self._running[task] = seconds
        try:
            yield
        finally:
            self._running.pop(task, None)

    # Events

    @commands.Cog.listener()
    async def on_message(self, message: discord.Message) -> None:
        """Run the owner's commands by mention."""
        await self._mentions.handle(message)

    @commands.Cog.listener()
    async def on_ready(self) -> None:
        """Send the notices that waited for Discord."""
        self.alerts.succeeded(LOGIN)
        self.outbox.flush()

    # Answers

    async def cog_app_command_error(
        self, interaction: discord.Interaction[Any], error: app_commands.AppCommandError
    ) -> None:
        """Answer an error of any of the commands."""
        await self.answer_error(
            interaction, error.original if isinstance(error, app_commands.CommandInvokeError) else error
        )

    async def answer_error(
        self, interaction: Interaction, error: BaseException, *, view: discord.ui.View | None = None
    ) -> None:
        """Show the person what went wrong, with a ``view``; log what is not one of our errors; never raises."""
        interaction.extras[ANSWERED] = True
        if isinstance(error, discord.HTTPException) and cannot_answer(error):
            log.warning("An interaction could not be answered any more: %s", error)
            return
        if isinstance(error, NotAllowed):
            await self._record_denial(interaction, error)
        elif isinstance(error, app_commands.CommandSignatureMismatch):
            log.warning("The slash commands must be registered again: %s", error)
        elif not isinstance(error, SnapshotError):
            log.error("A command or a click failed in an unforeseen way", exc_info=error)
        try:
            names = self.service.settings.discord
            meant = suggestions.meant(self.service.known, error)
            answer = self.answer_to(interaction)
            groups = {"backup": names.backup_group, "database": names.database_group}
            shown = failure(error, meant, shown=self.names.shown, **groups)
            if view is None and meant:
                view = picking(meant, self.reader(interaction))
            await answer.fail(shown, view=view, beside=isinstance(error, NotAllowed))
        except Exception:
            log.exception("The failure of an interaction could not be shown: %s", error)

    async def _record_denial(self, interaction: Interaction, error: NotAllowed) -> None:
        action = getattr(interaction.command, "qualified_name", "a click")
        if self.lifecycle.problem is None and self._denials.is_new(interaction.user.id, action):
            try:
                await self.service.audit_denied(actor_of(interaction), action, str(error))
            except Exception:
                log.exception("A denial could not be recorded")
