"""How the shell fails: one sentence or one document, the exit code that fits, and nothing that is secret."""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterator
from pathlib import Path

import click
import filelock
import msgspec
import pytest

from core.snapshots import SnapshotService
from tests.worlds.console_world import World, only_document, without_settings
from tests.worlds.game_database import OtherProcess, url_of
from tests.worlds.service_world import flip_byte

ID_COMMANDS = [["show"], ["verify"], ["restore", "--yes"], ["export", "FILE"], ["pin"], ["unpin"]]
LOCKED_COMMANDS = [
    ["now"],
    ["restore", "latest", "--yes"],
    ["prune"],
    ["pin", "latest"],
    ["unpin", "latest"],
    ["rebuild-catalog"],
]


@pytest.fixture
def held(world: World) -> Iterator[None]:
    """Somebody else has the repository, in which there is a snapshot."""
    world.snapshot()
    with filelock.FileLock(world.repository / ".work" / "lock"):
        yield


def with_id(command: list[str], snapshot_id: str, world: World) -> list[str]:
    """Return the arguments of a command with an id in its place."""
    filled = [str(world.root / "out.db.gz") if argument == "FILE" else argument for argument in command]
    return [filled[0], snapshot_id, *filled[1:]]


@pytest.mark.parametrize("command", ID_COMMANDS, ids=lambda command: str(command[0]))
def test_an_unknown_id_is_wrong_usage(world: World, command: list[str]) -> None:
    """Every command that takes an id looks it up in the same way."""
    code, message = world.error(*with_id(command, "fffffffffff", world), code=2)
    assert code == "SnapshotNotFound"
    assert "'fffffffffff'" in message


def test_latest_of_nothing_is_wrong_usage(world: World) -> None:
    """The sentence says that there is no snapshot, and where, rather than that latest is no id."""
    where = f"{world.repository} (settings of {world.config})"
    assert world.error("verify", code=2) == ("SnapshotNotFound", f"No snapshots in {where}, so none is 'latest'.")


@pytest.mark.process
def test_a_prefix_of_several_ids_is_refused_and_a_unique_one_is_enough(world: World) -> None:
    """Nothing is ever guessed; a whole id always counts."""
    world.take_with_similar_ids(2)
    ids = [snapshot["id"] for snapshot in world.answer("list")["snapshots"]]
    assert all(snapshot_id.startswith("00000000") for snapshot_id in ids)
    code, message = world.error("show", "00000000", code=2)
    assert code == "AmbiguousSnapshot"
    assert "2 snapshots" in message
    assert world.answer("show", ids[0])["snapshot"]["id"] == ids[0]

    random = world.snapshot()["id"]
    assert world.answer("show", random[:9].upper())["snapshot"]["id"] == random


_NO_SUCH_COMMAND = getattr(click.exceptions, "NoSuchCommand", click.UsageError).__name__
"""Older versions of click have no error of its own for that."""


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["unheard-of"], _NO_SUCH_COMMAND),
        (["list", "--unheard-of"], "NoSuchOption"),
        (["now", "--kind", "safety"], "BadParameter"),
        (["now", "--kind", "hourly"], "BadParameter"),
        (["list", "--kind", "hourly"], "BadParameter"),
        (["verify", "--level", "somewhat"], "BadParameter"),
        (["show"], "MissingParameter"),
        (["show", "one", "two"], "UsageError"),
        (["export"], "MissingParameter"),
        (["export", "latest", "not unicode \udcff"], "BadParameter"),
        (["restore", "latest"], "UsageError"),
        (["now", "--note"], "BadOptionUsage"),
    ],
    ids=lambda value: " ".join(value).encode("ascii", "replace").decode() if isinstance(value, list) else value,
)
@pytest.mark.parametrize("place", ["before", "after"])
def test_wrong_usage_is_a_document_too(world: World, arguments: list[str], code: str, place: str) -> None:
    """A program gets its one document also where the command line could not be read to its end."""
    both = ["--config", str(world.config)]
    written = [*both, "--json", *arguments] if place == "before" else [*both, arguments[0], "--json", *arguments[1:]]
    result = world.run(*written)
    assert result.exit_code == 2
    error = only_document(result.stdout)["error"]
    assert error["code"] == code
    assert error["message"]


def test_wrong_usage_tells_a_person_what_is_allowed(world: World) -> None:
    """On standard error, with the usage."""
    result = world.run("--config", str(world.config), "now", "--kind", "safety")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Usage:" in result.stderr
    assert "'periodic', 'manual', 'critical', 'shutdown'" in result.stderr


def test_without_a_command_the_help_is_shown(world: World) -> None:
    """It is wrong usage, and says what would be right."""
    result = world.run()
    assert (result.exit_code, result.stdout) == (2, "")
    assert "rebuild-catalog" in result.stderr


@pytest.mark.process
@pytest.mark.parametrize("options", [[], ["--json"]], ids=["person", "program"])
def test_a_restore_without_yes_asks_nobody_where_nobody_is(world: World, options: list[str]) -> None:
    """Without a terminal, or for a program, nothing is asked and nothing is done: exit code 2 and a sentence."""
    world.snapshot()
    result = world.run("--config", str(world.config), *options, "restore", "latest")
    assert result.exit_code == 2
    assert "--yes" in result.output
    assert world.answer("list", "--kind", "safety") == {"snapshots": []}


@pytest.mark.parametrize("place", ["before", "after"])
def test_a_settings_file_that_was_named_must_be_there(world: World, place: str) -> None:
    """Defaults in the place of a misspelt file would be another database."""
    missing = ["--config", str(world.root / "missing.toml")]
    result = world.run(*missing, "list", "--json") if place == "before" else world.run("list", "--json", *missing)
    assert result.exit_code == 2
    error = only_document(result.stdout)["error"]
    assert error["code"] == "SettingsError"
    assert "missing.toml" in error["message"]


@pytest.mark.process
def test_the_settings_file_can_be_named_by_the_environment(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The bot and its shell then look at the same file; a missing one is an error here too, and --config wins."""
    taken = world.snapshot()
    monkeypatch.chdir(world.root)
    monkeypatch.setenv("BACKUP_CONFIG", str(world.config))
    result = world.run("--json", "list")
    assert [each["id"] for each in only_document(result.stdout)["snapshots"]] == [taken["id"]]
    assert "BACKUP_CONFIG" not in caplog.text
    monkeypatch.setenv("BACKUP_CONFIG", str(world.root / "missing.toml"))
    assert world.run("list").exit_code == 2
    assert world.run("--config", str(world.config), "list").exit_code == 0


@pytest.mark.parametrize(
    "more",
    ['path_of_it = "x"\n', '[schedule]\nperiodic_interval = "soon"\n', "[schedule\n"],
    ids=["key", "value", "toml"],
)
def test_a_settings_error_is_wrong_usage(world: World, more: str) -> None:
    """It names the file, before anything is done."""
    world.configure(more=more)
    code, message = world.error("now", code=2)
    assert code == "SettingsError"
    assert str(world.config) in message
    assert not world.repository.exists()


@pytest.mark.parametrize("options", [[], ["--json"]], ids=["person", "program"])
@pytest.mark.parametrize(
    "url", ["postgresql://bot:hunter2@db:x/game", "mysql://bot:hunter2@db/game", "sqlite://bot:hunter2@db/game"]
)
def test_an_error_about_the_url_keeps_its_password(world: World, url: str, options: list[str]) -> None:
    """Neither stream has the secret, whoever reads it."""
    world.configure(url=url)
    result = world.run("--config", str(world.config), *options, "status")
    assert result.exit_code == 2
    assert "hunter2" not in result.output
    assert "db" in result.output


@pytest.mark.process
def test_no_answer_has_what_the_url_hides(world: World) -> None:
    """Options of a URL can be keys; the status shows where the database is without them."""
    world.configure(url=f"sqlite:///{world.database}?key=hunter2")
    for options in ([], ["--json"]):
        for command in (
            ["now"],
            ["status"],
            ["list"],
            ["show", "latest"],
            ["integrity"],
            ["restore", "latest", "--yes"],
        ):
            result = world.run("--config", str(world.config), *options, *command)
            assert result.exit_code == 0
            assert "hunter2" not in result.output
    assert str(world.database) in world.answer("status")["database"]


@pytest.mark.process
@pytest.mark.usefixtures("held")
def test_a_repository_that_somebody_else_has_is_busy(world: World) -> None:
    """Whatever changes something there waits for lock_timeout and ends with exit code 3."""
    for command in LOCKED_COMMANDS:
        code, message = world.error(*command, code=3)
        assert code == "Busy", command
        assert "Try again" in message


@pytest.mark.process
@pytest.mark.usefixtures("held")
def test_looking_needs_nobody_to_be_done(world: World) -> None:
    """While the bot takes a snapshot its owner can still look."""
    reading = (["list"], ["show", "latest"], ["status"], ["integrity"], ["verify"], ["prune", "--dry-run"])
    for command in (*reading, ["export", "latest", str(world.root / "out.db.gz")]):
        assert "error" not in world.answer(*command), command


@pytest.mark.process
def test_a_database_that_is_locked_is_busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lock of another program ends in exit code 3 as well, never in damage."""
    without_settings(monkeypatch)
    world = World(tmp_path, journal_mode="delete")
    with OtherProcess(world.database, "BEGIN EXCLUSIVE"):
        code, _ = world.error("now", code=3)
    assert code == "DatabaseBusy"
    assert world.snapshot()["kind"] == "manual"


@pytest.mark.process
def test_without_a_database_one_can_look_and_not_take_a_snapshot(world: World) -> None:
    """What needs no database works without one; a snapshot of nothing fails with exit code 1."""
    taken = world.snapshot()
    for path in world.root.glob("game.db*"):
        path.unlink()
    assert world.answer("list")["snapshots"] == [taken]
    assert world.answer("show", "latest")["snapshot"]["id"] == taken["id"]
    assert world.answer("status", code=4)["live"]["verdict"] == "unreadable"
    assert world.answer("verify")["ok"] is True
    assert world.error("now", code=1)[0] == "DatabaseMissing"
    assert world.answer("integrity", code=4)["ok"] is False
    assert not world.database.exists()


@pytest.mark.process
def test_a_snapshot_of_a_damaged_database_ends_with_exit_code_4(world: World) -> None:
    """Nothing is written then."""
    world.database.write_bytes(b"this was a game once " * 1000)
    assert world.error("now", code=4)[0] == "DatabaseDamaged"
    assert world.answer("list") == {"snapshots": []}


@pytest.mark.process
@pytest.mark.parametrize("command", [["restore", "--yes"], ["export", "FILE"]], ids=lambda command: str(command[0]))
def test_using_a_damaged_snapshot_ends_with_exit_code_4(world: World, command: list[str]) -> None:
    """Its bytes are proven before anything is done with them."""
    taken = world.snapshot()
    flip_byte(world.path_of(taken))
    code, _ = world.error(*with_id(command, taken["id"], world), code=4)
    assert code == "SnapshotDamaged"
    assert not (world.root / "out.db.gz").exists()
    assert world.answer("integrity")["ok"] is True


@pytest.mark.process
def test_an_export_replaces_no_file(world: World) -> None:
    """A name that is taken, and a folder that is not there, fail with exit code 1."""
    world.snapshot()
    taken = world.root / "taken.db.gz"
    taken.write_bytes(b"precious")
    assert world.error("export", "latest", str(taken), code=1)[0] == "RepositoryError"
    assert taken.read_bytes() == b"precious"
    assert world.error("export", "latest", str(world.root / "missing" / "out.db.gz"), code=1)[0] == "RepositoryError"


@pytest.mark.parametrize("command", [["list"], ["now"], ["status"], ["rebuild-catalog"]], ids=lambda c: str(c[0]))
def test_a_catalog_of_a_newer_version_is_refused_and_stays(world: World, command: list[str]) -> None:
    """Exit code 1 and the sentence that says what to do."""
    world.repository.mkdir()
    catalog = world.repository / "backup_metadata.json"
    newer = msgspec.json.encode({"format": 99, "snapshots": []})
    catalog.write_bytes(newer)
    code, message = world.error(*command, code=1)
    assert code == "CatalogTooNew"
    assert "newer Savepoint" in message
    assert catalog.read_bytes() == newer


def test_a_repository_that_is_a_file_is_a_sentence(world: World) -> None:
    """Errors of the operating system come with exit code 1 and without a traceback."""
    world.repository.write_text("in the way")
    result = world.run("--config", str(world.config), "list")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: ")
    assert "Traceback" not in result.stderr
    assert world.error("list", code=1)[0] == "RepositoryError"


def test_an_error_of_the_operating_system_is_a_sentence(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where it comes from a place that nobody thought of; it is no bug to report with a traceback."""

    async def refused(self: SnapshotService) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", "/srv/backups")

    monkeypatch.setattr(SnapshotService, "status", refused)
    result = world.run("--config", str(world.config), "status")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: ")
    assert "Permission denied: '/srv/backups'" in result.stderr
    assert "Traceback" not in result.stderr


def test_an_error_that_nobody_foresaw_is_still_one_document(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The document names the error's class; the traceback goes to standard error, for whoever mends it."""

    async def broken(self: SnapshotService) -> None:
        raise ZeroDivisionError("by a bug")

    monkeypatch.setattr(SnapshotService, "status", broken)
    result = world.run("--config", str(world.config), "--json", "status")
    assert result.exit_code == 1
    assert only_document(result.stdout)["error"]["code"] == "ZeroDivisionError"
    assert "Traceback" in result.stderr


def test_warnings_are_not_among_a_programs_answers(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """What is logged on the way goes to standard error, with everything in it that a terminal would obey spelt out."""

    async def warning(self: SnapshotService, count: object = None) -> tuple[()]:
        logging.getLogger("core.snapshots.somewhere").warning("of \x1b[31mTHE_HOST")
        return ()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SnapshotService, "audit", warning)
        result = world.run("--config", str(world.config), "--json", "audit")
    assert only_document(result.stdout) == {"lines": []}
    assert result.stderr.startswith("Warning: ")
    assert "\\x1b[31mTHE_HOST" in result.stderr
    assert "\x1b" not in result.stderr


@pytest.mark.process
def test_another_database_is_told_once_and_claimed_without_a_word_of_it(tmp_path: Path) -> None:
    """Before, the log said it first and the command again, also the one that the sentence asks for."""
    world = World(tmp_path)
    world.snapshot()
    moved = world.database.rename(tmp_path / "moved.db")
    world.configure(url=url_of(moved))
    failed = world.run("--config", str(world.config), "now")
    assert (failed.exit_code, failed.stderr.count("holds snapshots of")) == (2, 1)
    claimed = world.run("--config", str(world.config), "claim")
    assert (claimed.exit_code, claimed.stderr) == (0, "")
