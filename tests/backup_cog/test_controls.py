"""Buttons that outlast their message's view: claiming, looking at a restore, and the dead ones of old previews."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import AsyncIterator

import pytest
from simcord.results import ResponseMessage

from core.snapshots import Kind
from tests.backup_cog.stage import Stage, StageBot, said
from tests.backup_cog.world import EXTENSION

pytestmark = [pytest.mark.process, pytest.mark.simcord(settle_timeout=60)]


def alert_in_office(stage: Stage) -> ResponseMessage:
    """Return the newest message in the alert channel."""
    *_, stored = stage.env.backend.messages[stage.office.id].values()
    return ResponseMessage(stage.env, stored)


@contextlib.asynccontextmanager
async def moved(stage: Stage) -> AsyncIterator[StageBot]:
    """Move the database, keep its repository, and start the bot again, with an alert channel."""
    await stage.cog.service.create(Kind.MANUAL)
    first = stage.bot
    await first.unload_extension(EXTENSION)
    new = stage.world.folder / "moved.db"
    shutil.copy(stage.world.database, new)
    stage.bot = StageBot(
        stage.world.settings(DATABASE_URL=f"sqlite:///{new}", DISCORD_ALERT_CHANNEL_ID=str(stage.office.id))
    )
    stage.bot.owner_ids = {stage.owner.id}
    await stage.env.restart_bot(stage.bot)
    await stage.env.settle()
    yield stage.bot
    await stage.bot.unload_extension(EXTENSION)
    await first.load_extension(EXTENSION)


async def test_the_owner_claims_by_the_button_in_the_alert(stage: Stage) -> None:
    """Until then nothing is written; from then on snapshots are taken, and the audit log says who it was."""
    label = "These are this database's snapshots"
    async with moved(stage):
        alert = alert_in_office(stage)
        assert alert.embeds[0].title == "These snapshots are of another database"
        number = len(stage.cog.service.known)
        assert "Not allowed" in said(await stage.player.click(alert, label=label))
        assert "Claimed" in said(await stage.owner.click(alert, label=label))
        assert "Snapshot taken" in said(await stage.slash(stage.owner, "backup now"))
        assert len(stage.cog.service.known) == number + 1
        lines = await stage.cog.service.audit()
        assert [(line.actor.id, line.outcome) for line in lines if line.action == "claim"] == [(stage.owner.id, "done")]
        assert [line.actor.id for line in lines if line.outcome == "denied"] == [stage.player.id]


async def test_a_modal_that_is_sent_after_its_time_is_answered_and_does_nothing(stage: Stage) -> None:
    """Discord shows "Something went wrong" where nobody answers."""
    snapshot = (await stage.cog.service.create(Kind.MANUAL)).snapshot
    stage.world.add_user(3)
    shown = await stage.slash(stage.owner, "backup restore", snapshot=snapshot.id)
    assert shown.response is not None
    modal = await stage.owner.click(shown.response, label="Confirm")
    await stage.env.advance_time(seconds=600)
    late = await stage.owner.submit_modal(modal, {"snapshot_id": snapshot.id})
    assert "Too late" in said(late)
    assert stage.world.names() == ["alice", "bob", "user 3"]


async def test_a_denied_command_is_in_the_audit_log_once_a_minute(stage: Stage) -> None:
    """Who and what; a player who tries all day does not fill the disk."""
    snapshot = (await stage.cog.service.create(Kind.MANUAL)).snapshot
    for _ in range(3):
        await stage.slash(stage.admin, "backup restore", snapshot=snapshot.id)
    assert set(stage.errors()) == {"NotAllowed"}
    lines = await stage.cog.service.audit()
    denied = [line for line in lines if line.outcome == "denied"]
    assert [(line.actor.source, line.actor.id, line.action) for line in denied] == [
        ("discord", stage.admin.id, "backup restore")
    ]


async def test_the_status_begins_with_the_database_and_ends_with_what_was_done(stage: Stage) -> None:
    """Red until a check passes, with who did the last things."""
    await stage.slash(stage.owner, "backup now", pin=True)
    stage.world.write("ALTER TABLE users RENAME TO people")
    await stage.slash(stage.owner, "db integrity")
    found = said(await stage.slash(stage.owner, "backup status"))
    assert found.index("The database is not what it was") < found.index("Last snapshot")
    assert f"pinned snapshot {stage.cog.service.known[0].id}" in found
    stage.world.write("ALTER TABLE people RENAME TO users")
    await stage.slash(stage.owner, "db integrity")
    assert "The database is sound" in said(await stage.slash(stage.owner, "backup status"))
    titles = [text.split("\n")[1] for text in stage.dms(stage.owner)]
    assert titles == ["The database is not what it was", "The database is sound again"]
