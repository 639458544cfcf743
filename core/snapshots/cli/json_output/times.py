"""Times as every document has them."""

from __future__ import annotations

import datetime as dt

__all__ = ["utc"]


def utc(at: dt.datetime) -> dt.datetime:
    """Return a moment in UTC, which is encoded with a Z."""
    return at.astimezone(dt.UTC)
