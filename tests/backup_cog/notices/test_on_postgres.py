"""The cog on a real PostgreSQL server: what the owner is told and shown, which SQLite's tests do not show."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cogs.backup_cog import restore_embeds
from cogs.backup_cog.cog import BackupCog
from cogs.backup_cog.status.panel import status_reply
from core.snapshots import Actor, Kind, SnapshotService
from tests.backup_cog.world import HostBot, present_class, text_of
from tests.worlds.game_database import CRITICAL_TABLES
from tests.worlds.postgres_world import EXPECTED, NEWEST, PostgresGame, PostgresWorld, needs, server

pytestmark = pytest.mark.server

OWNER = Actor(source="discord", name="Ann", id=7)


@pytest.fixture
def world(tmp_path: Path, request: pytest.FixtureRequest) -> PostgresWorld:
    """A game on the server of this test process, of the version that the test asks for or the newest."""
    return PostgresWorld(tmp_path, PostgresGame(server(getattr(request, "param", NEWEST))))


@pytest.fixture
async def cog(world: PostgresWorld) -> AsyncIterator[BackupCog]:
    """The cog of a bot that never logs in, so that its notices wait."""
    settings = world.settings(discord={"handle_sigterm": False, "alert_channel_id": 5})
    async with HostBot(settings) as bot:
        service = SnapshotService(settings, clock=world.clock, token_hex=world.ids)
        made = present_class()(bot, service)
        await bot.add_cog(made)
        yield made


def told(cog: BackupCog) -> list[str]:
    """Return the notices that wait, each as its title and text in one."""
    return [f"{notice.embed.get('title')}: {notice.embed.get('description')}" for notice in cog.outbox._waiting]


async def status_of(cog: BackupCog) -> str:
    """Return what ``/backup status`` shows."""
    return text_of(status_reply(await cog.service.status(), cog.state()).embed)


@pytest.mark.parametrize("world", [needs(major) for major in EXPECTED], indirect=True)
async def test_a_table_that_is_gone_is_told_shown_restored_and_written_down(
    cog: BackupCog, world: PostgresWorld
) -> None:
    """One notice with the way back, the status until a check passes, and the restore by name in log and channel."""
    assert "The database is sound" in await status_of(cog)
    before = world.game.contents()
    snapshot = (await cog.service.create(Kind.MANUAL, actor=OWNER)).snapshot
    world.game.execute("DROP TABLE user_cards")
    assert not (await cog.service.integrity()).ok
    assert not (await cog.service.integrity()).ok
    (notice,) = told(cog)
    assert notice.startswith("The database is not what it was: ")
    assert "user\\_cards is missing" in notice
    assert f"/backup restore snapshot:{snapshot.id}" in notice
    shown = await status_of(cog)
    assert shown.index("The database is not what it was") < shown.index("Last snapshot")

    plan = await cog.service.restore_plan(snapshot.id)
    removed = len(before["user_cards"])
    assert f"user\\_cards: 0 added, 0 changed, {removed} removed" in text_of(restore_embeds.preview(plan).embed)
    report = await cog.service.restore(snapshot.id, agreed=plan.token, actor=OWNER)
    shown = text_of(restore_embeds.restored(report, world.repository).embed)
    assert f"every row of {len(CRITICAL_TABLES)} tables was compared with the snapshot" in shown
    assert "Kept on the server as: " in shown
    assert world.game.contents() == before
    assert [each.partition(":")[0] for each in told(cog)[1:]] == ["The database is sound again", "Restore"]
    status = await status_of(cog)
    assert "The database is sound" in status
    assert f"Ann (7) by discord: restore {snapshot.id}, done" in status


async def test_damage_that_the_server_reports_is_told_and_red_until_a_check_passes(
    cog: BackupCog, world: PostgresWorld
) -> None:
    """Nothing is restored by itself: the notice says what to do at the server first."""
    await cog.service.create(Kind.MANUAL)
    world.game.destroy()
    report = await cog.service.start_up()
    assert report.restore is None
    assert [each.partition(":")[0] for each in told(cog)] == ["The database cannot be read"]
    assert "copy the server's data directory" in told(cog)[0]
    assert "The database cannot be read" in await status_of(cog)
