"""Draws a chart: JSON on standard input, a PNG on standard output. A process of its own runs this file by its path.

It imports Pillow and the standard library alone: loading Pillow and drawing would stall a bot for tens of milliseconds.
All places are fractions of the area inside the axes, from its lower left; all texts are ready to be shown. The
background is opaque, so that the picture can be read on Discord's dark and on its light theme. Shapes differ as well as
colours, for who cannot tell colours apart.
"""

from __future__ import annotations

import io
import json
import sys
import unicodedata
from typing import Any

__all__ = ["draw"]

_WIDTH, _HEIGHT = 800, 300
_SCALE = 2
"""Everything is drawn larger and then reduced, which makes its edges smooth."""
_LEFT, _RIGHT, _TOP, _BOTTOM = 84, 20, 38, 64
_TEXT_SIZE, _TITLE_SIZE = 13, 15
_DIAERESIS = "\u0308"
_BACKGROUND, _GRID = (43, 45, 49), (78, 80, 88)
_WORDS, _QUIET = (242, 243, 245), (181, 186, 193)
_COLOURS = {
    "dot": (88, 166, 255),
    "diamond": (240, 178, 50),
    "cross": (255, 92, 96),
    "restore": (59, 201, 119),
    "alert": (255, 92, 96),
}


class _Canvas:
    """A drawing in whole pixels of the final picture."""

    def __init__(self) -> None:
        # Not at the top: a host's loader that tries every file imports this one into the bot.
        from PIL import Image, ImageDraw, ImageFont

        self.image = Image.new("RGB", (_WIDTH * _SCALE, _HEIGHT * _SCALE), _BACKGROUND)
        self._draw = ImageDraw.Draw(self.image)
        self._fonts = {size: ImageFont.load_default(size * _SCALE) for size in (_TEXT_SIZE, _TITLE_SIZE)}

    def reduced(self) -> Any:
        """Return the image in its final size."""
        from PIL import Image

        return self.image.resize((_WIDTH, _HEIGHT), Image.Resampling.LANCZOS)

    def line(self, start: tuple[float, float], end: tuple[float, float], colour: Any, width: float = 1) -> None:
        self._draw.line([*self._scaled(start), *self._scaled(end)], fill=colour, width=round(width * _SCALE))

    def box(self, start: tuple[float, float], end: tuple[float, float], colour: Any) -> None:
        self._draw.rectangle([*self._scaled(start), *self._scaled(end)], fill=colour)

    def shape(self, name: str, x: float, y: float) -> None:
        colour = _COLOURS[name]
        if name == "dot":
            self._draw.ellipse([*self._scaled((x - 3, y - 3)), *self._scaled((x + 3, y + 3))], fill=colour)
        elif name == "diamond":
            self._corners(colour, (x, y - 5), (x + 5, y), (x, y + 5), (x - 5, y))
        elif name == "restore":
            self._corners(colour, (x - 5, y - 4), (x + 5, y - 4), (x, y + 5))
        elif name == "alert":
            self.box((x - 6, y - 3), (x + 6, y + 3), colour)
        else:
            self.line((x - 4, y - 4), (x + 4, y + 4), colour, 2)
            self.line((x - 4, y + 4), (x + 4, y - 4), colour, 2)

    def _corners(self, colour: Any, *corners: tuple[float, float]) -> None:
        self._draw.polygon([self._scaled(corner) for corner in corners], fill=colour)

    def text(self, place: tuple[float, float], words: str, colour: Any, anchor: str, size: int = _TEXT_SIZE) -> float:
        """Write words, and return how wide they are. Pillow's own font has no umlauts: their dots are drawn here."""
        font = self._fonts[size]
        letters, dotted = _without_dots(words)
        width = float(self._draw.textlength(letters, font=font))
        x, y = self._scaled(place)
        left, line = x - width * {"l": 0.0, "m": 0.5, "r": 1.0}[anchor[0]], f"l{anchor[1]}"
        self._draw.text((left, y), letters, fill=colour, font=font, anchor=line)
        for index in dotted:
            start = left + float(self._draw.textlength(letters[:index], font=font))
            first, top, last, _ = self._draw.textbbox((start, y), letters[index], font=font, anchor=line)
            middle, above = (first + last) / 2, top - 3.0 * _SCALE
            for side in (-2.0, 2.0):
                at = middle + side * _SCALE
                self._draw.ellipse([at - _SCALE, above - _SCALE, at + _SCALE, above + _SCALE], fill=colour)
        return width / _SCALE

    @staticmethod
    def _scaled(place: tuple[float, float]) -> tuple[float, float]:
        return place[0] * _SCALE, place[1] * _SCALE


def _without_dots(words: str) -> tuple[str, list[int]]:
    """Return words in letters that Pillow's font has, and which of them have two dots."""
    letters: list[str] = []
    dotted = []
    for letter in unicodedata.normalize("NFD", words.replace("ß", "ss").replace("…", "...")):
        if letter == _DIAERESIS and letters:
            dotted.append(len(letters) - 1)
        elif not unicodedata.combining(letter):
            letters.append(letter)
    return "".join(letters), dotted


def draw(chart: dict[str, Any]) -> bytes:
    """Return the picture of a chart as a PNG."""
    canvas = _Canvas()
    canvas.text((_LEFT, _TOP / 2), chart["title"], _WORDS, "lm", _TITLE_SIZE)
    for y, words in chart["y_ticks"]:
        canvas.line((_x(0), _y(y)), (_x(1), _y(y)), _GRID)
        canvas.text((_LEFT - 8, _y(y)), words, _QUIET, "rm")
    last = len(chart["x_ticks"]) - 1
    for number, (x, words) in enumerate(chart["x_ticks"]):
        canvas.line((_x(x), _y(0)), (_x(x), _y(0) + 4), _GRID)
        canvas.text((_x(x), _y(0) + 7), words, _QUIET, "la" if number == 0 else "ra" if number == last else "ma")
    for start, end in chart["alerts"]:
        canvas.box((_x(start), _TOP - 3), (max(_x(end), _x(start) + 3), _TOP + 3), _COLOURS["alert"])
    for x in chart["restores"]:
        canvas.line((_x(x), _TOP + 10), (_x(x), _y(0)), _COLOURS["restore"])
        canvas.shape("restore", _x(x), _TOP + 12)
    for x, y, shape in chart["marks"]:
        canvas.line((_x(x), _y(0)), (_x(x), _y(y)), _GRID)
        canvas.shape(shape, _x(x), _y(y))
    x = float(_LEFT)
    for shape, words in chart["legend"]:
        canvas.shape(shape, x + 6, _HEIGHT - 18)
        x += 18 + canvas.text((x + 18, _HEIGHT - 18), words, _WORDS, "lm") + 18
    written = io.BytesIO()
    canvas.reduced().save(written, "PNG", optimize=True)
    return written.getvalue()


def _x(fraction: float) -> float:
    return _LEFT + fraction * (_WIDTH - _LEFT - _RIGHT)


def _y(fraction: float) -> float:
    return _HEIGHT - _BOTTOM - fraction * (_HEIGHT - _BOTTOM - _TOP - 16)


if __name__ == "__main__":
    sys.stdout.buffer.write(draw(json.load(sys.stdin.buffer)))
