"""What the shell answers to a program: the shapes that its documentation calls stable, and nothing beside them."""

from __future__ import annotations

import datetime as dt
import gzip
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from core.snapshots.cli.json_output.snapshots import snapshot_document
from core.snapshots.models import Level, Verification
from tests.worlds.console_world import TIME, World, imagined, only_document
from tests.worlds.service_world import flip_byte

pytestmark = pytest.mark.process

SNAPSHOT = [
    "id",
    "kind",
    "form",
    "base",
    "path",
    "created_at",
    "reasons",
    "size",
    "database_size",
    "fingerprint",
    "verification",
    "pinned",
    "health",
]
DETAILS = ["sequence", "began_at", "note", "requests", "rows", "restored_at"]


def assert_snapshot(snapshot: dict[str, Any], world: World, *, kind: str, reasons: list[str], pinned: bool) -> None:
    """Compare a whole snapshot, member by member, with what is known of it and with its file."""
    assert list(snapshot) == SNAPSHOT
    assert re.fullmatch("[0-9a-f]{12}", snapshot["id"])
    assert (snapshot["kind"], snapshot["form"], snapshot["base"]) == (kind, "full", None)
    assert (snapshot["reasons"], snapshot["pinned"]) == (reasons, pinned)
    assert TIME.fullmatch(snapshot["created_at"])
    assert not Path(snapshot["path"]).is_absolute()
    content = world.path_of(snapshot).read_bytes()
    assert snapshot["size"] == len(content)
    assert snapshot["database_size"] == len(gzip.decompress(content))
    assert isinstance(snapshot["fingerprint"], str)
    assert snapshot["fingerprint"]
    assert list(snapshot["verification"]) == ["level", "at", "ok"]
    assert TIME.fullmatch(snapshot["verification"]["at"])
    assert (snapshot["verification"]["level"], snapshot["verification"]["ok"]) == ("checksum", True)


def test_now_answers_with_the_snapshot_it_took(world: World) -> None:
    """The shape of a snapshot is complete, in order, and true of the file it names."""
    answer = world.answer("now", "--note", "before the update", "--pin")
    assert list(answer) == ["snapshot", "unchanged", "left_out"]
    assert answer["unchanged"] is False
    assert_snapshot(answer["snapshot"], world, kind="manual", reasons=["before the update"], pinned=True)


def test_now_without_options_takes_a_manual_snapshot(world: World) -> None:
    """Whoever asks by hand gets one written, also where nothing changed."""
    first, second = world.snapshot(), world.snapshot()
    assert_snapshot(second, world, kind="manual", reasons=["manual"], pinned=False)
    assert first["id"] != second["id"]


@pytest.mark.parametrize("kind", ["periodic", "critical", "shutdown"])
def test_now_says_unchanged_and_no_snapshot_where_the_newest_one_covers_it(world: World, kind: str) -> None:
    """A document has no snapshot that this command did not write."""
    world.snapshot()
    assert world.answer("now", "--kind", kind) == {"snapshot": None, "unchanged": True, "left_out": []}
    world.execute("UPDATE users SET dust = dust + 1 WHERE id = 1")
    assert world.answer("now", "--kind", kind)["snapshot"]["kind"] == kind


def test_list_answers_newest_first_and_can_be_narrowed_to_a_kind(world: World) -> None:
    """All snapshots are there; with a kind, those of it."""
    assert world.answer("list") == {"snapshots": []}
    first, second = world.snapshot(), world.snapshot("--kind", "critical", "--pin")
    assert world.answer("list") == {"snapshots": [second, first]}
    assert world.answer("list", "--kind", "manual") == {"snapshots": [first]}
    assert world.answer("list", "--kind", "safety") == {"snapshots": []}


def test_list_answers_with_all_snapshots_however_many(world: World) -> None:
    """Only people are spared a long list."""
    world.list_many(70)
    listed = world.answer("list")["snapshots"]
    assert [snapshot["id"] for snapshot in listed] == [f"{number:012x}" for number in range(70, 0, -1)]


def test_show_answers_with_all_that_is_known_of_a_snapshot(world: World) -> None:
    """The members of the short shape come first, unchanged."""
    taken = world.snapshot("--note", "a note")
    answer = world.answer("show", taken["id"])
    assert list(answer) == ["snapshot"]
    shown = answer["snapshot"]
    assert list(shown) == SNAPSHOT + DETAILS
    assert {name: shown[name] for name in SNAPSHOT} == taken
    assert TIME.fullmatch(shown["began_at"])
    assert {name: shown[name] for name in DETAILS if name != "began_at"} == {
        "sequence": 1,
        "note": "a note",
        "requests": 0,
        "rows": {"users": 20, "cards": 32, "creator_packs": 20, "user_cards": shown["rows"]["user_cards"]},
        "restored_at": None,
    }


def test_show_says_when_a_snapshot_was_last_rebuilt(world: World) -> None:
    """A proof by restoring is remembered beside the last verification."""
    taken = world.snapshot()
    world.answer("verify", taken["id"], "--level", "restored")
    assert TIME.fullmatch(world.answer("show", taken["id"])["snapshot"]["restored_at"])


@pytest.mark.parametrize("level", ["checksum", "restored"])
def test_verify_answers_at_which_level_which_snapshot_was_proven(world: World, level: str) -> None:
    """The answer names the snapshot by its whole id."""
    taken = world.snapshot()
    expected = {"id": taken["id"], "level": level, "ok": True, "findings": []}
    health = {"verdict": "sound", "findings": []} if level == "restored" else None
    answer = world.answer("verify", taken["id"][:5], "--level", level)
    found = answer.pop("health")
    assert found is None or TIME.fullmatch(found.pop("checked_at"))
    assert (answer, found) == (expected, health)
    assert world.answer("list")["snapshots"][0]["verification"]["level"] == level


def test_verify_without_an_id_proves_the_latest_by_its_checksum(world: World) -> None:
    """The defaults are the quick look at what matters most."""
    world.snapshot()
    second = world.snapshot()
    assert world.answer("verify") == {
        "id": second["id"],
        "level": "checksum",
        "ok": True,
        "findings": [],
        "health": None,
    }


def test_verify_answers_with_what_is_wrong_with_a_damaged_snapshot(world: World) -> None:
    """Damage is an answer, not an error: exit code 4, findings, and the list says it from then on."""
    taken = world.snapshot()
    flip_byte(world.path_of(taken))
    answer = world.answer("verify", taken["id"], code=4)
    assert list(answer) == ["id", "level", "ok", "findings", "health"]
    assert (answer["id"], answer["ok"]) == (taken["id"], False)
    assert [list(found) for found in answer["findings"]] == [["check", "severity", "message", "table", "remedy"]]
    assert answer["findings"][0]["severity"] == "error"
    assert world.answer("list")["snapshots"][0]["verification"]["ok"] is False


def test_export_answers_where_it_wrote_how_much(world: World) -> None:
    """The file stands alone and is what the snapshot restores to."""
    taken = world.snapshot()
    target = world.root / "out.db.gz"
    answer = world.answer("export", "latest", str(target))
    assert answer == {"file": str(target), "size": target.stat().st_size}
    assert len(gzip.decompress(target.read_bytes())) == taken["database_size"]


def test_pin_and_unpin_answer_with_the_snapshot_as_it_is_then(world: World) -> None:
    """The catalog says the same afterwards."""
    taken = world.snapshot()
    assert world.answer("pin", taken["id"][:6]) == {"snapshot": taken | {"pinned": True}}
    assert world.answer("list")["snapshots"][0]["pinned"] is True
    assert world.answer("unpin", "latest") == {"snapshot": taken}
    assert world.answer("list")["snapshots"] == [taken]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--json", "--config", "FILE", "list"],
        ["list", "--json", "--config", "FILE"],
        ["--json", "list", "--config", "FILE"],
        ["--config", "FILE", "list", "--json"],
        ["--config", "no such file", "--json", "list", "--json", "--config", "FILE"],
    ],
)
def test_config_and_json_stand_on_either_side_of_a_command(world: World, arguments: list[str]) -> None:
    """Nobody has to remember where an option goes; where it stands twice the right one counts."""
    taken = world.snapshot()
    result = world.run(*(str(world.config) if argument == "FILE" else argument for argument in arguments))
    assert result.exit_code == 0
    assert only_document(result.stdout) == {"snapshots": [taken]}


def test_without_config_the_default_file_and_the_environment_count(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The default file is used if it is there, and the environment wins over it."""
    taken = world.snapshot()
    folder = world.root / "elsewhere"
    (folder / "config").mkdir(parents=True)
    monkeypatch.chdir(folder)

    monkeypatch.setenv("BACKUP_REPOSITORY_PATH", str(world.repository))
    assert only_document(world.run("list", "--json").stdout) == {"snapshots": [taken]}
    world.config.rename(folder / "config" / "backup.toml")
    assert only_document(world.run("list", "--json").stdout) == {"snapshots": [taken]}
    monkeypatch.delenv("BACKUP_REPOSITORY_PATH")
    assert only_document(world.run("list", "--json").stdout) == {"snapshots": [taken]}
    monkeypatch.setenv("BACKUP_REPOSITORY_PATH", "another")
    assert only_document(world.run("list", "--json").stdout) == {"snapshots": []}


def test_times_are_told_in_utc_whatever_zone_they_were_written_in() -> None:
    """A catalog that another tool touched does not change how an answer looks."""
    at = dt.datetime(2026, 11, 23, 14, tzinfo=dt.timezone(dt.timedelta(hours=2)))
    verification = Verification(level=Level.CHECKSUM, at=at, ok=True)
    snapshot = msgspec.structs.replace(imagined(1), created_at=at, verification=verification)
    document = snapshot_document(snapshot)
    assert document.created_at.isoformat() == "2026-11-23T12:00:00+00:00"
    assert document.verification.at.isoformat() == "2026-11-23T12:00:00+00:00"
