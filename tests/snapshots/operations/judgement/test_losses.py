"""A table that loses most of its rows between two snapshots: nobody may have meant it, and the way back must stay."""

from __future__ import annotations

import datetime as dt
import errno
import os
from pathlib import Path

import pytest

from core.snapshots.repository.repository import Repository
from tests.worlds.service_world import ServiceWorld, ids

pytestmark = pytest.mark.process

_SCORES = (
    "INSERT INTO scores WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 80) SELECT x FROM n"
)


async def test_it_is_told_once_and_the_snapshot_before_it_is_kept(tmp_path: Path) -> None:
    """With both figures and the snapshot that still has the rows, which retention leaves alone for thirty days."""
    world = ServiceWorld(tmp_path)
    world.play("CREATE TABLE scores (points INTEGER)")
    world.play(_SCORES)
    async with world.opened(database={"critical_tables": ()}, retention={"keep_all": 60.0, "daily": 0}) as service:
        before = (await service.create()).snapshot
        world.play("DELETE FROM scores WHERE points > 10")
        await service.create()
        world.play()
        await service.create()
        ((key, message),) = world.heard.notices
        assert key == "shrink"
        assert "scores from 80 to 10" in message
        assert f"restore {before.id}" in message
        kept = await service.get(before.id)
        assert kept.kept_until is not None
        assert dt.timedelta(days=29) < kept.kept_until - world.clock() <= dt.timedelta(days=30)
        for days, stays in ((29, True), (2, False)):
            world.clock.advance(days=days)
            await service.prune()
            assert (before.id in ids(await service.list())) is stays


@pytest.mark.parametrize("percent", [0, 90])
async def test_the_setting_says_how_much_is_too_much(tmp_path: Path, percent: int) -> None:
    """A game that removes its rows by design is left alone."""
    world = ServiceWorld(tmp_path)
    world.play("CREATE TABLE scores (points INTEGER)")
    world.play(_SCORES)
    async with world.opened(database={"critical_tables": (), "shrink_percent": percent}) as service:
        await service.create()
        world.play("DELETE FROM scores WHERE points > 10")
        await service.create()
    assert world.heard.notices == []


async def test_a_safety_snapshot_holds_what_is_being_undone_and_alerts_nobody(tmp_path: Path) -> None:
    """Neither the restore of the lost rows nor its undo is news; a loss that nobody undid is, once."""
    world = ServiceWorld(tmp_path)
    world.play("CREATE TABLE scores (points INTEGER)")
    world.play(_SCORES)
    async with world.opened(database={"critical_tables": ()}) as service:
        before = (await service.create()).snapshot
        world.play("DELETE FROM scores WHERE points > 10")
        restored = await service.restore(before.id)
        assert restored.safety is not None
        await service.create()
        await service.restore(restored.safety.id)
        await service.create()
        assert world.heard.notices == []
        await service.restore(before.id)
        world.play("DELETE FROM scores WHERE points > 10")
        await service.create()
    assert [key for key, _ in world.heard.notices] == ["shrink"]


async def test_a_snapshot_is_taken_and_its_alert_sent_though_the_one_before_it_cannot_be_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that filled up after a snapshot was published is no reason to report it as failed, or to say nothing."""
    world = ServiceWorld(tmp_path)
    world.play("CREATE TABLE scores (points INTEGER)")
    world.play(_SCORES)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    dust = "sum(dust) FROM users"
    async with world.opened(database={"critical_tables": ()}, history={"watch": (dust,)}) as service:
        await service.create()
        world.play("DELETE FROM scores WHERE points > 10")
        world.play("UPDATE users SET dust = dust * 20")
        monkeypatch.setattr(Repository, "update", full)
        assert not (await service.create()).unchanged
    (_, lost), (_, jumped) = world.heard.notices
    assert "scores from 80 to 10. That it is to be kept could not be recorded: pin it." in lost
    assert "could not be pinned" in jumped
