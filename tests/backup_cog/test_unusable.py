"""A repository that cannot be used: the bot runs, and whoever asks is told why backups do not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cogs.backup_cog.answers.failures import failure_of
from tests.backup_cog.stage import Stage, said
from tests.backup_cog.world import World
from tests.worlds.waiting import PATIENCE

pytestmark = pytest.mark.simcord(settle_timeout=PATIENCE)


@pytest.fixture(params=["a file in the way", "a newer catalog"])
def world(tmp_path: Path, request: pytest.FixtureRequest) -> World:
    """A game whose repository cannot be opened."""
    world = World(tmp_path)
    if request.param == "a file in the way":
        world.repository.write_text("not a folder")
    else:
        world.repository.mkdir()
        (world.repository / "backup_metadata.json").write_text(json.dumps({"format": 99, "snapshots": []}))
    return world


async def test_every_command_answers_with_the_reason(stage: Stage) -> None:
    """Not a traceback, not silence; the status shows it in red, and nothing was changed."""
    before = sorted(stage.world.folder.rglob("*"))
    problem = stage.cog.lifecycle.problem
    for command in ("backup now", "backup list", "backup verify", "db integrity"):
        text = said(await stage.slash(stage.owner, command))
        assert text.split("\n")[1] == failure_of(problem).title
        assert problem.message.split()[-1] in text
    assert set(stage.errors()) == {type(problem).__name__}
    status = said(await stage.slash(stage.owner, "backup status"))
    assert "Backups do not work" in status
    assert "not fired since the bot started" in status
    assert "Open alerts:** A snapshot failed: for" in status
    assert sorted(stage.world.folder.rglob("*")) == before
    assert await stage.owner.autocomplete(stage.office, "backup verify", "snapshot", "") == []
    await stage.owner.send(stage.office, f"<@{stage.env.backend.bot_user.id}> backup status")
    assert "Backups do **not** work" in stage.messages(stage.office.id)[-1]
