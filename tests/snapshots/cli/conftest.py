"""What the tests of the shell share: a game with a settings file."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.worlds.console_world import World, without_settings


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Return a game and its settings file; nothing in the environment is a setting."""
    without_settings(monkeypatch)
    return World(tmp_path)
