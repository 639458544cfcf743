"""Draws charts in a process of its own, where Pillow is installed (``pip install savepoint[pictures]``).

The bot's loop neither waits for the drawing nor for the import of Pillow. Whatever goes wrong with a picture, the text
that it goes with is shown without it.
"""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import subprocess
import sys
from pathlib import Path

import msgspec

from .chart import Chart

__all__ = ["Pictures"]

log = logging.getLogger(__name__)
_SECONDS = 10.0
"""How long a drawing may take; usual is a fifth of a second."""
_PROGRAM = Path(__file__).with_name("drawing.py")
_LARGEST = 1 << 20


class Pictures:
    """Draws one chart at a time, and remembers the last one."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._last: tuple[bytes, bytes | None] | None = None
        self._available: bool | None = None

    async def draw(self, chart: Chart | None) -> bytes | None:
        """Return the picture of a chart as a PNG; None if there is nothing to draw or nothing to draw it with."""
        if chart is None:
            return None
        document = msgspec.json.encode(chart)
        async with self._lock:
            if self._available is None:
                self._available = await asyncio.to_thread(_has_pillow)
            if not self._available:
                return None
            if self._last is None or self._last[0] != document:
                self._last = (document, await asyncio.to_thread(_drawn, document))
            return self._last[1]


def _drawn(document: bytes) -> bytes | None:
    """Return what the program draws. Blocks.

    It does not use asyncio's subprocesses: the selector loop of Windows has none, and others would wait for the fork.
    """
    command = [sys.executable, "-P", str(_PROGRAM)]
    try:
        ended = subprocess.run(command, input=document, capture_output=True, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        log.warning("The picture of the snapshots was not drawn within %g s", _SECONDS)
        return None
    except OSError as error:
        log.warning("The picture of the snapshots cannot be drawn: %s", error)
        return None
    drawn, problem = ended.stdout, ended.stderr.decode(errors="replace")
    if ended.returncode or not drawn.startswith(b"\x89PNG") or len(drawn) > _LARGEST:
        log.warning("The picture of the snapshots could not be drawn: %s", problem[-500:])
        return None
    return drawn


def _has_pillow() -> bool:
    return bool(sys.executable) and importlib.util.find_spec("PIL") is not None
