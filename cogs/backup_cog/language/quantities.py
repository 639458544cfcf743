"""Sizes and durations as the language writes them, as the core's ``units`` does in English."""

from __future__ import annotations

from .speaking import number_text, text

__all__ = ["duration_text", "size_text"]


def size_text(size: float) -> str:
    """Return a size in binary units: "1.5 MiB" for 1572864."""
    if abs(round(size)) < 1024:
        return f"{number_text(size)} B"
    for unit in ("KiB", "MiB", "GiB"):
        size /= 1024
        if abs(round(size, 1)) < 1024 or unit == "GiB":
            break
    return f"{number_text(size, 1)} {unit}"


def duration_text(seconds: float) -> str:
    """Return a duration with its two largest units: "1h 30m" for 5400, "250ms" for 0.25."""
    if seconds < 0:
        return "-" + duration_text(-seconds)
    if seconds < 0.9995:
        milliseconds = round(seconds * 1000)
        return text("{number}ms", number=milliseconds) if milliseconds else text("{number}s", number=0)
    if seconds < 10:
        return text("{number}s", number=number_text(seconds, 0 if round(seconds, 1) == round(seconds) else 1))
    rest = round(seconds)
    days, rest = divmod(rest, 86400)
    hours, rest = divmod(rest, 3600)
    minutes, rest = divmod(rest, 60)
    parts = [
        text("{number}d", number=number_text(days)) if days else "",
        text("{number}h", number=hours) if hours else "",
        text("{number}m", number=minutes) if minutes else "",
        text("{number}s", number=rest) if rest else "",
    ]
    return " ".join([part for part in parts if part][:2])
