"""An outcome that cannot be shown, nor sent directly, reaches the owner as a notice, and the way back comes with it."""

from __future__ import annotations

import re

import pytest
from simcord.results import InteractionResult

from core.snapshots import Kind
from tests.backup_cog.stage import HOME, Stage, said
from tests.backup_cog.world import EXTENSION
from tests.worlds.waiting import PATIENCE

pytestmark = [
    pytest.mark.process,
    pytest.mark.simcord(settle_timeout=PATIENCE),
    pytest.mark.parametrize("variables", [{"DISCORD_ADMIN_GUILD_IDS": f"[{HOME}]"}], ids=["home"]),
]


async def undone_from_the_notice(stage: Stage) -> InteractionResult:
    """Wait for the notice, start the bot anew, and click Undo below it."""
    await stage.cog.outbox.close(PATIENCE)
    told = stage.dms(stage.owner)[-1]
    assert "who could not be answered" in told
    assert re.search(r"Undo (shows first|takes exactly)", told)
    stage.env.backend.faults.clear()
    await stage.bot.reload_extension(EXTENSION)
    clicked: InteractionResult = await stage.owner.user.click(stage.last_dm(stage.owner), label="Undo")
    return clicked


async def test_a_restore_that_only_a_notice_reports_is_undone_from_there(stage: Stage) -> None:
    """It shows first what that would do, as everywhere."""
    snapshot = (await stage.cog.service.create(Kind.MANUAL)).snapshot.id
    stage.world.add_user(3)
    shown = await stage.slash(stage.owner, "backup restore", snapshot=snapshot)
    assert shown.response is not None
    modal = await stage.owner.click(shown.response, label="Confirm")
    stage.nobody_is_answered()
    await stage.owner.submit_modal(modal, {"snapshot_id": snapshot})
    assert stage.world.names() == ["alice", "bob"]
    again = await undone_from_the_notice(stage)
    assert f"This undoes the restore of snapshot `{snapshot}`" in said(again)


async def test_a_rescue_that_only_a_notice_reports_is_undone_from_there(stage: Stage) -> None:
    """With one click."""
    player = stage.player.id
    stage.world.add_user(player)
    snapshot = (await stage.cog.service.create(Kind.MANUAL)).snapshot.id
    stage.world.write(f"UPDATE users SET name = 'nobody' WHERE id = {player}")
    shown = await stage.slash(stage.owner, "backup rescue", member=stage.player, **{"from": snapshot})
    assert shown.response is not None
    stage.nobody_is_answered()
    await stage.owner.click(shown.response, label="Put back")
    assert f"user {player}" in stage.world.names()
    assert "The rescue is undone" in said(await undone_from_the_notice(stage))
    assert "nobody" in stage.world.names()
