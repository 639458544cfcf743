"""The game is played on Discord, and what matters is in a snapshot a moment later, without anybody asking."""

from __future__ import annotations

import functools

import pytest

from tests.end_to_end.discord_server.people import Person
from tests.end_to_end.discord_stories.town import Town
from tests.worlds.waiting import wait_until

pytestmark = [pytest.mark.process, pytest.mark.socket]

NAME = "The *best* of @everyone"


def test_every_event_of_the_game_leaves_a_snapshot_that_names_it(everywhere: Town) -> None:
    """A mythic pack, a listing, its purchase, two ways to publish a pack, and dust: one reason for each."""
    owner, player = everywhere.owner, everywhere.player
    player.slash("pack open").reads("You opened a pack")
    everywhere.bot.write("UPDATE cards SET rarity = 'mythic'")
    player.slash("pack open").reads("You opened a pack")
    ((copy,),) = everywhere.bot.rows(f"SELECT min(id) FROM user_cards WHERE user_id = {player.user.id}")
    player.slash("market list", card=copy, price=10).reads("is on the market")
    ((listing,),) = everywhere.bot.rows("SELECT max(id) FROM marketplace_listings")
    assert str(listing) in owner.types("market buy", "listing", "").choices()
    owner.slash("market buy", listing=listing).reads("is yours")
    ((first,),) = everywhere.bot.rows("SELECT name FROM cards ORDER BY id LIMIT 1")
    everywhere.bot.write("UPDATE cards SET rarity = 'common'")
    player.slash("pack publish", name=NAME, cards=first).reads("is published")
    preview = player.slash("pack publish", name="Second", cards=first, preview=True).reads("Preview")
    player.click(preview, "Publish").reads("is published")
    owner.slash("dust buy", pack=1).reads("You bought pack 1")
    wanted = {
        f"pack_opening_user_{player.user.id}",
        f"marketplace_listing_{copy}",
        f"marketplace_buy_{copy}",
        "pack_published_1",
        "pack_published_2",
        "pack_purchase_1",
    }
    for reason in wanted:
        wait_until(functools.partial(found, owner, reason), f"there is a snapshot of {reason}")


def found(person: Person, reason: str) -> list[str]:
    """Return the snapshots that are suggested to somebody who types the reason of one."""
    return person.types("backup restore", "snapshot", reason).choices()
