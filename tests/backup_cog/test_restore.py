"""Restoring by slash command: preview, buttons, the typed id, and everything that must not restore."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import discord
import pytest
from simcord.results import InteractionResult

from core.snapshots import Kind, RestorePlan, RestoreReport, Snapshot
from tests.backup_cog.stage import HOME, Stage, said
from tests.backup_cog.world import covered
from tests.worlds.waiting import PATIENCE

pytestmark = [
    pytest.mark.process,
    pytest.mark.simcord(settle_timeout=PATIENCE),
    pytest.mark.parametrize("variables", [{"DISCORD_ADMIN_GUILD_IDS": f"[{HOME}]"}], ids=["home"]),
]


async def lose_something(stage: Stage) -> Snapshot:
    """Take a snapshot, then play on."""
    created = await stage.cog.service.create(Kind.MANUAL)
    stage.world.add_user(3)
    stage.bot.dispatch("marketplace_sold", card_id=42)
    await covered(stage.bot)
    snapshot: Snapshot = created.snapshot
    return snapshot


async def asked(stage: Stage, snapshot: Snapshot) -> InteractionResult:
    """Ask for a restore as the owner."""
    return await stage.slash(stage.owner, "backup restore", snapshot=snapshot.id)


async def click(stage: Stage, shown: InteractionResult, label: str, person: Any = None) -> InteractionResult:
    """Click a button under the preview."""
    assert shown.response is not None
    return await (person or stage.owner).click(shown.response, label=label)


async def confirm(stage: Stage, shown: InteractionResult, typed: str) -> InteractionResult:
    """Click Confirm and type something."""
    modal = await click(stage, shown, "Confirm")
    assert modal.modal is not None
    return await stage.owner.submit_modal(modal, {"snapshot_id": typed})


def labels(shown: InteractionResult) -> list[str]:
    """Return the labels of the buttons that can be clicked."""
    assert shown.response is not None
    buttons = [button for row in shown.response.components for button in row["components"]]
    return [button["label"] for button in buttons if not button.get("disabled")]


async def test_a_restore_shows_what_is_lost_asks_and_does_it(stage: Stage) -> None:
    """Preview, button, typed id, outcome in the same place; the host is told before and after."""
    heard: list[tuple[str, list[str]]] = []

    async def starting(plan: RestorePlan) -> None:
        await asyncio.sleep(0)
        heard.append((plan.snapshot.id, stage.world.names()))

    async def finished(report: RestoreReport) -> None:
        heard.append((report.restored.id, stage.world.names()))

    stage.bot.add_listener(starting, "on_backup_restore_starting")
    stage.bot.add_listener(finished, "on_backup_restore_finished")
    snapshot = await lose_something(stage)
    shown = await asked(stage, snapshot)
    assert "users: 1 added, 0 changed, 0 removed" in said(shown)
    assert "1 recorded\nmarketplace\\_buy\\_42" in said(shown)
    assert "safety snapshot" in said(shown)
    assert stage.world.names() == ["alice", "bob", "user 3"]
    await confirm(stage, shown, snapshot.id[:4].upper())
    assert stage.world.names() == ["alice", "bob"]
    safety = stage.cog.service.known[0]
    assert safety.kind is Kind.SAFETY
    assert said(shown).strip().startswith("Restored")
    assert f"`{safety.id}`" in said(shown)
    assert "equal to the snapshot" in said(shown)
    assert labels(shown) == ["Undo"]
    assert heard == [(snapshot.id, ["alice", "bob", "user 3"]), (snapshot.id, ["alice", "bob"])]
    assert stage.errors() == []


async def test_one_bar_shows_how_far_it_is(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The step, and that nothing is replaced yet; as soon as something is, that."""
    # By the table of modules: the package still names the one from before the last reload.
    monkeypatch.setattr(sys.modules["cogs.backup_cog.responses"], "_EDIT_SECONDS", 0.0)
    snapshot = await lose_something(stage)
    await confirm(stage, await asked(stage, snapshot), snapshot.id)
    edits = [str(request.json) for request in stage.env.http_requests if request.method == "PATCH"]
    shown = [edit for edit in edits if " of 7: " in edit]
    assert shown
    assert "replacing nothing yet" in shown[0]
    said_of_it = ("replacing nothing yet", "nothing is replaced before that is complete", "**replaced**")
    assert all(sum(text in edit for text in said_of_it) == 1 for edit in shown)
    assert "Restored" in edits[-1]


async def test_undo_goes_back_to_the_safety_snapshot_also_after_a_restart(stage: Stage) -> None:
    """It shows first what that would do; one click is enough as long as nothing was written after the restore."""
    snapshot = await lose_something(stage)
    shown = await asked(stage, snapshot)
    await confirm(stage, shown, snapshot.id)
    await stage.bot.reload_extension("cogs.backup_cog")
    again = await click(stage, shown, "Undo")
    assert f"This undoes the restore of snapshot `{snapshot.id}`" in said(again)
    assert "Nothing was written since that restore." in said(again)
    stage.bot.owner_ids = {stage.admin.id}
    assert "Not allowed" in said(await click(stage, shown, "Undo"))
    stage.bot.owner_ids = {stage.owner.id}
    done = await click(stage, again, "Confirm")
    assert done.modal is None
    assert said(again).strip().startswith("Restored")
    assert stage.world.names() == ["alice", "bob", "user 3"]
    assert set(stage.errors()) <= {"NotAllowed"}


async def test_one_click_restores_only_if_nothing_is_lost_at_that_moment(stage: Stage) -> None:
    """It agreed to losing nothing: what was written meanwhile is shown, and asked for by typing."""
    snapshot = (await stage.cog.service.create(Kind.MANUAL)).snapshot
    shown = await asked(stage, snapshot)
    assert "Nothing is lost." in said(shown)
    stage.world.add_user(3)
    assert (await click(stage, shown, "Confirm")).modal is None
    assert "Something was written since this was shown" in said(shown)
    assert stage.world.names() == ["alice", "bob", "user 3"]
    await confirm(stage, shown, snapshot.id)
    assert stage.world.names() == ["alice", "bob"]
    assert stage.errors() == []


async def test_the_events_that_are_lost_are_turned_page_by_page(stage: Stage) -> None:
    """None of them is cut; the buttons belong to who asked."""
    snapshot = (await stage.cog.service.create(Kind.MANUAL)).snapshot
    stage.world.add_user(3)
    for number in range(12):
        stage.cog.service.request(Kind.CRITICAL, f"sold_{number}")
    await stage.cog.service.settled()
    shown = await asked(stage, snapshot)
    assert labels(shown) == ["Confirm", "Cancel", "Older events"]
    assert "page 1 of 2" in said(shown)
    first = said(shown)
    await click(stage, shown, "Older events")
    assert labels(shown) == ["Confirm", "Cancel", "Newer events"]
    assert all((f"sold\\_{number}\n" in first) is not (f"sold\\_{number}\n" in said(shown)) for number in range(12))
    await click(stage, shown, "Newer events")
    assert said(shown) == first
    assert stage.errors() == []


async def test_cancel_does_nothing(stage: Stage) -> None:
    """The buttons are gone, and the database is as it was."""
    snapshot = await lose_something(stage)
    shown = await asked(stage, snapshot)
    await click(stage, shown, "Cancel")
    assert "Nothing was done" in said(shown)
    assert labels(shown) == []
    assert stage.world.names() == ["alice", "bob", "user 3"]


async def test_a_wrong_id_does_nothing_and_may_be_corrected(stage: Stage) -> None:
    """A slip is no reason to begin again."""
    snapshot = await lose_something(stage)
    shown = await asked(stage, snapshot)
    wrong = "0000" if not snapshot.id.startswith("0000") else "1111"
    assert "Not confirmed" in said(await confirm(stage, shown, wrong))
    assert stage.world.names() == ["alice", "bob", "user 3"]
    await confirm(stage, shown, snapshot.id)
    assert stage.world.names() == ["alice", "bob"]


async def test_the_buttons_time_out_visibly(stage: Stage) -> None:
    """After the configured time they are gone, and the message says that nothing was done and offers to look again."""
    snapshot = await lose_something(stage)
    shown = await asked(stage, snapshot)
    modal = await click(stage, shown, "Confirm")
    await stage.env.advance_time(181)
    assert "Timed out" in said(shown)
    assert labels(shown) == ["Look again"]
    late = await stage.owner.submit_modal(modal, {"snapshot_id": snapshot.id})
    assert "Restored" not in said(late)
    assert "Restore this snapshot?" in said(await click(stage, shown, "Look again"))
    assert stage.world.names() == ["alice", "bob", "user 3"]


async def test_a_modal_that_is_sent_as_the_time_runs_out_restores_nothing(stage: Stage) -> None:
    """What the message says then must be true."""
    snapshot = await lose_something(stage)
    await asked(stage, snapshot)
    (view,) = stage.cog.views
    restored: list[RestorePlan] = []

    async def restore(answer: object, plan: RestorePlan) -> None:
        restored.append(plan)

    view._restore = restore
    await view.on_timeout()
    await view.submit(Interaction(stage.owner.id), snapshot.id)
    assert restored == []


async def test_two_modals_restore_once(stage: Stage) -> None:
    """Two quick clicks open two modals; the second one that is sent finds the confirmation used."""
    snapshot = await lose_something(stage)
    shown = await asked(stage, snapshot)
    first, second = await click(stage, shown, "Confirm"), await click(stage, shown, "Confirm")
    starts: list[str] = []

    async def starting(plan: RestorePlan) -> None:
        starts.append(plan.token)

    stage.bot.add_listener(starting, "on_backup_restore_starting")
    await stage.owner.submit_modal(first, {"snapshot_id": snapshot.id})
    again = await stage.owner.submit_modal(second, {"snapshot_id": snapshot.id})
    assert "Too late" in said(again)
    assert len(starts) == 1
    assert stage.errors() == []


async def test_two_submissions_at_the_same_moment_restore_once(stage: Stage) -> None:
    """The flag is set before anything is awaited, so the loop cannot run both."""
    snapshot = await lose_something(stage)
    await asked(stage, snapshot)
    (view,) = stage.cog.views
    restored: list[RestorePlan] = []

    async def restore(answer: object, plan: RestorePlan) -> None:
        restored.append(plan)

    view._restore = restore
    interactions = [Interaction(stage.owner.id), Interaction(stage.owner.id)]
    await asyncio.gather(*(view.submit(interaction, snapshot.id) for interaction in interactions))
    assert len(restored) == 1


async def test_two_clicks_at_the_same_moment_restore_once_where_a_click_is_enough(stage: Stage) -> None:
    """The second one is told that it comes too late."""
    snapshot = (await stage.cog.service.create(Kind.MANUAL)).snapshot
    await asked(stage, snapshot)
    (view,) = stage.cog.views
    restored: list[RestorePlan] = []

    async def restore(answer: object, plan: RestorePlan) -> None:
        restored.append(plan)

    view._restore = restore
    interactions = [Interaction(stage.owner.id), Interaction(stage.owner.id)]
    await asyncio.gather(*(view.confirm.callback(interaction) for interaction in interactions))
    assert len(restored) == 1


class Interaction:
    """Replaces discord.py's response, so that it can be submitted twice in one turn of the loop."""

    locale = discord.Locale.american_english

    def __init__(self, user_id: int) -> None:
        self.user = type("User", (), {"id": user_id})()
        self.response = Response()
        self.extras: dict[str, object] = {}


class Response:
    """Accepts every answer, one turn of the loop later."""

    type = None

    def is_done(self) -> bool:
        """Not answered yet."""
        return False

    async def defer(self, **_: object) -> None:
        """Accept it."""
        await asyncio.sleep(0)

    async def send_message(self, **_: object) -> None:
        """Accept it."""
        await asyncio.sleep(0)


async def test_somebody_elses_click_is_refused(stage: Stage) -> None:
    """Not even another owner's: they did not ask, and did not see the command's answer as theirs."""
    snapshot = await lose_something(stage)
    await asked(stage, snapshot)
    (view,) = stage.cog.views
    stage.bot.owner_ids = {stage.owner.id, stage.admin.id}
    refusal = None
    try:
        await view.interaction_check(Interaction(stage.admin.id))
    except Exception as error:  # noqa: BLE001 - by name below: a reload makes the class anew
        refusal = error
    assert type(refusal).__name__ == "NotAllowed"


@pytest.mark.parametrize("step", ["click", "submit"])
async def test_whoever_is_no_owner_any_more_restores_nothing(stage: Stage, step: str) -> None:
    """Checked again on the button and in the modal: a message outlives a permission."""
    snapshot = await lose_something(stage)
    shown = await asked(stage, snapshot)
    if step == "click":
        stage.bot.owner_ids = {stage.admin.id}
        result = await click(stage, shown, "Confirm")
        assert result.modal is None
        assert "Not allowed" in said(result)
    else:
        modal = await click(stage, shown, "Confirm")
        stage.bot.owner_ids = {stage.admin.id}
        refused = await stage.owner.submit_modal(modal, {"snapshot_id": snapshot.id})
        assert "Not allowed" in said(refused)
    assert set(stage.errors()) <= {"NotAllowed"}
    assert stage.world.names() == ["alice", "bob", "user 3"]


async def test_a_plan_that_is_outdated_restores_nothing(stage: Stage) -> None:
    """What was shown is not what is there any more: somebody restored in between."""
    snapshot = await lose_something(stage)
    shown = await asked(stage, snapshot)
    await stage.cog.service.restore(snapshot.id)
    stage.world.add_user(4)
    await confirm(stage, shown, snapshot.id)
    assert "changed since this restore was shown" in said(shown)
    assert labels(shown) == ["Look again"]
    assert "user 4" in stage.world.names()
    assert set(stage.errors()) <= {"PlanOutdated"}


@pytest.mark.parametrize(("status", "code"), [(401, 50027), (404, 10015)])
async def test_an_outcome_that_cannot_be_shown_goes_by_direct_message(stage: Stage, status: int, code: int) -> None:
    """A long restore outlives the interaction; the owner still learns which snapshot is the way back."""
    snapshot = await lose_something(stage)
    shown = await asked(stage, snapshot)
    modal = await click(stage, shown, "Confirm")
    stage.env.inject_error(
        "PATCH", "/webhooks/*/messages/@original", status=status, code=code, message="Injected", times=None
    )
    await stage.owner.submit_modal(modal, {"snapshot_id": snapshot.id})
    assert stage.world.names() == ["alice", "bob"]
    (message,) = stage.dms(stage.owner)
    assert stage.cog.service.known[0].id in message
    assert "did not work" not in message
    assert stage.cog.alerts.open == ()
    assert stage.errors() == []


async def test_old_buttons_do_nothing_after_a_reload(stage: Stage) -> None:
    """A restart makes every confirmation worthless; a click is answered, with a button that shows how things stand."""
    snapshot = await lose_something(stage)
    shown = await asked(stage, snapshot)
    await stage.bot.reload_extension("cogs.backup_cog")
    result = await click(stage, shown, "Confirm")
    assert "Too late" in said(result)
    again = await click(stage, result, "Look again")
    assert "Restore this snapshot?" in said(again)
    assert snapshot.id in said(again)
    assert stage.world.names() == ["alice", "bob", "user 3"]


async def test_a_reload_waits_for_a_running_restore(stage: Stage) -> None:
    """Until it has ended nothing is let go of, and the game's events are heard."""
    snapshot = await lose_something(stage)
    shown = await asked(stage, snapshot)
    modal = await click(stage, shown, "Confirm")
    reloads: list[asyncio.Task[None]] = []
    heard: list[bool] = []

    async def finished(report: RestoreReport) -> None:
        heard.append(bool(stage.bot.extra_events["on_marketplace_sold"]))

    stage.bot.add_listener(finished, "on_backup_restore_finished")

    async def starting(plan: RestorePlan) -> None:
        reloads.append(asyncio.create_task(stage.bot.reload_extension("cogs.backup_cog")))

    stage.bot.add_listener(starting, "on_backup_restore_starting")
    await stage.owner.submit_modal(modal, {"snapshot_id": snapshot.id})
    await asyncio.gather(*reloads)
    assert heard == [True]
    assert said(shown).strip().startswith("Restored")
    assert stage.world.names() == ["alice", "bob"]
    assert stage.errors() == []
