"""How the shell starts and ends: with little, in any Python, under any name, and by a signal."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from core.snapshots.cli import start
from core.snapshots.cli.commands import shell
from core.snapshots.cli.invocation import Stopped, failure_of
from core.snapshots.cli.libraries import lacking
from core.snapshots.cli.text_output.rescues import stopped_sentence
from core.snapshots.cli.text_output.restores import interrupted_sentence
from core.snapshots.models import Actor, AuditLine, JournalEntry
from tests.worlds.console_world import PROJECT, World, without_settings
from tests.worlds.game_database import OtherProcess
from tests.worlds.snapshots import NOON
from tests.worlds.waiting import wait_until

ACTOR = Actor(source="shell", name="root")
MODULES = """
import sys
sys.argv[1:] = {arguments!r}
from core.snapshots.cli.start import main
try:
    main()
except SystemExit:
    print(*sys.modules, file=sys.stderr)
"""
"""Runs the shell and prints what was imported for that."""


def run(*arguments: str, folder: Path = PROJECT, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run this Python without settings in its environment."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("BACKUP_", "DATABASE_"))}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=kept | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.process
@pytest.mark.parametrize(
    ("arguments", "heavy"),
    [
        (["--help"], {"asyncio", "msgspec", "rich", "sqlite3", "filelock", "core.snapshots.service"}),
        (["list"], {"asyncio", "rich.console", "sqlite3", "filelock", "core.snapshots.service"}),
        (["list", "--json"], {"asyncio", "rich.console", "sqlite3", "filelock", "core.snapshots.service"}),
    ],
    ids=["help", "list", "json"],
)
def test_what_people_wait_for_loads_little(tmp_path: Path, arguments: list[str], heavy: set[str]) -> None:
    """The benchmark measures the time; this holds the reason for it."""
    (tmp_path / "backups").mkdir()
    (tmp_path / "backups" / "backup_metadata.json").write_text('{"format": 1, "snapshots": []}')
    done = run("-c", MODULES.format(arguments=arguments), folder=tmp_path, PYTHONPATH=str(PROJECT))
    assert heavy.isdisjoint(done.stderr.split()), heavy & set(done.stderr.split())
    assert done.stdout


def test_the_help_of_the_shell_is_that_of_its_commands() -> None:
    """It is written twice, so that the help need not import all commands."""
    for name, place in shell._places.items():
        command = shell.commands[name]
        assert command.name == name
        assert command.get_short_help_str(limit=100) == place.help


@pytest.mark.process
def test_a_missing_library_is_one_sentence(tmp_path: Path) -> None:
    """With the Python that lacks it and the way out, also as a document; the same where the folder is started."""
    for library in ("click", "msgspec"):
        (tmp_path / f"{library}.py").write_text(
            f"raise ModuleNotFoundError('No module named {library}', name='{library}')"
        )
    for way in (["-m", "core.snapshots"], ["core/snapshots"]):
        done = run(*way, "list", PYTHONPATH=str(tmp_path))
        assert done.returncode == 1
        [line] = done.stderr.splitlines()
        assert line.startswith(
            f"Error: Savepoint's libraries are not in this Python ({sys.executable}): click is missing"
        )
        assert "Activate the bot's environment" in line
    (tmp_path / "click.py").unlink()
    done = run("-m", "core.snapshots", "list", "--json", PYTHONPATH=str(tmp_path))
    assert json.loads(done.stdout)["error"]["type"] == "ImportError"
    assert "msgspec is missing" in done.stdout
    assert "Traceback" not in done.stderr


def test_a_python_that_is_too_old_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The system's own, often: it says which one is needed before it imports what the old one cannot read."""
    monkeypatch.setattr(sys, "version_info", (3, 9, 2))
    with pytest.raises(SystemExit, match="1"):
        start.main()
    said = capsys.readouterr().err
    assert said.startswith(f"Error: Savepoint needs Python 3.11 or newer, and {sys.executable} is 3.9. Activate")
    assert said.count("\n") == 1


def test_only_a_library_is_called_missing() -> None:
    """A bug in an import of ours, or of the standard library, stays one."""
    assert "msgspec is missing" in (lacking(ModuleNotFoundError("x", name="msgspec")) or "")
    assert "cannot be loaded" in (lacking(ImportError("cannot import name", name="rich.text")) or "")
    for name in ("core.snapshots.nothing", "sqlite3", "", None):
        assert lacking(ImportError("x", name=name)) is None


@pytest.mark.process
@pytest.mark.parametrize(
    ("start", "named"),
    [(["-m", "core.snapshots"], "python -m core.snapshots"), (["core/snapshots"], "python core/snapshots")],
)
def test_the_usage_line_says_how_it_was_started(start: list[str], named: str) -> None:
    """So that it can be typed again; -h is --help."""
    assert run(*start, "-h").stdout.startswith(f"Usage: {named} [OPTIONS] COMMAND")
    assert run(*start, "list", "--wrong").stderr.startswith(f"Usage: {named} list ")


def test_a_signal_says_so_and_has_its_exit_code() -> None:
    """As shells have it: 128 and the signal's number."""
    failure = failure_of(Stopped(signal.SIGTERM), "; nothing half-done is left.")
    assert failure.message == "Stopped by SIGTERM; nothing half-done is left."
    assert failure.exit_code == 128 + signal.SIGTERM


@pytest.mark.process
@pytest.mark.kill
@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM that can be handled")
@pytest.mark.parametrize(
    ("command", "number", "said"),
    [
        (["now"], signal.SIGTERM, "Stopped by SIGTERM; nothing half-done is left."),
        (["restore", "latest", "--yes"], signal.SIGTERM, "Stopped by SIGTERM: the database is as it was."),
        (["restore", "latest", "--yes"], signal.SIGINT, "Stopped: the database is as it was."),
    ],
    ids=["now", "restore", "ctrl-c"],
)
def test_a_signal_ends_the_work_in_good_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str], number: int, said: str
) -> None:
    """A service manager's way to stop, and a person's: it is said what is left, and nothing is left behind."""
    without_settings(monkeypatch)
    world = World(tmp_path, journal_mode="delete")
    taken = world.snapshot()
    world.config.write_text(world.config.read_text().replace("300ms", "1h"))
    with OtherProcess(world.database, "BEGIN EXCLUSIVE"):
        process = world.start("--config", str(world.config), *command)
        wait_until(lambda: any(path.is_dir() for path in world.repository.glob(".work/job-*")), "the worker began")
        process.send_signal(number)
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert errors.decode().strip().endswith(f"Error: {said}")
    assert output == b""
    assert list(world.repository.glob(".work/job-*")) == []
    assert world.answer("list") == {"snapshots": [taken]}


def line(outcome: str, action: str = "restore") -> AuditLine:
    """Return a line of the audit log."""
    return AuditLine(at=NOON, actor=ACTOR, action=action, outcome=outcome, snapshot="4fa2")


@pytest.mark.parametrize(
    ("entry", "lines", "said"),
    [
        (None, [], "the database is as it was."),
        (None, [line("failed")], "the database is as it was."),
        (None, [line("done", "import")], "the database is as it was."),
        (None, [line("done, not compared")], "the database is 4fa2 already"),
        (JournalEntry(operation="restore", actor=ACTOR, at=NOON, pid=1, snapshot="4fa2"), [], "finishes or undoes it"),
        (
            JournalEntry(operation="restore", actor=ACTOR, at=NOON, pid=1, snapshot="4fa2", committed=True),
            [],
            "the database is 4fa2.",
        ),
        (JournalEntry(operation="prune", actor=ACTOR, at=NOON, pid=1), [], "the database is as it was."),
    ],
)
def test_a_restore_that_was_stopped_says_what_it_left(
    entry: JournalEntry | None, lines: list[AuditLine], said: str
) -> None:
    """By its journal, which is there as long as something is unsettled, or by the audit log."""
    assert said in interrupted_sentence("4fa2", entry, lines)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([], "no row was changed."),
        ([line("failed", "rescue"), line("done", "restore")], "no row was changed."),
        ([line("done, then stopped", "rescue")], "the rows were put back. Taken back by: rescue --undo 7e2d04."),
    ],
)
def test_a_rescue_that_was_stopped_says_what_it_left(lines: list[AuditLine], said: str) -> None:
    """By the audit log, and with the way back."""
    detailed = [msgspec.structs.replace(each, detail="7e2d04: it was stopped") for each in lines]
    assert stopped_sentence(detailed) == said
