"""The pictures of the documents show what the code shows today; ``python -m documentation`` makes them anew."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from documentation import discord_page, discord_pictures, terminal
from documentation.pictures import PICTURES
from documentation.tables import PROJECT

PAGE = PROJECT / "docs" / "discord.md"
AGAIN = "run: python -m documentation"


def words_of(picture: str) -> str:
    """Return all text of a picture."""
    return " ".join(" ".join(ElementTree.fromstring(picture).itertext()).split())


def test_the_recording_is_of_this_demonstration() -> None:
    """Its headings and explanations, and an end that went well."""
    shown = words_of((PICTURES / "demo.svg").read_text())
    source = (PROJECT / "demonstration" / "play.py").read_text()
    said = re.findall(r"console\.rule\(\"(.+?)\"|_explain\(\"(.+?)\"\)", source)
    assert len(said) >= 5
    for text in ("".join(each) for each in said):
        assert text in shown, AGAIN
    assert "restored at start-up yes" in shown
    assert "tables that differ none" in shown
    assert "/tmp" not in shown


def test_a_recording_keeps_the_time_and_the_look_of_each_line() -> None:
    """Lines appear when they appeared, long ones are broken, and what XML would take for a mark is text."""
    long = "word " * 40
    lines = [terminal.Line(0.5, "\x1b[32mgreen\x1b[0m <&>"), terminal.Line(2.0, long)]
    picture = terminal.picture("make it", lines)
    assert words_of(picture).count("word") == 40
    assert "green" in words_of(picture)
    assert "<&>" in words_of(picture)
    [first, second] = re.findall(r"@keyframes at\d+\{from,([\d.]+)%", picture)
    assert float(second) == 4 * float(first)


@pytest.mark.parametrize("name", discord_pictures.NAMES)
def test_a_picture_of_discord_is_drawn_from_what_was_recorded(name: str) -> None:
    """From the page as it would be today; and a reader's browser need not fetch much for it."""
    picture = discord_pictures.path_of(name).read_bytes()
    source = discord_pictures.source_of(name)
    assert discord_pictures.digest_of(picture) == discord_pictures.digest(source), f"{AGAIN} discord"
    assert len(picture) < 100_000
    assert re.search(rf'<img src="pictures/discord-{name}.png" width="\d+" alt="[^"]+">', PAGE.read_text())


def test_a_page_shows_what_discord_shows_of_a_message() -> None:
    """Text displays with headings, lists and marks; fields; sections with their button; and what cannot be clicked."""
    display = {
        "type": 10,
        "content": "## A <head>\n- **one** *two* `th*r*ee`\n-# a\\_b, <t:1795888200:R>, <t:1795888200:f>",
    }
    button = {"type": 2, "style": 4, "label": "Go & see", "disabled": True}
    section = {"type": 9, "components": [display], "accessory": button}
    container = {"type": 17, "accent_color": 255, "components": [section, {"type": 14}]}
    fields = [{"name": f"n{number}", "value": "v", "inline": number != 2} for number in range(7)]
    page = discord_page.page({"embeds": [{"fields": fields}], "components": [container]})
    for part in (
        "<h2>A &lt;head&gt;</h2><li><b>one</b> <i>two</i> <code>th*r*ee</code></li><small>a_b, ",
        '<span class="time">10 minutes ago</span>, <span class="time">28 November 2026 17:50</span></small>',
        "border-color: #0000ff",
        '<span class="button off" style="background: #da373c">Go &amp; see</span>',
        "<hr>",
    ):
        assert part in page
    rows = page.split('<div class="fields">')[1:]
    assert [row.count('class="name"') for row in rows] == [2, 1, 3, 1]
