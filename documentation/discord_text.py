"""Discord's markdown as HTML: what the bot's messages use of it."""

from __future__ import annotations

import datetime as dt
import html
import re

__all__ = ["html_of"]

_NOW = dt.datetime(2026, 11, 28, 18, 0, tzinfo=dt.UTC)
"""The moment of the pictures."""
_MARKS = re.compile(
    r"`(?P<code>[^`]+)`|\*\*(?P<bold>.+?)\*\*|<t:(?P<time>\d+):(?P<style>\w)>|\\(?P<escaped>.)|\*(?P<italic>[^*]+)\*"
)
_LINES = ((re.compile(r"(#{1,3}) (.+)"), "h{}"), (re.compile(r"(- )(.+)"), "li"), (re.compile(r"(-# )(.+)"), "small"))


def html_of(text: str) -> str:
    """Return a text with its marks as HTML: headings and lists by line, the others wherever they are."""
    shown = []
    for line in text.split("\n"):
        for pattern, tag in _LINES:
            if found := pattern.fullmatch(line):
                name = tag.format(len(found[1]))
                shown.append(f"<{name}>{_inner(found[2])}</{name}>")
                break
        else:
            shown.append(f"<div>{_inner(line) or '&nbsp;'}</div>")
    return "".join(shown)


def _inner(text: str) -> str:
    """Return one line as HTML."""
    shown, end = [], 0
    for mark in _MARKS.finditer(text):
        shown.append(html.escape(text[end : mark.start()]))
        shown.append(_marked(mark))
        end = mark.end()
    return "".join([*shown, html.escape(text[end:])])


def _marked(mark: re.Match[str]) -> str:
    kind, value = next((name, each) for name, each in mark.groupdict().items() if each is not None)
    if kind == "time":
        return f'<span class="time">{_moment(int(value), mark["style"])}</span>'
    if kind == "code":
        return f"<code>{html.escape(value)}</code>"
    if kind == "escaped":
        return html.escape(value)
    tag = {"bold": "b", "italic": "i"}[kind]
    return f"<{tag}>{_inner(value)}</{tag}>"


def _moment(seconds: int, style: str) -> str:
    """Return a timestamp as Discord shows it, at the moment of the pictures, to a reader in UTC."""
    at = dt.datetime.fromtimestamp(seconds, dt.UTC)
    if style != "R":
        return f"{at.day} {at:%B %Y %H:%M}"
    minutes = round((_NOW - at).total_seconds() / 60)
    count = f"{abs(minutes)} minute{'' if abs(minutes) == 1 else 's'}"
    return f"{count} ago" if minutes >= 0 else f"in {count}"
