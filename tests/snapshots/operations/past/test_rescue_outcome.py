"""What is said of a rescue whose worker or process dies: written or not, as its rows tell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from core.snapshots import Rescue, RescueScope, SnapshotError, SnapshotService, WorkerFailed
from core.snapshots.models import Actor, JournalEntry
from core.snapshots.repository.state import StateFile
from tests.worlds.service_world import NOON, ServiceWorld

pytestmark = pytest.mark.process

SEVEN = Rescue(scope=RescueScope(player="7"), when="latest")
LOSS = "DELETE FROM user_cards WHERE user_id = 7"


def _killed(service: SnapshotService, *, after_commit: bool) -> None:
    """Let the worker that writes die before its commit, or after it and before it could say so."""
    original = service._context.work

    async def work(kind: Any, result: Any, on_progress: Any = None, on_committed: Any = None, **fields: Any) -> Any:
        if getattr(fields.get("question"), "perform", False):
            if after_commit:
                await original(kind, result, on_progress, None, **fields)
            raise WorkerFailed("The worker process ended without an answer.", exit_status=-9, stderr="")
        return await original(kind, result, on_progress, on_committed, **fields)

    service._context.work = work  # type: ignore[method-assign,assignment]


async def test_a_worker_that_dies_after_the_commit_has_put_the_rows_back(tmp_path: Path) -> None:
    """It is told as done, with the way back; before, it was told as failed and the record was thrown away."""
    world = ServiceWorld(tmp_path)
    async with world.opened() as service:
        await service.create()
        whole = world.rows()
        world.play(LOSS)
        robbed = world.rows()
        _killed(service, after_commit=True)
        report = await service.rescue(SEVEN)
        assert report.done
        assert world.rows() == whole
        (line,) = await service.audit()
        assert (line.outcome, line.detail.split(":")[0]) == ("done", report.id)
        del service._context.work
        await service.undo_rescue(report.id)
        assert world.rows() == robbed


async def test_a_worker_that_dies_before_the_commit_has_changed_nothing(tmp_path: Path) -> None:
    """No record is left that a later undo could take for something that happened."""
    world = ServiceWorld(tmp_path)
    async with world.opened() as service:
        await service.create()
        world.play(LOSS)
        robbed = world.rows()
        _killed(service, after_commit=False)
        with pytest.raises(WorkerFailed):
            await service.rescue(SEVEN)
        assert world.rows() == robbed
        assert not list(world.repository.glob("state/rescue-*"))
        (line,) = await service.audit()
        assert line.outcome == "failed"


async def test_the_next_start_finds_out_what_became_of_a_rescue(tmp_path: Path) -> None:
    """The process died between the commit and the word of it: the journal does not know, and the rows do."""
    world = ServiceWorld(tmp_path)
    journal = StateFile(world.repository, "journal", JournalEntry)
    async with world.opened() as service:
        await service.create()
        world.play(LOSS)
        report = await service.rescue(SEVEN)

    def left_by_a_crash() -> None:
        entry = JournalEntry(operation="rescue", actor=Actor(source="shell"), at=NOON, pid=1, rescue=report.id)
        journal.write(entry)

    left_by_a_crash()
    async with world.opened() as service:
        assert "the rows were put back" in (service.interrupted or "")
        assert f"rescue --undo {report.id}" in (service.interrupted or "")
    world.play("DELETE FROM user_cards WHERE id = (SELECT min(id) FROM user_cards WHERE user_id = 7)")
    left_by_a_crash()
    async with world.opened() as service:
        assert "cannot be told any more" in (service.interrupted or "")
    world.play(LOSS)
    left_by_a_crash()
    async with world.opened() as service:
        assert "no row was changed" in (service.interrupted or "")
        with pytest.raises(SnapshotError, match="no record"):
            await service.undo_rescue(report.id)


async def test_a_rescue_that_nobody_was_shown_is_planned_anew_when_the_game_writes(tmp_path: Path) -> None:
    """The game changed a row between the plan and the transaction; there is nobody who could look again."""
    world = ServiceWorld(tmp_path)
    async with world.opened() as service:
        await service.create()
        world.play(LOSS)
        original, writes = service._context.work, 0

        async def work(kind: Any, *arguments: Any, **fields: Any) -> Any:
            nonlocal writes
            if getattr(fields.get("question"), "perform", False) and writes < limit:
                writes += 1
                world.play(f"UPDATE users SET cards_owned = cards_owned + {writes} WHERE id = 7")
            return await original(kind, *arguments, **fields)

        service._context.work = work  # type: ignore[method-assign]
        limit = 99
        with pytest.raises(SnapshotError, match="change faster than they can be put back"):
            await service.rescue(SEVEN)
        limit = writes + 1
        assert (await service.rescue(SEVEN)).done
