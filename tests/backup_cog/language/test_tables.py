"""Every text exists in every language, with the same places for values, and nothing else is in the tables."""

from __future__ import annotations

import ast
import enum
import string
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import discord
import pytest
from discord import app_commands

from cogs.backup_cog import language
from cogs.backup_cog.cog import BackupCog
from cogs.backup_cog.language import catalog, duration_text, number_text, size_text, speak, text, word
from cogs.backup_cog.language.catalog import LANGUAGES, SEPARATORS, table
from cogs.backup_cog.language.words import WORDS
from core import snapshots
from tests.worlds.sources import syntax_tree

COG = Path(language.__file__).parents[1]
CORE = Path(snapshots.__file__).parent
TABLES = [language for language in LANGUAGES if language != "en"]
COMMAND_LIMIT = 100
"""Characters of a description or of a choice that Discord takes."""


def calls(folder: Path) -> Iterator[tuple[str, ast.Call]]:
    """Yield each call in a folder of modules, with the name of what is called."""
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(syntax_tree(path)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
                yield node.func.id if isinstance(node.func, ast.Name) else node.func.attr, node


def constants(nodes: Iterable[ast.AST]) -> list[str]:
    return [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]


def said() -> Iterator[tuple[str, bool]]:
    """Yield each text that the cog says in an answer, and whether it counts something."""
    for called, call in calls(COG):
        place = {"text": 0, "phrase": 0, "plural": 2, "locale_str": 0}.get(called)
        if place is not None and isinstance(call.func, ast.Name):
            yield from ((english, called == "plural") for english in constants(call.args[place : place + 1]))


def shown_in_menus(command: Any) -> Iterator[str]:
    """Yield what Discord's menus say of a command or a group."""
    yield command.description
    for parameter in getattr(command, "parameters", ()):
        yield str(parameter.description)
        yield from (choice.name for choice in parameter.choices)
    for each in getattr(command, "commands", ()):
        yield from shown_in_menus(each)


MENUS = {each for group in (BackupCog.backup, BackupCog.database) for each in shown_in_menus(group)}


def places(english: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(english) if name is not None}


@pytest.mark.parametrize("code", TABLES)
def test_a_language_has_each_text_and_no_other(code: str) -> None:
    texts = {english for english, _ in said()} | MENUS
    assert sorted(texts - table(code).keys()) == []
    assert sorted(table(code).keys() - texts) == []


@pytest.mark.parametrize("code", TABLES)
def test_a_translation_has_the_places_of_its_text(code: str) -> None:
    counting = {english for english, counts in said() if counts}
    for english, found in table(code).items():
        forms = [found] if isinstance(found, str) else found
        assert (len(forms) == 2) == (english in counting), english
        assert places(forms[-1]) == places(english), english


@pytest.mark.parametrize("code", TABLES)
def test_a_menu_has_room_for_its_texts(code: str) -> None:
    long = [each for each in MENUS for shown in (each, table(code)[each]) if len(shown) > COMMAND_LIMIT]
    assert long == []


_WORDS_IN = {
    "phase": slice(0, 1),
    "shown": slice(0, 1),
    "held": slice(0, 1),
    "exclusive": slice(1, 2),
    "journaled": slice(1, 2),
    "audit": slice(2, 4),
}
"""Where calls in the core have words that people are shown."""


def words_of_the_core() -> set[str]:
    """Return what the core calls things: its enumerations, phases of long work, operations, and what is audited."""
    kinds: list[Any] = [
        each for each in map(snapshots.__dict__.get, snapshots.__all__) if isinstance(each, enum.EnumType)
    ]
    found = {str(member.value) for kind in kinds for member in kind}
    for called, call in calls(CORE):
        place = _WORDS_IN.get(called, slice(0))
        found |= {word for argument in call.args[place] for word in constants(ast.walk(argument))}
        for keyword in call.keywords:
            if keyword.arg == "phase" or (called, keyword.arg) == ("Actor", "source"):
                found |= set(constants([keyword.value]))
    # What ends with a space goes on with a value.
    return {each.replace("_", " ") for each in found if not each.endswith(" ")}


def test_each_word_of_the_core_is_known() -> None:
    for name in snapshots.__all__:
        getattr(snapshots, name)
    found = words_of_the_core()
    assert {"periodic", "foreign keys", "compress", "a restore", "check", "start-up restore", "done"} <= found
    assert found - WORDS == set()


def test_a_person_is_answered_in_his_language_and_anybody_else_in_the_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A French client of a German host reads German."""
    # Another test may have reloaded the module: this function's own.
    monkeypatch.setitem(text.__globals__, "_host", "de")
    for locale, spoken in {"de": "Prüfen", "en-GB": "check", "fr": "Prüfen", "": "Prüfen"}.items():
        speak(locale)
        assert text("check") == spoken, locale
    speak("")


def test_quantities_are_written_as_the_language_writes_them() -> None:
    assert SEPARATORS.keys() == set(LANGUAGES)
    amounts = (0, 0.25, 1.84, 7.0, 75, 5400, 200_000, -3)
    assert [duration_text(each) for each in amounts] == [snapshots.duration_text(each) for each in amounts]
    sizes = (0, 999, 1024, 1_572_864, 5 * 1024**3)
    assert [size_text(each) for each in sizes] == [snapshots.size_text(each) for each in sizes]
    speak("de")
    assert [duration_text(1.84), duration_text(5400), size_text(1_572_864)] == ["1,8 s", "1 h 30 min", "1,5 MiB"]
    assert number_text(1024) == "1.024"
    assert word("foreign_keys") == "Fremdschlüssel"
    assert word("a verification of 3fa9c1d2e4b5") == "eine Prüfung eines Snapshots: 3fa9c1d2e4b5"
    speak("")


class HostsTranslator(app_commands.Translator):
    """A host's: French for the first description of the backups, and German for that of its own command."""

    async def translate(self, string: app_commands.locale_str, locale: discord.Locale, _: Any) -> str | None:
        if string.message == "Snapshots of the game's database" and locale is discord.Locale.french:
            return "Copies"
        return "Eigenes" if string.message == "own" and locale is discord.Locale.german else None


class Stubborn(app_commands.Translator):
    """A host's, which fails for what it does not know."""

    async def translate(self, string: app_commands.locale_str, locale: discord.Locale, _: Any) -> str | None:
        raise KeyError(string.message)


@pytest.mark.parametrize("translator", [None, HostsTranslator(), Stubborn()])
async def test_menus_are_translated_beside_the_hosts_own_translator(translator: app_commands.Translator | None) -> None:
    tree = app_commands.CommandTree(discord.Client(intents=discord.Intents.none()))
    group = BackupCog.backup
    sent = group.to_dict(tree) if translator is None else await group.get_translated_payload(tree, translator)
    german = "Snapshots der Datenbank des Spiels"
    french = {"fr": "Copies"} if isinstance(translator, HostsTranslator) else {}
    assert sent["description_localizations"] == {"de": german} | french
    assert not sent.get("name_localizations")
    verify = next(each for each in sent["options"] if each["name"] == "verify")
    assert verify["description_localizations"]["de"] == "Einen Snapshot prüfen."
    level = verify["options"][1]
    assert level["description_localizations"]["de"] == "Wie gründlich"
    assert level["choices"][0]["name_localizations"]["de"].startswith("Prüfsumme")


@pytest.mark.parametrize("code", LANGUAGES)
def test_a_host_can_set_each_language(code: str) -> None:
    assert snapshots.load(None, {"BACKUP_DISCORD_LANGUAGE": code}).discord.language == code


def test_a_file_that_cannot_be_read_costs_its_texts_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Half a copy of the cog must not keep the bot from its backups."""
    (tmp_path / "de").mkdir()
    (tmp_path / "de" / "bad.toml").write_bytes(b'"one" = "eins\xff')
    (tmp_path / "de" / "good.toml").write_text('"two" = "zwei"')
    monkeypatch.setitem(table.__wrapped__.__globals__, "_FOLDER", tmp_path)
    assert table.__wrapped__("de") == {"two": "zwei"}
    assert "de/bad.toml" in caplog.text


def test_no_text_is_in_two_files() -> None:
    """Whoever mends the one would wonder why nothing changes."""
    files = sorted(Path(catalog.__file__).parent.glob("*/*.toml"))
    assert {path.parent.name for path in files} == set(TABLES)
    for code in TABLES:
        texts = [english for path in files if path.parent.name == code for english in tomllib.loads(path.read_text())]
        assert sorted({english for english in texts if texts.count(english) > 1}) == []
