"""Discord's limits on what is shown, and how text that players chose is made harmless.

Limits: https://discord.com/developers/docs/resources/message#embed-object-embed-limits. Whatever does not fit is cut
with a word about how much more there is; nothing here can make a message that Discord refuses.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from io import BytesIO

import discord

__all__ = ["CHOICES_LIMIT", "CHOICE_LIMIT", "TEXT_LIMIT", "Reply", "clip", "embed", "listing", "plain", "report_text"]

CHOICES_LIMIT = 25
CHOICE_LIMIT = 100
TEXT_LIMIT = 2000
TITLE_LIMIT = 256
DESCRIPTION_LIMIT = 3500
"""Less than Discord's 4096, so that there is always room for fields."""
FIELDS_LIMIT = 24
FIELD_NAME_LIMIT = 256
FIELD_VALUE_LIMIT = 1024
FOOTER_LIMIT = 200
TOTAL_LIMIT = 6000
REPORT_LIMIT = 1_000_000
"""Characters of an attached report; the smallest upload limit there is allows ten times that."""
_EMPTY = "–"


@dataclasses.dataclass(frozen=True, slots=True)
class Reply:
    """What a person is shown: an embed, and the long version as a text file where there is more to say."""

    embed: discord.Embed
    report: str | None = None

    def files(self) -> list[discord.File]:
        """Give the report as a new file to send; a file can be sent once only."""
        if self.report is None:
            return []
        return [discord.File(BytesIO(self.report.encode(errors="replace")), filename="report.txt")]


def clip(text: str, limit: int) -> str:
    """Give the text, cut to a number of characters with "…" at the end where it was cut."""
    return text if len(text) <= limit else text[: max(0, limit - 1)] + "…"


def plain(text: str, limit: int = 100) -> str:
    """Give text that somebody chose as one line that formats nothing, links nothing and mentions nobody."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text[: 4 * limit]).split())
    escaped = discord.utils.escape_markdown(clip(line, limit), ignore_links=False)
    return discord.utils.escape_mentions(escaped).replace("<", "\\<")


def listing(lines: Sequence[str], limit: int, *, more: int = 0) -> str:
    """Join lines as far as they fit, and say how many are left out; ``more`` counts those that were never given."""
    kept: list[str] = []
    length = 0
    for index, line in enumerate(lines):
        left = len(lines) - index - 1 + more
        reserve = len(_more(left)) + 1 if left else 0
        line = clip(line, limit - reserve) if not kept else line
        if length + len(line) + reserve > limit:
            break
        kept.append(line)
        length += len(line) + 1
    left = len(lines) - len(kept) + more
    return "\n".join([*kept, _more(left)] if left else kept)


def report_text(lines: Sequence[str]) -> str:
    """Give lines as the text of an attached report."""
    return listing(lines, REPORT_LIMIT) + "\n"


def _more(count: int) -> str:
    return f"… and {count} more"


def embed(
    title: str,
    description: str = "",
    *,
    fields: Sequence[tuple[str, str]] = (),
    footer: str = "",
    colour: discord.Colour | None = None,
) -> discord.Embed:
    """Give an embed that keeps every limit; fields that do not fit any more are counted in the footer."""
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
    notes = [footer, f"{_more(dropped)} fields" if dropped else ""]
    text = clip(" · ".join(note for note in notes if note), FOOTER_LIMIT)
    return made.set_footer(text=text) if text else made
