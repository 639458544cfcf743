"""The shell as people start it: a process of its own, with a terminal, a pipe or a signal at its end."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import filelock
import pytest

from tests.worlds.console_world import PROJECT, World, only_document, without_settings
from tests.worlds.game_database import OtherProcess, contents_of
from tests.worlds.waiting import PATIENCE

pytestmark = [pytest.mark.process, pytest.mark.skipif(os.name == "nt", reason="signals and pseudo-terminals are POSIX")]

QUESTION = "Restore this snapshot? [y/N]: "


class Terminal:
    """A terminal at which somebody sits: what a process shows there, and a way to answer it."""

    def __init__(self) -> None:
        self._ours, self.theirs = os.openpty()
        self.shown = ""

    def read_until(self, text: str) -> None:
        """Wait until a text has been shown."""
        deadline = time.monotonic() + PATIENCE
        while text not in self.shown:
            assert time.monotonic() < deadline, f"only this was shown: {self.shown!r}"
            self._read(0.2)

    def read_rest(self) -> None:
        """Read what was shown by a process that has ended."""
        while self._read(0.0):
            pass

    def write(self, text: str) -> None:
        """Type something."""
        os.write(self._ours, text.encode())

    def close(self) -> None:
        """Go away."""
        os.close(self._ours)
        os.close(self.theirs)

    def _read(self, seconds: float) -> bool:
        readable = bool(select.select([self._ours], [], [], seconds)[0])
        if readable:
            self.shown += os.read(self._ours, 65536).decode(errors="replace")
        return readable


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    """A terminal of this test's own."""
    terminal = Terminal()
    yield terminal
    terminal.close()


def asked_to_restore(world: World, terminal: Terminal, *arguments: str) -> subprocess.Popen[bytes]:
    """Start a restore at a terminal and wait for its question."""
    process = world.start(
        "--config", str(world.config), "restore", "latest", *arguments, stdin=terminal.theirs, stderr=terminal.theirs
    )
    terminal.read_until(QUESTION)
    return process


def interrupt(process: subprocess.Popen[bytes]) -> None:
    """Press Ctrl-C until it is heard, as people do.

    A signal that comes after a question is written and before the answer is waited for is only seen after the answer:
    Python looks for signals when the system call is interrupted, not before it.
    """
    for _ in range(int(PATIENCE / 2)):
        process.send_signal(signal.SIGINT)
        try:
            process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            continue
        return


def ended(process: subprocess.Popen[bytes]) -> tuple[int, str]:
    """Return the exit code and the standard output of a process."""
    with process:
        output, _ = process.communicate(timeout=PATIENCE)
    return process.returncode, output.decode()


def test_the_shell_starts_from_the_projects_root(world: World) -> None:
    """One document on standard output, nothing on standard error."""
    done = world.process("now", "--json", "--config", str(world.config))
    assert (done.returncode, done.stderr) == (0, b"")
    assert only_document(done.stdout.decode())["unchanged"] is False


def test_exit_codes_reach_whoever_started_the_process(world: World) -> None:
    """Wrong usage is told apart from failure by the operating system's own means."""
    assert world.process("show", "ffff", "--config", str(world.config)).returncode == 2
    for path in world.root.glob("game.db*"):
        path.unlink()
    done = world.process("now", "--config", str(world.config))
    assert done.returncode == 1
    assert done.stderr.startswith(b"Error: ")
    assert b"Traceback" not in done.stderr


def test_a_terminal_without_unicode_gets_numbers_for_letters(world: World) -> None:
    """A name that the locale cannot show does not end a list with a traceback."""
    world.snapshot("--note", "Ö🂡")
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "LC_ALL": "C", "PYTHONUTF8": "0"}
    done = world.process("list", "--config", str(world.config), env=environment)
    assert done.returncode == 0, done.stderr
    assert b"\\xd6\\U0001f0a1" in done.stdout


def test_a_reader_that_goes_away_is_no_traceback(world: World) -> None:
    """``list | head`` ends quietly."""
    world.list_many(60)
    for options in (["--all"], ["--json"]):
        reading, writing = os.pipe()
        os.close(reading)
        with world.start("--config", str(world.config), "list", *options, stdout=writing) as process:
            os.close(writing)
            _, errors = process.communicate(timeout=PATIENCE)
        assert b"Traceback" not in errors
        assert process.returncode == 1


def test_a_restore_asks_at_a_terminal_and_does_nothing_after_no(world: World, terminal: Terminal) -> None:
    """The plan and the question are shown where the answer comes from; no is not a failure, so exit code 0."""
    taken = world.snapshot()
    world.execute("INSERT INTO users (id, name, dust) VALUES (900, 'late', 0)")
    present = contents_of(world.database)
    process = asked_to_restore(world, terminal)
    terminal.write("n\n")
    code, output = ended(process)
    terminal.read_rest()
    assert (code, output) == (0, "")
    assert taken["id"] in terminal.shown
    assert "users" in terminal.shown
    assert "Nothing was changed." in terminal.shown
    assert "Error" not in terminal.shown
    assert contents_of(world.database) == present
    assert world.answer("list", "--kind", "safety") == {"snapshots": []}


def test_a_program_is_not_asked_at_a_terminal_either(world: World, terminal: Terminal) -> None:
    """With --json there is no question that could be answered, wherever standard input leads."""
    world.snapshot()
    process = world.start(
        "--config", str(world.config), "restore", "latest", "--json", stdin=terminal.theirs, stderr=terminal.theirs
    )
    code, output = ended(process)
    assert code == 2
    assert "--yes" in only_document(output)["error"]["message"]


def test_a_restore_that_is_agreed_to_is_carried_out_with_progress(world: World, terminal: Terminal) -> None:
    """After yes the snapshot is back; the terminal saw progress, standard output has only the outcome."""
    taken = world.snapshot()
    before = contents_of(world.database)
    world.execute("INSERT INTO users (id, name, dust) VALUES (900, 'late', 0)")
    process = asked_to_restore(world, terminal)
    terminal.write("y\n")
    code, output = ended(process)
    terminal.read_rest()
    assert code == 0
    assert output.startswith(f"Restored snapshot {taken['id']}")
    assert "%" in terminal.shown
    assert " of 7: " in terminal.shown
    assert "%" not in output
    assert contents_of(world.database) == before


def test_a_restore_is_of_what_was_shown(world: World, terminal: Terminal) -> None:
    """Another restore while the question stands makes the answer worthless: nothing is done on old grounds."""
    world.snapshot()
    world.execute("INSERT INTO users (id, name, dust) VALUES (900, 'late', 0)")
    process = asked_to_restore(world, terminal)
    world.answer("restore", "latest", "--yes")
    world.execute("INSERT INTO users (id, name, dust) VALUES (901, 'later', 0)")
    present = contents_of(world.database)
    terminal.write("y\n")
    assert ended(process) == (1, "")
    terminal.read_rest()
    assert "changed since" in terminal.shown
    assert contents_of(world.database) == present


@pytest.mark.kill
def test_ctrl_c_at_the_question_ends_it(world: World, terminal: Terminal) -> None:
    """Exit code 130 and a sentence, at once, and nothing is done."""
    world.snapshot()
    process = asked_to_restore(world, terminal)
    interrupt(process)
    assert ended(process) == (130, "")
    terminal.read_rest()
    assert "Stopped. Nothing was changed." in terminal.shown
    assert "Traceback" not in terminal.shown


@pytest.mark.kill
@pytest.mark.parametrize("options", [[], ["--json"]], ids=["person", "program"])
def test_ctrl_c_stops_the_work_in_good_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    """The worker cleans up and ends, the repository is free again, and the exit code is 130."""
    without_settings(monkeypatch)
    world = World(tmp_path, journal_mode="delete")
    world.config.write_text(world.config.read_text().replace("300ms", "1h"))
    with OtherProcess(world.database, "BEGIN EXCLUSIVE"):
        process = world.start("--config", str(world.config), *options, "now")
        deadline = time.monotonic() + PATIENCE
        while not any(path.is_dir() for path in world.repository.glob(".work/job-*")):
            assert process.poll() is None
            assert time.monotonic() < deadline
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert b"Traceback" not in errors
    if options:
        assert only_document(output.decode())["error"]["code"] == "OperationCancelled"
    else:
        assert b"nothing half-done is left" in errors
        assert output == b""
    assert list(world.repository.glob(".work/job-*")) == []
    with filelock.FileLock(world.repository / ".work" / "lock", blocking=False):
        pass


def test_nothing_of_the_shell_is_loaded_with_the_core() -> None:
    """A bot that imports the core pays for neither rich nor click; only the shell needs them."""
    program = "import sys, core.snapshots; print(sorted({'rich', 'click'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
