"""The life of the cog: the start-up check before the host's own cogs load, the periodic loop, the shutdown snapshot.

A repository that cannot be used (permissions, a catalog of a newer version) does not keep the bot from starting: the
owner is notified, every command answers with that error, and opening is tried again and again. Once it succeeds, the
database is only checked, not restored, because the game is running on it by then.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from discord.ext import commands, tasks

from .core_api import (
    Actor,
    Busy,
    DatabaseMissing,
    Identity,
    Kind,
    OperationCancelled,
    SnapshotError,
    SnapshotService,
    StartupOutcome,
    StartupReport,
    Verdict,
    judge,
)
from .host_events import HostEvents
from .language import for_the_host, phrase, text
from .notices.alerts import SNAPSHOT, VERIFICATION, Alerts
from .permissions import Bot
from .shutdown import CloseHook, unload_others
from .sigterm import SigtermHandler

__all__ = ["Lifecycle"]

log = logging.getLogger(__name__)
_TICK_SECONDS = 15.0
_SHORTEST_TICK = 1.0
_SECOND_CLOSE_SECONDS = 5.0
"""How much longer than the shutdown snapshot a second ``close`` of the bot waits for the first one."""
_RELEASE_SECONDS = 10.0
"""How long ``stop`` waits for a cancelled tick to release the repository."""
_STOP_SECONDS = 1.0
"""How much of ``shutdown_deadline`` is kept for stopping a snapshot that does not make it."""
_OTHERS_SECONDS = 3.0
"""How long the other extensions may take to unload before the shutdown snapshot is taken all the same."""
_AFTER_SECONDS = 1.5
"""How long what comes after the shutdown snapshot may take: Docker kills the bot 10 s after SIGTERM."""
_MAX_DOUBLINGS = 30
_LEFT = phrase("The game is running, so nothing was touched.")
_LATE = {
    Verdict.UNREADABLE: (
        StartupOutcome.DAMAGED,
        phrase("The game is running, so nothing was restored: restore by hand."),
    ),
    Verdict.INCONSISTENT: (StartupOutcome.INCONSISTENT, _LEFT),
    Verdict.SUSPICIOUS: (StartupOutcome.SUSPICIOUS, _LEFT),
    Verdict.UNKNOWN: (StartupOutcome.UNCHECKED, _LEFT),
    Verdict.MISSING: (StartupOutcome.NEW, phrase("A new beginning.")),
    Verdict.SOUND: (StartupOutcome.CLEAN, phrase("It is sound.")),
}
"""What a check of a game that runs is, and what is said of it, by its verdict."""
_GOOD_STARTS = {StartupOutcome.CLEAN, StartupOutcome.NEW, StartupOutcome.SKIPPED}


class Lifecycle:
    """From the start-up check to the shutdown snapshot.

    ``open_documents`` is called once the repository may be written to, ``on_tick`` at each tick of the loop. ``cog`` is
    what unloads last; ``monotonic`` is a clock in seconds.
    """

    def __init__(
        self,
        bot: Bot,
        service: SnapshotService,
        alerts: Alerts,
        host_events: HostEvents,
        *,
        open_documents: Callable[[], Awaitable[None]],
        on_tick: Callable[[], None],
        cog: commands.Cog,
        monotonic: Callable[[], float],
    ) -> None:
        self.problem: SnapshotError | None = None
        """Why the repository cannot be used."""
        self.startup: StartupReport | None = None
        self._bot = bot
        self._service = service
        self._schedule = service.settings.schedule
        self._alerts = alerts
        self._host_events = host_events
        self._open_documents = open_documents
        self._on_tick = on_tick
        self._cog = cog
        self._started = False
        self._opening = asyncio.Lock()
        self._usable = False
        self._check: asyncio.Task[StartupReport] | None = None
        self._monotonic = monotonic
        self._failures = 0
        self._not_before = monotonic()
        self._close_hook = CloseHook(
            bot,
            float(self._schedule.shutdown_deadline) + _SECOND_CLOSE_SECONDS,
            on_closing=self._stop_check,
            monotonic=monotonic,
        )
        self._sigterm = SigtermHandler(bot)
        # Twice in an interval, or one of ten seconds would be one of fifteen.
        interval = float(self._schedule.periodic_interval)
        self._loop = tasks.loop(seconds=min(_TICK_SECONDS, max(_SHORTEST_TICK, interval / 2)))(self._tick_safely)

    @property
    def usable(self) -> bool:
        """True if the repository is open, and known to be this database's own."""
        return self._usable

    @property
    def closing(self) -> bool:
        """True if the bot shuts down, False if only the cog is unloaded."""
        return self._close_hook.closing

    @property
    def seconds_left(self) -> float:
        """How much of ``shutdown_deadline`` is left while the bot is closing, in seconds."""
        return float(self._schedule.shutdown_deadline) - (self._monotonic() - self._close_hook.began)

    # Start

    async def start(self) -> None:
        """Check the database, restore it if it cannot be read, and start the loop; the host's cogs load after this.

        No failure of ours keeps the bot from starting. Raises OperationCancelled only if the bot is closed meanwhile.
        """
        self._close_hook.install()
        if self._service.settings.discord.handle_sigterm:
            self._sigterm.install()
        if await self._open():
            await self._check_at_start()
        self._started = True
        # Without waiting for the bot to be ready: backups must not need Discord.
        self._loop.start()

    async def _open(self) -> bool:
        try:
            await self._service.open()
        except SnapshotError as error:
            problem = error
        except Exception as error:
            # Whatever it is: the game must go on without backups, and its owner must know.
            log.exception("The repository of snapshots could not be opened, in an unforeseen way")
            problem = SnapshotError(f"The repository of snapshots could not be opened: {error!r}.")
        else:
            self.problem = None
            return True
        self.problem = problem
        log.error("The repository of snapshots cannot be used: %s", problem)
        await self._fail(SNAPSHOT, problem)
        return False

    async def _check_at_start(self) -> None:
        """Check the database; nothing but the end of the bot interrupts that."""
        checked = True
        self._alerts.begin_start()
        try:
            await self._service.join(eligible=False)
            self._check = asyncio.get_running_loop().create_task(self._service.start_up(), name="savepoint start-up")
            report = await self._check
        except asyncio.CancelledError:
            if self.closing and not _is_cancelled():
                raise OperationCancelled("The bot is closed before its database was checked.") from None
            raise
        except SnapshotError as error:
            report, checked = _unchecked(str(error)), False
        except Exception as error:
            log.exception("The start-up check failed in an unforeseen way")
            report, checked = _unchecked(text("It failed in an unforeseen way: {why}.", why=repr(error))), False
        finally:
            self._check = None
        if not report.another_database:
            self._usable = True
            await self._open_documents()
        self._report(report, checked=checked)
        await self._say_what_is_lacking()

    async def _say_what_is_lacking(self) -> None:
        """Tell the owner now what the first snapshot would fail for."""
        try:
            found = await self._service.lacking()
        except Exception:
            log.exception("It could not be found out what the next snapshot needs")
            return
        for lacking in found:
            log.error("The next snapshot will fail: %s", lacking)
            self._alerts.noticed("lacking", lacking)

    def _stop_check(self) -> None:
        """Stop a start-up check when the bot is closed: it can take minutes, and whoever closes waits seconds."""
        if self._check is not None:
            self._check.cancel()

    def _report(self, report: StartupReport, *, checked: bool = True) -> None:
        self.startup = report
        log.log(logging.INFO if report.outcome in _GOOD_STARTS else logging.WARNING, "Start-up: %s", report.message)
        self._alerts.started(report, checked=checked)

    async def claim(self, actor: Actor) -> Identity:
        """Make the repository this database's own, and use it from now on."""
        claimed = await self._service.claim(actor=actor)
        self._not_before = self._monotonic()
        await self._open_late()
        return claimed

    async def _open_late(self) -> bool:
        """Open a repository that could not be used at start-up, and check the database without changing it.

        A claim and a tick can come at the same moment: the second one finds it done, and reports nothing again.
        """
        async with self._opening:
            if self._usable:
                return True
            if not await self._open():
                return False
            self._failures, self._usable = 0, True
            await self._open_documents()
            self._alerts.begin_start()
            with for_the_host():
                report, checked = await self._checked_late()
            self._report(report, checked=checked)
            return True

    async def _checked_late(self) -> tuple[StartupReport, bool]:
        """Check the database of a game that runs; return what to say, and whether it could be checked."""
        before = text("The database was not checked at start-up, because the repository could not be used.")
        try:
            integrity = await self._service.integrity(quick=True)
        except SnapshotError as error:
            why = text("Nor could it be checked since: {why}", why=error)
            return StartupReport(outcome=StartupOutcome.UNCHECKED, message=f"{before} {why}"), False
        except Exception as error:
            log.exception("The late check failed in an unforeseen way")
            why = text("Nor could it be checked since, for an unforeseen reason: {why}.", why=repr(error))
            return StartupReport(outcome=StartupOutcome.UNCHECKED, message=f"{before} {why}"), False
        verdict = judge(integrity.findings)
        outcome, now = _LATE[verdict]
        found = next((f" {each.message}" for each in integrity.findings if judge([each]) is verdict), "")
        return StartupReport(outcome=outcome, message=f"{before}{found} {text(now)}"), True

    # The loop

    async def _tick_safely(self) -> None:
        try:
            await self.tick()
        except Exception as error:
            # tasks.loop stops for good on most exceptions and hides OSErrors; neither may end the backups.
            log.exception("A tick of the backups failed in an unforeseen way; the next one comes")
            await self._fail(SNAPSHOT, SnapshotError(f"The periodic snapshot failed in an unforeseen way: {error!r}."))

    async def tick(self) -> None:
        """Do what is due: open the repository, take the periodic snapshot, verify the newest one, send notices."""
        self._alerts.watch(expected=self._wanted)
        self._on_tick()
        if self._monotonic() >= self._not_before and (self.problem is None or await self._open_late()):
            await self._take_periodic()

    @property
    def _wanted(self) -> bool:
        return bool(self._bot.guilds) or not self._schedule.only_with_guilds

    async def _take_periodic(self) -> None:
        if not await self._service.periodic_wanted(eligible=self._wanted):
            return
        try:
            await self._service.create(Kind.PERIODIC)
        except DatabaseMissing as error:
            if self._service.known:
                await self._fail(SNAPSHOT, error)
            else:
                # A new bot has no database before its game makes one. If none ever comes, staleness is alerted.
                log.info("No periodic snapshot yet: %s", error)
                self._back_off()
        except Busy as error:
            log.info("The periodic snapshot waits: %s", error)
            self._back_off()
        except SnapshotError as error:
            log.error("The periodic snapshot failed: %s", error)
            await self._fail(SNAPSHOT, error)
        else:
            self._failures = 0
            await self._verify()

    async def _verify(self) -> None:
        try:
            report = await self._service.verify_due()
        except Busy as error:
            log.info("The verification of the newest snapshot waits: %s", error)
        except SnapshotError as error:
            log.error("The verification of the newest snapshot could not be done: %s", error)
            await self._host_events.failed(VERIFICATION, error)
        else:
            if report is not None:
                self._alerts.verified(report)

    async def _fail(self, operation: str, error: SnapshotError) -> None:
        self._back_off()
        await self._host_events.failed(operation, error)

    def _back_off(self) -> None:
        """Postpone the next attempt, longer with every failure in a row."""
        pause = float(self._schedule.retry_first) * 2.0 ** min(self._failures, _MAX_DOUBLINGS)
        self._not_before = self._monotonic() + min(pause, float(self._schedule.retry_longest))
        self._failures += 1

    # End

    async def stop(self) -> None:
        """Stop the loop, and take the shutdown snapshot if the bot shuts down, within ``shutdown_deadline``."""
        running = self._loop.get_task()
        self._loop.cancel()
        if self.closing and self._started:
            # What the game commits when it unloads belongs into the last snapshot.
            await unload_others(self._bot, self._cog, min(_OTHERS_SECONDS, max(0.0, self.seconds_left / 2)))
            if self.problem is None:
                await self._take_last()
        if running is not None:
            # A cancelled tick must release the repository, or the cog that is loaded next finds it busy.
            timeout = _AFTER_SECONDS if self.closing else _RELEASE_SECONDS
            await asyncio.wait([running], timeout=timeout)

    async def end(self) -> None:
        """Clean up the database if the bot shuts down; the service is closed by now. Give back the bot's ``close``."""
        if self.closing and self.problem is None and self.seconds_left + _AFTER_SECONDS > _STOP_SECONDS:
            try:
                await self._service.finish(min(_AFTER_SECONDS, self.seconds_left + _AFTER_SECONDS))
            except Exception:
                log.exception("The database could not be cleaned up")
        self._sigterm.remove()
        self._close_hook.remove()

    async def _take_last(self) -> None:
        try:
            left = max(0.0, self.seconds_left)
            snapshot = await self._service.create_last(left - min(_STOP_SECONDS, left / 4))
        except DatabaseMissing as error:
            if self._service.known:
                await self._fail_last(error)
        except SnapshotError as error:
            await self._fail_last(error)
        except Exception as error:
            # Whatever it is, the bot must be able to shut down, and the rest of the cog with it.
            log.exception("The shutdown snapshot failed in an unforeseen way")
            await self._fail_last(SnapshotError(f"The shutdown snapshot failed in an unforeseen way: {error!r}."))
        else:
            if snapshot is not None:
                log.info("The bot shuts down; its last state is in snapshot %s", snapshot.id)
            elif self._schedule.shutdown:
                log.info("Other processes still serve the database; the last of them takes the shutdown snapshot")

    async def _fail_last(self, error: SnapshotError) -> None:
        log.error("The shutdown snapshot failed: %s", error)
        await self._host_events.shutdown_failed(error, next(iter(self._service.known), None))


def _unchecked(why: str) -> StartupReport:
    message = text("The database was not checked at start-up: {why}", why=why)
    return StartupReport(outcome=StartupOutcome.UNCHECKED, message=message)


def _is_cancelled() -> bool:
    """Return True if this task itself is being cancelled, and not only what it waits for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
