"""What happens by itself: periodic snapshots, proofs, retries, and what the owner hears of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import discord
import filelock
import pytest

from cogs.backup_cog.cog import BackupCog
from cogs.backup_cog.notices.models import Button, How
from core.snapshots import Actor, Kind, SnapshotError
from tests.backup_cog.world import Clock, HostBot, World, add_cog, listener_of, make_database
from tests.worlds.workers import HeldWorkers

pytestmark = pytest.mark.process

ALONE = {"SCHEDULE_ONLY_WITH_GUILDS": "false"}


class Bench:
    """A cog that only the test moves: its loop is stopped, its clock stands still, its notices are collected."""

    def __init__(self, bot: HostBot, cog: BackupCog, world: World, clock: Clock) -> None:
        self.bot = bot
        self.cog = cog
        self.world = world
        self.clock = clock
        self.told: list[str] = []
        cog.lifecycle._loop.cancel()
        cog.outbox.post = self._take  # type: ignore[method-assign]
        cog.alerts._post = cog.alerts._outages._post = self._take

    def _take(
        self,
        embed: discord.Embed,
        buttons: Sequence[Button] = (),
        *,
        about: str = "",
        how: How = How.NEW,
        picture: bool = False,
    ) -> None:
        # Not by identity: a reload makes the class anew.
        if how != How.EDIT.value:
            self.told.append(embed.title or "")

    async def tick(self, **amount: float) -> None:
        """Move the clock on, then run the cog's periodic check."""
        self.clock.advance(**amount)
        await self.cog.lifecycle._tick_safely()
        await self.cog._memory.save()

    @property
    def periodic(self) -> int:
        """How many periodic snapshots there are."""
        return sum(snapshot.kind is Kind.PERIODIC for snapshot in self.cog.service.known)

    def block(self) -> None:
        """Make the repository unusable."""
        self.world.repository.rename(self.world.folder / "aside")
        self.world.repository.write_text("not a folder")

    def unblock(self) -> None:
        """Make it usable again."""
        self.world.repository.unlink()
        (self.world.folder / "aside").rename(self.world.repository)


@pytest.fixture
def variables() -> dict[str, str]:
    """No guild is needed: this bot never logs in."""
    return ALONE


@pytest.fixture
async def bench(world: World, clock: Clock, variables: dict[str, str]) -> AsyncIterator[Bench]:
    """A bench with a game on it."""
    async with world.bot(**variables) as bot:
        yield Bench(bot, await add_cog(bot, clock), world, clock)


@pytest.mark.parametrize(("interval", "seconds"), [("10s", 5.0), ("1s", 1.0), ("20m", 15.0)])
async def test_the_clock_is_looked_at_twice_in_a_short_interval(
    world: World, clock: Clock, interval: str, seconds: float
) -> None:
    """A bot without events can be protected by its clock alone, and ten seconds are ten seconds then."""
    async with world.bot(**ALONE, SCHEDULE_PERIODIC_INTERVAL=interval) as bot:
        assert (await add_cog(bot, clock)).lifecycle._loop.seconds == seconds


async def test_the_first_one_comes_after_five_minutes_and_then_every_twenty(bench: Bench) -> None:
    """Neither earlier nor twice."""
    await bench.tick(minutes=4, seconds=59)
    assert bench.periodic == 0
    await bench.tick(seconds=1)
    await bench.tick()
    assert bench.periodic == 1
    bench.world.add_user(3)
    await bench.tick(minutes=19, seconds=59)
    assert bench.periodic == 1
    await bench.tick(seconds=1)
    assert bench.periodic == 2
    assert bench.told == []


async def test_an_unchanged_database_costs_nothing(bench: Bench) -> None:
    """It is looked at on time, and nothing is written."""
    await bench.tick(minutes=5)
    for _ in range(5):
        await bench.tick(minutes=20)
    assert bench.periodic == 1
    assert len(bench.world.files("daily")) == 1


async def test_an_event_does_not_put_the_periodic_one_off(bench: Bench) -> None:
    """Critical snapshots are kept by count, periodic ones by day: neither stands for the other."""
    await bench.tick(minutes=4)
    bench.world.add_user(3)
    await bench.cog.service.create(Kind.CRITICAL)
    bench.world.add_user(4)
    await bench.tick(minutes=1)
    assert bench.periodic == 1


async def test_the_newest_is_proven_by_restoring_it(bench: Bench) -> None:
    """Once a day, right after a periodic snapshot."""
    await bench.tick(minutes=5)
    assert bench.cog.service.known[0].restored_at == bench.clock()
    first = bench.cog.service.known[0].restored_at
    await bench.tick(minutes=20)
    assert bench.cog.service.known[0].restored_at == first
    await bench.tick(hours=24)
    assert bench.cog.service.known[0].restored_at == bench.clock()


@pytest.mark.parametrize("variables", [{}], ids=["only with guilds"])
async def test_a_bot_in_no_guild_takes_none_and_is_not_stale(bench: Bench) -> None:
    """Nobody plays."""
    for _ in range(20):
        await bench.tick(hours=1)
    assert bench.periodic == 0
    assert bench.told == []


async def test_a_failure_is_told_once_retried_ever_later_and_its_end_told_once(bench: Bench) -> None:
    """A full disk is not hammered every fifteen seconds, nor the owner."""
    heard = listener_of(bench.bot, "backup_failed")
    bench.block()
    attempts = await attempts_in(bench, minutes=10)
    # At once, then 30 s, 1, 2 and 4 minutes after the one before.
    assert attempts == [0, 30, 90, 210, 450]
    assert bench.told == ["A snapshot failed"]
    bench.unblock()
    await bench.tick(minutes=10)
    assert bench.periodic == 1
    assert bench.told == ["A snapshot failed", "Snapshots work again"]
    assert len(heard) == 5


async def attempts_in(bench: Bench, *, minutes: int) -> list[float]:
    """Run the check every fifteen seconds, and return at which seconds something was tried."""
    began, tried = bench.clock.seconds + 300, []
    create = bench.cog.service.create

    async def counted(*args: Any, **kwargs: Any) -> Any:
        tried.append(bench.clock.seconds - began)
        return await create(*args, **kwargs)

    bench.cog.service.create = counted  # type: ignore[method-assign]
    await bench.tick(minutes=5)
    for _ in range(minutes * 4):
        await bench.tick(seconds=15)
    return tried


async def test_a_new_bot_without_a_database_is_no_alarm(
    world: World, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """Its game has not made one yet; should none ever come, staleness tells."""
    world.database.unlink()
    caplog.set_level(logging.INFO)
    async with world.bot(**ALONE) as bot:
        bench = Bench(bot, await add_cog(bot, clock), world, clock)
        await bench.tick(minutes=5)
        assert bench.told == []
        assert "No periodic snapshot yet" in caplog.text
        make_database(world.database)
        await bench.tick(minutes=1)
        assert bench.periodic == 1
        assert bench.told == []


async def test_a_database_that_never_comes_becomes_stale(world: World, clock: Clock) -> None:
    """A wrong address in the settings must not pass for two weeks of backups."""
    world.database.unlink()
    async with world.bot(**ALONE) as bot:
        bench = Bench(bot, await add_cog(bot, clock), world, clock)
        await bench.tick(hours=2)
        assert bench.told == []
        await bench.tick(seconds=1)
        assert bench.told == ["Backups are stale"]


async def test_a_database_that_disappears_is_an_alarm(bench: Bench) -> None:
    """There are snapshots of one, so there should be one."""
    await bench.tick(minutes=5)
    bench.world.database.unlink()
    await bench.tick(minutes=20)
    assert bench.told == ["A snapshot failed"]


@pytest.mark.parametrize("variables", [ALONE | {"REPOSITORY_LOCK_TIMEOUT": "0s"}], ids=["impatient"])
async def test_a_busy_repository_is_waited_for(bench: Bench) -> None:
    """Another process takes its turn: no failure, and the snapshot comes a little later."""
    with filelock.FileLock(bench.world.repository / ".work" / "lock"):
        await bench.tick(minutes=5)
    assert (bench.periodic, bench.told) == (0, [])
    await bench.tick(seconds=30)
    assert (bench.periodic, bench.told) == (1, [])


async def test_an_unforeseen_exception_neither_ends_the_loop_nor_passes_in_silence(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """discord.py's loop stops for good on most exceptions, and hides OSErrors."""
    create = bench.cog.service.create

    async def fail(*args: Any, **kwargs: Any) -> Any:
        raise OSError("no space left on device")

    bench.cog.service.create = fail  # type: ignore[method-assign]
    await bench.tick(minutes=5)
    assert bench.told == ["A snapshot failed"]
    assert "no space left on device" in caplog.text
    bench.cog.service.create = create  # type: ignore[method-assign]
    await bench.tick(minutes=1)
    assert bench.told == ["A snapshot failed", "Snapshots work again"]


async def test_a_snapshot_that_fails_its_proof_is_told(bench: Bench) -> None:
    """The daily proof finds a flipped bit; nothing is removed, and the next snapshot is taken as ever."""
    await bench.cog.service.create(Kind.MANUAL)
    path = bench.world.repository / bench.cog.service.known[0].path
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    await bench.tick(minutes=5)
    assert bench.told == ["A snapshot is damaged"]
    assert path.exists()
    await bench.tick(minutes=20)
    assert bench.periodic == 1
    assert bench.told == ["A snapshot is damaged"]


async def test_the_loop_runs_by_itself(world: World, clock: Clock) -> None:
    """It starts with the cog, before any login, and ends with it."""
    async with world.bot() as bot:
        loop = (await add_cog(bot, clock)).lifecycle._loop
        assert loop.is_running()
        await bot.remove_cog("BackupCog")
        assert not loop.is_running()


async def test_a_reload_in_the_middle_of_a_snapshot_leaves_the_repository_free(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock is let go of before the next cog asks for it."""
    with monkeypatch.context() as held:
        workers = HeldWorkers(tmp_path, held)
        tick = asyncio.create_task(bench.tick(minutes=5))
        await workers.until_one_waits()
    bench.cog.lifecycle._loop = SimpleNamespace(get_task=lambda: tick, cancel=tick.cancel)  # type: ignore[assignment]
    await bench.bot.remove_cog("BackupCog")
    assert tick.cancelled()
    again = await add_cog(bench.bot, bench.clock)
    assert (await again.service.create(Kind.MANUAL)).snapshot.kind is Kind.MANUAL
    assert list((bench.world.repository / ".work").glob("snapshot-*")) == []


@pytest.mark.parametrize("variables", [ALONE | {"SCHEDULE_SHUTDOWN_DEADLINE": "1ms"}], ids=["no time"])
async def test_a_last_snapshot_that_takes_too_long_does_not_keep_the_bot(bench: Bench) -> None:
    """The bot goes down all the same, and the failure is told."""
    await bench.bot.close()
    assert bench.told == ["The shutdown snapshot failed"]
    assert bench.world.files("shutdown") == []
    assert bench.bot.is_closed()


async def test_a_claim_and_a_tick_at_the_same_moment_tell_once(bench: Bench) -> None:
    """Both open a repository that could not be used; what the check then finds is one notice."""
    await bench.cog.service.create(Kind.MANUAL)
    bench.world.database.write_bytes(b"\0" * 20_000)
    lifecycle = bench.cog.lifecycle
    lifecycle.problem, lifecycle._usable = SnapshotError("Not mounted yet."), False
    await asyncio.gather(lifecycle.claim(Actor(source="shell")), lifecycle.tick())
    assert lifecycle.problem is None
    assert bench.told == ["Claim: done", "The database is damaged"]
