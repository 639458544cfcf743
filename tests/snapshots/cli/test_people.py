"""What the shell shows to people: enough, not too much, and never what a player wants their terminal to do."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from rich.console import Console
from rich.progress import Progress as ProgressBar

from core.snapshots.cli.session import Invocation, opened
from core.snapshots.cli.text_output.checks import verify_output
from core.snapshots.cli.text_output.layout import Shown, ago, plain, sentence
from core.snapshots.cli.text_output.maintenance import catalog_output, prune_output
from core.snapshots.cli.text_output.restores import plan_output
from core.snapshots.models import (
    Check,
    Finding,
    Level,
    PruneDecision,
    PruneReport,
    RebuildReport,
    Severity,
    VerifyReport,
)
from tests.worlds.console_world import World, imagined
from tests.worlds.service_world import flip_byte

pytestmark = pytest.mark.process

NOON = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
COMMANDS = [
    ["now"],
    ["list"],
    ["show", "latest"],
    ["verify"],
    ["restore", "latest", "--yes"],
    ["export", "latest", "FILE"],
    ["status"],
    ["integrity"],
    ["prune", "--dry-run"],
    ["pin", "latest"],
    ["unpin", "latest"],
    ["rebuild-catalog"],
]


def test_every_command_says_something_to_a_person(world: World) -> None:
    """Done is said in words, on standard output, with nothing on standard error where no terminal watches."""
    for command in COMMANDS:
        arguments = [str(world.root / "out.db.gz") if argument == "FILE" else argument for argument in command]
        result = world.run("--config", str(world.config), *arguments)
        assert result.exit_code == 0, result.output
        assert len(result.stdout.strip()) > 20, command
        assert not result.stdout.startswith("{")
        latest = world.answer("show", "latest")["snapshot"]["id"]
        assert command[0] in ("export", "integrity", "rebuild-catalog") or latest in result.stdout, command
        assert result.stderr == "", command


def test_a_reason_is_shown_as_it_was_written_and_nothing_of_it_is_obeyed(world: World) -> None:
    """Markup, links and escapes that a player put into a reason stay text, in every table they come into."""
    hostile = "[red]sold[/red] [link=http://x]y[/link] :smile: \x1b[31m\x1b]0;title\x07 \u202egnp.exe \r\nnext"
    world.snapshot("--note", hostile)
    for command in (["list"], ["show", "latest"]):
        shown = world.show(*command)
        for control in ("\x1b", "\x07", "\r", "\u202e"):
            assert control not in shown
        assert "[red]sold[/red]" in shown
        assert "[link=http://x]y[/link]" in shown
        assert ":smile:" in shown
        assert "\\x1b[31m" in shown


def test_an_error_is_shown_without_what_it_quotes_being_obeyed(world: World) -> None:
    """What a person typed, or copied from somewhere, comes back spelt out."""
    result = world.run("--config", str(world.config), "show", "[bold]\x1b[31m")
    assert result.exit_code == 2
    assert "\x1b" not in result.stderr
    assert "[bold]" in result.stderr


def test_now_says_that_nothing_changed(world: World) -> None:
    """The person learns which snapshot covers it."""
    taken = world.snapshot()
    said = world.show("now", "--kind", "periodic")
    assert "Nothing changed" in said
    assert taken["id"] in said


def test_a_long_list_shows_the_newest_and_how_many_more_there_are(world: World) -> None:
    """Fifty rows and a hint; so many are no trouble."""
    world.list_many(10_000)
    result = world.run("--config", str(world.config), "list")
    rows = [line.split()[0] for line in result.stdout.splitlines()[1:]]
    assert rows == [f"{number:012x}" for number in range(10_000, 9_950, -1)]
    assert result.stderr.strip() == "9,950 more, use --all"


def test_all_of_a_long_list_can_be_had(world: World) -> None:
    """With --all every snapshot has its row, and there is no hint."""
    world.list_many(60)
    rows = world.show("list", "--all").splitlines()[1:]
    assert [row.split()[0] for row in rows] == [f"{number:012x}" for number in range(60, 0, -1)]
    assert len(world.show("prune", "--dry-run", "--all").splitlines()) == 1 + 60 + 1
    assert "10 more, use --all" in world.show("prune", "--dry-run")


def test_a_damaged_snapshot_is_seen_in_the_list(world: World) -> None:
    """And a pinned one, too."""
    bad, good = world.snapshot(), world.snapshot("--pin")
    flip_byte(world.path_of(bad))
    assert "DAMAGED" in world.show("verify", bad["id"], code=4)
    rows = {line.split()[0]: line for line in world.show("list").splitlines()}
    assert "DAMAGED" in rows[bad["id"]]
    assert "DAMAGED" not in rows[good["id"]]
    assert "(pinned)" in rows[good["id"]]
    assert "DAMAGED" in world.show("show", bad["id"])


def test_a_missing_table_is_named_and_is_no_damage(world: World) -> None:
    """With the finding, what to do, and exit code 4."""
    world.execute("DROP TABLE user_cards")
    said = world.show("integrity", code=4)
    assert "DAMAGED" not in said
    assert "not as expected" in said
    assert "user_cards" in said


def test_prune_says_what_it_would_do_and_what_it_did(world: World) -> None:
    """A dry run gives the same figures in other words."""
    older = world.snapshot("--kind", "critical")
    world.execute("UPDATE users SET dust = dust + 1 WHERE id = 1")
    world.forget_pages()
    newer = world.snapshot("--kind", "critical")
    world.configure(more="[retention]\ncritical = 1\n")
    would = world.show("prune", "--dry-run")
    did = world.show("prune")
    assert "would remove 1 snapshot and would free" in would
    assert "removed 1 snapshot and freed" in did
    assert [line.split()[0] for line in would.splitlines()[1:-1] if " remove " in line] == [older["id"]]
    assert [snapshot["id"] for snapshot in world.answer("list", "--kind", "critical")["snapshots"]] == [newer["id"]]


def test_what_prune_removes_comes_first() -> None:
    """What stays is the longer part, and not the one that a person looks for."""
    decisions = [PruneDecision(snapshot=imagined(n), keep=n != 60, reasons=("because",)) for n in range(1, 61)]
    report = PruneReport(decisions=tuple(decisions), dry_run=True, freed=0)
    lines = printed(prune_output(report, NOON, everything=False)).splitlines()
    assert lines[1].split()[0] == f"{60:012x}"
    assert " remove " in lines[1]
    assert lines[-2].strip() == "10 more, use --all"


def test_what_a_restore_would_do_is_shown_with_all_that_would_be_lost(world: World) -> None:
    """Age, rows then and now, events, way and safety: a person agrees to this."""
    taken = world.snapshot("--note", "[b]old[/b]")
    world.execute("INSERT INTO users (id, name, dust) VALUES (900, 'late', 0)")
    world.event("marketplace_buy_42")
    shown = planned(world, taken["id"])
    assert taken["id"] in shown
    assert "[b]old[/b]" in shown
    assert "1 (marketplace_buy_42)" in shown
    assert "a safety snapshot of the present state is taken" in shown
    assert "in one transaction" in shown
    users = next(line.split() for line in shown.splitlines() if line.startswith("users"))
    assert users == ["users", "20", "21", "-1"]
    assert ["table", "restored", "now", "difference"] in [line.split() for line in shown.splitlines()]
    assert "Rows are counted; changed rows are not seen." not in shown
    assert "1 row would become as in the snapshot:" in shown
    assert "- 900 (late): 1 row" in shown
    assert "play pauses" in shown


def test_the_plan_for_a_lost_database_promises_no_safety_snapshot(world: World) -> None:
    """What cannot be read cannot be kept by a snapshot, and the plan does not say so."""
    taken = world.snapshot()
    for path in world.root.glob("game.db*"):
        path.unlink()
    shown = planned(world, taken["id"])
    assert "there is no database now" in shown
    assert "safety" not in shown
    world.database.write_bytes(b"this was a game once " * 1000)
    shown = planned(world, taken["id"])
    assert "quarantine" in shown
    assert "Stop the bot first: the file is replaced." in shown
    users = next(line.split() for line in shown.splitlines() if line.startswith("users"))
    assert users == ["users", "20", "unreadable"]


def test_a_table_that_is_gone_is_told_from_one_that_cannot_be_read(world: World) -> None:
    """The database is readable, so the table is not there; what is restored has it again."""
    taken = world.snapshot()
    world.execute("DROP TABLE user_cards")
    lines = planned(world, taken["id"]).splitlines()
    gone = next(line for line in lines if line.startswith("user_cards"))
    assert gone.split()[2:] == ["no", "table"]


def test_the_files_that_a_restore_moved_are_shown_with_their_whole_path(world: World) -> None:
    """A person can go there and look, from whatever folder."""
    taken = world.snapshot()
    for path in world.root.glob("game.db-*"):
        path.unlink()
    damaged = b"this was a game once " * 1000
    world.database.write_bytes(damaged)
    shown = world.show("restore", taken["id"], "--yes")
    line = next(line for line in shown.splitlines() if "files that were there before" in line)
    folder = Path(line.partition(" are in ")[2].removesuffix("."))
    assert folder.is_absolute()
    assert (folder / "game.db").read_bytes() == damaged


def test_a_snapshot_is_shown_with_the_whole_path_of_its_file(world: World) -> None:
    """When it is taken and when it is looked at."""
    shown = world.show("now")
    taken = world.answer("show", "latest")["snapshot"]
    assert str(world.path_of(taken)) in shown.splitlines()
    assert str(world.path_of(taken)) in world.show("show", "latest")


def test_an_empty_list_says_which_folder_is_empty(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever stands in the wrong folder sees that at once: the path, and that no settings were found."""
    counted = f"(settings of {world.config})"
    assert world.show("list").strip() == f"No snapshots in {world.repository} {counted}."
    taken = world.snapshot()
    assert taken["id"] in world.show("list", "--kind", "manual")
    assert world.show("list", "--kind", "safety").strip() == f"No safety snapshots in {world.repository} {counted}."
    elsewhere = world.root / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    result, looked = world.run("list"), f"{elsewhere / 'backups'} (no config/backup.toml here; defaults used)"
    assert (result.stdout.strip(), result.exit_code) == (f"No snapshots in {looked}.", 1)
    for command in (["show", "latest"], ["restore", "latest", "--yes"], ["pin", "18:00"], ["diff", "latest"]):
        result = world.run(*command)
        assert f"No snapshots in {looked}, so none is" in result.stderr
        assert result.exit_code == 2
    for command in (["status"], ["integrity"], ["audit"], ["settings"], ["find-change", "count(*) > 1 FROM users"]):
        assert world.run(*command).output
    assert list(elsewhere.iterdir()) == []


def test_integrity_before_there_is_a_database_is_neither_sound_nor_damaged(world: World) -> None:
    """A new bot has none; the sentence says that and where it was looked for."""
    for path in world.root.glob("game.db*"):
        path.unlink()
    assert world.show("integrity").strip() == f"There is no database at {world.database}."


def test_one_of_a_thing_is_singular() -> None:
    """In every sentence that counts."""
    error = Finding(check=Check.ROWS, severity=Severity.ERROR, message="gone", table="cards")
    damaged = VerifyReport(id="0" * 12, level=Level.CHECKSUM, ok=False, findings=(error,) * 21, at=NOON, seconds=1.0)
    assert "1 more finding;" in printed(verify_output(damaged))
    assert "1 snapshot." in printed(catalog_output(RebuildReport(snapshots=1, damaged=(), unreadable=())))
    decisions = tuple(PruneDecision(snapshot=imagined(n), keep=n > 1, reasons=("because",)) for n in (1, 2))
    pruned = PruneReport(decisions=decisions, dry_run=False, freed=0)
    assert "removed 1 snapshot and freed 0 B; 1 stays." in printed(prune_output(pruned, NOON, everything=False))


def planned(world: World, snapshot_id: str) -> str:
    """Return what a person is shown before a restore."""
    invocation = Invocation()
    invocation.config = world.config
    with opened(invocation) as session:
        plan = session.run(session.service.restore_plan(snapshot_id))
    return printed(plan_output(plan, plan.lost.until))


def printed(shown: Shown) -> str:
    """Return what a wide console prints."""
    console = Console(width=160)
    with console.capture() as captured:
        for part in shown:
            console.print(part)
    return captured.get()


def test_long_findings_are_capped_and_counted() -> None:
    """Twenty rows, and how many more there are."""
    finding = Finding(check=Check.ROWS, severity=Severity.ERROR, message="[i]gone[/i]", table="cards", count=3)
    report = VerifyReport(id="0" * 12, level=Level.CHECKSUM, ok=False, findings=(finding,) * 25, at=NOON, seconds=1.0)
    shown = printed(verify_output(report))
    assert shown.count("[i]gone[/i] (3 times)") == 20
    assert "5 more findings" in shown


@pytest.mark.parametrize(
    ("seconds", "said"), [(0, "just now"), (0.9, "just now"), (90, "1m 30s ago"), (-90, "in 1m 30s"), (86400, "1d ago")]
)
def test_ages_are_told_from_now(seconds: float, said: str) -> None:
    """Also for a clock that went back."""
    assert ago(NOON - dt.timedelta(seconds=seconds), NOON) == said


def test_plain_text_leaves_letters_of_every_script_alone() -> None:
    """Only what a terminal obeys is spelt out."""
    assert plain("Ö 名前 🂡 a b") == "Ö 名前 🂡 a b"
    assert plain("\x1b[0m\t\n\x9b\u2066\udcff") == "\\x1b[0m\\t\\n\\x9b\\u2066\\udcff"
    assert sentence("[red]x").plain == "[red]x"


def test_progress_goes_to_a_terminal_by_phase(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each phase of the work shows under a name of its own, with what is done and what there is."""
    world.snapshot()
    tasks: list[tuple[str, float | None]] = []
    plain_add = ProgressBar.add_task

    def add_task(bar: ProgressBar, description: str, total: float | None = 100.0) -> object:
        tasks.append((description, total))
        return plain_add(bar, description, total=total)

    monkeypatch.setattr(ProgressBar, "add_task", add_task)
    invocation = Invocation()
    invocation.config, invocation.errors = world.config, Console(force_terminal=True, width=100)
    with opened(invocation) as session, invocation.errors.capture() as captured:
        verify = session.service.verify
        session.follow(lambda on_progress: verify("latest", on_progress=on_progress))
    assert [description for description, _ in tasks] == ["Starting", "Checking"]
    assert tasks[1][1] is not None
    assert "Checking" in captured.get()
