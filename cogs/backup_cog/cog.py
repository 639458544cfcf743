"""BackupCog: the slash commands, and the parts of the cog put together.

Every command defers before anything else, checks who asks, does one thing by the service and shows the outcome to that
person only. Errors of commands, buttons and modals are answered in one place, ``answer_error``.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import discord
from discord import app_commands
from discord.ext import commands

from . import embeds, restore_embeds
from .alerts import Alerts
from .core_api import Kind, Level, RestorePlan, SettingsError, SnapshotError, SnapshotService
from .embeds import Health
from .formatting import CHOICES_LIMIT
from .host_events import HostEvents
from .lifecycle import Lifecycle
from .mentions import MentionCommands
from .notifications import Outbox
from .permissions import Access, Bot, Interaction, NotAllowed
from .responses import Answer, ProgressDisplay, can_not_answer
from .restore_view import RestoreConfirmation
from .triggers import Trigger

__all__ = ["ANSWERED", "BackupCog"]

ANSWERED = "backup_error_answered"
"""Set in ``interaction.extras`` of an error that is answered here, for a host's own ``tree.on_error`` to look at."""

log = logging.getLogger(__name__)
_ADMINISTRATORS = discord.Permissions(administrator=True)
_UNLOAD_SECONDS = 60.0
_FAREWELL_SECONDS = 1.5
_Note = app_commands.Range[str, 1, 200]
_SnapshotName = app_commands.Range[str, 1, 100]


class BackupCog(commands.Cog):
    """Proven snapshots of the game's database."""

    # A hint to Discord's clients, which keeps the commands out of players' menus. The check is in the code.
    backup = app_commands.Group(
        name="backup", description="Snapshots of the game's database", default_permissions=_ADMINISTRATORS
    )
    database = app_commands.Group(name="db", description="The game's database", default_permissions=_ADMINISTRATORS)

    def __init__(
        self,
        bot: Bot,
        service: SnapshotService,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the bot and the service of its database; for tests, a clock in seconds."""
        self.bot = bot
        self.service = service
        settings = service.settings
        self.access = Access(bot, settings.discord.admin_guild_ids)
        self.outbox = Outbox(bot, settings.discord.alert_channel_id)
        self.alerts = Alerts(self.outbox.post, stale_after=float(settings.schedule.stale_after), monotonic=monotonic)
        self.bridge = HostEvents(bot, self.alerts)
        self.lifecycle = Lifecycle(bot, service, self.alerts, self.bridge, flush=self.outbox.flush, monotonic=monotonic)
        self.triggers = tuple(Trigger(trigger, self._request) for trigger in settings.triggers)
        self._listeners = tuple((trigger.listener_name, trigger.listener()) for trigger in self.triggers)
        self._word = settings.discord.backup_group
        self._mentions = MentionCommands(
            bot, self.access, self._word, settings.discord.admin_guild_ids, self._status_text
        )
        self._views: set[RestoreConfirmation] = set()
        self._running: dict[asyncio.Task[Any], float] = {}
        """What people have running, and for how many seconds an unload waits for each."""
        self._name_groups()

    def _name_groups(self) -> None:
        """Call the groups what the settings say, in the guilds that they say: these are this instance's own copies."""
        discord_settings = self.service.settings.discord
        self.backup.name, self.database.name = discord_settings.backup_group, discord_settings.database_group
        if discord_settings.admin_guild_ids:
            for group in (self.backup, self.database):
                app_commands.guilds(*discord_settings.admin_guild_ids)(group)

    def require_free_names(self) -> None:
        """Raise SettingsError where the host has a slash command with the name of one of the groups."""
        settings = self.service.settings.discord
        guilds: list[discord.Object | None] = [discord.Object(guild_id) for guild_id in settings.admin_guild_ids]
        for key, name in (("backup_group", settings.backup_group), ("database_group", settings.database_group)):
            for guild in guilds or [None]:
                if self.bot.tree.get_command(name, guild=guild) is not None:
                    allowed = "a name that no other slash command of the bot has"
                    message = (
                        f'discord.{key} is "{name}", but the bot has a slash command /{name} already; it must be '
                        f"{allowed}. Set another one in config/backup.toml or by BACKUP_DISCORD_{key.upper()}."
                    )
                    raise SettingsError(message, key=f"discord.{key}", value=name, allowed=allowed)

    # Life

    async def cog_load(self) -> None:
        """Check the database, then begin to listen; returns when the host's cogs may use it."""
        self.service.listen(self.bridge)
        await self.lifecycle.start()
        for name, listener in self._listeners:
            self.bot.add_listener(listener, name)

    async def cog_unload(self) -> None:
        """Let what people started end, take the last snapshot if the bot goes down, and let go of everything."""
        for view in self._views:
            view.stop()
        await self._let_running_end()
        await self.lifecycle.stop()
        for name, listener in self._listeners:
            self.bot.remove_listener(listener, name)
        await self.service.close()
        await self.outbox.close(_FAREWELL_SECONDS)

    async def _let_running_end(self) -> None:
        """Wait for commands that run; a restore gets all the time it may take."""
        waited_for = {task: seconds for task, seconds in self._running.items() if task is not asyncio.current_task()}
        # When the bot goes down, the shutdown snapshot waits for its turn behind them, within its own deadline.
        if waited_for and not self.lifecycle.closing:
            await asyncio.wait(waited_for, timeout=max(waited_for.values()))

    def _request(self, reason: str) -> None:
        self.service.request(Kind.CRITICAL, reason)

    # Commands

    @backup.command(name="now")
    @app_commands.describe(note="What the snapshot is for", pin="Keep it whatever retention says")
    async def take(self, interaction: Interaction, note: _Note | None = None, pin: bool = False) -> None:
        """Take a snapshot now."""
        async with self._managing(interaction) as answer, ProgressDisplay(answer) as progress:
            outcome = await self.service.create(Kind.MANUAL, note=note, pin=pin, on_progress=progress)
        await answer.show(embeds.created(outcome))

    @backup.command(name="list")
    @app_commands.describe(kind="Only snapshots of this kind")
    @app_commands.choices(kind=[app_commands.Choice(name=kind.value, value=kind.value) for kind in Kind])
    async def show(self, interaction: Interaction, kind: str | None = None) -> None:
        """List the snapshots, newest first."""
        async with self._managing(interaction) as answer:
            found = await self.service.list(Kind(kind) if kind else None)
        await answer.show(embeds.snapshots(found, kind))

    @backup.command(name="verify")
    @app_commands.describe(snapshot="Which one; the newest if none is named", level="How thoroughly")
    @app_commands.choices(
        level=[
            app_commands.Choice(
                name="checksum: the stored bytes give back its fingerprint", value=Level.CHECKSUM.value
            ),
            app_commands.Choice(
                name="restored: rebuild it in a scratch place and check it", value=Level.RESTORED.value
            ),
        ]
    )
    async def verify(
        self, interaction: Interaction, snapshot: _SnapshotName = "latest", level: str = Level.CHECKSUM.value
    ) -> None:
        """Prove a snapshot."""
        async with self._managing(interaction) as answer, ProgressDisplay(answer) as progress:
            report = await self.service.verify(snapshot, Level(level), on_progress=progress)
        self.alerts.verified(report)
        await answer.show(embeds.verified(report))

    @backup.command(name="restore")
    @app_commands.describe(snapshot="Which one")
    async def restore(self, interaction: Interaction, snapshot: _SnapshotName) -> None:
        """Put a snapshot back: shows what that would do, and asks."""
        async with self._managing(interaction, self.access.require_owner) as answer:
            plan = await self.service.restore_plan(snapshot)
        view = RestoreConfirmation(
            interaction,
            plan,
            authorise=self.access.require_owner,
            restore=self._restore,
            answer_error=self.answer_error,
            timeout=float(self.service.settings.discord.confirm_timeout),
        )
        self._views = {open_view for open_view in self._views if not open_view.is_finished()} | {view}
        await answer.show(restore_embeds.preview(plan), view=view)

    async def _restore(self, answer: Answer, plan: RestorePlan) -> None:
        """Carry out what somebody confirmed."""
        async with self._counted(float(self.service.settings.schedule.restore_deadline)):
            await answer.update(restore_embeds.restoring(plan))
            async with ProgressDisplay(answer) as progress:
                report = await self.service.restore(plan.snapshot.id, agreed=plan.token, on_progress=progress)
        await answer.show(restore_embeds.restored(report))

    @backup.command(name="status")
    async def status(self, interaction: Interaction) -> None:
        """Show the backups at a glance."""
        answer = Answer(interaction)
        await answer.defer()
        await self.access.require_manager(interaction)
        state = await self.service.status() if self.lifecycle.problem is None else None
        await answer.show(embeds.status(state, self._health()))

    @database.command(name="integrity")
    async def integrity(self, interaction: Interaction) -> None:
        """Check the game's database as it is now."""
        async with self._managing(interaction) as answer, ProgressDisplay(answer) as progress:
            report = await self.service.integrity(on_progress=progress)
        await answer.show(embeds.integrity(report))

    @verify.autocomplete("snapshot")
    @restore.autocomplete("snapshot")
    async def suggest(self, interaction: Interaction, typed: str) -> list[app_commands.Choice[str]]:
        """Suggest snapshots, from memory; nothing to those who may not see them, and nothing where that fails."""
        try:
            if not await self.access.may_manage(interaction):
                return []
            wanted = str(typed).strip().casefold()
            known = self.service.known
            found = (snapshot for snapshot in known if wanted in embeds.searched(snapshot))
            return [
                app_commands.Choice(name=embeds.choice(snapshot), value=snapshot.id)
                for snapshot, _ in zip(found, range(CHOICES_LIMIT), strict=False)
            ]
        except Exception:
            log.exception("Snapshots could not be suggested")
            return []

    @contextlib.asynccontextmanager
    async def _managing(
        self, interaction: Interaction, require: Callable[[Interaction], Any] | None = None
    ) -> AsyncIterator[Answer]:
        """Defer, check who asks (a manager if ``require`` says nothing else), and see that there is a repository."""
        answer = Answer(interaction)
        await answer.defer()
        await (require or self.access.require_manager)(interaction)
        if self.lifecycle.problem is not None:
            raise self.lifecycle.problem
        async with self._counted():
            yield answer

    @contextlib.asynccontextmanager
    async def _counted(self, seconds: float = _UNLOAD_SECONDS) -> AsyncIterator[None]:
        """Count this task among those that an unload waits for, for so many seconds."""
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
        """Hear the owner's commands by mention."""
        await self._mentions.hear(message)

    @commands.Cog.listener()
    async def on_ready(self) -> None:
        """Send the notices that waited for Discord."""
        self.outbox.flush()

    # Answers

    def _health(self) -> Health:
        problem = self.lifecycle.problem
        return Health(
            problem=problem.message if problem is not None else None,
            outages=self.alerts.open,
            startup=self.lifecycle.startup,
            triggers=tuple(trigger.count for trigger in self.triggers),
        )

    async def _status_text(self, registration: Sequence[str]) -> str:
        try:
            state = await self.service.status() if self.lifecycle.problem is None else None
        except SnapshotError as error:
            log.warning("The status could not be read: %s", error)
            state = None
        return embeds.status_text(state, self._health(), registration)

    async def cog_app_command_error(
        self, interaction: discord.Interaction[Any], error: app_commands.AppCommandError
    ) -> None:
        """Answer an error of any of the commands."""
        await self.answer_error(
            interaction, error.original if isinstance(error, app_commands.CommandInvokeError) else error
        )

    async def answer_error(self, interaction: Interaction, error: BaseException) -> None:
        """Tell the person what went wrong; log what is not an answer of ours; never raises."""
        interaction.extras[ANSWERED] = True
        if isinstance(error, discord.HTTPException) and can_not_answer(error):
            log.warning("An interaction could not be answered any more: %s", error)
            return
        if not isinstance(error, SnapshotError | NotAllowed):
            log.error("A command or a click failed in an unforeseen way", exc_info=error)
        try:
            await Answer(interaction).fail(embeds.failure(error))
        except Exception:
            log.exception("The failure of an interaction could not be shown: %s", error)
