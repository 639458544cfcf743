"""The slash commands, as their people meet them."""

from __future__ import annotations

from typing import Any

import discord
import pytest

from core.snapshots import Kind
from tests.backup_cog.stage import HOME, Stage, said
from tests.backup_cog.world import covered
from tests.worlds.waiting import PATIENCE

pytestmark = [
    pytest.mark.process,
    pytest.mark.simcord(settle_timeout=PATIENCE),
    pytest.mark.parametrize("variables", [{"DISCORD_ADMIN_GUILD_IDS": f"[{HOME}]"}], ids=["home"]),
]


async def test_now_takes_a_snapshot_with_note_and_pin(stage: Stage) -> None:
    """The answer names it, and the note is shown as it was typed, doing nothing."""
    result = await stage.slash(stage.admin, "backup now", note="before **@everyone** buys", pin=True)
    (snapshot,) = stage.cog.service.known
    assert (snapshot.kind, snapshot.pinned, snapshot.note) == (Kind.MANUAL, True, "before **@everyone** buys")
    assert f"`{snapshot.id}`" in said(result)
    assert "manual, pinned" in said(result)
    assert "@everyone" not in said(result)
    assert stage.errors() == []


async def test_verify_proves_the_newest_or_the_named_one(stage: Stage) -> None:
    """Both levels; the catalog remembers."""
    await stage.cog.service.create(Kind.MANUAL)
    (snapshot,) = stage.cog.service.known
    assert f"`{snapshot.id}` is sound" in said(await stage.slash(stage.admin, "backup verify"))
    assert stage.cog.service.known[0].restored_at is None
    thorough = await stage.slash(stage.admin, "backup verify", snapshot=snapshot.id[:5], level="restored")
    assert "rebuilt and checked" in said(thorough)
    assert stage.cog.service.known[0].restored_at is not None


async def test_verify_says_that_a_snapshot_is_damaged_and_tells_the_owner(stage: Stage) -> None:
    """The admin sees it at once, and the owner, who may be somebody else, hears of it once."""
    await stage.cog.service.create(Kind.MANUAL)
    (snapshot,) = stage.cog.service.known
    path = stage.world.repository / snapshot.path
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    for _ in range(2):
        assert "**damaged**" in said(await stage.slash(stage.admin, "backup verify", snapshot=snapshot.id))
    assert path.exists()
    assert [text.split("\n")[1] for text in stage.dms(stage.owner)] == ["A snapshot is damaged"]
    assert "DAMAGED" in said(await stage.slash(stage.admin, "backup list"))


async def test_integrity_counts_what_it_checked_and_lists_what_it_found(stage: Stage) -> None:
    """A sound database is said to be; warnings are listed."""
    sound = said(await stage.slash(stage.admin, "db integrity"))
    assert "The database is sound" in sound
    assert "users: 2" in sound
    stage.world.write('INSERT INTO creator_packs VALUES (2, \'{"not": "a list"}\')')
    assert "1 warning" in said(await stage.slash(stage.admin, "db integrity"))
    stage.world.write("INSERT INTO creator_packs VALUES (3, 'not JSON')")
    assert "The database is not what it was\n1 error" in said(await stage.slash(stage.admin, "db integrity"))


async def test_status_shows_the_repository_and_triggers_that_never_fired(stage: Stage) -> None:
    """A misspelt event is silent; here it shows."""
    await stage.cog.service.create(Kind.MANUAL)
    stage.bot.dispatch("marketplace_sold", card_id=1)
    await covered(stage.bot)
    text = said(await stage.slash(stage.admin, "backup status"))
    assert "marketplace\\_sold: fired once, asked for 1 snapshot" in text
    assert "pack\\_opened: **never fired**" in text
    assert "passed its start-up check" in text
    assert "0 pinned" in text


async def test_the_buttons_under_a_status_are_the_commands(stage: Stage) -> None:
    """Also those of a message from before a restart; each checks the permission of whoever clicks."""
    shown = await stage.slash(stage.owner, "backup status")
    assert shown.response is not None
    said_by = {
        label: said(await stage.owner.click(shown.response, label=label))
        for label in ("Snapshot now", "List", "Verify", "Integrity", "Restore…")
    }
    assert "Snapshot taken" in said_by["Snapshot now"]
    assert "Restore this snapshot?" in said_by["Restore…"]
    snapshot = stage.cog.service.known[0]
    assert all(snapshot.id in said_by[label] for label in ("List", "Verify", "Restore…"))
    stage.bot.owner_ids = set()
    refused = await stage.owner.click(shown.response, label="Restore…")
    assert "Only the bot's owner" in said(refused)
    assert stage.errors() == []


@pytest.mark.parametrize("named", ["nothing like it", "@everyone **x**", "../../etc/passwd", "latest"])
async def test_a_snapshot_that_is_not_there_is_a_plain_answer(stage: Stage, named: str) -> None:
    """Any text can arrive; the sentence is the engine's own, and a host's handler can see that it was answered."""
    text = said(await stage.slash(stage.admin, "backup verify", snapshot=named))
    assert "There is no such snapshot" in text
    assert "@everyone" not in text
    assert set(stage.errors()) <= {"SnapshotNotFound"}
    assert stage.errors() != []


async def test_a_snapshot_is_named_by_an_events_reason_or_a_time(stage: Stage) -> None:
    """Typed without picking; a short beginning of an id stays what was typed, since the core judges those."""
    service = stage.cog.service
    first = (await service.create(Kind.MANUAL)).snapshot
    stage.world.add_user(3)
    event = await service.request(Kind.CRITICAL, "marketplace_buy_42").wait()
    for typed, meant in (("Marketplace_Buy_42", event), ("before:marketplace_buy_42", first), ("0s ago", event)):
        text = said(await stage.slash(stage.admin, "backup verify", snapshot=typed))
        assert f"`{meant.id}`" in text
    several = said(await stage.slash(stage.admin, "backup verify", snapshot="critical"))
    assert f"`{event.id}` is sound" in several
    stage.world.add_user(4)
    again = await service.request(Kind.CRITICAL, "marketplace_buy_42").wait()
    for typed in ("critical", "marketplace_buy_42"):
        asked_back = said(await stage.slash(stage.admin, "backup verify", snapshot=typed)).replace("\\_", "_")
        assert f"2 snapshots may be meant by '{typed}'" in asked_back
        assert event.id in asked_back
        assert again.id in asked_back
    shown = await stage.slash(stage.admin, "backup verify", snapshot="critical")
    assert shown.response is not None
    (row,) = shown.response.components
    picked = await stage.admin.select(shown.response, [event.id], custom_id=row["components"][0]["custom_id"])
    assert f"Snapshot {event.id}" in said(picked)
    assert set(stage.errors()) == {"AmbiguousSnapshot"}


async def test_errors_are_marked_as_answered_for_the_hosts_own_handler(stage: Stage) -> None:
    """discord.py always calls ``tree.on_error`` too; it can skip what is answered."""
    seen: list[object] = []
    theirs = stage.bot.tree.on_error

    async def on_error(interaction: discord.Interaction[Any], error: discord.app_commands.AppCommandError) -> None:
        seen.append(interaction.extras.get("backup_error_answered"))
        await theirs(interaction, error)

    stage.bot.tree.on_error = on_error  # type: ignore[method-assign]
    await stage.slash(stage.admin, "backup verify", snapshot="none")
    assert seen == [True]
    assert stage.errors() == ["SnapshotNotFound"]


async def test_an_unforeseen_error_is_answered_without_its_text(stage: Stage) -> None:
    """What an exception says can hold anything; it goes to the log."""

    async def fail(kind: object = None) -> object:
        raise RuntimeError("postgres://user:password@host")

    stage.cog.service.list = fail
    text = said(await stage.slash(stage.admin, "backup list"))
    assert "password" not in text
    assert "bot's log" in text
    assert stage.errors() == ["RuntimeError"]


async def test_suggestions_come_from_memory_and_match_what_is_typed(stage: Stage) -> None:
    """By id, kind, reason or note, newest first, 25 of 100 characters at most."""
    await stage.cog.service.create(Kind.MANUAL, note="for the tournament")
    stage.world.add_user(3)
    await stage.cog.service.create(Kind.CRITICAL, reason="marketplace_buy_42 " + "x" * 200)
    critical, manual = stage.cog.service.known
    for typed, expected in (
        ("", [critical.id, manual.id]),
        ("MANUAL", [manual.id]),
        ("buy_42", [critical.id]),
        ("Tournament", [manual.id]),
        (critical.id[:6], [critical.id]),
        ("nothing", []),
    ):
        choices = await stage.admin.autocomplete(stage.office, "backup verify", "snapshot", typed)
        assert [choice["value"] for choice in choices] == expected
        assert all(len(choice["name"]) <= 100 for choice in choices)
    choices = await stage.owner.autocomplete(stage.office, "backup restore", "snapshot", "")
    assert len(choices) == 2


async def test_no_more_than_25_suggestions(stage: Stage) -> None:
    """Discord refuses more."""
    await stage.cog.service.create(Kind.MANUAL)
    contents = stage.cog.service._context.repository.catalog
    entry = contents.contents.snapshots[0]
    many = [type(entry)(**{**as_fields(entry), "id": f"{number:012x}", "sequence": number}) for number in range(60)]
    contents.contents = contents.contents.with_snapshots(many)
    choices = await stage.admin.autocomplete(stage.office, "backup verify", "snapshot", "")
    assert [choice["value"] for choice in choices] == [f"{number:012x}" for number in range(59, 34, -1)]


def as_fields(entry: object) -> dict[str, object]:
    """Return a struct's fields."""
    return {name: getattr(entry, name) for name in entry.__struct_fields__}  # type: ignore[attr-defined]


async def test_an_answer_that_cannot_be_shown_any_more_goes_by_direct_message(stage: Stage) -> None:
    """The token is dead; the backup succeeded, so nothing counts as failed and nobody is alarmed."""
    stage.env.inject_error("PATCH", "/webhooks/*/messages/@original", status=401, code=50027, message="Invalid token")
    await stage.slash(stage.admin, "backup now")
    (snapshot,) = stage.cog.service.known
    (message,) = stage.dms(stage.admin)
    assert snapshot.id in message
    assert stage.dms(stage.owner) == []
    assert stage.cog.alerts.open == ()
    assert stage.errors() == []


async def test_with_closed_direct_messages_the_channel_hears_the_headline_only(stage: Stage) -> None:
    """Others read the channel: no ids, no rows."""
    stage.env.inject_error("PATCH", "/webhooks/*/messages/@original", status=404, code=10015, message="Unknown Webhook")
    stage.env.inject_error("POST", "/users/@me/channels", status=403, code=50007, message="Cannot send")
    await stage.slash(stage.admin, "backup now")
    (snapshot,) = stage.cog.service.known
    (message,) = stage.messages(stage.office.id)
    assert "Snapshot taken" in message
    assert snapshot.id not in message
    assert stage.errors() == []


async def test_an_interaction_that_died_before_the_answer_is_still_worked_on(stage: Stage) -> None:
    """Discord was slow: the person cannot see the reply where they asked, so it comes by direct message."""
    stage.env.inject_error("POST", "/interactions/*/callback", status=404, code=10062, message="Unknown interaction")
    await stage.admin.slash(stage.office, "backup now")
    (snapshot,) = stage.cog.service.known
    assert snapshot.id in stage.dms(stage.admin)[0]
    assert stage.errors() == []


async def test_a_second_acknowledgement_is_an_acknowledgement(stage: Stage) -> None:
    """A retried request answers 40060 though Discord took the first one: the work goes on, and is shown."""
    stage.env.inject_error("POST", "/interactions/*/callback", status=400, code=40060, message="already acknowledged")
    await stage.admin.slash(stage.office, "backup now")
    assert len(stage.cog.service.known) == 1
    assert stage.errors() == []
