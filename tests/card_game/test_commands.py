"""The slash commands and the publish button, on a simulated Discord."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from simcord.actors import MemberActor
from simcord.builders import ChannelHandle
from simcord.env import Env
from simcord.interactions import base_payload
from simcord.results import InteractionResult

from cogs.card_game.game import CardGame
from tests.card_game.storage import Storage

DEFERRED = 5


class Table:
    """A channel with two players in it, and what the bot dispatched."""

    def __init__(self, env: Env) -> None:
        self.env = env
        guild = env.create_guild()
        self.channel: ChannelHandle = guild.create_text_channel("cards")
        self.alice: MemberActor = guild.add_member(env.create_user("alice"))
        self.bob: MemberActor = guild.add_member(env.create_user("bob"))
        self.game: CardGame = env.bot.get_cog("CardGame").game  # type: ignore[attr-defined]
        self.events: list[tuple[str, dict[str, Any]]] = []
        for event in ("pack_opened", "marketplace_listed", "marketplace_sold", "pack_published", "pack_purchased"):
            env.bot.add_listener(self.recorder(event), f"on_{event}")  # type: ignore[attr-defined]

    def recorder(self, event: str) -> Callable[..., Any]:
        async def record(**payload: Any) -> None:
            self.events.append((event, payload))

        return record

    async def slash(self, player: MemberActor, command: str, **options: Any) -> InteractionResult:
        """Run a command, and see that it defers before anything else."""
        seen = len(self.env.http_requests)
        result = await player.slash(self.channel, command, **options)
        first = self.env.http_requests[seen]
        assert isinstance(first.json, dict)
        assert (first.path.endswith("/callback"), first.json["type"]) == (True, DEFERRED)
        return result

    async def refused(self, player: MemberActor, command: str, **options: Any) -> str:
        """Run a command that the game refuses, and give the answer; the tree saw the game's error and no other."""
        seen = len(self.env.errors)
        answer = text_of(await self.slash(player, command, **options))
        errors = self.env.errors[seen:]
        assert len(errors) == 1
        # By name: unloading an extension forgets its modules, so each bot has classes of its own.
        assert "GameError" in [kind.__name__ for kind in type(getattr(errors[0], "original", None)).__mro__]
        return answer


def text_of(result: InteractionResult) -> str:
    """Return all text of an answer."""
    messages = [message for message in (result.response, *result.followups) if message is not None]
    parts = [message.content for message in messages]
    for message in messages:
        for embed in message.embeds:
            parts += [embed.title or "", embed.description or "", *(field.value or "" for field in embed.fields)]
    return "\n".join(parts)


@pytest.fixture
def table(simcord_env: Env) -> Table:
    """Two players who sit down."""
    return Table(simcord_env)


async def test_opening_a_pack_shows_its_cards_and_is_announced(table: Table) -> None:
    """The event reaches the bot's listeners with the player and the rarities drawn."""
    result = await table.slash(table.alice, "pack open")
    cards = await table.game.cards_of(table.alice.id)
    assert all(f"`{card.card_id}` {card.name} · {card.rarity}" in text_of(result) for card in cards)
    assert not result.ephemeral
    rarities = [card.rarity.value for card in cards]
    assert table.events == [("pack_opened", {"user_id": table.alice.id, "rarities": rarities})]


async def test_a_card_is_listed_bought_and_gone(table: Table) -> None:
    """The listing is public, the purchase is the buyer's business."""
    await table.slash(table.alice, "pack open")
    card = (await table.game.cards_of(table.alice.id))[0]
    listed = await table.slash(table.alice, "market list", card=card.card_id, price=40)
    (listing,) = await table.game.open_listings()
    assert f"for 40 coins: listing {listing.id}" in text_of(listed)
    assert not listed.ephemeral
    bought = await table.slash(table.bob, "market buy", listing=listing.id)
    assert "You have 960 left" in text_of(bought)
    assert bought.ephemeral
    assert [copy.card_id for copy in await table.game.cards_of(table.bob.id)] == [card.card_id]
    assert table.events[1:] == [
        ("marketplace_listed", {"card_id": card.card_id}),
        ("marketplace_sold", {"card_id": card.card_id}),
    ]


async def test_a_listing_is_withdrawn_by_its_seller(table: Table) -> None:
    """The card can be used again, and nobody is told."""
    await table.slash(table.alice, "pack open")
    card = (await table.game.cards_of(table.alice.id))[0]
    await table.slash(table.alice, "market list", card=card.card_id, price=40)
    (listing,) = await table.game.open_listings()
    assert "not yours" in await table.refused(table.bob, "market withdraw", listing=listing.id)
    result = await table.slash(table.alice, "market withdraw", listing=listing.id)
    assert "off the market" in text_of(result)
    assert await table.game.open_listings() == []


async def test_a_pack_is_published_directly_and_bought_with_dust(table: Table) -> None:
    """The publication is public; what was typed is shown as typed, and mentions nobody."""
    published = await table.slash(table.alice, "pack publish", name="**Bold** @everyone", cards="ember fox, tide crane")
    (pack,) = await table.game.published_packs()
    assert pack.name == "**Bold** @everyone"
    assert r"\*\*Bold\*\*" in text_of(published)
    assert "@everyone" not in text_of(published)
    assert not published.ephemeral
    bought = await table.slash(table.bob, "dust buy", pack=pack.id)
    assert "Tide Crane" in text_of(bought)
    assert bought.ephemeral
    assert table.events == [("pack_published", {"pack_id": pack.id}), ("pack_purchased", {"pack_id": pack.id})]


async def test_every_answer_is_sent_with_mentions_switched_off(table: Table) -> None:
    """Even where escaping would fail, nobody can be pinged."""
    await table.slash(table.alice, "pack open")
    card = (await table.game.cards_of(table.alice.id))[0]
    await table.slash(table.alice, "market list", card=card.card_id, price=40)
    await table.slash(table.alice, "pack publish", name="Foxes", cards="Ember Fox")
    await table.slash(table.alice, "pack publish", name="Foxes", cards="Ember Fox", preview=True)
    await table.slash(table.bob, "market buy", listing=1)
    await table.slash(table.bob, "dust buy", pack=1)
    await table.refused(table.bob, "market buy", listing=1)
    answers = [request for request in table.env.http_requests if "/webhooks/" in request.path]
    assert len(answers) == 7
    for answer in answers:
        assert isinstance(answer.json, dict)
        assert answer.json["allowed_mentions"] == {"parse": []}


async def test_a_preview_is_published_by_its_button(table: Table) -> None:
    """Until the click nothing is stored; the click goes the same way as the command, and works once."""
    preview = await table.slash(table.alice, "pack publish", name="Foxes", cards="Ember Fox, Void Sage", preview=True)
    assert preview.ephemeral
    assert "505 dust" in text_of(preview)
    assert (await table.game.published_packs(), table.events) == ([], [])
    message = preview.response
    assert message is not None
    clicked = await table.alice.click(message, label="Publish")
    (pack,) = await table.game.published_packs()
    assert f"Pack {pack.id} is published" in text_of(clicked)
    assert not clicked.followups[0].ephemeral
    assert table.events == [("pack_published", {"pack_id": pack.id})]
    assert is_disabled(preview)


async def test_a_second_click_before_the_first_is_done_publishes_nothing_more(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two quick clicks run the button twice; one pack comes of it."""
    preview = await table.slash(table.alice, "pack publish", name="Foxes", cards="Ember Fox", preview=True)
    message = preview.response
    assert message is not None
    emit = table.env.backend.emit

    def emit_twice(event: str, payload: dict[str, Any]) -> None:
        emit(event, payload)
        if event == "INTERACTION_CREATE":
            emit(event, same_click(table, table.alice, payload))

    monkeypatch.setattr(table.env.backend, "emit", emit_twice)
    await table.alice.click(message, label="Publish")
    assert len(await table.game.published_packs()) == 1


async def test_nobody_else_publishes_somebodys_preview(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    """The button asks who clicked, and does not trust that only the author can see it."""
    preview = await table.slash(table.alice, "pack publish", name="Foxes", cards="Ember Fox", preview=True)
    message = preview.response
    assert message is not None
    emit = table.env.backend.emit

    def emit_as_bob(event: str, payload: dict[str, Any]) -> None:
        emit(event, same_click(table, table.bob, payload) if event == "INTERACTION_CREATE" else payload)

    monkeypatch.setattr(table.env.backend, "emit", emit_as_bob)
    await table.alice.click(message, label="Publish")
    assert await table.game.published_packs() == []
    answer = table.env.http_requests[-1].json
    assert isinstance(answer, dict)
    assert answer["data"]["content"] == "Only its author publishes this pack."


async def test_the_button_of_a_preview_is_switched_off_after_three_minutes(table: Table) -> None:
    """An old preview shows that it is too late."""
    preview = await table.slash(table.alice, "pack publish", name="Foxes", cards="Ember Fox", preview=True)
    assert not is_disabled(preview)
    await table.env.advance_time(181)
    assert is_disabled(preview)
    assert await table.game.published_packs() == []


async def test_a_preview_refused_at_the_click_can_be_clicked_again(table: Table) -> None:
    """The button's errors are answered like the command's, and cost nothing."""
    preview = await table.slash(table.alice, "pack publish", name="Foxes", cards="Ember Fox", preview=True)
    message = preview.response
    assert message is not None
    table.env.bot.dispatch("backup_restore_starting", object())
    await table.env.settle()
    clicked = await table.alice.click(message, label="Publish")
    assert "paused for a restore" in text_of(clicked)
    assert clicked.followups[0].ephemeral
    table.env.bot.dispatch("backup_restore_finished", object())
    await table.env.settle()
    await table.alice.click(message, label="Publish")
    assert len(await table.game.published_packs()) == 1
    assert [type(error).__name__ for error in table.env.errors] == ["GamePaused"]


async def test_the_game_is_paused_between_the_two_restore_events(table: Table) -> None:
    """In between players read why; afterwards everything works, whatever the report says."""
    await table.slash(table.alice, "pack open")
    table.env.bot.dispatch("backup_restore_starting", object())
    await table.env.settle()
    assert "paused for a restore" in await table.refused(table.alice, "pack open")
    table.env.bot.dispatch("backup_restore_finished", None)
    await table.env.settle()
    await table.slash(table.alice, "pack open")
    assert [event for event, _ in table.events] == ["pack_opened", "pack_opened"]


@pytest.mark.parametrize(
    ("command", "options", "answer"),
    [
        ("market buy", {"listing": 99}, "There is no listing 99."),
        ("market list", {"card": 99, "price": 5}, "There is no card 99."),
        ("dust buy", {"pack": 99}, "There is no pack 99."),
        ("dust buy", {"pack": 2**53 - 1}, "There is no pack 9007199254740991."),
        ("pack publish", {"name": "x", "cards": " , "}, "A pack needs at least one card."),
        ("pack publish", {"name": "x", "cards": "[here](https://evil.example)"}, r"\[here](https://evil.example)"),
        ("pack publish", {"name": "x", "cards": "No Card", "preview": True}, 'There is no card named "No Card".'),
    ],
)
async def test_a_refusal_is_answered_with_the_games_sentence(
    table: Table, command: str, options: dict[str, Any], answer: str
) -> None:
    """Every command's errors are shown in one way, escaped, and nothing is announced."""
    assert answer in await table.refused(table.alice, command, **options)
    assert table.events == []


async def test_a_failure_that_is_not_the_games_is_logged_and_answered_without_details(
    table: Table, storage: Storage, caplog: pytest.LogCaptureFixture
) -> None:
    """A broken database is not explained to players; the log has it."""
    storage.query("ALTER TABLE user_cards RENAME TO lost_cards")
    result = await table.slash(table.alice, "pack open")
    assert text_of(result).strip() == "Something went wrong on our side. It has been noted."
    assert "no such table: user_cards" in caplog.text or 'relation "user_cards" does not exist' in caplog.text
    assert len(table.env.errors) == 1


async def test_the_choices_are_what_the_player_can_use(table: Table, caplog: pytest.LogCaptureFixture) -> None:
    """Own cards that are not listed, other people's listings, every pack; filtered by what is typed."""
    await table.slash(table.alice, "pack open")
    first, second, *_ = await table.game.cards_of(table.alice.id)
    await table.slash(table.alice, "market list", card=first.card_id, price=5)
    await table.slash(table.alice, "pack publish", name="Foxes", cards="Ember Fox")
    mine = await table.alice.autocomplete(table.channel, "market list", "card", "", price=1)
    assert first.card_id not in [choice["value"] for choice in mine]
    assert second.card_id in [choice["value"] for choice in mine]
    typed = await table.alice.autocomplete(table.channel, "market list", "card", f"{second.card_id}: ", price=1)
    assert [choice["value"] for choice in typed] == [second.card_id]
    assert await table.alice.autocomplete(table.channel, "market buy", "listing", "") == []
    assert len(await table.alice.autocomplete(table.channel, "market withdraw", "listing", "")) == 1
    assert len(await table.bob.autocomplete(table.channel, "market buy", "listing", "")) == 1
    assert len(await table.bob.autocomplete(table.channel, "dust buy", "pack", "fox")) == 1
    await table.game.pause()
    assert await table.bob.autocomplete(table.channel, "dust buy", "pack", "fox") == []
    assert "Ignoring exception" not in caplog.text


def same_click(table: Table, player: MemberActor, payload: dict[str, Any]) -> dict[str, Any]:
    """Return a new interaction of a player who clicks what another interaction clicked."""
    record, again = base_payload(
        table.env.backend,
        type=payload["type"],
        channel_id=table.channel.id,
        guild_id=int(payload["guild_id"]),
        user_id=player.id,
        data=payload["data"],
    )
    record.source_message_id = int(payload["message"]["id"])
    return again | {"message": payload["message"]}


def is_disabled(preview: InteractionResult) -> bool:
    """Return True if the preview's one button can no longer be clicked."""
    message = preview.response
    assert message is not None
    ((button,),) = [row["components"] for row in message.components]
    return bool(button.get("disabled"))
