"""How much is shown of a long table."""

from __future__ import annotations

__all__ = ["SHOWN"]

SHOWN = 50
"""How many rows of a long table are shown without ``--all``."""
