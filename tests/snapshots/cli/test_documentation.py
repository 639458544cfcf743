"""The shell's documentation is its module's docstring: it says what is there, and nothing that is not."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path

import click
import msgspec
import pytest

from core.snapshots.cli import commands
from core.snapshots.cli.commands import shell
from core.snapshots.cli.json_output import (
    checks,
    doctor,
    errors,
    history,
    maintenance,
    rescues,
    restores,
    snapshots,
    status,
)
from core.snapshots.doctor import Problem
from core.snapshots.models import Actor, AuditLine, Kind, Lost, Verification
from tests.worlds.sources import syntax_tree

DOCUMENTED = commands.__doc__ or ""
FAMILIES = sorted(Path(commands.__file__).parent.glob("*_cmd.py"))
"""The files of the commands."""
COMMANDS = [
    "now",
    "list",
    "show",
    "verify",
    "restore",
    "export",
    "import",
    "status",
    "integrity",
    "audit",
    "prune",
    "pin",
    "unpin",
    "rebuild-catalog",
    "claim",
    "settings",
    "doctor",
    "look",
    "history",
    "diff",
    "find-change",
    "query",
    "rescue",
]
SHAPES: dict[str, list[type[msgspec.Struct]]] = {
    "now": [snapshots.NowDocument],
    "list": [snapshots.ListDocument],
    "verify": [checks.VerifyDocument],
    "restore": [restores.RestoreDocument],
    "export": [snapshots.ExportDocument],
    "status": [status.StatusDocument, status.RestoredDocument, Problem],
    "settings": [status.SettingsDocument, status.SettingDocument],
    "integrity": [checks.IntegrityDocument],
    "prune": [maintenance.PruneDocument, maintenance.DecisionDocument],
    "pin, unpin": [snapshots.SnapshotAnswer],
    "import": [snapshots.SnapshotAnswer],
    "rebuild-catalog": [maintenance.CatalogDocument],
    "doctor": [doctor.DoctorDocument, Problem],
    "look": [history.LookDocument],
    "history": [history.HistoryDocument, history.ChangeDocument],
    "diff": [history.DiffDocument, history.TableDiffDocument, history.RowsDocument],
    "find-change": [history.FindChangeDocument, history.PointDocument],
    "query": [history.QueryDocument],
    "rescue": [rescues.RescueDocument, rescues.TablePlanDocument, rescues.ConflictDocument],
    "any that fails": [errors.ErrorDocument, errors.ErrorDetail],
}


def usage_of(name: str) -> str:
    """Return the line of the docstring that shows how a command is written."""
    lines = re.findall(
        rf"^    python -m core\.snapshots ({re.escape(name)}\b.*(?:\n {{8}}.*)*)$", DOCUMENTED, re.MULTILINE
    )
    assert len(lines) == 1, f"{name} is documented {len(lines)} times"
    return str(lines[0])


def block_of(name: str) -> str:
    """Return what the docstring says about a command's document."""
    found = re.search(rf"^    {re.escape(name)}  +(.*(?:\n {{22}}.*)*)", DOCUMENTED, re.MULTILINE)
    assert found, f"the document of {name} is not documented"
    return found[1]


def names_in(text: str) -> set[str]:
    """Return the members that a shape names."""
    return set(re.findall(r'"(\w+)"', text))


def fields_of(*structs: type[msgspec.Struct]) -> set[str]:
    """Return the members that documents have."""
    return {field for struct in structs for field in struct.__struct_encode_fields__}


def test_the_commands_are_the_ones_that_were_agreed() -> None:
    """Scripts rely on their names."""
    assert list(shell.commands) == COMMANDS


def test_the_docstring_has_every_command_and_no_other() -> None:
    """In the same order."""
    assert re.findall(r"^    python -m core\.snapshots ([\w-]+)", DOCUMENTED, re.MULTILINE) == COMMANDS


@pytest.mark.parametrize("path", FAMILIES, ids=lambda path: path.stem)
def test_every_command_of_a_file_is_in_the_shell(path: Path) -> None:
    """A command that is written and not registered would be missed by nobody but its user."""
    module = importlib.import_module(f"core.snapshots.cli.{path.stem}")
    public = [getattr(module, name) for name in module.__all__]
    assert public
    assert all(isinstance(command, click.Command) for command in public)
    assert set(public) <= set(shell.commands.values())


@pytest.mark.parametrize("path", FAMILIES, ids=lambda path: path.stem)
def test_a_file_of_commands_imports_no_other(path: Path) -> None:
    """Each family can be read, changed and removed alone; what several need has a module of its own."""
    imports = [node for node in ast.walk(syntax_tree(path)) if isinstance(node, ast.ImportFrom | ast.Import)]
    names = {name.name for node in imports for name in node.names}
    names |= {node.module or "" for node in imports if isinstance(node, ast.ImportFrom)}
    assert not [name for name in names if name.endswith(("_cmd", "commands"))]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_and_argument_of_a_command_is_documented(name: str) -> None:
    """A command's line has its options and its arguments, and none besides."""
    line = usage_of(name)
    shared = {"--config", "--json"}
    options = {option for parameter in shell.commands[name].params for option in parameter.opts if "--" in option}
    assert set(re.findall(r"--[a-z-]+", line)) == options - shared
    assert shared <= options
    arguments = [parameter for parameter in shell.commands[name].params if isinstance(parameter, click.Argument)]
    bare = re.sub(r"--[a-z-]+( [A-Z]+)?", "", line)
    assert len(re.findall(r"[A-Z]{2,}", bare)) == len(arguments)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_has_a_help_text(name: str) -> None:
    """Whoever has only a terminal learns the rest there; the short text is not cut off."""
    command = shell.commands[name]
    assert not command.get_short_help_str(limit=60).endswith("...")
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, parameter.opts


@pytest.mark.parametrize("name", SHAPES)
def test_the_docstring_names_exactly_the_members_of_each_document(name: str) -> None:
    """A shape that changes without its documentation breaks somebody's script unannounced."""
    assert names_in(block_of(name)) == fields_of(*SHAPES[name])


def test_the_docstring_names_exactly_the_members_of_what_documents_are_made_of() -> None:
    """Snapshots, findings and what is lost are written once."""
    shape = DOCUMENTED[DOCUMENTED.index("SNAPSHOT is") : DOCUMENTED.index("    now  ")]
    expected = fields_of(snapshots.SnapshotDocument, Verification) | {"full", "incremental"}
    assert names_in(shape) == expected
    details = fields_of(snapshots.DetailedDocument) - fields_of(snapshots.SnapshotDocument)
    assert names_in(block_of("show")) == details | {"snapshot"}
    finding = DOCUMENTED[DOCUMENTED.index("FINDING is") : DOCUMENTED.index("HEALTH ``")]
    assert names_in(finding) == fields_of(checks.FindingDocument) | {"error", "warning"}
    health = DOCUMENTED[DOCUMENTED.index("HEALTH ``") : DOCUMENTED.index("LINE ``")]
    assert names_in(health) == fields_of(checks.HealthDocument)
    line = DOCUMENTED[DOCUMENTED.index("LINE ``") : DOCUMENTED.index("LOST\n")]
    assert names_in(line) == fields_of(AuditLine, Actor)
    assert names_in(DOCUMENTED[DOCUMENTED.index("LOST\n") :]) >= fields_of(Lost)


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "rescue"])
def test_the_page_of_the_commands_writes_them_in_the_same_way(name: str) -> None:
    """All options and arguments; only rescue has more of them than fit into a table."""
    page = (Path(__file__).parents[3] / "docs" / "commands.md").read_text(encoding="utf-8")
    [row] = re.findall(rf"^\| `python -m core\.snapshots ({re.escape(name)}\b[^`]*)` \|", page, re.MULTILINE)
    assert row.replace("\\|", "|") == usage_of(name)


def test_a_safety_snapshot_cannot_be_taken_by_hand() -> None:
    """Every other kind can: a safety snapshot means that a restore followed."""
    kind = next(parameter for parameter in shell.commands["now"].params if parameter.name == "kind")
    assert isinstance(kind.type, click.Choice)
    assert list(kind.type.choices) == [kind.value for kind in Kind if kind is not Kind.SAFETY]
