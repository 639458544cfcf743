"""One player's past in Discord: what he had, what changed, and putting it back; nobody but the owner puts back."""

from __future__ import annotations

import re
import sys
import threading
from types import SimpleNamespace
from typing import Any

import pytest
from simcord.results import InteractionResult

from core.snapshots import Kind
from tests.backup_cog.stage import HOME, Stage, said, walk
from tests.backup_cog.world import EXTENSION, listener_of
from tests.worlds.waiting import PATIENCE

pytestmark = [
    pytest.mark.process,
    pytest.mark.simcord(settle_timeout=PATIENCE),
    pytest.mark.parametrize("variables", [{"DISCORD_ADMIN_GUILD_IDS": f"[{HOME}]"}], ids=["home"]),
]


async def robbed(stage: Stage) -> str:
    """Give the player two cards, take a snapshot, then take one of them away; return the snapshot's id."""
    player = stage.player.id
    stage.world.add_user(player)
    stage.world.write(f"INSERT INTO user_cards VALUES ({player}, 1), ({player}, 3)")
    snapshot = (await stage.cog.service.create(Kind.MANUAL)).snapshot
    stage.world.write(f"DELETE FROM user_cards WHERE user_id = {player} AND card_id = 3")
    stage.world.write(f"UPDATE users SET name = '*nobody*' WHERE id = {player}")
    return str(snapshot.id)


def cards(stage: Stage) -> list[tuple[int, int]]:
    """Return who owns which card."""
    return [tuple(row) for row in stage.world.read("SELECT user_id, card_id FROM user_cards ORDER BY 1, 2")]


async def rescue(stage: Stage, when: str, person: Any = None) -> InteractionResult:
    """Ask for the player's rescue."""
    return await stage.slash(person or stage.owner, "backup rescue", member=stage.player, **{"from": when})


async def click(stage: Stage, shown: InteractionResult, label: str, person: Any = None) -> InteractionResult:
    """Click a button under an answer."""
    assert shown.response is not None
    return await (person or stage.owner).click(shown.response, label=label)


async def test_a_managers_look_shows_then_beside_now(stage: Stage) -> None:
    """Counts by table, and the rows that differ, as plain text."""
    snapshot = await robbed(stage)
    text = said(await stage.slash(stage.admin, "backup look", member=stage.player, at=snapshot))
    assert f"Then: snapshot `{snapshot}`" in text
    assert re.search(r"user_cards +2 +1  −1\n", text)
    assert f"**user\\_cards** − gone: user\\_id {stage.player.id}, card\\_id 3" in text
    assert f"**users** ± changed: id {stage.player.id} · name user {stage.player.id} → \\*nobody\\*" in text
    assert stage.errors() == []


async def test_long_answers_are_not_put_together_in_the_event_loop(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten thousand rows take half a second, in which the bot would do nothing else."""
    threads: list[threading.Thread] = []
    # As it is loaded now: a reload makes modules anew.
    looking = sys.modules["cogs.backup_cog.players.looking"]
    for name in ("looked", "timeline"):
        built = getattr(looking, name)

        def watched(*arguments: Any, built: Any = built) -> Any:
            threads.append(threading.current_thread())
            return built(*arguments)

        monkeypatch.setattr(looking, name, watched)
    snapshot = await robbed(stage)
    await stage.slash(stage.admin, "backup look", member=stage.player, at=snapshot)
    await stage.slash(stage.admin, "backup history", member=stage.player)
    assert len(threads) == 2
    assert threading.current_thread() not in threads


async def test_his_history_names_each_change(stage: Stage) -> None:
    """With the old and the new value, newest first."""
    await robbed(stage)
    text = said(await stage.slash(stage.admin, "backup history", member=stage.player))
    assert f"name user {stage.player.id} → \\*nobody\\*" in text
    assert text.index("\\*nobody\\*") < text.index("+ new: id")


async def test_his_history_in_a_table_is_turned_page_by_page(stage: Stage) -> None:
    """Every row that came or went, also in a report that stays as it is; tables are suggested to who may look."""
    player, snapshot = stage.player.id, await robbed(stage)
    for card in (1, 2, 3):
        stage.world.write(f"DELETE FROM user_cards WHERE user_id = {player}")
        stage.world.write(f"INSERT INTO user_cards VALUES ({player}, {card})" + f", ({player}, {card})" * 5)
        await stage.cog.service.create(Kind.MANUAL)
    suggested = await stage.admin.autocomplete(stage.office, "backup history", "table", "cards", member=stage.player)
    assert [choice["name"] for choice in suggested] == ["cards", "user_cards"]
    shown = await stage.slash(stage.admin, "backup history", member=stage.player, table="user_cards")
    assert "Page 1 of 3" in said(shown)
    assert shown.response is not None
    attached = [each.id for each in shown.response.attachments]
    await stage.admin.click(shown.response, label="Next")
    text = said(shown)
    assert "Page 2 of 3" in text
    assert len(attached) == 1
    assert [each.id for each in shown.response.attachments] == attached
    assert "− gone: user\\_id" in text
    await stage.admin.click(shown.response, label="Next")
    assert f"`{snapshot}`" in said(shown)
    assert stage.errors() == []


async def test_the_owner_gives_one_player_his_cards_back_and_can_undo_it(stage: Stage) -> None:
    """Shown first, put back by one click, told to the host, taken back by one more; nobody else's rows change."""
    heard = listener_of(stage.bot, "backup_rescued")
    snapshot = await robbed(stage)
    player, others = stage.player.id, [(1, 1), (2, 2)]
    robbed_now = cards(stage)
    shown = await rescue(stage, snapshot)
    assert "user\\_cards: 1 put back, 0 changed, 0 removed, 0 in conflict" in said(shown)
    assert "users: 0 put back, 1 changed" in said(shown)
    assert cards(stage) == robbed_now
    await click(stage, shown, "Put back")
    assert "The rows are back" in said(shown)
    assert cards(stage) == [*others, (player, 1), (player, 3)]
    assert [report.done for report in heard] == [True]
    await stage.bot.reload_extension(EXTENSION)  # the button is answered after a restart, too
    again = await click(stage, shown, "Undo")
    assert "The rescue is undone" in said(again)
    assert cards(stage) == robbed_now
    assert stage.errors() == []


async def test_only_the_owner_rescues_and_only_by_his_own_buttons(stage: Stage) -> None:
    """Neither by command nor by a click on the owner's preview or on Undo; and a preview works once."""
    snapshot = await robbed(stage)
    before = cards(stage)
    assert "Only the bot's owner" in said(await rescue(stage, snapshot, stage.admin))
    shown = await rescue(stage, snapshot)
    (view,) = stage.cog.views
    stage.bot.owner_ids = {stage.owner.id, stage.admin.id}
    click_of_another = SimpleNamespace(user=SimpleNamespace(id=stage.admin.id), extras={}, locale="en-US")
    with pytest.raises(Exception, match="belong to the person"):  # by its text: a reload makes the class anew
        await view.interaction_check(click_of_another)
    stage.bot.owner_ids = {stage.admin.id}
    assert "Only the bot's owner" in said(await click(stage, shown, "Put back"))
    stage.bot.owner_ids = {stage.owner.id}
    await click(stage, shown, "Cancel")
    assert "Nothing was changed" in said(shown)
    assert not view.end()
    assert cards(stage) == before
    assert stage.errors() == ["NotAllowed", "NotAllowed"]


async def test_conflicts_are_taken_only_if_the_owner_says_so(stage: Stage) -> None:
    """A card that is somebody else's now stays where it is until he chooses otherwise; the plan is then made anew."""
    stage.world.write("CREATE TABLE swords (id INTEGER PRIMARY KEY, user_id INTEGER REFERENCES users(id))")
    stage.world.add_user(stage.player.id)
    stage.world.write(f"INSERT INTO swords VALUES (7, {stage.player.id})")
    snapshot = (await stage.cog.service.create(Kind.MANUAL)).snapshot.id
    stage.world.write("UPDATE swords SET user_id = 1")
    shown = await rescue(stage, snapshot)
    assert "1 in conflict" in said(shown)
    assert "left as it is" in said(shown)
    assert shown.response is not None
    select = next(each for each in walk(shown.response.components) if each["type"] == 3)
    assert select["options"][0]["label"] == "swords id 7"
    await stage.owner.select(shown.response, values=[select["options"][0]["value"]])
    assert "taken all the same" in said(shown)
    await click(stage, shown, "Put back")
    assert stage.world.read("SELECT user_id FROM swords") == [(1,)]
    await click(stage, shown, "Take 1 row from others, too")
    assert stage.world.read("SELECT user_id FROM swords") == [(stage.player.id,)]


async def test_one_who_lost_every_row_is_still_found(stage: Stage) -> None:
    """The story of a ban undone: nothing of him is there now."""
    snapshot = await robbed(stage)
    player = stage.player.id
    stage.world.write(f"DELETE FROM user_cards WHERE user_id = {player}")
    stage.world.write(f"DELETE FROM users WHERE id = {player}")
    looked = await stage.slash(stage.admin, "backup look", member=stage.player, at=snapshot)
    assert "Now: no row of this player" in said(looked)
    await stage.cog.service.create(Kind.MANUAL)
    assert "− gone: id" in said(await stage.slash(stage.admin, "backup history", member=stage.player))
    shown = await rescue(stage, snapshot)
    await click(stage, shown, "Put back")
    assert cards(stage)[-2:] == [(player, 1), (player, 3)]


async def test_a_member_who_never_played_is_a_sentence(stage: Stage) -> None:
    """By each of the commands."""
    await robbed(stage)
    for command, options in (("look", {}), ("rescue", {"from": "latest"})):
        text = said(await stage.slash(stage.owner, f"backup {command}", member=stage.admin, **options))
        assert f"belongs to a player '{stage.admin.id}'" in text
    assert "Nothing is known of this player" in said(
        await stage.slash(stage.owner, "backup history", member=stage.admin)
    )
    assert set(stage.errors()) == {"QueryError"}
