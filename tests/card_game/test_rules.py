"""The pure rules, the sixty cards, and where the database is."""

from __future__ import annotations

import traceback
from collections import Counter
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogs.card_game import address, cards, replies, rules
from cogs.card_game.database import Database
from cogs.card_game.errors import CardNotFound, Invalid, InvalidPack, InvalidPrice, NotEnoughCoins
from cogs.card_game.models import Card, Listing, Rarity
from cogs.card_game.postgres import PostgresDatabase
from cogs.card_game.sqlite import SqliteDatabase


def test_a_new_game_has_sixty_cards_with_different_names_and_every_rarity() -> None:
    """The catalogue is the same everywhere, and rarer cards are fewer."""
    assert len({name for name, _ in cards.STARTING_CARDS}) == 60
    counts = Counter(rarity for _, rarity in cards.STARTING_CARDS)
    assert list(counts) == list(Rarity)
    assert sorted(counts.values(), reverse=True) == list(counts.values())


def test_rarer_cards_are_drawn_less_often() -> None:
    """The odds order the rarities, whatever number of cards each has."""
    catalogue = [Card(id=number, name=rarity, rarity=rarity) for number, rarity in enumerate(Rarity, start=1)]
    drawn = Counter(card.rarity for card in rules.draw(Random(1), catalogue, 20_000))
    assert [rarity for rarity, _ in drawn.most_common()] == list(Rarity)


def test_an_empty_catalogue_gives_no_pack() -> None:
    """There is nothing to draw, and that is said."""
    with pytest.raises(CardNotFound):
        rules.draw(Random(1), [], 5)


@pytest.mark.parametrize("price", [0, -1, -(10**30), rules.PRICE_LIMIT + 1, 10**30])
def test_an_absurd_price_is_refused(price: int) -> None:
    """A price is between 1 and the limit."""
    with pytest.raises(InvalidPrice):
        rules.checked_price(price)


@pytest.mark.parametrize("price", [1, rules.PRICE_LIMIT])
def test_the_market_takes_the_prices_at_its_edges(price: int) -> None:
    """Both limits belong to what is allowed."""
    assert rules.checked_price(price) == price


@pytest.mark.parametrize("name", ["", " \t\n", "x" * 51, "nul\0", "half\ud800"])
def test_a_pack_name_that_cannot_be_stored_or_read_is_refused(name: str) -> None:
    """Empty, too long, control characters and lone surrogates are no names."""
    with pytest.raises(InvalidPack):
        rules.checked_pack_name(name)


@given(st.text())
def test_a_checked_pack_name_is_always_short_storable_text(name: str) -> None:
    """Whatever is typed, it is refused or fits a database and a line of an embed."""
    try:
        checked = rules.checked_pack_name(name)
    except Invalid:
        return
    assert 1 <= len(checked) <= rules.PACK_NAME_LIMIT
    assert "\0" not in checked
    assert checked.encode()
    assert checked == rules.checked_pack_name(checked)


@given(st.text())
def test_a_player_name_is_always_short_storable_text(name: str) -> None:
    """A strange display name never keeps somebody from playing."""
    stored = rules.player_name(name)
    assert len(stored) <= 100
    assert "\0" not in stored
    assert stored.encode() == rules.player_name(stored).encode()


@pytest.mark.parametrize("names", [[], ["  "], ["Ember Fox", "ember  FOX"], [f"Card {n}" for n in range(11)]])
def test_a_pack_of_no_too_many_or_repeated_cards_is_refused(names: list[str]) -> None:
    """One to ten different cards make a pack."""
    with pytest.raises(InvalidPack):
        rules.checked_card_names(names)


def test_cards_are_read_from_text_with_commas() -> None:
    """Spaces and empty parts do not matter."""
    assert rules.card_names(" Ember Fox ,, Tide Crane, ") == ["Ember Fox", "Tide Crane"]


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///data/game.db", Path("data/game.db")),
        ("sqlite:////srv/bot/game.db", Path("/srv/bot/game.db")),
        ("sqlite:///data/my%20game%3F.db", Path("data/my game?.db")),
    ],
)
def test_a_sqlite_url_names_a_file(url: str, path: Path) -> None:
    """Three slashes are relative, four absolute, and percent-encoding is undone."""
    assert address.sqlite_path(url) == path


@pytest.mark.parametrize(
    "url",
    [
        "mysql://bot:secret@localhost/game",
        "postgresql://bot:secret/with/slashes@localhost/game",
        "postgresql://bot:top:secret@localhost:none/game",
        "postgresql://bot:secret@localhost/game?sslmode",
        "postgresql://bot:secret@[localhost/game",
        "host=localhost user=bot password=secret dbname=game",
        "host=localhost password=secret:1 dbname=game",
        "sqlite://data/game.db",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite:///game.db?mode=ro",
        "data/game.db",
        "",
    ],
)
def test_any_other_url_is_refused_without_repeating_it(url: str) -> None:
    """The game never falls back to a database that nobody configured, and a password in a URL is not shown."""
    with pytest.raises(ValueError, match=r"sqlite:///|postgresql://user:password@host") as refused:
        address.database_at(url)
    assert "secret" not in "".join(traceback.format_exception(refused.value))


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("sqlite:///data/game.db", SqliteDatabase),
        ("sqlite+aiosqlite:///data/game.db", SqliteDatabase),
        ("postgresql://bot:secret@localhost/game", PostgresDatabase),
        ("postgresql+asyncpg://bot:secret@localhost/game", PostgresDatabase),
        ("postgres://localhost", PostgresDatabase),
        ("postgresql:///game?host=%2Frun%2Fpostgresql", PostgresDatabase),
        ("postgresql://bot@[::1]:5432,second:5433/game", PostgresDatabase),
    ],
)
def test_the_scheme_says_which_engine_it_is(url: str, kind: type[Database]) -> None:
    """As hosts write it: with the driver that SQLAlchemy wants or without, short or long."""
    assert type(address.database_at(url)) is kind


def test_what_asyncpg_knows_of_a_url_is_passed_on_and_what_only_libpq_knows_is_not() -> None:
    """Asyncpg would send an option that it does not know to the server, which refuses the connection for it."""
    given = (
        "postgresql://b%40t:p%2Fw@db.example/game"
        "?sslmode=require&channel_binding=require&host=%2Ftmp&options=-csearch_path%3Dx"
    )
    assert address.postgres_dsn(given) == (
        "postgresql://b%40t:p%2Fw@db.example/game?sslmode=require&host=%2Ftmp&options=-csearch_path%3Dx"
    )


def test_the_bots_own_url_comes_before_the_environment_and_that_before_the_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever starts the bot decides; an unset attribute does not."""
    told: Any = SimpleNamespace(database_url="sqlite:///told.db")
    untold: Any = SimpleNamespace(database_url=None)
    monkeypatch.setenv("DATABASE_URL", "sqlite:///environment.db")
    assert address.database_url(told) == "sqlite:///told.db"
    assert address.database_url(untold) == "sqlite:///environment.db"
    monkeypatch.delenv("DATABASE_URL")
    assert address.database_url(untold) == "sqlite:///data/game.db"


def test_one_coin_is_singular() -> None:
    """In the announcement of a listing and in the refusal of a purchase."""
    listing = Listing(id=3, card_id=7, name="Ember Fox", rarity=Rarity.COMMON, seller_id=1, price=1)
    assert "is on the market for 1 coin: listing 3." in replies.listed(listing)
    assert str(NotEnoughCoins(need=1, have=0)) == "You need 1 coin for that and have 0."
    assert str(NotEnoughCoins(need=2, have=1)) == "You need 2 coins for that and have 1."
