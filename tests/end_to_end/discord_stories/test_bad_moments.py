"""People and places change while something is under way, and texts are as bad as people can make them."""

from __future__ import annotations

import pytest

from tests.end_to_end.discord_server.state import walk
from tests.end_to_end.discord_stories.deeds import agree, ask, join, take
from tests.end_to_end.discord_stories.town import Town

pytestmark = [pytest.mark.process, pytest.mark.socket]

WORST = "**@everyone** <@1> `x` [a](https://e.x) \u202egnp.exe \U0001f469\u200d\U0001f680 # | > ~~ "


def test_an_outcome_whose_message_was_dismissed_comes_by_direct_message(town: Town) -> None:
    """The person closed it (10008), and still wants to know; and the alert channel says who restored what."""
    snapshot = take(town.owner)
    join(town)
    preview = ask(town.owner, snapshot)
    release = town.server.hold("PATCH", "/webhooks/*/messages/@original")
    agree(town.owner, preview, snapshot)
    preview.deleted = True
    release()
    undo = town.owner.click(town.owner.gets("Restored", snapshot), "Undo")
    undo.reads("This undoes the restore of snapshot", snapshot)
    town.owner.finds("owner", "restore", snapshot, channel=town.home.channels[1])


def test_an_alert_channel_that_the_bot_may_not_use_any_more_is_replaced_by_the_owner(town: Town) -> None:
    """Nothing is lost because somebody tidied up the guild's permissions."""
    alerts = town.home.channels[1]
    snapshot = take(town.owner)
    join(town)
    preview = ask(town.owner, snapshot)
    alerts.open_to_bot = False
    try:
        agree(town.owner, preview, snapshot).reads("Restored")
        town.owner.gets("Restore", snapshot)
    finally:
        alerts.open_to_bot = True


def test_an_administrator_who_is_none_any_more_may_nothing_from_then_on(town: Town) -> None:
    """Discord says with each interaction what its user may; no cache is asked."""
    take(town.admin)
    town.home.add(town.admin.user)
    try:
        town.admin.slash("backup list").reads("Not allowed")
    finally:
        town.home.add(town.admin.user, administrator=True)


def test_no_text_that_people_write_breaks_an_answer_or_calls_anybody(town: Town) -> None:
    """Markdown, mentions, links, a right-to-left override and emoji, as long as a note can be."""
    note = (WORST * 10)[:200]
    join(town)
    town.admin.slash("backup now", note=note).reads("Id: ")
    for command in ("backup list", "backup status", "backup verify"):
        text = town.admin.slash(command).reads("").text
        assert "@everyone" not in text
        assert "\u202e" not in text
        assert "<@1>" not in text.replace("\\<@1>", "")


def test_from_something_is_wrong_to_a_running_restore_are_five_steps_at_most(town: Town) -> None:
    """For an owner who never read the README: the status, its button, a click and an id."""
    snapshot, then = take(town.owner), town.bot.dump()
    join(town)
    steps = len(town.discord.interactions)
    status = town.owner.slash("backup status").reads("snapshot")
    preview = town.owner.click(status, "Restore…").reads("Restore this snapshot?", snapshot)
    running = agree(town.owner, preview, snapshot)
    assert len(town.discord.interactions) - steps <= 5
    running.reads("Restored")
    assert town.bot.dump() == then


def test_whoever_is_demoted_can_do_nothing_more_with_what_is_open(town: Town) -> None:
    """A former administrator's panel and list: every button and choice; a member's menu, and what he types."""
    snapshot = take(town.admin)
    panel = town.admin.slash("backup status").reads("snapshot")
    listed = town.admin.slash("backup list").reads(snapshot)
    shown = [panel, listed, town.admin.slash("backup show", snapshot=snapshot).reads(snapshot)]
    clicks = [
        (each["custom_id"], message)
        for message in shown
        for each in walk(message.components)
        if "custom_id" in each and not each.get("disabled")
    ]
    assert len(clicks) > 8
    texts = [message.text for message in shown]
    town.home.add(town.admin.user)
    try:
        refused = [town.admin.forge_click(custom_id, message) for custom_id, message in clicks]
        refused.append(town.admin.menu("Backup history", town.player.user))
        for each in refused:
            each.reads("Not allowed")
        assert [message.text for message in shown] == texts
        assert town.admin.types("backup show", "snapshot", snapshot[:4]).choices() == []
        assert town.admin.types("backup history", "table", "").choices() == []
    finally:
        town.home.add(town.admin.user, administrator=True)
    assert town.admin.types("backup history", "table", "user_c").choices() == ["user_cards"]


def test_an_owner_who_left_and_a_channel_that_is_closed_leave_the_others_informed(everywhere: Town) -> None:
    """The bot shares no guild with him any more (50007); who is left in the team restores, and is told of it."""
    town, office = everywhere, everywhere.home.channels[0]
    snapshot = take(town.colleague)
    join(town)
    del town.home.members[town.owner.user], town.abroad.members[town.owner.user]
    town.owner.user.dms_open = office.open_to_bot = False
    try:
        preview = ask(town.colleague, snapshot)
        town.server.plan("PATCH", "/webhooks/*/messages/@original", takes=15 * 60.0)
        agree(town.colleague, preview, snapshot)
        town.colleague.gets("Restored", snapshot, "Safety snapshot")
        assert not town.owner.direct_messages()
    finally:
        town.owner.user.dms_open = office.open_to_bot = True
        town.home.add(town.owner.user, administrator=True)
        town.abroad.add(town.owner.user)
