"""Every text exists in every language, with the same places for values, and nothing else is in the tables."""

from __future__ import annotations

import ast
import string
from collections.abc import Iterator
from pathlib import Path

import pytest

from cogs.backup_cog import language
from cogs.backup_cog.language.catalog import LANGUAGES, language_of, table

COG = Path(language.__file__).parents[1]
TABLES = [language for language in LANGUAGES if language != "en"]


def said() -> Iterator[tuple[str, bool]]:
    """Yield each text that the cog says, and whether it counts something."""
    for path in sorted(COG.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            place = {"text": 0, "phrase": 0, "plural": 2, "locale_str": 0}.get(node.func.id)
            if place is None or len(node.args) <= place:
                continue
            argument = node.args[place]
            if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                yield argument.value, node.func.id == "plural"


def places(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


@pytest.mark.parametrize("code", TABLES)
def test_a_language_has_each_text_and_no_other(code: str) -> None:
    texts = {text for text, _ in said()}
    assert sorted(texts - table(code).keys()) == []
    assert sorted(table(code).keys() - texts) == []


@pytest.mark.parametrize("code", TABLES)
def test_a_translation_has_the_places_of_its_text(code: str) -> None:
    counting = {text for text, counts in said() if counts}
    for text, found in table(code).items():
        forms = [found] if isinstance(found, str) else found
        assert (len(forms) == 2) == (text in counting), text
        assert places(forms[-1]) == places(text), text


def test_a_person_is_answered_in_his_language_and_the_channel_in_the_hosts() -> None:
    assert [language_of(each) for each in ("de", "de-AT", "en-GB", "fr", "")] == ["de", "de", "en", "en", "en"]
