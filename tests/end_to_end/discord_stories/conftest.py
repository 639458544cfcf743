"""One bot for all stories that do not end it, and a way to found a town of one's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.discord_stories.town import Town


@pytest.fixture(scope="session")
def _shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    town = Town(tmp_path_factory.mktemp("town"))
    try:
        town.open()
        yield town
    finally:
        town.close()


@pytest.fixture(scope="session")
def everywhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """A town whose bot has its commands in every guild, as one has that sets nothing; only its owners may use ours."""
    town = Town(tmp_path_factory.mktemp("everywhere"), everywhere=True)
    try:
        town.open()
        yield town
        town.require_sound()
    finally:
        town.close()


@pytest.fixture
def town(_shared: Town) -> Iterator[Town]:
    """The town whose bot runs all the time; nothing goes wrong there at the beginning of a story."""
    _shared.server.troubles.planned.clear()
    _shared.discord.faults.clear()
    yield _shared
    _shared.require_sound()


@pytest.fixture
def found(tmp_path: Path) -> Iterator[Callable[..., Town]]:
    """A function that founds a town; its bot is not started."""
    towns: list[Town] = []

    def make(*, everywhere: bool = False, **settings: Any) -> Town:
        towns.append(Town(tmp_path, everywhere=everywhere, **settings))
        return towns[-1]

    yield make
    for each in towns:
        each.close()
        assert not each.discord.faults, each.discord.faults
