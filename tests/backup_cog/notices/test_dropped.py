"""Events that wait when the cog goes: their owner hears of them, whatever the reason it goes for."""

from __future__ import annotations

import asyncio

import pytest

from tests.backup_cog.world import Clock, World, add_cog, covered

pytestmark = pytest.mark.process


@pytest.mark.parametrize("closes", [False, True], ids=["unloaded", "closed"])
async def test_a_waiting_event_is_covered_or_told_by_name(world: World, clock: Clock, closes: bool) -> None:
    """With ``schedule.shutdown = false`` too: the end of the bot covers it first; a reload tells, and that is kept."""
    async with world.bot(SCHEDULE_SHUTDOWN="false", SCHEDULE_CRITICAL_SPACING="1h") as bot:
        service = (await add_cog(bot, clock)).service
        bot.dispatch("marketplace_sold", card_id=1)
        await covered(bot)
        world.add_user(7)
        bot.dispatch("marketplace_sold", card_id=2)
        await asyncio.sleep(0)
        if closes:
            await bot.close()
        else:
            await bot.remove_cog("BackupCog")
    outbox = world.repository / "state" / "outbox.json"
    kept = outbox.read_text() if outbox.exists() else ""
    is_covered = any("marketplace_buy_2" in snapshot.reasons for snapshot in service.known)
    assert is_covered is closes
    assert ("1 event was not covered when the bot went down: marketplace" in kept) is not closes
