"""Sizes, durations, counts and texts as people write them: "500 MiB", "20m", "1h 30m", "3 rows".

``Size`` is an int in bytes, and ``Duration`` a float in seconds. KB, MB and GB are powers of 1000; KiB, MiB and GiB are
powers of 1024 (IEC 80000-13).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from fractions import Fraction
from typing import TypeVar

__all__ = [
    "Duration",
    "Size",
    "count_text",
    "duration_text",
    "printable",
    "printable_lines",
    "size_text",
    "stopped",
    "why_ended",
]

_Unit = TypeVar("_Unit", int, Fraction)

_SECONDS = {
    "ms": Fraction(1, 1000),
    "s": Fraction(1),
    "sec": Fraction(1),
    "second": Fraction(1),
    "m": Fraction(60),
    "min": Fraction(60),
    "minute": Fraction(60),
    "h": Fraction(3600),
    "hour": Fraction(3600),
    "d": Fraction(86400),
    "day": Fraction(86400),
    "w": Fraction(604800),
    "week": Fraction(604800),
}
_BYTES = {"b": 1, "byte": 1}
for _power, _letter in enumerate("kmgt", start=1):
    _BYTES[_letter + "b"] = 1000**_power
    _BYTES[_letter + "ib"] = 1024**_power
_PART = re.compile(r"\s*([0-9]{1,15}(?:\.[0-9]{1,15})?)\s*([a-z]+)\s*")
"""A number and its unit. The number of digits is limited, so that the result fits into a float."""


class Duration(float):
    """A length of time in seconds."""

    @classmethod
    def parse(cls, text: str) -> Duration:
        """Parse "90s", "20m", "1h 30m" or "2 days"; raise ValueError with what is allowed."""
        lowered = text.strip().lower()
        total, position = Fraction(0), 0
        while position < len(lowered):
            part = _PART.match(lowered, position)
            unit = part and _unit(part[2], _SECONDS)
            if part is None or unit is None:
                raise ValueError('a duration like "90s", "20m", "1h 30m" or "30d"')
            total += Fraction(part[1]) * unit
            position = part.end()
        if not lowered:
            raise ValueError('a duration like "90s", "20m", "1h 30m" or "30d"')
        return cls(total)


class Size(int):
    """An amount of storage in bytes."""

    @classmethod
    def parse(cls, text: str) -> Size:
        """Parse "500 MiB", "1.5 GB" or "4096 B"; raise ValueError with what is allowed."""
        part = _PART.fullmatch(text.strip().lower())
        unit = part and _unit(part[2], _BYTES)
        if part is None or unit is None:
            raise ValueError('a size like "500 MiB", "1.5 GB" or "4096 B"')
        return cls(Fraction(part[1]) * unit)


def _unit(word: str, units: Mapping[str, _Unit]) -> _Unit | None:
    return units.get(word) or (units.get(word[:-1]) if len(word) > 3 and word.endswith("s") else None)


def duration_text(seconds: float) -> str:
    """Return a duration with its two largest units: "1h 30m" for 5400, "250ms" for 0.25."""
    if seconds < 0:
        return "-" + duration_text(-seconds)
    if seconds < 0.9995:
        milliseconds = round(seconds * 1000)
        return f"{milliseconds}ms" if milliseconds else "0s"
    if seconds < 10:
        return f"{seconds:.1f}s".replace(".0s", "s")
    rest, parts = round(seconds), []
    for letter, length in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, rest = divmod(rest, length)
        if count:
            parts.append(f"{count}{letter}")
    return " ".join(parts[:2])


def stopped(text: str) -> str:
    """Return a text that ends as a sentence does, where another program wrote it and more follows."""
    return text if text.rstrip().endswith((".", "!", "?")) else f"{text.rstrip()}."


def why_ended(error: BaseException) -> str:
    """Return why something ended, as a log line and the audit log say it."""
    if not isinstance(error, Exception):  # CancelledError, KeyboardInterrupt
        return "it was stopped"
    return str(error) or type(error).__name__


def size_text(size: float) -> str:
    """Return a size in binary units: "1.5 MiB" for 1572864."""
    if abs(round(size)) < 1024:
        return f"{size:.0f} B"
    for unit in ("KiB", "MiB", "GiB"):
        size /= 1024
        if abs(round(size, 1)) < 1024:
            return f"{size:.1f} {unit}"
    return f"{size:.1f} GiB"


def count_text(count: int, singular: str, plural: str | None = None) -> str:
    """Return a count with its noun: "1 row", "1,024 rows". The plural is the singular and an "s" unless it is given."""
    noun = singular if count == 1 else plural or f"{singular}s"
    return f"{count:,} {noun}"


def printable(text: str) -> str:
    """Return a text in which every character that is not printable is written as an escape sequence.

    A terminal obeys escapes, carriage returns and changes of the direction of writing.
    """
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii") for letter in text
    )


def printable_lines(text: str) -> str:
    """Return a text as ``printable`` does, but with its line ends, and with spaces of every width."""
    if text.isprintable():
        return text
    return "".join(
        letter if letter == "\n" or unicodedata.category(letter) == "Zs" else printable(letter) for letter in text
    )
