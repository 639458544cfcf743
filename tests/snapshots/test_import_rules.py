"""The direction of the arrows: every import of the project is parsed and held against the rules."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
CORE = PROJECT / "core" / "snapshots"
COG = PROJECT / "cogs" / "backup_cog"
GAME = PROJECT / "cogs" / "card_game"
PURE = (
    "repository/names",
    "policies/retention",
    "policies/coverage",
    "policies/chain",
    "policies/timeline",
    "policies/schedule",
    "policies/space",
    "units",
)
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
PURE_ALLOWED = {"models", "errors", "units", "timeline"}


def sources(folder: Path) -> list[Path]:
    """Give the Python files below a folder."""
    return sorted(folder.rglob("*.py"))


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Give (level, module) of each import in a file; level 0 is absolute."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((0, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.level, node.module or ""


def absolute(path: Path) -> set[str]:
    """Give the first names of what a file imports absolutely."""
    return {module.partition(".")[0] for level, module in imports(path) if level == 0}


@pytest.mark.parametrize("path", sources(CORE), ids=lambda path: str(path.relative_to(CORE)))
def test_the_core_imports_nothing_above_it_and_its_own_only_relatively(path: Path) -> None:
    """No discord, no cogs, no config, no main; and no ``core``, so that the folder can be called anything."""
    assert absolute(path).isdisjoint({"discord", "cogs", "core", "config", "main", "demonstration", "tests"})


@pytest.mark.parametrize("name", PURE)
def test_decisions_know_no_clock_and_no_disk(name: str) -> None:
    """They import values and each other's, nothing that has an effect, and they never ask what time it is."""
    path = CORE / f"{name}.py"
    assert absolute(path).isdisjoint(WORLDLY)
    assert {module for level, module in imports(path) if level} <= PURE_ALLOWED
    asked = {node.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)}
    assert asked.isdisjoint({"now", "utcnow", "today", "monotonic"})


def test_the_cog_meets_the_core_in_one_import_of_one_file() -> None:
    """A host that moves the core edits one line."""
    found = [(path.name, module) for path in sources(COG) for level, module in imports(path) if level == 0]
    assert [(name, module) for name, module in found if module.partition(".")[0] == "core"] == [
        ("core_api.py", "core.snapshots")
    ]
    assert {module for _, module in found if module.partition(".")[0] in ("cogs", "config", "main")} == set()


def test_the_card_game_knows_nothing_of_backups() -> None:
    """It is a host like any other: what it shares is the names of events."""
    for path in sources(GAME):
        assert absolute(path).isdisjoint({"core", "cogs", "config", "main"}), path
        assert all("backup" not in module for _, module in imports(path)), path


@pytest.mark.parametrize("folder", ["cogs", "core", "config"])
def test_the_shared_folders_are_no_packages(folder: str) -> None:
    """An ``__init__.py`` of ours there would hide a host's own folder of that name, or be hidden by it."""
    assert not (PROJECT / folder / "__init__.py").exists()


@pytest.mark.parametrize("folder", [CORE, COG, GAME], ids=lambda folder: folder.name)
def test_nobody_starts_processes_the_host_would_run_again_or_prints(folder: Path) -> None:
    """``multiprocessing`` imports the host's main module again; ``print`` speaks into somebody else's terminal."""
    for path in sources(folder):
        assert absolute(path).isdisjoint({"multiprocessing"}), path
        names = {call for node in ast.walk(ast.parse(path.read_text())) for call in _called(node)}
        assert "print" not in names, path


def _called(node: ast.AST) -> list[str]:
    return [node.func.id] if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else []


@pytest.mark.parametrize("path", [*sources(CORE), *sources(COG)], ids=lambda path: str(path.relative_to(PROJECT)))
def test_no_file_outgrows_what_one_can_read(path: Path) -> None:
    """A file says one thing, in 400 lines at most."""
    assert len(path.read_text().splitlines()) <= 400
