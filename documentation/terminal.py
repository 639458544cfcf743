"""A recording of a program in a terminal, as an SVG that plays by itself where that is allowed.

Only styles and keyframes are used, so that it also plays as a picture in a page. Whoever prefers no motion, or cannot
play it, sees the last moment.
"""

from __future__ import annotations

import subprocess
import textwrap
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

__all__ = ["Line", "picture", "record"]

COLUMNS = 106
_SIZE, _HEIGHT, _WIDTH, _MARGIN, _BAR = 13, 17, 7.8, 16, 34
_BACKGROUND, _FOREGROUND = "#1e1f29", "#e6e6e6"
_PAUSE = 6.0
"""Seconds for which the last moment is shown."""


class Line(NamedTuple):
    """A line as the program wrote it, escape sequences included, and when, in seconds after its start."""

    at: float
    text: str


def record(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> list[Line]:
    """Run a program in a folder and return its lines. Raises CalledProcessError if it fails."""
    began = time.monotonic()
    size = {"COLUMNS": str(COLUMNS), "FORCE_COLOR": "1", "TERM": "xterm-256color", "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, cwd=folder, env={**environment, **size}, stdout=subprocess.PIPE, text=True, encoding="utf-8"
    ) as program:
        assert program.stdout is not None
        lines = [Line(time.monotonic() - began, line.rstrip("\n")) for line in program.stdout]
    if program.returncode:
        raise subprocess.CalledProcessError(program.returncode, command)
    return lines


def picture(prompt: str, lines: Sequence[Line]) -> str:
    """Return the SVG of a recording that begins with what was typed."""
    shown = [Line(0.0, f"\x1b[1;32m$ \x1b[0m{prompt}"), *(part for line in lines for part in _wrapped(line))]
    seconds = max(line.at for line in shown) + _PAUSE
    height = _BAR + len(shown) * _HEIGHT + _MARGIN
    width = round(COLUMNS * _WIDTH) + 2 * _MARGIN
    moments = sorted({line.at for line in shown})
    rules = [
        f"@keyframes at{number}{{from,{100 * moment / seconds:.2f}%{{opacity:0}}"
        f"{100 * moment / seconds + 0.01:.2f}%,to{{opacity:1}}}}"
        f".at{number}{{animation:at{number} {seconds:.1f}s infinite}}"
        for number, moment in enumerate(moments)
        if moment
    ]
    texts = [
        f'<g class="at{moments.index(line.at)}">{_text(line.text, _BAR + (number + 1) * _HEIGHT - 4)}</g>'
        for number, line in enumerate(shown)
    ]
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" xml:space="preserve" viewBox="0 0 {width} {height}" '
            f'width="{width}" height="{height}">',
            f"<title>{escape(prompt)}</title>",
            f"<style>text{{font:{_SIZE}px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;white-space:pre;"
            f"fill:{_FOREGROUND}}}",
            "@media (prefers-reduced-motion:no-preference){",
            *rules,
            "}</style>",
            f'<rect width="{width}" height="{height}" rx="8" fill="{_BACKGROUND}"/>',
            *(
                f'<circle cx="{20 + 18 * number}" cy="17" r="5.5" fill="{colour}"/>'
                for number, colour in enumerate(("#ff5f57", "#febc2e", "#28c840"))
            ),
            *texts,
            "</svg>\n",
        )
    )


def _wrapped(line: Line) -> list[Line]:
    """Break a line that is longer than the terminal between words; only plain lines are that long."""
    text = Text.from_ansi(line.text)
    text.rstrip()
    if len(text) <= COLUMNS:
        return [line]
    italic = "\x1b[3m" if any("italic" in str(span.style) for span in text.spans) else ""
    broken = textwrap.wrap(text.plain, COLUMNS, break_on_hyphens=False)
    return [Line(line.at, f"{italic}{part}\x1b[0m" if italic else part) for part in broken]


def _text(line: str, y: int) -> str:
    """Return the texts of a line, one for each style, each as wide as its columns."""
    parts, column = [], 0
    console = Console(width=2 * COLUMNS, color_system="truecolor")
    for text, style, _ in Text.from_ansi(line.rstrip()).render(console):
        if text.strip():
            look = []
            if style is not None and style.color is not None:
                look.append(f'style="fill:{style.color.get_truecolor(MONOKAI).hex}"')
            if style is not None and style.bold:
                look.append('font-weight="bold"')
            if style is not None and style.italic:
                look.append('font-style="italic" opacity="0.75"')
            x, length = _MARGIN + column * _WIDTH, len(text) * _WIDTH
            place = f'x="{x:.1f}" y="{y}" textLength="{length:.1f}" lengthAdjust="spacingAndGlyphs"'
            parts.append(" ".join(("<text", place, *look)) + f">{escape(text)}</text>")
        column += len(text)
    return "".join(parts)
