"""What README, ARCHITECTURE and the settings file say, compared with the code."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from discord import app_commands

from cogs.backup_cog import BackupCog
from core.snapshots import defaults
from core.snapshots.cli.commands import shell

PROJECT = Path(__file__).resolve().parents[2]
README = (PROJECT / "README.md").read_text()
SETTINGS_FILE = (PROJECT / "config" / "backup.toml").read_text()


def table(*heading: str) -> list[list[str]]:
    """Return the cells of the README's table with this heading, without their code marks."""
    lines = iter(README.splitlines())
    wanted = "| " + " | ".join(heading) + " |"
    for line in lines:
        if line == wanted:
            break
    else:
        raise AssertionError(f"the README has no table {heading}")
    next(lines)
    rows = []
    for line in lines:
        if not line.startswith("|"):
            break
        cells = re.split(r"(?<!\\)\|", line)[1:-1]
        rows.append([cell.strip().replace("\\|", "|").removeprefix("`").removesuffix("`") for cell in cells])
    return rows


def settings_lines() -> Iterator[tuple[str, str, str]]:
    """Yield (section.key, value as written, comment) of the settings file, without the triggers."""
    section = ""
    for line in SETTINGS_FILE.splitlines():
        if line.startswith("[["):
            return
        if heading := re.fullmatch(r"\[(\w+)]", line):
            section = heading[1]
        elif entry := re.fullmatch(r"(\w+) = (.+?)  # (.+)", line):
            yield f"{section}.{entry[1]}", entry[2], entry[3]


def test_the_settings_table_is_the_settings_file() -> None:
    """Every setting stands in the README with its default and its comment, in the file's order, and nothing else."""
    assert table("setting", "default", "what") == [list(line) for line in settings_lines()]


def test_the_settings_table_has_every_setting() -> None:
    """A setting that the code has and the README lacks would be a secret."""
    sections = {name for name in defaults().__struct_fields__ if name != "triggers"}
    every = {f"{section}.{key}" for section in sections for key in getattr(defaults(), section).__struct_fields__}
    assert {row[0] for row in table("setting", "default", "what")} == every


def test_the_events_table_is_the_default_triggers() -> None:
    """The events, their payloads, reasons and conditions in the README are those of the settings file."""
    rows = []
    for trigger in tomllib.loads(SETTINGS_FILE)["triggers"]:
        names = trigger.get("any_of")
        when = (
            f"a {trigger['field'].removesuffix('ies')}y is " + ", ".join(names[:-1]) + f" or {names[-1]}"
            if names
            else "always"
        )
        rows.append([f"{trigger['event']}({', '.join(trigger['fields'])})", trigger["reason"], when])
    assert table("event", "reason of the snapshot", "when") == rows


def test_the_dispatched_events_are_those_of_the_code() -> None:
    """What the README says the cog dispatches is what its code dispatches."""
    code = (PROJECT / "cogs" / "backup_cog" / "host_events.py").read_text()
    documented = {row[0].partition("(")[0] for row in table("event", "when")}
    assert documented == set(re.findall(r'"(backup_\w+)"', code))


def slash_commands() -> Iterator[str]:
    """Yield the cog's slash commands as the README writes them: optional parameters in brackets."""
    for group in (BackupCog.backup, BackupCog.database):
        for command in group.commands:
            assert isinstance(command, app_commands.Command)
            words = [p.name if p.required else f"[{p.name}]" for p in command.parameters]
            yield " ".join([f"/{group.name}", command.name, *words])


def test_the_commands_table_is_the_cog() -> None:
    """Every slash command with its parameters, and the two by mention."""
    documented = {row[0] for row in table("command", "who", "what")}
    assert documented == {*slash_commands(), "@bot backup sync", "@bot backup status"}


def test_the_shell_table_is_the_shell() -> None:
    """Every command of the shell, and no other."""
    words = [row[0].removeprefix("python -m core.snapshots ").split()[0] for row in table("command", "what")]
    assert sorted(words) == sorted(shell.commands)


@pytest.mark.parametrize("document", ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md"])
def test_paths_that_documents_name_exist(document: str) -> None:
    """A reader who follows a path finds something there."""
    text = (PROJECT / document).read_text()
    named = set(re.findall(r"`((?:benchmarks|cogs|config|core|demonstration|tests)/[\w./*]+)`", text))
    assert [path for path in sorted(named) if not list(PROJECT.glob(path.rstrip("/")))] == []


@pytest.mark.parametrize("document", ["ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_modules_that_documents_name_exist(document: str) -> None:
    """A module is named by its path in the project, in the core or in the cog, and it is there."""
    text = (PROJECT / document).read_text()
    named = set(re.findall(r"`((?:[\w]+/)*[\w]+\.py)`", text))
    places = (PROJECT, PROJECT / "core" / "snapshots", PROJECT / "cogs" / "backup_cog")
    assert [name for name in sorted(named) if not any((place / name).is_file() for place in places)] == []


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md", ".pre-commit-config.yaml", ".ci/run"])
def test_the_commands_of_make_that_documents_name_exist(document: str) -> None:
    """Whoever types ``make quick`` because a document says so gets what it says."""
    text, makefile = (PROJECT / document).read_text(), (PROJECT / "Makefile").read_text()
    targets = set(re.findall(r"^(?:\s+entry: )?make ([\w-]+)|`make ([\w-]+)", text, flags=re.MULTILINE))
    assert targets
    for target in ("".join(each) for each in targets):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target


def test_the_marks_that_make_quick_leaves_out_are_registered() -> None:
    """A mark that is misspelt in the Makefile would leave nothing out, and say nothing."""
    makefile = (PROJECT / "Makefile").read_text()
    markers = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]["markers"]
    left_out = re.search(r'pytest .*-m "not \((.+)\)"', makefile)
    assert left_out is not None
    assert left_out[1].split(" or ") == [marker.partition(":")[0] for marker in markers]
