"""The extension as a host loads it: settings, the start-up check, events, reload, close."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import discord
import pytest
from discord import app_commands
from discord.ext import commands

from cogs.backup_cog.cog import BackupCog
from cogs.backup_cog.core_api import settings_for
from core.snapshots import Kind, SettingsError, Snapshot, SnapshotService, StartupOutcome
from core.snapshots.engines.sqlite.probe import SqliteProbe
from tests.backup_cog.stage import on_stage
from tests.backup_cog.world import (
    EXTENSION,
    Clock,
    HostBot,
    World,
    add_cog,
    cog_of,
    covered,
    listener_of,
    of_kind,
    text_of,
)
from tests.worlds.waiting import PATIENCE

pytestmark = pytest.mark.process
MENU = "Backup history"


_JSON = '["creator_packs.cards_data:list"]'
FIVE_EVENTS: list[tuple[str, dict[str, Any], str]] = [
    ("pack_opened", {"user_id": 7, "rarities": ["Epic"]}, "pack_opening_user_7"),
    ("marketplace_listed", {"card_id": 41}, "marketplace_listing_41"),
    ("marketplace_sold", {"card_id": 42}, "marketplace_buy_42"),
    ("pack_published", {"pack_id": 3}, "pack_published_3"),
    ("pack_purchased", {"pack_id": 4}, "pack_purchase_4"),
]


@pytest.fixture
async def bot(world: World) -> AsyncIterator[HostBot]:
    """A bot with the extension loaded in dpytest's guild, closed at the end of the test."""
    async with on_stage(world.bot()) as bot:
        yield bot


@pytest.mark.parametrize(("event", "payload", "reason"), FIVE_EVENTS)
async def test_a_game_event_leaves_a_snapshot(
    bot: HostBot, world: World, event: str, payload: dict[str, Any], reason: str
) -> None:
    """``bot.dispatch`` and nothing else: the snapshot names the event, and the host hears of it."""
    heard = listener_of(bot, "backup_created")
    bot.dispatch(event, **payload)
    await covered(bot)
    (snapshot,) = of_kind(bot, Kind.CRITICAL)
    assert snapshot.reasons == (reason,)
    assert len(world.files("critical")) == 1
    assert [type(snapshot) for snapshot in heard] == [Snapshot]


async def test_a_common_card_leaves_none(bot: HostBot) -> None:
    """The condition is looked at."""
    bot.dispatch("pack_opened", user_id=7, rarities=["common"])
    await covered(bot)
    assert cog_of(bot).service.known == ()


async def test_a_payload_without_its_field_leaves_a_snapshot_and_a_warning(
    bot: HostBot, caplog: pytest.LogCaptureFixture
) -> None:
    """The event's name is in the log, and the state is safe all the same."""
    bot.dispatch("marketplace_sold")
    await covered(bot)
    assert of_kind(bot, Kind.CRITICAL)[0].reasons == ("marketplace_buy_unknown",)
    assert any("marketplace_sold" in record.message for record in caplog.records if record.levelno == logging.WARNING)


async def test_an_event_of_discords_own_can_be_mapped(world: World) -> None:
    """Any event with any payload, by settings alone."""
    mapped = '[{"event": "member_remove", "reason": "left_{member.id}", "fields": ["member"]}]'
    async with world.bot(TRIGGERS=mapped) as bot:
        await bot.load_extension(EXTENSION)
        bot.dispatch("member_remove", type("Member", (), {"id": 5}))
        await covered(bot)
        assert of_kind(bot, Kind.CRITICAL)[0].reasons == ("left_5",)


async def test_a_burst_shares_snapshots(bot: HostBot) -> None:
    """A thousand events cost a few snapshots, and every one of them is counted."""
    for number in range(1000):
        bot.dispatch("marketplace_sold", card_id=number)
    await covered(bot)
    taken = of_kind(bot, Kind.CRITICAL)
    assert len(taken) <= 3
    assert sum(snapshot.requests for snapshot in taken) == 1000


async def test_closing_the_bot_takes_the_last_snapshot(world: World) -> None:
    """What was written up to then is in shutdown/; nothing of ours stays on the bot."""
    async with world.bot() as bot:
        await bot.load_extension(EXTENSION)
        world.add_user(3)
    assert len(world.files("shutdown")) == 1
    assert "close" not in vars(bot)
    assert "on_marketplace_sold" not in {name for name, found in bot.extra_events.items() if found}


async def test_a_reload_takes_none_and_goes_on(world: World) -> None:
    """Unloading a cog is not a shutdown; the new one hears events, once each."""
    async with world.bot() as bot:
        await bot.load_extension(EXTENSION)
        world.add_user(3)
        await bot.reload_extension(EXTENSION)
        assert world.files("shutdown") == []
        bot.dispatch("marketplace_sold", card_id=1)
        await covered(bot)
        assert of_kind(bot, Kind.CRITICAL)[0].requests == 1
        world.add_user(4)
    assert len(world.files("shutdown")) == 1


@pytest.mark.kill
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM")
async def test_sigterm_leaves_a_last_snapshot(world: World) -> None:
    """Under plain ``bot.run()`` it would kill the process; with the setting it closes the bot."""

    def of_the_host(number: int, frame: object) -> None:
        """Keep the process, which would end by itself where the host has no handler."""

    before = signal.signal(signal.SIGTERM, of_the_host)
    try:
        async with world.bot(DISCORD_HANDLE_SIGTERM="true") as bot:
            await bot.load_extension(EXTENSION)
            world.add_user(3)
            os.kill(os.getpid(), signal.SIGTERM)
            async with asyncio.timeout(PATIENCE):
                while not bot.is_closed():
                    await asyncio.wait(asyncio.all_tasks() - {asyncio.current_task()}, timeout=0.05)
        assert len(world.files("shutdown")) == 1
        assert signal.getsignal(signal.SIGTERM) is of_the_host
    finally:
        signal.signal(signal.SIGTERM, before)


async def test_removing_the_cog_alone_leaves_no_listener(world: World, clock: Clock) -> None:
    """A host that adds the cog by itself can take it out by itself."""
    async with world.bot() as bot:
        await add_cog(bot, clock)
        assert bot.extra_events["on_marketplace_sold"]
        await bot.remove_cog("BackupCog")
        assert [name for name, found in bot.extra_events.items() if found] == []


async def test_an_event_just_before_the_close_is_in_the_last_snapshot(world: World) -> None:
    """Nothing that the game said is lost because the bot goes down."""
    async with world.bot(SCHEDULE_CRITICAL_SPACING="1h") as bot:
        await bot.load_extension(EXTENSION)
        bot.dispatch("marketplace_sold", card_id=1)
        await covered(bot)
        world.add_user(3)
        bot.dispatch("marketplace_sold", card_id=2)
        await asyncio.sleep(0)
    async with world.bot() as again:
        await again.load_extension(EXTENSION)
        newest = cog_of(again).service.known[0]
        assert (newest.kind, newest.rows["users"]) == (Kind.SHUTDOWN, 3)
        assert "marketplace_buy_2" in newest.reasons


async def test_a_damaged_database_is_healed_before_the_load_returns(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """The host's next cog finds the rows; the damaged file is kept, and the owner's sentence is ready."""
    async with world.bot() as bot:
        await bot.load_extension(EXTENSION)
    world.database.write_bytes(b"\0" * 20_000)
    async with world.bot() as bot:
        await bot.load_extension(EXTENSION)
        assert world.names() == ["alice", "bob"]
        assert cog_of(bot).lifecycle.startup.outcome.value == "restored"
        assert len(list((world.repository / "quarantine").iterdir())) == 1
    assert any("was restored and checked" in record.message for record in caplog.records)


@pytest.mark.parametrize(
    ("variable", "key", "taken"), [("BACKUP", "backup_group", "backup"), ("DB", "database_group", "db")]
)
async def test_a_host_with_the_same_command_is_told_which_setting_to_change(
    world: World, variable: str, key: str, taken: str
) -> None:
    """One clear sentence, the host's command stays, nothing of ours does; with another name it loads."""
    async with world.bot() as bot:
        theirs = app_commands.Group(name=taken, description="the host's own")
        bot.tree.add_command(theirs)
        with pytest.raises(commands.ExtensionFailed) as failed:
            await bot.load_extension(EXTENSION)
        assert isinstance(failed.value.original, SettingsError)
        assert f"discord.{key}" in str(failed.value)
        assert bot.tree.get_command(taken) is theirs
        assert bot.get_cog("BackupCog") is None
        assert "close" not in vars(bot)
        names = {"DISCORD_BACKUP_GROUP": "savepoint", "DISCORD_DATABASE_GROUP": "game-db"}
        bot.backup_settings = world.settings(**names)
        await bot.load_extension(EXTENSION)
        assert {command.name for command in bot.tree.get_commands()} == {taken, "savepoint", "game-db", MENU}


async def test_two_bots_of_one_process_name_their_groups_alone(world: World) -> None:
    """The names belong to the instance, not to the class."""
    async with world.bot(DISCORD_BACKUP_GROUP="one") as first, world.bot() as second:
        await first.load_extension(EXTENSION)
        await second.load_extension(EXTENSION)
        assert {command.name for command in first.tree.get_commands()} == {"one", "db", MENU}
        assert {command.name for command in second.tree.get_commands()} == {"backup", "db", MENU}


async def test_admin_guilds_get_the_commands_and_nobody_else(world: World) -> None:
    """Registered for these guilds only, and gone from them after an unload."""
    async with world.bot(DISCORD_ADMIN_GUILD_IDS="[11, 12]") as bot:
        await bot.load_extension(EXTENSION)
        assert bot.tree.get_commands() == []
        for guild_id in (11, 12):
            found = bot.tree.get_commands(guild=discord.Object(guild_id))
            assert {command.name for command in found} == {"backup", "db", MENU}
        await bot.reload_extension(EXTENSION)
        await bot.unload_extension(EXTENSION)
        assert bot.tree.get_commands(guild=discord.Object(11)) == []


async def test_an_unusable_repository_does_not_keep_the_bot_from_starting(world: World) -> None:
    """The cog is there, the owner's alert is open, the host hears of it; once the place can be used, it is."""
    world.repository.write_text("a file where the folder should be")
    clock = Clock()
    async with world.bot() as bot:
        heard = listener_of(bot, "backup_failed")
        cog: Any = await add_cog(bot, clock)
        await asyncio.sleep(0)
        assert len(heard) == 1
        assert cog.lifecycle.problem is heard[0]
        assert len(cog.alerts.open) == 1
        bot.dispatch("marketplace_sold", card_id=1)
        await asyncio.sleep(0)
        world.repository.unlink()
        clock.advance(minutes=1)
        await cog.lifecycle.tick()
        assert cog.lifecycle.problem is None
        assert "could not be used" in cog.lifecycle.startup.message
        await cog.service.create(Kind.MANUAL)
        assert cog.alerts.open == ()


@pytest.mark.parametrize(
    ("harm", "outcome", "says"),
    [
        ("SELECT 1", StartupOutcome.CLEAN, "It is sound."),
        ("UPDATE creator_packs SET cards_data = '{'", StartupOutcome.SUSPICIOUS, "so nothing was touched"),
        ("DROP TABLE cards", StartupOutcome.SUSPICIOUS, "cards is missing"),
        (None, StartupOutcome.DAMAGED, "so nothing was restored: restore by hand"),
    ],
    ids=["sound", "no JSON", "a table gone", "unreadable"],
)
async def test_a_repository_that_comes_late_has_the_database_judged_like_any_start(
    world: World, harm: str | None, outcome: StartupOutcome, says: str
) -> None:
    """What somebody changed is not called damage, and each finding is told in one notice."""
    async with world.bot(DATABASE_JSON_COLUMNS=_JSON, DATABASE_CRITICAL_TABLES='["cards"]') as bot:
        await (await add_cog(bot, Clock())).service.create(Kind.MANUAL)
    world.repository.rename(world.folder / "away")
    world.repository.write_text("a file where the folder should be")
    clock = Clock()
    async with world.bot(DATABASE_JSON_COLUMNS=_JSON, DATABASE_CRITICAL_TABLES='["cards"]') as bot:
        cog: Any = await add_cog(bot, clock)
        cog.lifecycle._loop.cancel()  # here the test says when it is time
        world.repository.unlink()
        (world.folder / "away").rename(world.repository)
        if harm is None:
            world.database.write_bytes(b"no database at all" * 1000)
        else:
            world.write(harm)
        before = len(cog.outbox._waiting)
        clock.advance(minutes=1)
        await cog.lifecycle.tick()
        assert cog.lifecycle.startup.outcome is outcome
        assert says in cog.lifecycle.startup.message
        news = [text_of(discord.Embed.from_dict(each.embed)) for each in list(cog.outbox._waiting)[before:]]
        told = [each for each in news if "was not checked at start-up, because" in each]
        assert len(told) == (outcome is not StartupOutcome.CLEAN)
        assert not any(each.startswith("The database is not what it was") for each in news if each not in told)


def test_settings_come_from_the_bot_first(world: World) -> None:
    """An attribute of the right type; another type is refused by name."""
    bot = world.bot()
    assert settings_for(bot, {"BACKUP_CONFIG": "/nowhere"}) is bot.backup_settings
    bot.backup_settings = {"path": "x"}  # type: ignore[assignment]
    with pytest.raises(SettingsError, match=r"bot\.backup_settings is a dict"):
        settings_for(bot)


def test_settings_come_from_the_file_that_the_environment_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """BACKUP_CONFIG before config/backup.toml of the working directory, before nothing; no warning about itself."""
    monkeypatch.chdir(tmp_path)
    assert settings_for(object(), {}).discord.backup_group == "backup"
    default = tmp_path / "config" / "backup.toml"
    default.parent.mkdir()
    default.write_text('[discord]\nbackup_group = "default"\n')
    assert settings_for(object(), {}).discord.backup_group == "default"
    other = tmp_path / "other.toml"
    shutil.copy(default, other)
    other.write_text('[discord]\nbackup_group = "other"\n')
    assert settings_for(object(), {"BACKUP_CONFIG": str(other)}).discord.backup_group == "other"
    assert caplog.records == []
    with pytest.raises(SettingsError, match=r"nowhere\.toml"):
        settings_for(object(), {"BACKUP_CONFIG": str(tmp_path / "nowhere.toml")})


async def test_a_wrong_setting_is_the_reason_the_load_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence that names the key is in what the host sees."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BACKUP_SCHEDULE_PERIODIC_INTERVAL", "soon")
    async with commands.Bot(command_prefix="!", intents=HostBot(settings_for(object(), {})).intents) as bot:
        with pytest.raises(commands.ExtensionFailed, match=r"schedule\.periodic_interval"):
            await bot.load_extension(EXTENSION)


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.ENOSPC, errno.EIO, errno.EMFILE, errno.ENOLCK])
@pytest.mark.parametrize("operation", ["open", "start_up", "join"])
async def test_no_error_of_the_disk_keeps_the_bot_from_starting(world: World, operation: str, number: int) -> None:
    """Whatever the repository's disk says: it is logged and alerted, and the game goes on without backups."""
    clock = Clock()
    async with world.bot() as bot:
        service = SnapshotService(bot.backup_settings, clock=clock, monotonic=clock.monotonic)

        async def fail(*_: object, **__: object) -> None:
            raise OSError(number, os.strerror(number))

        setattr(service, operation, fail)
        cog = BackupCog(bot, service, monotonic=clock.monotonic)
        await bot.add_cog(cog)
        assert bot.get_cog("BackupCog") is cog
        assert cog.outbox.waiting == 1
        assert os.strerror(number) in str(cog.outbox._waiting[0].embed)


async def test_the_counts_of_events_outlast_a_restart(world: World) -> None:
    """An event that never fires is misspelt; "never" must not mean "not since the restart"."""
    for fired in (1, 2):
        async with world.bot() as bot:
            await bot.load_extension(EXTENSION)
            bot.dispatch("marketplace_sold", card_id=1)
            await covered(bot)
            counts = {trigger.count.event: trigger.count for trigger in cog_of(bot).triggers}
            assert (counts["marketplace_sold"].fired, counts["marketplace_sold"].lasting) == (fired, True)
            assert counts["pack_opened"].fired == 0


async def test_a_frozen_bot_is_refused_with_a_sentence(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker would be the bot itself, which starts a worker, and so on."""
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    async with world.bot() as bot:
        with pytest.raises(commands.ExtensionFailed, match="Run the bot with a Python of its own"):
            await bot.load_extension(EXTENSION)
    assert not world.repository.exists()


async def test_a_start_says_what_the_first_snapshot_will_lack(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Not twenty minutes later, when it fails: a PostgreSQL server's programs may not be installed."""
    said = "PostgreSQL 16 needs programs that are not here; install postgresql-client-16."

    async def lacking(self: object) -> tuple[str, ...]:
        await asyncio.sleep(0)
        return (said,)

    monkeypatch.setattr(SqliteProbe, "lacking", lacking)
    async with world.bot() as bot:
        await bot.load_extension(EXTENSION)
        assert f"The next snapshot will fail: {said}" in caplog.text
        [notice] = cog_of(bot).outbox._waiting
        assert (notice.embed["title"], notice.embed["description"]) == ("The next snapshot will fail", said)
