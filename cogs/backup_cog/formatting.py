"""Embeds within Discord's limits, and text from players made harmless.

Limits: https://discord.com/developers/docs/resources/message#embed-object-embed-limits. What does not fit is cut, and
the rest is counted. Nothing here can make a message that Discord refuses.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import unicodedata
from collections.abc import Sequence
from io import BytesIO

import discord

from .language import number_text, plural, text

__all__ = [
    "AMBER",
    "CHOICES_LIMIT",
    "CHOICE_LIMIT",
    "GREEN",
    "RED",
    "TEXT_LIMIT",
    "Reply",
    "clip",
    "embed",
    "listing",
    "plain",
    "report_text",
    "visible",
    "when",
]

GREEN, AMBER, RED = discord.Colour.green(), discord.Colour.orange(), discord.Colour.red()
CHOICES_LIMIT = 25
CHOICE_LIMIT = 100
TEXT_LIMIT = 2000
TITLE_LIMIT = 256
DESCRIPTION_LIMIT = 3500
"""Less than Discord's 4096: it leaves room for fields."""
FIELDS_LIMIT = 24
FIELD_NAME_LIMIT = 256
FIELD_VALUE_LIMIT = 1024
FOOTER_LIMIT = 200
TOTAL_LIMIT = 6000
REPORT_LIMIT = 1_000_000
"""Characters of an attached report; Discord's smallest upload limit is ten times as much."""
_EMPTY = "–"
_JOINER, _AS_EMOJI = "\u200d", "\ufe0f"
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Letters that are drawn as nothing."""


@dataclasses.dataclass(frozen=True, slots=True)
class Reply:
    """An answer to a person: an embed, and a text file if there is more than fits into it."""

    embed: discord.Embed
    report: str | None = None

    def files(self) -> list[discord.File]:
        """Return the report as a new file to send; a file can be sent only once."""
        if self.report is None:
            return []
        return [discord.File(BytesIO(self.report.encode(errors="replace")), filename="report.txt")]


def clip(written: str, limit: int) -> str:
    """Return a text of at most ``limit`` characters; one that was cut ends with "…"."""
    return written if len(written) <= limit else written[: max(0, limit - 1)] + "…"


def when(at: dt.datetime) -> str:
    """Return a moment in the reader's own time zone, and how long ago it is."""
    return f"{discord.utils.format_dt(at, 'f')} ({discord.utils.format_dt(at, 'R')})"


def visible(written: str) -> str:
    """Return a text as one line of what can be seen: nothing that controls, hides, or turns the direction of writing.

    Only what joins two emoji into one stays.
    """
    kept = []
    for at, letter in enumerate(written):
        if letter == _JOINER:
            joins = 0 < at < len(written) - 1 and _is_of_emoji(written[at - 1]) and _is_of_emoji(written[at + 1])
            kept.append(letter if joins else "")
            continue
        category = unicodedata.category(letter)
        if category[0] == "Z" or (category[0] == "C" and category[1] == "c"):
            kept.append(" ")
        elif letter not in _BLANK and category[0] != "C":
            kept.append(letter)
    return " ".join("".join(kept).split())


def _is_of_emoji(letter: str) -> bool:
    category = unicodedata.category(letter)
    return letter == _AS_EMOJI or (category[0] == "S" and category[1] in "ko")


def plain(written: str, limit: int = 100) -> str:
    """Return a text by a player as one line that formats nothing, links nothing and mentions nobody."""
    line = visible(written[: 4 * limit])
    escaped = discord.utils.escape_markdown(clip(line, limit), ignore_links=False)
    return discord.utils.escape_mentions(escaped).replace("<", "\\<")


def listing(lines: Sequence[str], limit: int) -> str:
    """Join as many lines as fit and count the rest."""
    kept: list[str] = []
    length = 0
    for index, line in enumerate(lines):
        left = len(lines) - index - 1
        reserve = len(_more(left)) + 1 if left else 0
        line = clip(line, limit - reserve) if not kept else line
        if length + len(line) + reserve > limit:
            break
        kept.append(line)
        length += len(line) + 1
    left = len(lines) - len(kept)
    return "\n".join([*kept, _more(left)] if left else kept)


def report_text(lines: Sequence[str]) -> str:
    """Return lines as the text of an attached report."""
    return listing(lines, REPORT_LIMIT) + "\n"


def _more(count: int) -> str:
    return text("… and {count} more", count=number_text(count))


def embed(
    title: str,
    description: str = "",
    *,
    fields: Sequence[tuple[str, str]] = (),
    footer: str = "",
    colour: discord.Colour | None = None,
) -> discord.Embed:
    """Return an embed within every limit; fields that do not fit are counted in the footer."""
    made = discord.Embed(
        title=clip(title, TITLE_LIMIT) or _EMPTY,
        description=clip(description, DESCRIPTION_LIMIT) or None,
        colour=colour,
    )
    room = TOTAL_LIMIT - FOOTER_LIMIT
    dropped = 0
    for name, value in fields:
        name, value = clip(name, FIELD_NAME_LIMIT) or _EMPTY, clip(value, FIELD_VALUE_LIMIT) or _EMPTY
        if len(made.fields) >= FIELDS_LIMIT or len(made) + len(name) + len(value) > room:
            dropped += 1
        else:
            made.add_field(name=name, value=value, inline=len(value) <= 60)
    more = plural(dropped, "… and {count} more field", "… and {count} more fields") if dropped else ""
    notes = clip(" · ".join(note for note in (footer, more) if note), FOOTER_LIMIT)
    return made.set_footer(text=notes) if notes else made
