"""A restore over real sockets: agreed to by a click and by typing, undone, and refused to everybody else."""

from __future__ import annotations

import pytest

from tests.end_to_end.discord_server.people import snapshot_ids
from tests.end_to_end.discord_stories.deeds import agree, ask, join, take
from tests.end_to_end.discord_stories.town import Town

pytestmark = [pytest.mark.process, pytest.mark.socket]

LONGEST = "savepoint::".ljust(100, "a")
"""As long as a custom id can be."""


def test_a_restore_brings_every_row_back_and_its_safety_snapshot_undoes_it(town: Town) -> None:
    """There and back again: the owner sees what is lost first, types the id, and loses nothing for good.

    Undo is under the outcome, for him alone; whoever else sends its custom id is refused.
    """
    join(town)
    snapshot, then = take(town.owner), town.bot.dump()
    join(town)
    now = town.bot.dump()
    restored = agree(town.owner, ask(town.owner, snapshot), snapshot).reads("Restored", snapshot)
    assert town.bot.dump() == then
    assert restored.only_for is town.owner.user
    (safety,) = {each for each in snapshot_ids(restored.text) if each != snapshot}
    for person in (town.admin, town.player):
        person.forge_click(f"savepoint:undo_restore:{safety}", restored).reads("Not allowed")
    undo = town.owner.click(restored, "Undo").reads("This undoes the restore of snapshot", snapshot)
    agree(town.owner, undo, safety).reads("Restored", safety)
    assert town.bot.dump() == now


def test_another_owners_click_and_his_modal_restore_nothing_and_leave_the_preview_alone(town: Town) -> None:
    """He cannot see it, but a changed client can send its custom ids; the one who asked may still agree."""
    snapshot = take(town.owner)
    new = join(town)
    preview = ask(town.owner, snapshot)
    assert preview not in town.colleague.sees()
    (row,) = preview.components
    confirm, cancel = (each["custom_id"] for each in row["components"])
    for custom_id in (confirm, cancel):
        for person in (town.colleague, town.admin, town.player, town.auditor):
            person.forge_click(custom_id, preview).reads("Not allowed")
    asked = town.owner.click(preview, "Confirm")
    modal = asked.modal()
    for person in (town.colleague, town.admin, town.player):
        forged = person.forge_submit(modal["custom_id"], "snapshot_id", snapshot, preview)
        forged.reads("Not allowed")
    assert [(new,)] == town.bot.rows(f"SELECT name FROM users WHERE name = '{new}'")
    town.owner.submit(asked, snapshot).reads("Restored")
    assert town.bot.rows(f"SELECT name FROM users WHERE name = '{new}'") == []


def test_two_clicks_and_two_modals_restore_once(town: Town) -> None:
    """A double click opens the modal twice, and both can be sent."""
    snapshot = take(town.owner)
    join(town)
    preview = ask(town.owner, snapshot)
    first, second = town.owner.click(preview, "Confirm"), town.owner.click(preview, "Confirm")
    first.modal()
    second.modal()
    one, other = town.owner.submit(first, snapshot), town.owner.submit(second, snapshot)
    other.reads("Too late")
    one.reads("Restored", snapshot)
    listed = town.owner.slash("backup list", kind="safety").reads("safety").text
    join(town)
    assert len(snapshot_ids(listed)) == len(
        snapshot_ids(town.owner.slash("backup list", kind="safety").reads("safety").text)
    )


def test_whoever_may_not_restore_is_refused_before_anything_is_shown(town: Town) -> None:
    """Administrators look and take; players do neither, and nothing is suggested to them."""
    snapshot = take(town.admin)
    for person in (town.admin, town.auditor, town.player):
        refused = person.slash("backup restore", snapshot=snapshot).reads("Not allowed")
        assert snapshot not in refused.text
    for command in ("backup now", "backup list", "backup status", "backup verify", "db integrity"):
        for person in (town.player, town.auditor):
            person.slash(command).reads("Not allowed")
    assert town.player.types("backup restore", "snapshot", "").choices() == []


@pytest.mark.parametrize("custom_id", ["savepoint:look:{}", "savepoint:confirm:{}:00", "savepoint:claim:", LONGEST])
def test_a_forged_custom_id_gives_a_player_nothing(town: Town, custom_id: str) -> None:
    """Custom ids say what to do and not who may; and none makes a message that Discord refuses."""
    snapshot = take(town.admin)
    message = town.owner.slash("backup list").reads(snapshot)
    shown = town.player.forge_click(custom_id.format(snapshot), message)
    assert snapshot not in shown.reads("").text
    assert town.discord.faults == []


def test_a_button_of_the_game_is_left_alone(town: Town) -> None:
    """Whatever it is called: ours have two colons."""
    message = town.owner.slash("backup status").reads("snapshot")
    shown = town.player.forge_click("savepoint", message)
    town.player.slash("backup status").reads("Not allowed")
    assert shown.interaction.answered is None
