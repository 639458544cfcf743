"""Watched numbers: asked of each snapshot, and an alert when one jumps."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.snapshots import Kind
from tests.worlds.service_world import ServiceWorld

pytestmark = pytest.mark.process

DUST, CARDS, WRONG = "sum(dust) FROM users", "count(*) FROM user_cards", "sum(nothing) FROM users"


async def test_a_jump_is_alerted_once_and_the_point_before_it_is_pinned(tmp_path: Path) -> None:
    """With the event; a restore to before it is no second jump, and a question without an answer fails nothing."""
    world = ServiceWorld(tmp_path)
    async with world.opened(history={"watch": (DUST, CARDS, WRONG)}) as service:
        await service.create()
        world.play("UPDATE users SET dust = dust + 1")
        before = (await service.create()).snapshot
        assert [key for key, _ in world.heard.notices] == ["watch"]
        world.play("UPDATE users SET dust = dust * 20")
        await service.create(Kind.CRITICAL, reason="marketplace_buy_42")
        key, message = world.heard.notices[-1]
        assert key == "jump"
        assert all(word in message for word in (DUST, before.id, "marketplace_buy_42"))
        assert CARDS not in message
        assert [each.id for each in await service.list() if each.pinned] == [before.id]
        world.play("UPDATE users SET dust = dust + 1")
        await service.create()
        await service.restore(before.id)
        world.play("UPDATE users SET dust = dust + 1")
        await service.create()
        world.play("UPDATE users SET dust = dust * 20")
        await service.restore(before.id)  # the safety snapshot holds the jump that is being undone
        assert len(world.heard.notices) == 2
