"""The bot's process ends, well or badly, and starts again: what was asked for before, and what the owner is told."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable

import pytest

from tests.end_to_end.discord_server.people import snapshot_ids
from tests.end_to_end.discord_stories.deeds import agree, ask, join, take
from tests.end_to_end.discord_stories.town import Town
from tests.worlds.waiting import wait_until

pytestmark = [
    pytest.mark.process,
    pytest.mark.socket,
    pytest.mark.kill,
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM to send to a process"),
]


def runs(town: Town, operation: str) -> bool:
    """Return True while an operation runs."""
    with contextlib.suppress(FileNotFoundError):
        return operation in (town.bot.repository / ".work" / "operation.json").read_text()
    return False


def test_after_a_restart_last_months_message_is_answered_and_restores_nothing(found: Callable[..., Town]) -> None:
    """SIGTERM takes a last snapshot; the old buttons offer to look again, and so does an old modal."""
    town = found()
    town.open()
    snapshot = take(town.owner)
    join(town)
    preview = ask(town.owner, snapshot)
    asked = town.owner.click(preview, "Confirm")
    asked.modal()
    now = town.bot.dump()
    assert town.bot.end() == 0
    catalog = json.loads((town.bot.repository / "backup_metadata.json").read_text())
    assert [each["kind"] for each in catalog["snapshots"]].count("shutdown") == 1
    town.server.pass_time(30 * 86400.0)
    town.bot.start()
    for late in (town.owner.click(preview, "Confirm"), town.owner.submit(asked, snapshot)):
        message = late.reads("Too late")
    assert town.bot.dump() == now
    town.owner.click(message, "Look again").reads("Restore this snapshot?", snapshot)


def test_a_bot_that_is_killed_goes_on_as_if_nothing_had_happened(found: Callable[..., Town]) -> None:
    """In mid-snapshot and in mid-restore: the rows are of one moment, backups work, and who confirmed is told."""
    town = found()
    town.open()
    join(town)
    first, then = take(town.owner), town.bot.dump()
    join(town)
    now = town.bot.dump()
    town.owner.slash("backup now")
    wait_until(lambda: runs(town, "snapshot"), "a snapshot is being taken")
    town.bot.kill()
    town.bot.start()
    second = take(town.owner)
    assert {first, second} <= set(snapshot_ids(town.owner.slash("backup list").reads(first).text))
    agree(town.owner, ask(town.owner, first), first)
    wait_until(lambda: runs(town, "restore"), "a restore is under way")
    town.bot.kill()
    town.bot.start()
    told = town.owner.finds("A restore was interrupted", first, channel=town.home.channels[1])
    town.owner.click(told, "Look again").reads("Restore this snapshot?", first)
    assert town.bot.dump() in (then, now)
    agree(town.owner, ask(town.owner, second), second).reads("Restored")
    assert town.bot.dump() == now
    assert town.bot.end() == 0
    assert json.loads((town.bot.repository / "state" / "outbox.json").read_text())["notices"] == []


def test_a_damaged_database_is_healed_once_and_its_owner_told(found: Callable[..., Town]) -> None:
    """By direct message; within the hour nothing is restored again: the game cannot start, and the webhook says why."""
    town = found(everywhere=True)
    town.bot.settings["DISCORD_ALERT_WEBHOOK_URL"] = town.server.alert_address
    town.open()
    join(town)
    take(town.owner)
    now = town.bot.dump()
    town.bot.end()
    town.bot.database.write_bytes(b"no database at all" * 1000)
    town.bot.start()
    assert town.bot.dump() == now
    town.owner.gets("The database was damaged and has been restored")
    town.owner.slash("backup status").reads("snapshot")
    town.bot.end()
    town.bot.database.write_bytes(b"no database at all" * 1000)
    assert town.bot.start_in_vain() != 0
    titles = [embed["title"] for document in town.discord.posted for embed in document["embeds"]]
    assert "Nothing was restored by itself" in titles
    assert "s3cret" not in town.bot.log.read_text()
