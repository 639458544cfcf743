"""What README, docs/, ARCHITECTURE and the settings file say, compared with the code."""

from __future__ import annotations

import configparser
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from discord import app_commands

from cogs.backup_cog import BackupCog
from core.snapshots import defaults, load
from core.snapshots.cli.commands import shell
from documentation import tables

PROJECT = Path(__file__).resolve().parents[2]
SETTINGS_FILE = (PROJECT / "config" / "backup.toml").read_text()
SETTINGS, COMMANDS, HOSTS = "docs/settings.md", "docs/commands.md", "docs/hosts.md"
DOCUMENTS = sorted(
    path.relative_to(PROJECT).as_posix()
    for path in (*PROJECT.glob("*.md"), *PROJECT.glob("docs/*.md"), PROJECT / "benchmarks" / "README.md")
)


def table(document: str, *heading: str) -> list[list[str]]:
    """Return the cells of a document's table with this heading, without their code marks."""
    lines = iter((PROJECT / document).read_text().splitlines())
    wanted = "| " + " | ".join(heading) + " |"
    for line in lines:
        if line == wanted:
            break
    else:
        raise AssertionError(f"{document} has no table {heading}")
    next(lines)
    rows = []
    for line in lines:
        if not line.startswith("|"):
            break
        cells = re.split(r"(?<!\\)\|", line)[1:-1]
        rows.append([cell.strip().replace("\\|", "|").removeprefix("`").removesuffix("`") for cell in cells])
    return rows


@pytest.mark.parametrize("name", list(tables.BLOCKS))
def test_what_is_generated_is_up_to_date(name: str) -> None:
    """Settings with their defaults and comments, and the figures of the campaign: ``make documents`` writes them."""
    there, made = tables.block(name)
    assert there == made, "run: python -m documentation tables"


def test_the_settings_table_has_every_setting() -> None:
    """A setting that the code has and the page lacks would be a secret."""
    sections = {name for name in defaults().__struct_fields__ if name != "triggers"}
    every = {f"{section}.{key}" for section in sections for key in getattr(defaults(), section).__struct_fields__}
    assert {row[0] for row in table(SETTINGS, "setting", "default", "what")} == every


def test_the_events_table_is_the_default_triggers() -> None:
    """The events, their payloads, reasons and conditions on the page are those of the settings file."""
    rows = []
    for trigger in tomllib.loads(SETTINGS_FILE)["triggers"]:
        names = trigger.get("any_of")
        when = (
            f"a {trigger['field'].removesuffix('ies')}y is " + ", ".join(names[:-1]) + f" or {names[-1]}"
            if names
            else "always"
        )
        rows.append([f"{trigger['event']}({', '.join(trigger['fields'])})", trigger["reason"], when])
    assert table(SETTINGS, "event", "reason of the snapshot", "when") == rows


def test_the_dispatched_events_are_those_of_the_code() -> None:
    """What the page says the cog dispatches is what its code dispatches."""
    code = (PROJECT / "cogs" / "backup_cog" / "host_events.py").read_text()
    documented = {row[0].partition("(")[0] for row in table(HOSTS, "event", "waits for your listener", "when")}
    assert documented == set(re.findall(r'"(backup_\w+)"', code))


def slash_commands() -> Iterator[str]:
    """Yield the cog's slash commands as the page writes them: optional parameters in brackets."""
    for group in (BackupCog.backup, BackupCog.database):
        for command in group.commands:
            assert isinstance(command, app_commands.Command)
            words = [p.display_name if p.required else f"[{p.display_name}]" for p in command.parameters]
            yield " ".join([f"/{group.name}", command.name, *words])


def test_the_commands_table_is_the_cog() -> None:
    """Every slash command with its parameters, and those by mention."""
    documented = {row[0] for row in table(COMMANDS, "command", "who", "what")}
    assert documented == {
        *slash_commands(),
        "@bot backup [help]",
        "@bot backup sync [all]",
        "@bot backup status",
    }


def test_the_shell_table_is_the_shell() -> None:
    """Every command of the shell, and no other."""
    words = [row[0].removeprefix("python -m core.snapshots ").split()[0] for row in table(COMMANDS, "command", "what")]
    assert sorted(words) == sorted(shell.commands)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_commands_of_the_shell_that_documents_show_can_be_typed(document: str) -> None:
    """Each has the name and the options that the page shows."""
    wrong = []
    for line in re.findall(r"(?:python -m core\.snapshots|python core/snapshots) ([^`#\n|]+)", _joined(document)):
        words = re.findall(r"--?[\w-]+|[\w-]+", line)
        command = shell.get_command(click.Context(shell), words[0])
        known = {option for each in (shell, command) if each is not None for one in each.params for option in one.opts}
        options = {word for word in words if word.startswith("-")} - {"--help", "--version"}
        if words[0] != "--version" and (command is None or options - known):
            wrong.append(line)
    assert wrong == []


def test_files_that_documents_show_can_be_read(tmp_path: Path) -> None:
    """Settings are loaded as the bot would; what is for other programs has their syntax at least."""
    seen = set()
    for document in DOCUMENTS:
        for language, text in re.findall(r"```(toml|ini)\n(.*?)```", (PROJECT / document).read_text(), flags=re.DOTALL):
            seen.add((document, language))
            if language == "ini":
                configparser.ConfigParser(strict=False, interpolation=None).read_string(f"[file]\n{text}")
            elif "kill_signal" in text:
                assert tomllib.loads(text)["mounts"]["destination"] == "/app/data"
            else:
                (tmp_path / "backup.toml").write_text(text)
                load(tmp_path / "backup.toml", {})
    assert {("docs/hosting.md", "toml"), ("docs/hosting.md", "ini"), ("docs/settings.md", "toml")} <= seen


def _joined(document: str) -> str:
    """Return a document without the line breaks inside a piece of code in a sentence."""
    text = (PROJECT / document).read_text()
    return re.sub(r"(?<!`)`(?!`)[^`]+`", lambda code: code[0].replace("\n", " "), text)


def test_the_readme_can_be_read_in_one_go() -> None:
    """What it is, how to begin, what to do at three in the morning; the rest has pages of its own."""
    assert len((PROJECT / "README.md").read_text().splitlines()) <= 150


def test_the_readme_leads_to_every_page() -> None:
    """A page that nothing links to is not read."""
    text = (PROJECT / "README.md").read_text()
    assert [path.name for path in sorted(PROJECT.glob("docs/*.md")) if f"(docs/{path.name}" not in text] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document: str) -> None:
    """To a file that is there, and to a heading that it has."""
    broken = []
    for target in re.findall(r"(?:]\(|src=\")([^)\s\"]+)", (PROJECT / document).read_text()):
        name, _, anchor = target.partition("#")
        page = (PROJECT / document).parent / name if name else PROJECT / document
        if "://" not in target and not (page.exists() and (not anchor or anchor in anchors(page))):
            broken.append(target)
    assert broken == []


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_paths_that_documents_name_exist(document: str) -> None:
    """A reader who follows a path finds something there."""
    text = (PROJECT / document).read_text()
    named = set(
        re.findall(r"`((?:benchmarks|cogs|config|core|demonstration|docs|documentation|tests)/[\w./*]+)`", text)
    )
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
    assert [*left_out[1].split(" or "), "real_workers"] == [marker.partition(":")[0] for marker in markers]
