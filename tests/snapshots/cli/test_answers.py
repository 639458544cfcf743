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
from tests.worlds.console_world import World, imagined, only_document, without_settings
from tests.worlds.game_database import contents_of
from tests.worlds.service_world import damage_pages, flip_byte

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
]
DETAILS = ["sequence", "began_at", "note", "requests", "rows", "restored_at"]
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z")
TABLES = ["users", "cards", "creator_packs", "user_cards"]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A game and a settings file, and nothing else that would be a setting."""
    without_settings(monkeypatch)
    return World(tmp_path)


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
    assert list(answer) == ["snapshot", "unchanged"]
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
    assert world.answer("now", "--kind", kind) == {"snapshot": None, "unchanged": True}
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
    assert world.answer("verify", taken["id"][:5], "--level", level) == expected
    assert world.answer("list")["snapshots"][0]["verification"]["level"] == level


def test_verify_without_an_id_proves_the_latest_by_its_checksum(world: World) -> None:
    """The defaults are the quick look at what matters most."""
    world.snapshot()
    second = world.snapshot()
    assert world.answer("verify") == {"id": second["id"], "level": "checksum", "ok": True, "findings": []}


def test_verify_answers_with_what_is_wrong_with_a_damaged_snapshot(world: World) -> None:
    """Damage is an answer, not an error: exit code 4, findings, and the list says it from then on."""
    taken = world.snapshot()
    flip_byte(world.path_of(taken))
    answer = world.answer("verify", taken["id"], code=4)
    assert list(answer) == ["id", "level", "ok", "findings"]
    assert (answer["id"], answer["ok"]) == (taken["id"], False)
    assert [list(found) for found in answer["findings"]] == [["check", "severity", "message", "table"]]
    assert answer["findings"][0]["severity"] == "error"
    assert world.answer("list")["snapshots"][0]["verification"]["ok"] is False


def test_restore_answers_what_it_restored_and_what_is_lost(world: World) -> None:
    """Every member is there, the rows as [then, now], and the safety snapshot leads back."""
    taken = world.snapshot()
    before = contents_of(world.database)
    world.execute("DELETE FROM user_cards WHERE user_id = 1")
    world.execute("INSERT INTO users (id, name, dust) VALUES (900, 'late', 0)")
    world.event("marketplace_buy_42")
    after = contents_of(world.database)

    answer = world.answer("restore", taken["id"], "--yes")
    assert list(answer) == ["restored", "safety", "lost", "ok"]
    assert (answer["restored"], answer["ok"]) == (taken["id"], True)
    lost = answer["lost"]
    assert list(lost) == ["since", "until", "seconds", "rows", "events", "event_count"]
    assert TIME.fullmatch(lost["since"])
    assert TIME.fullmatch(lost["until"])
    assert lost["seconds"] > 0
    assert list(lost["rows"]) == TABLES
    assert lost["rows"]["users"] == [20, 21]
    assert lost["rows"]["user_cards"][0] > lost["rows"]["user_cards"][1]
    assert (lost["events"], lost["event_count"]) == (["marketplace_buy_42"], 1)
    assert contents_of(world.database) == before

    assert world.answer("list", "--kind", "safety")["snapshots"][0]["id"] == answer["safety"]
    assert world.answer("restore", answer["safety"], "--yes")["ok"] is True
    assert contents_of(world.database) == after


@pytest.mark.parametrize("damage", ["gone", "not a database"])
def test_restore_heals_a_database_that_cannot_be_opened(world: World, damage: str) -> None:
    """With the bot not running the shell alone brings it back; there is no safety snapshot of what cannot be read."""
    world.snapshot()
    before = contents_of(world.database)
    for path in world.root.glob("game.db*"):
        path.unlink()
    if damage == "not a database":
        world.database.write_bytes(b"this was a game once " * 1000)
    answer = world.answer("restore", "latest", "--yes")
    assert (answer["safety"], answer["ok"]) == (None, True)
    assert answer["lost"]["rows"]["users"] == [20, None]
    assert contents_of(world.database) == before


def test_export_answers_where_it_wrote_how_much(world: World) -> None:
    """The file stands alone and is what the snapshot restores to."""
    taken = world.snapshot()
    target = world.root / "out.db.gz"
    answer = world.answer("export", "latest", str(target))
    assert answer == {"file": str(target), "size": target.stat().st_size}
    assert len(gzip.decompress(target.read_bytes())) == taken["database_size"]


def test_status_answers_with_counts_sizes_and_what_is_newest(world: World) -> None:
    """The whole object, on a repository with one damaged and one pinned snapshot."""
    first, second = world.snapshot(), world.snapshot("--pin")
    flip_byte(world.path_of(first))
    world.answer("verify", first["id"], code=4)
    world.answer("verify", second["id"], "--level", "restored")
    newest = world.answer("list")["snapshots"][0]
    answer = world.answer("status")
    assert list(answer) == [
        "engine",
        "database",
        "repository",
        "snapshots",
        "damaged",
        "pinned",
        "kinds",
        "size",
        "free",
        "newest",
        "newest_restored",
        "next_periodic",
        "remarks",
    ]
    assert TIME.fullmatch(answer.pop("next_periodic"))
    assert answer.pop("free") > 0
    assert answer == {
        "engine": "sqlite",
        "database": f"sqlite:///{world.database}",
        "repository": str(world.repository),
        "snapshots": 2,
        "damaged": 1,
        "pinned": 1,
        "kinds": {"periodic": 0, "manual": 2, "critical": 0, "shutdown": 0, "safety": 0},
        "size": first["size"] + second["size"],
        "newest": newest,
        "newest_restored": newest,
        "remarks": [],
    }


def test_status_of_an_empty_repository_has_nothing_newest(world: World) -> None:
    """Before the first snapshot the members are there and empty."""
    answer = world.answer("status")
    assert (answer["snapshots"], answer["newest"], answer["newest_restored"]) == (0, None, None)


@pytest.mark.parametrize("options", [(), ("--quick",)])
def test_integrity_of_a_sound_database_has_no_findings(world: World, options: tuple[str, ...]) -> None:
    """The shape is the same for both depths."""
    assert world.answer("integrity", *options) == {"ok": True, "findings": []}


def test_integrity_answers_with_warnings_and_still_is_ok(world: World) -> None:
    """A warning is for a person to look at; the data is sound, and the exit code 0."""
    world.execute("UPDATE user_cards SET card_id = 12345 WHERE id = 1")
    answer = world.answer("integrity")
    assert answer["ok"] is True
    assert [list(found) for found in answer["findings"]] == [["check", "severity", "message", "table"]]
    found = answer["findings"][0]
    assert (found["check"], found["severity"], found["table"]) == ("foreign_keys", "warning", "user_cards")


def test_integrity_answers_with_errors_and_exit_code_4(world: World) -> None:
    """A critical table that is missing is an error that names it."""
    world.execute("DROP TABLE user_cards")
    answer = world.answer("integrity", code=4)
    assert answer["ok"] is False
    assert [(found["check"], found["severity"], found["table"]) for found in answer["findings"]] == [
        ("tables", "error", "user_cards")
    ]


def test_integrity_of_damaged_pages_ends_with_exit_code_4(world: World) -> None:
    """Damage to the file is found, and is the answer."""
    damage_pages(world.database)
    assert world.answer("integrity", code=4)["ok"] is False


def test_prune_says_of_each_snapshot_whether_and_why_it_stays(world: World) -> None:
    """A dry run removes nothing and decides as the real one does; what a kept one builds on stays."""
    world.configure(more='[retention]\ncritical = 1\nkeep_all = "0s"\n')
    old = world.snapshot("--kind", "critical")
    world.execute("UPDATE users SET dust = dust + 1 WHERE id = 1")
    upon = world.snapshot("--kind", "critical")
    assert (upon["form"], upon["base"]) == ("incremental", old["id"])
    decided = {decision["id"]: decision for decision in world.answer("prune")["decisions"]}
    assert decided[old["id"]]["keep"]
    assert decided[old["id"]]["reasons"] == [f"base of {upon['id']}"]
    world.execute("UPDATE users SET dust = dust + 1 WHERE id = 1")
    world.configure(more='[retention]\ncritical = 5\nkeep_all = "0s"\n')
    world.forget_pages()
    new = world.snapshot("--kind", "critical")
    world.configure(more='[retention]\ncritical = 1\nkeep_all = "0s"\n')

    answer = world.answer("prune", "--dry-run")
    assert list(answer) == ["dry_run", "freed", "decisions"]
    assert (answer["dry_run"], answer["freed"]) == (True, 0)
    assert [list(decision) for decision in answer["decisions"]] == [["id", "keep", "reasons"]] * 3
    keeps = {decision["id"]: decision["keep"] for decision in answer["decisions"]}
    assert keeps == {old["id"]: False, upon["id"]: False, new["id"]: True}
    assert all(decision["reasons"] for decision in answer["decisions"])
    assert world.path_of(old).exists()

    carried_out = world.answer("prune")
    assert carried_out == {"dry_run": False, "freed": old["size"] + upon["size"], "decisions": answer["decisions"]}
    assert not world.path_of(old).exists()
    assert not world.path_of(upon).exists()
    assert world.answer("list")["snapshots"] == [new]


def test_pin_and_unpin_answer_with_the_snapshot_as_it_is_then(world: World) -> None:
    """The catalog says the same afterwards."""
    taken = world.snapshot()
    assert world.answer("pin", taken["id"][:6]) == {"snapshot": taken | {"pinned": True}}
    assert world.answer("list")["snapshots"][0]["pinned"] is True
    assert world.answer("unpin", "latest") == {"snapshot": taken}
    assert world.answer("list")["snapshots"] == [taken]


def test_rebuild_catalog_answers_what_it_found_in_the_files(world: World) -> None:
    """Damaged snapshots and files that are none are named by their path."""
    good, bad = world.snapshot(), world.snapshot()
    flip_byte(world.path_of(bad))
    stray = world.path_of(good).with_name(world.path_of(good).name.replace(good["id"], "0" * 12))
    stray.write_bytes(b"no snapshot at all")
    assert world.answer("rebuild-catalog") == {
        "snapshots": 2,
        "damaged": [bad["path"]],
        "unreadable": [f"daily/{stray.name}"],
    }
    sound = {found["id"]: found["verification"]["ok"] for found in world.answer("list")["snapshots"]}
    assert sound == {good["id"]: True, bad["id"]: False}


@pytest.mark.parametrize("content", [None, b'{"format": 1, "snapsh'])
def test_a_catalog_that_cannot_be_read_is_made_anew_by_any_command(world: World, content: bytes | None) -> None:
    """No list is ever empty because the catalog was lost."""
    taken = world.snapshot()
    catalog = world.repository / "backup_metadata.json"
    catalog.unlink()
    if content is not None:
        catalog.write_bytes(content)
    assert [found["id"] for found in world.answer("list")["snapshots"]] == [taken["id"]]


def test_rebuild_catalog_keeps_the_catalog_that_cannot_be_read(world: World) -> None:
    """It is made anew once, and what was there lies beside it for whoever wants to look."""
    taken = world.snapshot()
    (world.repository / "backup_metadata.json").write_bytes(b"not a catalog")
    assert world.answer("rebuild-catalog")["snapshots"] == 1
    kept = [path.read_bytes() for path in world.repository.glob("backup_metadata.json.*")]
    assert kept == [b"not a catalog"]
    assert [found["id"] for found in world.answer("list")["snapshots"]] == [taken["id"]]


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
