"""No text that a person sees stands outside ``text``, ``plural`` and ``phrase``, so none is in English only."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from cogs.backup_cog import language
from tests.worlds.sources import syntax_tree

COG = Path(language.__file__).parents[1]
TRANSLATED = {"text": 1, "phrase": 1, "plural": 3, "locale_str": 1}
"""What brings a text into the reader's language, and how many of its arguments are texts or their count."""
UNSEEN = {"TypeVar", "describe", "debug", "info", "warning", "error", "exception", "log"}
"""Calls with texts for nobody in Discord, such as those of a log; what Discord's menus say has a test of its own."""
ERRORS = {"AttributeError", "ValueError", "SettingsError", "SnapshotError", "OperationCancelled"}
"""Errors of programmers, and those of the core, which are English wherever they are raised."""
WORDS = re.compile(r"[A-Za-z]{2,}[^A-Za-z<>{}]*\s[^A-Za-z<>{}]*[A-Za-z]{2,}|^[A-Z][a-z]+[.:!…]?$")
"""Two words, or one with a capital, as titles and labels have."""
EXCEPTIONS = {
    "core_api.py": "loading fails with it, before Discord is there",
    "first_check.py": "loading fails with it, before Discord is there",
    "host_events.py": "a line of the log",
    "logs.py": "the name of a handler",
    "notices/alerts.py": "the name of an action",
    "notices/outage_texts.py": "the name of an operation",
    "notices/outbox.py": "a line of the log",
    "slash/groups.py": "loading fails with it, before Discord is there",
    "slash/snapshots/described.py": "the words of the audit log",
    "triggers/events.py": "the names of Discord's events",
}
"""Modules whose texts nobody reads in Discord, and why."""


def outside(tree: ast.AST) -> Iterator[str]:
    """Yield each text in a module that is neither translated, logged nor a docstring, with its line."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and WORDS.search(node.value):
            yield f"{node.lineno}: {node.value}"
        waiting += seen_below(node)


def seen_below(node: ast.AST) -> list[ast.AST]:
    """Return the nodes below one that can hold a text for a person."""
    match node:
        case ast.Assert() | ast.Expr(value=ast.Constant()):
            return []
        case ast.Assign(targets=[ast.Name(id="__all__")]) | ast.keyword(arg="name"):
            return []
        case ast.AnnAssign():
            return [node.value] if node.value is not None else []
        case ast.Call(func=ast.Name(id=called) | ast.Attribute(attr=called)) if called in UNSEEN | ERRORS:
            return []
        case ast.Call(func=ast.Name(id=called)) if called in TRANSLATED:
            return [*node.args[TRANSLATED[called] :], *node.keywords]
    return list(ast.iter_child_nodes(node))


def modules() -> list[str]:
    return [path.relative_to(COG).as_posix() for path in sorted(COG.rglob("*.py"))]


@pytest.mark.parametrize("module", modules())
def test_every_text_is_in_the_language_of_who_reads_it(module: str) -> None:
    found = sorted(outside(syntax_tree(COG / module)))
    assert bool(found) == (module in EXCEPTIONS), found


def test_no_text_is_put_together_where_it_is_said() -> None:
    """No table has such a text: its values have places in braces."""
    for module in modules():
        for node in ast.walk(syntax_tree(COG / module)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in TRANSLATED:
                texts = node.args[: TRANSLATED[node.func.id]]
                assert not any(isinstance(each, ast.JoinedStr | ast.BinOp) for each in texts), (module, node.lineno)


LOGGING = {"core_api.py", "host_events.py", "notices/outbox.py"}
"""Modules that may count as the core does, in English: what they count goes to the log."""


@pytest.mark.parametrize("module", modules())
def test_quantities_are_written_as_the_language_writes_them(module: str) -> None:
    """So neither the core's functions nor Python's formats: "1,024" is about one in German."""
    found = []
    for node in ast.walk(syntax_tree(COG / module)):
        if isinstance(node, ast.ImportFrom) and node.module == "core_api":
            found += [each.name for each in node.names if each.name in ("count_text", "duration_text", "size_text")]
        elif isinstance(node, ast.FormattedValue) and node.format_spec is not None:
            found += [spec for spec in (ast.unparse(node.format_spec),) if re.search(r",|\.\d", spec)]
    assert module in LOGGING | {"language/speaking.py"} or found == []


def test_a_text_outside_is_found_wherever_it_stands() -> None:
    """The test of the test: what is seen is found, and what is translated or logged is not."""
    seen = 'embed("Two words", f"and {x} more words", fields=[("Kind", x)]); text(x, y="is so")'
    assert len(list(outside(ast.parse(seen)))) == 4
    unseen = '"""Doc of it."""\nlog.info("is logged"); text("is said", x=1); plural(2, "one is", "two are"); x = "word"'
    assert list(outside(ast.parse(unseen))) == []
