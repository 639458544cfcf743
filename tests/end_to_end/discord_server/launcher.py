"""Runs a program as it is, ``main.py`` mostly, with discord.py's addresses redirected to the Discord of the tests.

Nothing else differs from ``python main.py``, but that start-up does not wait two seconds for guilds to come.
"""

from __future__ import annotations

import os
import runpy
import sys
from typing import Any

import discord
import yarl
from discord.gateway import DiscordWebSocket
from discord.http import Route
from discord.state import ConnectionState


def redirect(rest: str, gateway: str) -> None:
    """Redirect discord.py to other addresses."""
    Route.BASE = rest
    DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(gateway)
    discord.asset.Asset.BASE = rest
    states: Any = ConnectionState
    original = states.__init__

    def patient_no_more(state: Any, **options: Any) -> None:
        original(state, **{"guild_ready_timeout": 0.1, **options})

    states.__init__ = patient_no_more


if __name__ == "__main__":
    redirect(os.environ.pop("TEST_DISCORD_REST"), os.environ.pop("TEST_DISCORD_GATEWAY"))
    del sys.argv[0]
    runpy.run_path(sys.argv[0], run_name="__main__")
