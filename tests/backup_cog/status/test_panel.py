"""The panel of the status: what it says, whose it is, and that it goes on working."""

from __future__ import annotations

import dataclasses
from typing import Any

import discord
import pytest
from msgspec import structs

from cogs.backup_cog.language import speak
from cogs.backup_cog.status.panel import status_panel
from cogs.backup_cog.status.state import CogState
from cogs.backup_cog.triggers import TriggerCount
from core.snapshots import Kind, Level, Status
from tests.backup_cog.stage import HOME, Stage, said, shown_in, walk
from tests.backup_cog.world import EXTENSION, NOON
from tests.worlds.snapshots import make_snapshot

AT_HOME = pytest.mark.parametrize("variables", [{"DISCORD_ADMIN_GUILD_IDS": f"[{HOME}]"}], ids=["home"])


def state(**changes: Any) -> Status:
    """Make the status of a repository in which all is well."""
    usual = Status(
        engine="sqlite",
        database="game.db",
        repository="backups",
        snapshots=1,
        damaged=0,
        pinned=0,
        size=1024,
        free=10 * 1024,
        newest=make_snapshot(),
        newest_restored=None,
        pending=0,
        running=False,
        next_periodic=NOON,
        kinds={"critical": 1},
    )
    return structs.replace(usual, **changes)


def text_of_panel(shown: Status | None, cog: CogState) -> str:
    """Return all text of a panel, having seen that Discord takes it."""
    view: Any = status_panel(shown, cog, opener=1, picture="Sizes")
    components = list(walk(view.to_components()))
    texts = [each["content"] for each in components if "content" in each]
    assert len(components) <= 40
    assert sum(len(text) for text in texts) <= 4000
    return "\n".join(texts)


QUIET = CogState(problem=None, outages=(), startup=None, triggers=())


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"pending": 1}, "**Not covered:** 1 event waits for a snapshot"),
        ({"pending": 0}, "**Not covered:** nothing: each event is in a snapshot"),
        ({}, "**Last verified restore:** never yet"),
        (
            {"restored": make_snapshot(restored_at=NOON, restored_seconds=1.84)},
            f"**Last verified restore:** restored and compared {discord.utils.format_dt(NOON, 'R')}, 1.8s",
        ),
        ({}, "**Off-site:** none: the snapshots are on this machine alone"),
        ({}, "**Space:** 1.0 KiB used, 10.0 KiB free\n"),
        ({"lasts": 864_000.0}, "10.0 KiB free: enough for 10d or more at the pace of the last day"),
        ({"newest": None}, "**Last snapshot:** none yet"),
    ],
)
def test_a_panel_says_what_an_administrator_asks(changes: dict[str, Any], says: str) -> None:
    assert says in text_of_panel(state(**changes), QUIET)


def test_a_panel_shows_a_players_name_for_his_number() -> None:
    newest = make_snapshot(reasons=("pack_opening_user_42",))
    named = dataclasses.replace(QUIET, shown=lambda reason: reason.replace("42", "Ann"))
    assert "pack\\_opening\\_user\\_Ann" in text_of_panel(state(newest=newest), named)


def test_a_panel_keeps_discords_limits_whatever_it_says() -> None:
    long = "`*_~@everyone <@1> " * 300
    cog = CogState(long, (long,) * 30, None, (TriggerCount(long, 1, 1, 1, unmatched=long),) * 30)
    for language in ("en", "de"):
        speak(language)
        shown = text_of_panel(state(database=long, repository=long, remarks=(long,) * 30), cog)
        assert "<@1>" not in shown.replace("\\<@1>", "")
        text_of_panel(None, cog)
    speak("")


@pytest.mark.process
@AT_HOME
async def test_a_panel_is_shown_anew_in_place_for_who_opened_it(stage: Stage) -> None:
    """Another manager's click gets a panel of his own; a player's, and one by whom nobody trusts any more, nothing."""
    shown = (await stage.slash(stage.admin, "backup status")).response
    assert shown is not None
    assert shown.flags.components_v2
    assert "none yet" in shown_in(shown)
    snapshot = (await stage.cog.service.create(Kind.MANUAL)).snapshot
    await stage.cog.service.verify(snapshot.id, Level.RESTORED)
    await stage.bot.reload_extension(EXTENSION)
    again = await stage.admin.click(shown, label="Refresh")
    assert (again.followups, snapshot.id in shown_in(shown)) == ([], True)
    assert "restored and compared" in shown_in(shown)
    stage.cog.permissions._admin_guild_ids = frozenset()
    before, refused = shown_in(shown), await stage.admin.click(shown, label="Refresh")
    assert "Not allowed" in "\n".join(shown_in(each) for each in refused.followups)
    assert (refused.followups[0].ephemeral, shown_in(shown)) == (True, before)


@pytest.mark.process
@AT_HOME
async def test_a_click_on_somebody_elses_panel_has_an_answer_of_its_own(stage: Stage) -> None:
    """A manager gets a panel for himself; a player, who could only forge the click, gets nothing."""
    office: Any = stage.bot.get_channel(stage.office.id)
    sent = await office.send(view=status_panel(None, QUIET, stage.admin.id))
    other = await stage.owner.click(sent, label="Refresh")
    assert other.response is not None
    assert (other.response.id == sent.id, other.ephemeral) == (False, True)
    assert "Last snapshot" in said(other)
    assert "Not allowed" in said(await stage.player.click(sent, label="Refresh"))
    own = await stage.admin.click(sent, label="Refresh")
    assert own.response is not None
    assert (own.response.id == sent.id, own.ephemeral) == (False, True), "not even for who opened it, in a channel"
    assert not (await office.fetch_message(sent.id)).edited_at


@pytest.mark.process
@AT_HOME
async def test_a_history_is_two_clicks_away(stage: Stage) -> None:
    """The button asks for a member, and the choice of one is the command; a forged choice of nobody is refused."""
    stage.world.write(f"INSERT INTO users VALUES ({stage.player.id}, 'player')")
    await stage.cog.service.create(Kind.MANUAL)
    shown = (await stage.slash(stage.admin, "backup status")).response
    assert shown is not None
    asked = (await stage.admin.click(shown, label="History…")).response
    assert asked is not None
    found = await stage.admin.select(asked, [stage.player])
    assert stage.player.user.name in said(found)


@pytest.mark.process
@AT_HOME
async def test_a_panel_has_its_picture_and_the_one_that_replaces_it(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Attached once, and described; without one the text is the same."""

    async def draw(chart: object) -> bytes | None:
        return b"\x89PNG" if chart is not None else None

    monkeypatch.setattr(stage.cog.pictures, "draw", draw)
    shown = (await stage.slash(stage.admin, "backup status")).response
    assert shown is not None
    assert shown.attachments == []
    await stage.cog.service.create(Kind.MANUAL)
    for _ in range(2):
        await stage.admin.click(shown, label="Refresh")
        (gallery,) = [each for each in walk(shown.components) if each["type"] == 12]
        (item,) = gallery["items"]
        assert "1 snapshot of" in item["description"]
        assert [each.filename for each in shown.attachments] == ["backups.png"]
