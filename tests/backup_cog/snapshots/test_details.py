"""One snapshot in full, and what its buttons do."""

from __future__ import annotations

from typing import Any

import discord
import pytest

from core.snapshots import Kind, Snapshot
from tests.backup_cog.stage import HOME, Stage, said
from tests.worlds.waiting import PATIENCE

pytestmark = [
    pytest.mark.process,
    pytest.mark.simcord(settle_timeout=PATIENCE),
    pytest.mark.parametrize(
        "variables",
        [{"DISCORD_ADMIN_GUILD_IDS": f"[{HOME}]", "DISCORD_NAMES": '["users.name"]'}],
        ids=["home"],
    ),
]


async def taken(stage: Stage, *reasons: str) -> Snapshot:
    """Take a full, then a snapshot that covers events."""
    await stage.cog.service.create(Kind.MANUAL)
    stage.world.add_user(3)
    tickets = [stage.cog.service.request(Kind.CRITICAL, reason) for reason in reasons]
    for ticket in tickets:
        await ticket.wait()
    found: Snapshot = stage.cog.service.known[0]
    return found


async def show(stage: Stage, named: str, person: Any = None) -> Any:
    """Return the answer to ``show``."""
    return await stage.slash(person or stage.admin, "backup show", snapshot=named)


async def test_one_snapshot_is_shown_in_full(stage: Stage) -> None:
    """Its reasons with names, who took it, form and chain, state, rows and why it is kept."""
    event = await taken(stage, "pack_opening_user_2", "marketplace_buy_1")
    text = said(await show(stage, "pack_opening_user_2"))
    manual = stage.cog.service.known[-1]
    for part in (
        f"Snapshot {event.id}",
        f"incremental: needs `{manual.id}`. No other snapshot needs it.",
        "pack\\_opening\\_user\\_2 (bob)",
        "- marketplace\\_buy\\_1\n",
        "By: events of the game",
        "Covers 2 events.",
        "sound, looked at",
        "newest restorable",
    ):
        assert part in text, part
    full = said(await show(stage, manual.id))
    assert f"full: needs no other file. 1 snapshot needs it: `{event.id}`." in full
    assert "somebody; it was not recorded who" in full
    result = await stage.slash(stage.admin, "backup now", note="before the cup")
    note = said(result)
    assert note.count("before the cup") == 1
    mine = said(await show(stage, "before the cup"))
    assert f"By: <@{stage.admin.id}>" in mine
    assert mine.count("before the cup") == 1
    (stage.world.repository / "audit.jsonl").unlink()
    (stage.world.repository / "audit.jsonl").mkdir()
    assert "it was not recorded who" in said(await show(stage, "before the cup"))
    assert "(bob)" in said(await stage.slash(stage.admin, "backup list"))


async def test_a_pin_has_a_reason(stage: Stage) -> None:
    """Typed into a modal; the audit log has it, and the snapshot is found by it."""
    event = await taken(stage, "marketplace_buy_42")
    shown = await show(stage, event.id)
    modal = await stage.admin.click(shown.response, label="Pin…")
    assert "kept until somebody unpins it" in said(await stage.admin.submit_modal(modal, {"why": "the cup **final**"}))
    pinned = await show(stage, "the cup **final**")
    assert f"Pinned by <@{stage.admin.id}>" in said(pinned)
    assert "because: the cup \\*\\*final\\*\\*" in said(pinned)
    modal = await stage.admin.click(pinned.response, label="Unpin…")
    assert "Unpinned" in said(await stage.admin.submit_modal(modal, {"why": ""}))
    done = [(line.action, line.detail) for line in await stage.cog.service.audit() if "pin" in line.action]
    assert done == [("pin", "the cup **final**"), ("unpin", "")]
    assert "Verified" in said(await stage.admin.click(shown.response, label="Verify"))
    assert "Only the bot's owner" in said(await stage.admin.click(shown.response, label="Restore…"))
    assert stage.errors() == []


async def test_reasons_are_turned_page_by_page_in_place(stage: Stage) -> None:
    """And all of them are attached, once: a page that is turned uploads nothing."""
    event = await taken(stage, *(f"boss_{number:02}" for number in range(23)))
    shown = await show(stage, event.id)
    assert "page 1 of 3" in said(shown)
    (attached,) = shown.response.attachments
    assert attached.filename == "report.txt"
    turned = await stage.admin.click(shown.response, label="More reasons")
    assert "page 2 of 3" in said(turned)
    assert said(turned).count("boss\\_") == 10
    assert turned.response is not None
    assert turned.response.id == shown.response.id
    assert [each.id for each in turned.response.attachments] == [attached.id]


async def test_a_look_inside_shows_tables_and_first_rows(stage: Stage) -> None:
    """As they were in that snapshot; a forged table is a sentence."""
    event = await taken(stage, "boss_1")
    stage.world.write("DELETE FROM user_cards")
    shown = await show(stage, event.id)
    inside = await stage.admin.click(shown.response, label="Look inside")
    assert "**users** · 3 rows" in said(inside)
    assert "**creator\\_packs** · 1 row" in said(inside)
    assert inside.response is not None
    control = inside.response.components[0]["components"][0]["custom_id"]
    rows = await stage.admin.select(inside.response, ["users"], custom_id=control)
    assert "id **2**, name **bob**" in said(rows)
    assert stage.errors() == []


async def test_a_download_goes_to_the_owner_alone(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """By direct message, as one file that needs no other; the temporary one is gone, and the audit log knows."""
    event = await taken(stage, "boss_1")
    shown = await show(stage, event.id, stage.owner)
    assert "is in your direct messages" in said(await stage.owner.click(shown.response, label="Download"))
    channel = stage.env.backend.dm_channels[stage.owner.id]
    [sent] = stage.env.backend.messages[channel].values()
    assert [each["filename"] for each in sent.attachments] == [f"{event.id}.db.gz"]
    work = stage.world.repository / ".work"
    assert [path.name for path in work.iterdir() if "export" in path.name] == []
    assert (await stage.cog.service.audit(1))[0].action == "export"

    theirs = await show(stage, event.id)
    refused = said(await stage.admin.click(theirs.response, label="Download"))
    assert "Only the bot's owner" in refused
    assert stage.dms(stage.admin) == []
    stage.env.inject_error("POST", "/channels/*/messages", status=403, code=50007, message="Cannot send")
    assert "direct messages are closed" in said(await stage.owner.click(shown.response, label="Download"))
    assert stage.errors() == []


async def test_what_is_too_large_is_exported_at_the_shell(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is written then."""
    event = await taken(stage, "boss_1")

    async def exported(*_: object, **__: object) -> None:
        return None

    stage.cog.service.exported = exported
    shown = await show(stage, event.id, stage.owner)
    assert f"core.snapshots export {event.id}" in said(await stage.owner.click(shown.response, label="Download"))
    assert stage.dms(stage.owner) == []
    assert discord.utils.DEFAULT_FILE_SIZE_LIMIT_BYTES == 10 * 1024**2
