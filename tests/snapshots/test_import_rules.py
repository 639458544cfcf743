"""The direction of the arrows: every import of the project is parsed and held against the rules."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.worlds.sources import syntax_tree

PROJECT = Path(__file__).resolve().parents[2]
CORE = PROJECT / "core" / "snapshots"
COG = PROJECT / "cogs" / "backup_cog"
GAME = PROJECT / "cogs" / "card_game"
TREES = ("core", "cogs", "demonstration", "documentation", "benchmarks", "tests")

LAYERS = (
    "cli",
    "doctor",
    "service",
    "operations",
    "worker",
    "history",
    "repository",
    "engines",
    "archive",
    "policies",
    "settings",
    "progress",
    "files",
    "models",
    "errors",
    "units",
    "version",
)
"""The folders and modules of the core, from the top: each may import only what stands below it."""

FRONT = {"__init__", "__main__", "py.typed"}
"""What hands the core to others: it stands above all layers."""

WORLDLY = {
    "asyncio",
    "logging",
    "os",
    "pathlib",
    "random",
    "secrets",
    "shutil",
    "socket",
    "sqlite3",
    "subprocess",
    "tempfile",
    "threading",
    "time",
}
PURE = [*sorted((CORE / "policies").glob("*.py")), CORE / "units.py", CORE / "repository" / "names.py"]


def sources(folder: Path) -> list[Path]:
    """Return the Python files below a folder."""
    return sorted(folder.rglob("*.py"))


def imports(path: Path) -> Iterator[tuple[int, str, tuple[str, ...]]]:
    """Yield (level, module, names) of each import in a file; level 0 is absolute."""
    for node in ast.walk(syntax_tree(path)):
        if isinstance(node, ast.Import):
            yield from ((0, alias.name, ()) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.level, node.module or "", tuple(alias.name for alias in node.names)


def absolute(path: Path) -> set[str]:
    """Return the first names of what a file imports absolutely."""
    return {module.partition(".")[0] for level, module, _ in imports(path) if level == 0}


@cache
def imported_files(path: Path) -> frozenset[Path]:
    """Return the files of the project that a file imports, at whatever place in it."""
    found = set()
    for level, module, names in imports(path):
        folder = PROJECT if level == 0 else path.parents[level - 1]
        base = folder.joinpath(*module.split(".")) if module else folder
        for each in [base / name for name in names] or [base]:
            for file in (each.with_suffix(".py"), each / "__init__.py", base.with_suffix(".py"), base / "__init__.py"):
                if file.is_file():
                    found.add(file)
                    break
    return frozenset(found - {path})


def layer(path: Path) -> str:
    """Return the layer of the core in which a file lies."""
    return path.relative_to(CORE).parts[0].removesuffix(".py")


def test_the_layers_are_the_tree() -> None:
    """A new folder has a place in the order, and nothing in the order is missing from the tree."""
    there = {path.name.removesuffix(".py") for path in CORE.iterdir() if path.name != "__pycache__"}
    assert there == {*LAYERS, *FRONT}


def test_the_architecture_draws_these_layers() -> None:
    """The table of ARCHITECTURE.md is this list, in its order."""
    text = (PROJECT / "ARCHITECTURE.md").read_text()
    table = text[text.index("| layer of the core |") :].partition("\n\n")[0].splitlines()[2:]
    drawn = [name.rstrip("/") for row in table for name in re.findall(r"`([\w./]+)`", row.split("|")[1])]
    assert [name.removesuffix(".py") for name in drawn] == list(LAYERS)


@pytest.mark.parametrize("path", sources(CORE), ids=lambda path: str(path.relative_to(CORE)))
def test_a_file_of_the_core_imports_only_what_stands_below(path: Path) -> None:
    """Its own layer, the layers below, and nothing above: no arrow runs up, and none skips the rule."""
    if layer(path) in FRONT:
        return
    allowed = LAYERS[LAYERS.index(layer(path)) :]
    assert {layer(file) for file in imported_files(path) if file.is_relative_to(CORE)} <= set(allowed)


@pytest.mark.parametrize("path", sources(CORE), ids=lambda path: str(path.relative_to(CORE)))
def test_the_core_imports_its_own_only_relatively(path: Path) -> None:
    """No discord, no cogs, no config, no main; and no ``core``, so that the folder can be called anything."""
    assert absolute(path).isdisjoint({"discord", "cogs", "core", "config", "main", "demonstration", "tests"})


@pytest.mark.parametrize("tree", TREES)
def test_no_files_import_each_other_in_a_circle(tree: str) -> None:
    """A circle has no bottom: whoever reads one of its files must read all. Imports inside functions count."""
    graph = {path: imported_files(path) for path in sources(PROJECT / tree)}
    graph |= {PROJECT / "main.py": imported_files(PROJECT / "main.py")}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" → ".join(str(path.relative_to(PROJECT)) for path in error.args[1]))


@pytest.mark.parametrize("path", PURE, ids=lambda path: str(path.relative_to(CORE)))
def test_decisions_know_no_clock_and_no_disk(path: Path) -> None:
    """They import values and each other, nothing that has an effect, and they never ask what time it is."""
    assert absolute(path).isdisjoint(WORLDLY)
    assert {layer(file) for file in imported_files(path)} <= {"policies", "models", "errors", "units"}
    asked = {node.attr for node in ast.walk(syntax_tree(path)) if isinstance(node, ast.Attribute)}
    assert asked.isdisjoint({"now", "utcnow", "today", "monotonic"})


def test_the_cog_meets_the_core_in_one_import_of_one_file() -> None:
    """A host that moves the core edits one line."""
    found = [(path.name, module) for path in sources(COG) for level, module, _ in imports(path) if level == 0]
    assert [(name, module) for name, module in found if module.partition(".")[0] == "core"] == [
        ("core_api.py", "core.snapshots")
    ]
    assert {module for _, module in found if module.partition(".")[0] in ("cogs", "config", "main")} == set()


def test_the_card_game_knows_nothing_of_backups() -> None:
    """It is a host like any other: what it shares is the names of events."""
    for path in sources(GAME):
        assert absolute(path).isdisjoint({"core", "cogs", "config", "main"}), path
        assert all("backup" not in module for _, module, _ in imports(path)), path


@pytest.mark.parametrize("folder", ["cogs", "core", "config"])
def test_the_shared_folders_are_no_packages(folder: str) -> None:
    """An ``__init__.py`` of ours there would hide a host's own folder of that name, or be hidden by it."""
    assert not (PROJECT / folder / "__init__.py").exists()


@pytest.mark.parametrize("folder", [CORE, COG, GAME], ids=lambda folder: folder.name)
def test_nobody_starts_processes_the_host_would_run_again_or_prints(folder: Path) -> None:
    """``multiprocessing`` imports the host's main module again; ``print`` speaks into somebody else's terminal."""
    for path in sources(folder):
        assert absolute(path).isdisjoint({"multiprocessing"}), path
        names = {call for node in ast.walk(syntax_tree(path)) for call in _called(node)}
        assert "print" not in names, path


def _called(node: ast.AST) -> list[str]:
    return [node.func.id] if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else []


@pytest.mark.parametrize("tree", TREES)
def test_no_file_outgrows_what_one_can_read(tree: str) -> None:
    """A file says one thing, in 400 lines at most."""
    long = [path for path in sources(PROJECT / tree) if len(path.read_text().splitlines()) > 400]
    assert [str(path.relative_to(PROJECT)) for path in long] == []


@pytest.mark.parametrize("tree", TREES)
def test_no_folder_outgrows_what_one_can_remember(tree: str) -> None:
    """A folder holds 20 modules at most, its ``__init__`` not counted."""
    folders = {path.parent for path in sources(PROJECT / tree)}
    counted = {folder: sum(path.name != "__init__.py" for path in folder.glob("*.py")) for folder in folders}
    assert {str(folder.relative_to(PROJECT)) for folder, count in counted.items() if count > 20} == set()
