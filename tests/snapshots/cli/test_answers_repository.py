"""What the shell answers to a program about the repository: status, pruning, and the catalog made anew."""

from __future__ import annotations

import pytest

from tests.worlds.console_world import TIME, World
from tests.worlds.service_world import flip_byte

pytestmark = pytest.mark.process


def test_status_answers_with_counts_sizes_and_what_is_newest(world: World) -> None:
    """The whole object, on a repository with one damaged and one pinned snapshot."""
    first, second = world.snapshot(), world.snapshot("--pin")
    flip_byte(world.path_of(first))
    world.answer("verify", first["id"], code=4)
    world.answer("verify", second["id"], "--level", "restored")
    newest = world.answer("list")["snapshots"][0]
    answer = world.answer("status", code=1)
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
        "live",
        "audit",
        "settings_file",
        "triggers",
        "verified",
        "users",
        "problems",
        "restored",
        "lasts",
    ]
    restored = answer.pop("restored")
    assert (restored["id"], answer.pop("lasts")) == (second["id"], None)
    assert TIME.fullmatch(restored["at"])
    assert restored["seconds"] > 0
    assert answer.pop("verified")["id"] == second["id"]
    assert answer.pop("users") in ([], None)
    assert [problem["check"] for problem in answer.pop("problems")] == ["damaged"]
    assert (answer.pop("settings_file"), answer.pop("triggers")) == (str(world.config), 5)
    assert TIME.fullmatch(answer.pop("next_periodic"))
    assert answer.pop("free") > 0
    assert answer.pop("live")["verdict"] == "sound"
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
        "audit": [],
    }


def test_status_of_an_empty_repository_has_nothing_newest(world: World) -> None:
    """Before the first snapshot the members are there and empty."""
    answer = world.answer("status")
    assert (answer["snapshots"], answer["newest"], answer["newest_restored"]) == (0, None, None)


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
