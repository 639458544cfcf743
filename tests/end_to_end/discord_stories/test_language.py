"""Everybody is answered in his own language, whoever else is answered at the same time; menus have all of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest

from cogs.backup_cog.language.catalog import table
from tests.end_to_end.discord_server.people import Person
from tests.end_to_end.discord_server.state import Message, walk
from tests.end_to_end.discord_stories.town import Town

pytestmark = [pytest.mark.process, pytest.mark.socket]


OF_THE_CORE = {"There is no database"}
"""What begins a sentence of the core, too: those are English."""


def english_in(shown: Message) -> Iterator[str]:
    """Yield the English texts of more than one word that a message has, and that the table has in German."""
    for english, german in table("de").items():
        start = re.split(r"[{\n]", english)[0].strip()
        if start in OF_THE_CORE:
            continue
        if " " in start and start not in str(german) and re.search(rf"\b{re.escape(start)}\b", shown.text):
            yield english


def answers(person: Person) -> Iterator[Message]:
    """Yield what a manager is answered to each command, and to each button under the status."""
    yield person.slash("backup now", note="vorher").reads("vorher")
    for command in ("backup list", "backup show", "backup verify", "db integrity"):
        yield person.slash(command).reads("")
    for command in ("backup look", "backup history"):
        yield person.slash(command, member=str(person.user.id)).reads("")
    yield person.slash("backup show", snapshot="was es nicht gibt").reads("was es nicht gibt")
    status = person.slash("backup status").reads("")
    yield status
    for each in walk(status.components):
        if "label" in each and "custom_id" in each:
            yield person.forge_click(each["custom_id"], status).reads("")


def test_a_german_reads_german_beside_an_englishman_at_a_german_host(found: Callable[..., Town]) -> None:
    """And a French player, whose language there is no table of, reads the host's."""
    town = found(DISCORD_LANGUAGE="de")
    town.owner.user.locale, town.player.user.locale = "de", "fr"
    town.bot.start()
    town.owner.writes("@bot backup sync")
    town.owner.finds("/backup", "registriert")
    (backup,) = [each for each in town.discord.commands[town.home.id] if each["name"] == "backup"]
    assert backup["description_localizations"]["de"] == "Snapshots der Datenbank des Spiels"
    for shown in answers(town.owner):
        assert list(english_in(shown)) == [], shown.text
    assert "Nicht erlaubt" in town.player.slash("backup list").reads("").text
    assert "Verified: " in town.admin.slash("backup now").reads("Id: ").text
    preview = town.owner.slash("backup restore", snapshot="latest").reads("Diesen Snapshot wiederherstellen?")
    assert list(english_in(preview)) == [], preview.text
