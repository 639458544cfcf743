"""A message of the bot, drawn as Discord shows it: an embed and the buttons under it, from the payload that is sent.

The width of a text is estimated, so lines may end a little earlier than in Discord.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from xml.sax.saxutils import escape

__all__ = ["picture"]

WIDTH = 620
_INNER = 530
_LINE = 19
_SIZE = 14
_BUTTON_COLOURS = {1: "#5865f2", 2: "#4e5058", 3: "#248046", 4: "#da373c"}
_MARKS = re.compile(r"(\*\*.+?\*\*|`[^`]+`|<t:\d+(?::\w)?>)")
_NARROW, _MIDDLE, _WIDE = frozenset("iljI.,:;'|! ()[]"), frozenset('frt-"/'), frozenset("mwMW@%→")


class _Word(NamedTuple):
    text: str
    bold: bool = False
    code: bool = False


class _Drawing:
    """The shapes so far, and how far down they reach."""

    def __init__(self) -> None:
        self.shapes: list[str] = []
        self.bottom = 0.0

    def text(self, x: float, words: list[_Word], *, size: int = _SIZE, colour: str = "#dbdee1") -> None:
        """Write one line."""
        self.bottom += _LINE * size / _SIZE
        spans = []
        for word in words:
            look = ' font-weight="600"' if word.bold else ""
            look += ' font-family="ui-monospace,Menlo,Consolas,monospace" fill="#b5bac1"' if word.code else ""
            spans.append(f"<tspan{look}>{escape(word.text)}</tspan>")
        self.shapes.append(
            f'<text xml:space="preserve" x="{x:.0f}" y="{self.bottom:.0f}" font-size="{size}" fill="{colour}">'
            f"{''.join(spans)}</text>"
        )

    def paragraph(self, x: float, text: str, *, size: int = _SIZE, colour: str = "#dbdee1") -> None:
        """Write a text with its marks, as many lines as it needs."""
        for line in text.split("\n"):
            for words in _lines(list(_words(line)), _INNER, size):
                self.text(x, words, size=size, colour=colour)


def picture(payload: Mapping[str, Any]) -> str:
    """Return the SVG of a message."""
    drawing = _Drawing()
    for embed in payload["embeds"]:
        _embed(drawing, embed)
    _buttons(drawing, payload.get("components", ()))
    height = drawing.bottom + 20
    title = payload["embeds"][0].get("title", "")
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" width="{WIDTH}" '
            f'height="{height:.0f}" font-family="gg sans,Noto Sans,Helvetica Neue,Helvetica,Arial,sans-serif">',
            f"<title>{escape(title)}</title>",
            f'<rect width="{WIDTH}" height="{height:.0f}" rx="8" fill="#313338"/>',
            *drawing.shapes,
            "</svg>\n",
        )
    )


def _embed(drawing: _Drawing, embed: Mapping[str, Any]) -> None:
    top = drawing.bottom + 20
    place = len(drawing.shapes)
    drawing.bottom = top + 8
    drawing.text(36, [_Word(embed.get("title", ""), bold=True)], size=16, colour="#f2f3f5")
    drawing.bottom += 6
    drawing.paragraph(36, embed.get("description", ""))
    for field in embed.get("fields", ()):
        drawing.bottom += 8
        drawing.text(36, [_Word(field["name"], bold=True)], colour="#f2f3f5")
        drawing.paragraph(36, field["value"])
    if "footer" in embed:
        drawing.bottom += 8
        drawing.paragraph(36, embed["footer"]["text"], size=12, colour="#b5bac1")
    drawing.bottom += 16
    height = drawing.bottom - top
    colour = f"#{embed.get('color', 0x202225):06x}"
    drawing.shapes[place:place] = [
        f'<rect x="20" y="{top:.0f}" width="{WIDTH - 40}" height="{height:.0f}" rx="4" fill="#2b2d31"/>',
        f'<rect x="20" y="{top:.0f}" width="4" height="{height:.0f}" rx="2" fill="{colour}"/>',
    ]


def _buttons(drawing: _Drawing, rows: Any) -> None:
    for row in rows:
        top, x = drawing.bottom + 12, 20.0
        for button in row["components"]:
            label = escape(button["label"])
            width = _width(label, _SIZE, bold=True) + 32
            drawing.shapes.append(
                f'<rect x="{x:.0f}" y="{top:.0f}" width="{width:.0f}" height="32" rx="4" '
                f'fill="{_BUTTON_COLOURS[button["style"]]}"/><text x="{x + width / 2:.0f}" y="{top + 21:.0f}" '
                f'font-size="{_SIZE}" font-weight="600" text-anchor="middle" fill="#fff">{label}</text>'
            )
            x += width + 8
        drawing.bottom = top + 32


def _words(line: str) -> Iterator[_Word]:
    """Yield a line of Discord's markup as words, with blanks as words of their own."""
    for part in _MARKS.split(line):
        if part.startswith("**"):
            yield from (_Word(each, bold=True) for each in re.split(r"( )", part[2:-2]))
        elif part.startswith("`"):
            yield _Word(part[1:-1], code=True)
        elif part.startswith("<t:"):
            yield from (_Word(each) for each in re.split(r"( )", _moment(part)))
        else:
            yield from (_Word(each) for each in re.split(r"( )", re.sub(r"\\(.)", r"\1", part)))


def _moment(mark: str) -> str:
    """Return a timestamp as Discord would show it now, to a reader in UTC."""
    seconds, _, style = mark.strip("<t:>").partition(":")
    at = dt.datetime.fromtimestamp(int(seconds), dt.UTC)
    if style == "R":
        ago = max(0, round((dt.datetime.now(dt.UTC) - at).total_seconds()))
        return f"{ago} second{'' if ago == 1 else 's'} ago" if ago < 60 else f"{ago // 60} minutes ago"
    return f"{at.day} {at:%B %Y %H:%M}"


def _lines(words: list[_Word], width: float, size: int) -> Iterator[list[_Word]]:
    line: list[_Word] = []
    used = 0.0
    for word in words:
        needed = _width(word.text, size, bold=word.bold or word.code)
        if line and used + needed > width and word.text != " ":
            yield line
            line, used = [], 0.0
        if line or word.text != " ":
            line.append(word)
            used += needed
    yield line


def _width(text: str, size: int, *, bold: bool = False) -> float:
    """Return about how wide a text is, in pixels."""
    units = sum(
        0.28
        if letter in _NARROW
        else 0.38
        if letter in _MIDDLE
        else 0.85
        if letter in _WIDE
        else 0.68
        if letter.isupper()
        else 0.55
        for letter in text
    )
    return units * size * (1.2 if bold else 1.03)
