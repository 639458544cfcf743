"""The service asks and rescues in PostgreSQL as it does in SQLite."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.snapshots import Kind, Rescue, RescueScope
from tests.worlds.postgres_world import PostgresWorld

pytestmark = [pytest.mark.process, pytest.mark.server]


async def test_a_player_of_a_postgresql_game_is_looked_at_and_rescued(tmp_path: Path) -> None:
    """With snapshots around it, in one transaction, and with a way back; the player is found by the schema."""
    world = PostgresWorld(tmp_path)
    async with world.opened() as service:
        sound = (await service.create()).snapshot
        world.game.execute("DELETE FROM user_cards WHERE user_id = 7; UPDATE users SET dust = 0 WHERE id = 7")
        before = world.game.contents()
        looked = await service.look_at_player("7")
        assert {name: len(rows) for name, rows in looked.tables.items()} == {
            "users": 1,
            "creator_packs": 1,
            "user_cards": 1,
        }
        assert looked.at == sound.id
        changes = (await service.history("users", ("7",), "dust")).changes
        assert [(each.snapshot, each.after) for each in changes] == [
            (sound.id, {"dust": 1000}),
            ("now", {"dust": 0}),
        ]
        assert (await service.diff("latest")).tables["users"].changed == 1
        loss = (await service.restore_plan(sound.id)).loss
        assert loss is not None
        assert (loss.rows, [(each.player, each.rows) for each in loss.players]) == (2, [("7", 2)])
        asked = Rescue(scope=RescueScope(player="7"), when="latest")
        report = await service.rescue(asked, agreed=(await service.rescue_plan(asked)).token)
        assert (report.done, report.error) == (True, None)
        safety, after = await service.get(report.safety or ""), await service.get(report.snapshot or "")
        assert (safety.kind, after.kind) == (Kind.SAFETY, Kind.CRITICAL)
        assert {row for row in world.game.contents()["users"] if row[0] == 7 and row[2] == 1000}
        assert (await service.undo_rescue(report.id)).done
        assert world.game.contents() == before
