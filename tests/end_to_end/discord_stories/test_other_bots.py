"""The same stories with a bot on two shards, and with one whose game is on PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.end_to_end.discord_server.people import Person, snapshot_ids
from tests.end_to_end.discord_stories.deeds import agree, ask, join, take
from tests.end_to_end.discord_stories.town import Town
from tests.worlds.postgres_world import PostgresGame, run_sql, server, with_database
from tests.worlds.postgres_world import ask as ask_server
from tests.worlds.waiting import wait_until

pytestmark = [pytest.mark.process, pytest.mark.socket]

SHARDED = Path(__file__).with_name("sharded_host.py")


def test_a_bot_on_two_shards_has_one_set_of_snapshots(found: Callable[..., Town]) -> None:
    """What is taken in a guild of one shard is listed and restored in a guild of the other; both resume."""
    town = found(everywhere=True, program=SHARDED)
    town.discord.shards = 2
    town.open()
    assert town.gateway.connected == 2
    abroad = Person(town, town.owner.user, town.abroad.channels[0])
    join(town)
    snapshot, then = take(abroad), town.bot.dump()
    join(town)
    town.run(town.gateway.drop())
    town.owner.waits(lambda: town.gateway.resumed == 2, "both shards are resumed")
    assert snapshot_ids(town.owner.slash("backup list").reads(snapshot).text) == [snapshot]
    agree(town.owner, ask(town.owner, snapshot), snapshot).reads("Restored")
    assert town.bot.dump() == then


@pytest.mark.server
def test_a_game_on_postgresql_is_restored_from_discord(found: Callable[..., Town]) -> None:
    """The game plays on, its pool is released for the moment, and undoing works too."""
    run_sql(server(), "CREATE DATABASE stories")
    url = with_database(server(), "stories")
    town = found(everywhere=True, database_url=url)
    town.open()
    town.player.slash("pack open").reads("You opened a pack")
    snapshot = take(town.owner)
    then = ask_server(url, "SELECT * FROM user_cards ORDER BY id")
    town.player.slash("pack open").reads("You opened a pack")
    now = ask_server(url, "SELECT * FROM user_cards ORDER BY id")
    restored = agree(town.owner, ask(town.owner, snapshot), snapshot).reads("Restored", snapshot)
    assert ask_server(url, "SELECT * FROM user_cards ORDER BY id") == then != now
    (safety,) = [each for each in snapshot_ids(restored.text) if each != snapshot]
    undo = town.owner.click(restored, "Undo").reads("This undoes the restore of snapshot", safety)
    agree(town.owner, undo, safety).reads("Restored", safety)
    assert ask_server(url, "SELECT * FROM user_cards ORDER BY id") == now
    town.player.slash("pack open").reads("You opened a pack")


@pytest.mark.server
@pytest.mark.kill
def test_a_bot_that_is_killed_while_it_replaces_a_postgresql_database_leaves_a_whole_one(
    found: Callable[..., Town],
) -> None:
    """The next start says which of the two it is, and to whom it was promised; the same restore works then."""
    game = PostgresGame(name="killed")
    run_sql(server(), f"CREATE DATABASE {game.name} OWNER {game.role}")
    town = found(everywhere=True, database_url=game.url)
    town.open()

    def rows() -> list[tuple[object, ...]]:
        return ask_server(game.superuser, "SELECT * FROM user_cards ORDER BY id")

    def replaces() -> bool:
        journal = town.bot.repository / "state" / "journal.json"
        return journal.is_file() and '"quarantine": "' in journal.read_text()

    town.player.slash("pack open").reads("You opened a pack")
    snapshot, then = take(town.owner), rows()
    town.player.slash("pack open").reads("You opened a pack")
    now = rows()
    # A session of somebody else's, which the bot's role may not end, is what the exchange waits for.
    with game.session("SELECT 1", superuser=True):
        agree(town.owner, ask(town.owner, snapshot), snapshot)
        wait_until(replaces, "the database is being replaced")
        town.bot.kill()
    town.bot.start()
    town.owner.gets("A restore was interrupted", snapshot)
    told = town.owner.gets("An operation was interrupted", snapshot).text
    assert rows() == (now if "the database is as it was" in told else then)
    agree(town.owner, ask(town.owner, snapshot), snapshot).reads("Restored", snapshot)
    assert rows() == then
    town.player.slash("pack open").reads("You opened a pack")
