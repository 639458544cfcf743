"""The list of snapshots: one line each at any width, and plain columns for other programs."""

from __future__ import annotations

import datetime as dt
import os
import shutil

import msgspec
import pytest
from rich.cells import cell_len

from core.snapshots.cli.invocation import Invocation
from core.snapshots.cli.text_output import listing
from core.snapshots.models import Check, Finding, Form, Health, Kind, Level, Severity, Snapshot, Verdict, Verification
from tests.worlds.console_world import World, imagined

NOW = dt.datetime(2026, 11, 2, 12, tzinfo=dt.UTC)


def marked(**changes: object) -> Snapshot:
    """Return an imagined snapshot with something about it."""
    return msgspec.structs.replace(imagined(7), **changes)


def health(verdict: Verdict) -> Health:
    """Return a verdict with one finding."""
    finding = Finding(check=Check.ROWS, severity=Severity.ERROR, message="gone")
    return Health(verdict=verdict, findings=(finding,), checked_at=NOW)


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_a_snapshot_is_one_line_with_its_whole_id(width: int) -> None:
    """Also if its reasons are long, wide or hostile; none of it is what a terminal would obey."""
    reasons = ("sold 🂡🂢 to 日本" * 9, "\x1b[31m\r\nnext")
    snapshot = marked(reasons=reasons, kind=Kind.PERIODIC, size=123 << 20)
    heading, line = (_without_style(each) for each in listing.rows([snapshot], NOW, width))
    assert line.startswith(snapshot.id)
    assert cell_len(line) <= width
    assert cell_len(heading) <= width
    assert all(letter.isprintable() for letter in line)
    assert f"{snapshot.began_at.astimezone():%m-%d %H:%M}" in line
    assert " 1d " in line
    assert ("periodic" in line) == (width >= 60)
    assert ("123.0 MiB" in line) == (width >= 80)


def _without_style(line: str) -> str:
    return line.replace("\x1b[1m", "").replace("\x1b[0m", "").replace("\x1b[31m\x1b[1m", "")


@pytest.mark.parametrize(
    ("snapshot", "marks"),
    [
        (marked(), "F  "),
        (marked(form=Form.INCREMENTAL, pinned=True), "iP "),
        (marked(verification=Verification(level=Level.CHECKSUM, at=NOW, ok=False)), "F !"),
        (marked(health=health(Verdict.UNREADABLE)), "F !"),
        (marked(health=health(Verdict.SUSPICIOUS)), "F ?"),
        (marked(health=health(Verdict.SOUND), pinned=True), "FP "),
    ],
)
def test_marks_say_form_pin_and_health(snapshot: Snapshot, marks: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the three characters after the id, and the marks that occur are explained."""
    monkeypatch.setenv("NO_COLOR", "1")
    line = list(listing.rows([snapshot], NOW, 80))[1]
    assert line[13:16] == marks
    [legend] = listing.legend([snapshot])
    assert all(mark in legend for mark in marks.strip())
    assert ("damaged" in legend) == ("!" in marks)


def test_an_older_year_is_shown_instead_of_the_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two snapshots of the same day in two years must not look the same."""
    monkeypatch.setenv("NO_COLOR", "1")
    old = marked(began_at=NOW.replace(year=2024))
    assert "2024-11-02" in list(listing.rows([old], NOW, 80))[1]


def test_no_color_leaves_out_bold_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """https://no-color.org: no escape sequences at all, in lists and in everything else."""
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("FORCE_COLOR", "1")
    damaged = marked(verification=Verification(level=Level.CHECKSUM, at=NOW, ok=False))
    assert "\x1b" not in "".join([*listing.rows([damaged], NOW, 80), *listing.legend([damaged])])
    assert Invocation().output.color_system is None
    assert Invocation().errors.color_system is None


def test_a_pipe_gets_columns_with_tabs(world: World) -> None:
    """Whole reasons, bytes, and a time with its zone; a tab in a reason is spelt out."""
    world.list_many(2)
    heading, first, second = world.show("list").splitlines()
    columns = heading.split("\t")
    entry = dict(zip(columns, first.split("\t"), strict=True))
    assert columns == ["id", "taken", "kind", "form", "size", "health", "pinned", "reasons"]
    assert entry["id"] == f"{2:012x}"
    assert dt.datetime.fromisoformat(entry["taken"]) == imagined(2).began_at
    assert (entry["size"], entry["reasons"]) == ("0", "reason 2")
    assert len(second.split("\t")) == len(columns)
    assert "a\\tb" in next(iter(list(listing.plain_rows([marked(reasons=("a\tb",))]))[1:])).split("\t")[-1]


@pytest.mark.parametrize(
    ("options", "number"),
    [
        (["--since", "2026-11-01T00:03Z"], 3),
        (["--until", "2026-11-01T00:03Z"], 3),
        (["--since", "2026-11-01T00:02Z", "--until", "2026-11-01T00:04Z"], 3),
        (["--reason", "REASON 5"], 1),
        (["--since", "2026-11-01T00:03Z", "--kind", "manual", "--reason", "reason"], 3),
        (["--reason", "nothing"], 0),
    ],
)
def test_a_list_can_be_narrowed(world: World, options: list[str], number: int) -> None:
    """By time, reason and kind, for people and programs alike."""
    world.list_many(5)
    assert len(world.answer("list", *options)["snapshots"]) == number
    assert len(world.show("list", *options).splitlines()) == number + 1


def test_what_is_no_time_is_wrong_usage(world: World) -> None:
    """An id is no time, and neither is nonsense."""
    world.list_many(1)
    for wrong in ("latest", "soon", "2026-99-99"):
        assert world.error("list", "--since", wrong, code=2)[0] in ("BadParameter", "SnapshotNotFound")


@pytest.mark.parametrize("lines", [10, 100])
def test_a_list_longer_than_the_screen_has_the_newest_last(
    world: World, monkeypatch: pytest.MonkeyPatch, lines: int
) -> None:
    """Next to the prompt, where a person looks; a short list has it first."""
    world.list_many(60)
    monkeypatch.setattr(listing, "is_terminal", lambda stream: True)
    monkeypatch.setattr(shutil, "get_terminal_size", lambda: os.terminal_size((80, lines)))
    monkeypatch.setenv("NO_COLOR", "1")
    ids = [line.split()[0] for line in world.show("list").splitlines() if line.startswith("0000")]
    newest_first = [f"{number:012x}" for number in range(60, 10, -1)]
    assert ids == (newest_first if lines == 100 else newest_first[::-1])
    assert "10 more, use --all" in world.show("list")
