"""What an event means: reasons, conditions, and payloads that are not as expected."""

from __future__ import annotations

import enum
import logging
from types import SimpleNamespace
from typing import Any

import discord
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogs.backup_cog.triggers import REASON_LIMIT, UNKNOWN, Trigger, read
from core.snapshots import TriggerSettings, defaults

DEFAULTS = {trigger.event: trigger for trigger in defaults().triggers}
PACK = DEFAULTS["pack_opened"]
JOIN = TriggerSettings(event="member_join", reason="join_{member.guild.id}_{member.name}", fields=("member",))

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.just(object()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)


class Rarity(enum.Enum):
    """A host's rarities."""

    COMMON = 1
    EPIC = 2
    BEST = "Mythic"


class Colour(discord.Enum):
    """discord.py's own kind of enumeration, which is not one of the standard library's."""

    epic = 7


class Hostile:
    """An object that fails whatever is done with it."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)

    def __str__(self) -> str:
        raise RuntimeError("str")

    def __iter__(self) -> Any:
        raise RuntimeError("iter")

    def __len__(self) -> int:
        raise RuntimeError("len")

    def __contains__(self, item: object) -> bool:
        raise RuntimeError("contains")


@pytest.mark.parametrize(
    ("event", "payload", "reason"),
    [
        ("pack_opened", {"user_id": 7, "rarities": ["epic"]}, "pack_opening_user_7"),
        ("marketplace_listed", {"card_id": "42"}, "marketplace_listing_42"),
        ("marketplace_sold", {"card_id": 42}, "marketplace_buy_42"),
        ("pack_published", {"pack_id": 3}, "pack_published_3"),
        ("pack_purchased", {"pack_id": 3}, "pack_purchase_3"),
    ],
)
def test_each_game_event_names_its_reason(event: str, payload: dict[str, Any], reason: str) -> None:
    """The five events of the design become the five reasons of the design, by name and by position alike."""
    by_name = read(DEFAULTS[event], (), payload)
    by_position = read(DEFAULTS[event], tuple(payload.values()), {})
    assert by_name == by_position
    assert (by_name.asks, by_name.reason, by_name.missing) == (True, reason, ())


@pytest.mark.parametrize(
    "rarities",
    [
        "epic",
        "EPIC",
        " Legendary ",
        ["common", "Mythic"],
        ("epic",),
        {"epic"},
        {"legendary": 2},
        Rarity.EPIC,
        [Rarity.COMMON, Rarity.BEST],
        Colour.epic,
        [SimpleNamespace(name="Epic")],
        frozenset({Rarity.EPIC}),
    ],
)
def test_a_rarity_counts_in_any_case_and_shape(rarities: object) -> None:
    """A text, an enum by value or name, or a collection of them: one that is wanted is enough."""
    assert read(PACK, (), {"user_id": 1, "rarities": rarities}).asks


@pytest.mark.parametrize("rarities", ["common", [], (), ["rare", "uncommon"], Rarity.COMMON, None, 5, "epics", [None]])
def test_other_rarities_do_not_ask(rarities: object) -> None:
    """Neither a part of a word nor an empty pack is a wanted rarity."""
    assert not read(PACK, (), {"user_id": 1, "rarities": rarities}).asks


def test_the_settings_may_be_written_in_any_case_too() -> None:
    """A host that lists EPIC means epic."""
    shouted = TriggerSettings(event="e", reason="r", fields=("rarity",), field="rarity", any_of=(" EPIC ",))
    assert read(shouted, ("epic",), {}).asks


def test_an_enum_is_named_by_its_value() -> None:
    """In a reason, ``Rarity.BEST`` is what the host stores, not how its code spells it."""
    named = TriggerSettings(event="e", reason="got_{rarity}", fields=("rarity",))
    assert read(named, (Rarity.BEST,), {}).reason == "got_Mythic"


def test_an_iterator_is_left_to_the_host() -> None:
    """Reading it would take it away from the host's other listeners: it counts as met, unread."""
    rarities = iter(["common"])
    reading = read(PACK, (), {"user_id": 1, "rarities": rarities})
    assert (reading.asks, reading.missing) == (True, ("rarities",))
    assert list(rarities) == ["common"]


def test_what_is_missing_is_unknown_and_still_asks() -> None:
    """A payload without its fields makes a snapshot all the same, and says what it lacked."""
    reading = read(PACK, (), {})
    assert reading.asks
    assert reading.reason == f"pack_opening_user_{UNKNOWN}"
    assert reading.missing == ("user_id", "rarities")


def test_a_reason_reads_attributes() -> None:
    """Dots reach into the host's objects; an attribute that is not there is unknown."""
    member = SimpleNamespace(name="Zoë", guild=SimpleNamespace(id=9))
    assert read(JOIN, (member,), {}).reason == "join_9_Zoë"
    lost = read(JOIN, (SimpleNamespace(name="x"),), {})
    assert (lost.reason, lost.missing) == ("join_unknown_x", ("member.guild.id",))


def test_a_hostile_object_is_unknown() -> None:
    """Whatever the host's object raises, there is a reason and a request."""
    hostile = Hostile()
    assert read(JOIN, (hostile,), {}).reason == "join_unknown_unknown"
    assert read(PACK, (hostile, hostile), {}).asks


def test_a_reason_is_one_line_of_bounded_length() -> None:
    """Players choose parts of reasons: no line breaks, no control characters, 100 characters."""
    reading = read(DEFAULTS["marketplace_sold"], ("a\n\0\u202eb" + "x" * 500,), {})
    assert reading.reason.startswith("marketplace_buy_a b")
    assert reading.reason.isprintable()
    assert len(reading.reason) == REASON_LIMIT


@given(st.lists(anything, max_size=4), st.dictionaries(st.text(max_size=8), anything, max_size=4))
def test_any_payload_gives_a_reason(args: list[object], kwargs: dict[str, object]) -> None:
    """Nothing a host dispatches raises, and every reason is a printable line of 1 to 100 characters."""
    for trigger in (*DEFAULTS.values(), JOIN):
        reason = read(trigger, args, kwargs).reason
        assert 1 <= len(reason) <= REASON_LIMIT
        assert reason.isprintable()


def test_a_trigger_counts_and_complains_once(caplog: pytest.LogCaptureFixture) -> None:
    """Status shows what came and what asked; the same lack is a warning the first time only."""
    asked: list[str] = []
    trigger = Trigger(PACK, asked.append)
    trigger.handle((), {"user_id": 1, "rarities": ["common"]})
    trigger.handle((), {"user_id": 2, "rarities": ["epic"]})
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            trigger.handle((), {"user_id": 3})
    count = trigger.count
    assert (count.fired, count.requested, count.incomplete) == (5, 4, 3)
    assert asked == ["pack_opening_user_2", *["pack_opening_user_3"] * 3]
    assert [("pack_opened" in record.message, "rarities" in record.message) for record in caplog.records] == [
        (True, True)
    ]


def test_a_trigger_never_raises_into_the_host(caplog: pytest.LogCaptureFixture) -> None:
    """Not even when asking fails; that is logged."""

    def refuse(reason: str) -> None:
        raise RuntimeError(reason)

    Trigger(DEFAULTS["marketplace_sold"], refuse).handle((), {"card_id": 1})
    assert "marketplace_sold" in caplog.text
