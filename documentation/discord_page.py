"""A message of the bot as a page of HTML that looks as Discord does on its dark theme: embeds and components.

What a component is: https://discord.com/developers/docs/components/reference.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from documentation.discord_text import html_of

__all__ = ["WIDTH", "page"]

_Part = Mapping[str, Any]

_BUTTON_COLOURS = {1: "#5865f2", 2: "#4e5058", 3: "#248046", 4: "#da373c", 5: "#4e5058"}
_STYLE = """
* { box-sizing: border-box }
body { margin: 0; background: #313338; color: #dbdee1; font: 15px/1.35 "Liberation Sans", Arial }
main { padding: 16px; width: WIDTHpx }
.head { display: flex; gap: 12px; align-items: center; margin-bottom: 8px; color: #949ba4; font-size: 12px }
.head i { width: 36px; height: 36px; border-radius: 50%; background: #5865f2; color: #fff; display: grid;
  place-items: center; font: bold 18px "Liberation Sans", Arial }
.head b { color: #f2f3f5; font-size: 16px; font-weight: 500 }
.head u { background: #5865f2; color: #fff; border-radius: 3px; padding: 1px 5px; text-decoration: none; font-size: 11px
}
.box { background: #2b2d31; border-radius: 4px; border-left: 4px solid #1e1f22; padding: 12px 16px 14px }
.title { color: #f2f3f5; font-weight: 600; font-size: 16px; margin-bottom: 6px }
.fields { display: grid; grid-auto-columns: 1fr; grid-auto-flow: column; gap: 12px; margin-top: 8px }
.fields > div { min-width: 0; overflow-wrap: anywhere }
.name { color: #f2f3f5; font-weight: 600; font-size: 14px }
.fields { font-size: 14px }
.footer { color: #b5bac1; font-size: 12px; margin-top: 10px }
.row { display: flex; flex-wrap: wrap; gap: 8px; margin-top: 8px }
.button { color: #fff; font-size: 14px; font-weight: 500; border-radius: 4px; padding: 6px 16px }
.off { opacity: .5 }
.select { width: 400px; background: #1e1f22; border-radius: 4px; padding: 8px 12px; color: #949ba4; display: flex;
  justify-content: space-between }
hr { border: 0; border-top: 1px solid #43454b; margin: 10px 0 }
h1, h2, h3 { color: #f2f3f5; margin: 0 0 4px; font-size: 20px } h3 { font-size: 17px } li { margin-left: 8px }
b { color: #f2f3f5; font-weight: 600 }
code { background: #1e1f22; border-radius: 4px; padding: 1px 4px; font: 13px "DejaVu Sans Mono", monospace }
.time { background: #3f4147; border-radius: 3px; padding: 0 2px }
"""
WIDTH = 640
"""Of the page, in pixels."""
_SIDE_BY_SIDE = 3


def page(payload: _Part) -> str:
    """Return the page of a message."""
    embeds = "".join(_embed(each) for each in payload["embeds"])
    head = '<div class="head"><i>S</i><b>Savepoint</b><u>APP</u><span>Today at 18:00</span></div>'
    shown = f"{head}{embeds}{_all(payload['components'])}"
    style = _STYLE.replace("WIDTH", str(WIDTH))
    return f'<!doctype html><meta charset="utf-8"><style>{style}</style><main>{shown}</main>\n'


def _embed(embed: _Part) -> str:
    parts = []
    if "title" in embed:
        parts.append(f'<div class="title">{html.escape(embed["title"])}</div>')
    parts.append(html_of(embed.get("description", "")))
    parts.extend(
        f'<div class="fields">{"".join(map(_field, row))}</div>' for row in _field_rows(embed.get("fields", ()))
    )
    if "footer" in embed:
        parts.append(f'<div class="footer">{html.escape(embed["footer"]["text"])}</div>')
    return _box("".join(parts), embed.get("color"))


def _field_rows(fields: Iterable[_Part]) -> list[list[_Part]]:
    """Return the fields as Discord sets them: up to three inline ones side by side, each other one alone."""
    rows: list[list[_Part]] = []
    for field in fields:
        before = rows[-1] if rows else []
        if field.get("inline") and before and before[0].get("inline") and len(before) < _SIDE_BY_SIDE:
            before.append(field)
        else:
            rows.append([field])
    return rows


def _field(field: _Part) -> str:
    return f'<div><div class="name">{html.escape(field["name"])}</div>{html_of(field["value"])}</div>'


def _box(inner: str, colour: int | None) -> str:
    edge = f' style="border-color: #{colour:06x}"' if colour is not None else ""
    return f'<div class="box"{edge}>{inner}</div>'


def _all(components: list[_Part]) -> str:
    """Return components one under the other. Raises KeyError for one of a kind that nothing of the bot's uses."""
    return "".join(_KINDS[each["type"]](each) for each in components)


def _row(row: _Part) -> str:
    return f'<div class="row">{_all(row["components"])}</div>'


def _button(button: _Part) -> str:
    off = " off" if button.get("disabled") else ""
    colour = _BUTTON_COLOURS[button["style"]]
    return f'<span class="button{off}" style="background: {colour}">{html.escape(button["label"])}</span>'


def _select(select: _Part) -> str:
    return f'<div class="select">{html.escape(select.get("placeholder", ""))}<span>⌄</span></div>'


def _section(section: _Part) -> str:
    return f'<div class="row"><div>{_all(section["components"])}</div>{_all([section["accessory"]])}</div>'


_KINDS: dict[int, Callable[[_Part], str]] = {
    1: _row,
    2: _button,
    3: _select,
    5: _select,
    9: _section,
    10: lambda text: html_of(text["content"]),
    14: lambda line: "<hr>" if line.get("divider", True) else "<br>",
    17: lambda container: _box(_all(container["components"]), container.get("accent_color")),
}
