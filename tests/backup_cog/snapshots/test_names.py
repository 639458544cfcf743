"""Who the numbers in reasons are."""

from __future__ import annotations

import asyncio

import pytest

from cogs.backup_cog.slash.snapshots.names import Names
from core.snapshots import SnapshotError
from core.snapshots.models import Names as Answer
from tests.backup_cog.world import Clock


class Asked:
    """A service that knows two people, and what it was asked."""

    def __init__(self) -> None:
        self.questions: list[tuple[str, ...]] = []
        self.error: Exception | None = None
        self.gate: asyncio.Event | None = None

    async def names(self, columns: tuple[str, ...], keys: list[str]) -> Answer:
        self.questions.append(tuple(keys))
        if self.gate is not None:
            await self.gate.wait()
        if self.error is not None:
            raise self.error
        known = {"12": "An\u202ena **x**", "123456789012345678": "Bo"}
        return Answer(names={"users.name": {key: known[key] for key in keys if key in known}})


def names_of(asked: Asked, clock: Clock, *columns: str) -> Names:
    return Names(asked, columns, clock.monotonic)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("reason", "shown"),
    [
        ("pack_opening_user_12", "pack_opening_user_12 (Anna **x**)"),
        ("trade by 12 to 13", "trade by 12 (Anna **x**) to 13"),
        ("shop buy_by_123456789012345678", "shop buy_by_123456789012345678 (Bo)"),
        ("boss_123456789012345678_down", "boss_123456789012345678 (Bo)_down"),
        ("marketplace_buy_12", "marketplace_buy_12"),
        ("user_1.12", "user_1.12"),
        ("12", "12"),
        ("", ""),
    ],
)
async def test_a_number_has_a_name_where_it_is_a_persons(clock: Clock, reason: str, shown: str) -> None:
    """A card can have the number of a player; nobody is named for it."""
    asked = Asked()
    names = names_of(asked, clock, "users.name")
    assert names.shown(reason) == reason
    await names.learn([reason, "user_12"], patience=5)
    assert names.shown(reason) == shown


async def test_a_name_is_asked_for_once_in_a_while(clock: Clock) -> None:
    """Also one that is not there; an error loses none, and without columns nobody is asked."""
    asked = Asked()
    names = names_of(asked, clock, "users.name")
    for _ in range(2):
        await names.learn(["user_12 user_99"], patience=5)
    assert asked.questions == [("12", "99")]
    clock.advance(minutes=11)
    asked.error = SnapshotError("busy")
    await names.learn(["user_12"], patience=5)
    assert names.shown("user_12") == "user_12 (Anna **x**)"
    await names_of(asked, clock).learn(["user_12"], patience=5)
    assert asked.questions == [("12", "99"), ("12",)]


async def test_what_is_slow_is_shown_without_names(clock: Clock) -> None:
    """And with them the next time; an unload ends the question."""
    asked = Asked()
    asked.gate = asyncio.Event()
    names = names_of(asked, clock, "users.name")
    await names.learn(["user_12"], patience=0)
    assert names.shown("user_12") == "user_12"
    asked.gate.set()
    await names.learn(["user_12"], patience=5)
    assert names.shown("user_12") == "user_12 (Anna **x**)"
    assert len(asked.questions) == 1
    asked.gate.clear()
    names.learn_soon(["user_55"])
    await names.close()
