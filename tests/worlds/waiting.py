"""Waiting in tests: for what must happen, however busy the machine is, and never for a time to pass."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

PATIENCE = 60.0
"""How many seconds a test waits at most. It ends a test that hangs; no test may depend on how fast a machine is."""

_PAUSE = 0.005


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Block until ``condition`` is true; fail with ``what`` was waited for after a minute."""
    limit = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < limit, f"waited in vain until {what}"
        time.sleep(_PAUSE)


async def until(condition: Callable[[], object], what: str) -> None:
    """Wait until ``condition`` is true without blocking the loop; fail with ``what`` after a minute."""
    limit = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < limit, f"waited in vain until {what}"
        await asyncio.sleep(_PAUSE)
