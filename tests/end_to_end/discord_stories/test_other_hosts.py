"""A host that is not the reference bot: names that are taken, a handler that answers too, a reload, no game."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.end_to_end.discord_server.people import snapshot_ids
from tests.end_to_end.discord_stories.deeds import agree, ask, join, take
from tests.end_to_end.discord_stories.town import Town

pytestmark = [pytest.mark.process, pytest.mark.socket]

HOST = Path(__file__).with_name("other_host.py")
NOWHERE = 777_777_777_777_777_777
GAME = "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, coins INTEGER, joined_at TEXT)"


def test_a_host_of_ones_own_loses_nothing_and_is_told_everything(
    found: Callable[..., Town], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three starts: with a name that is taken, with a database that cannot be read, and with all well.

    The webhook speaks where no game is loaded and nobody can be reached. An admin guild without the bot is named, and
    keeps nothing from working. The host's answer to an error stands beside ours. A reload waits for a restore.
    """
    town = found(program=HOST)
    town.bot.settings["DISCORD_ADMIN_GUILD_IDS"] = f"[{NOWHERE}, {town.home.id}]"
    town.bot.settings["DISCORD_ALERT_WEBHOOK_URL"] = town.server.alert_address
    town.bot.write(GAME)
    monkeypatch.setenv("HOST_GUILD", str(town.home.id))
    town.bot.start()
    assert "Set another one in config/backup.toml or by BACKUP_DISCORD_DATABASE_GROUP" in town.bot.log.read_text()
    town.bot.end()

    town.bot.settings["DISCORD_DATABASE_GROUP"] = "game-db"
    good = town.bot.database.read_bytes()
    town.bot.database.write_bytes(b"no database at all" * 1000)
    town.home.channels[1].open_to_bot = False
    for person in town.discord.team:
        person.dms_open = False
    town.bot.start()
    town.owner.waits(lambda: town.discord.posted, "the webhook has a message")
    town.bot.end()
    town.home.channels[1].open_to_bot = True

    town.bot.database.write_bytes(good)
    town.open()
    told = town.owner.finds("registered")
    assert f"Guild {NOWHERE}: not registered. " in told.text
    town.owner.slash("game-db integrity").reads("The database is sound")

    refused = town.player.slash("backup status")
    refused.reads("Not allowed")
    refused.reads("The host is sorry.")
    assert [each.only_for for each in refused.interaction.messages] == [town.player.user] * 2

    join(town)
    snapshot, then = take(town.owner), town.bot.dump()
    join(town)
    preview = ask(town.owner, snapshot)
    release = town.server.hold("PATCH", "/webhooks/*/messages/@original")
    (held,) = town.server.troubles.planned
    running = agree(town.owner, preview, snapshot)
    town.owner.waits(lambda: held.met, "the restore shows that it begins")
    town.owner.writes("@bot reload")
    release()
    running.reads("Restored", snapshot)
    town.owner.finds("Reloaded.")
    assert town.bot.dump() == then
    assert snapshot in snapshot_ids(town.owner.slash("backup list").reads(snapshot).text)
    assert town.bot.end() == 0
