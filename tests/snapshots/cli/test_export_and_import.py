"""Snapshots as files of their own, out of the repository and into it."""

from __future__ import annotations

import gzip
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from core.snapshots.archive import members
from core.snapshots.operations.restoring.startup import candidates
from core.snapshots.repository.catalog import Catalog
from tests.worlds.console_world import World
from tests.worlds.full_archives import HEAD, archived
from tests.worlds.game_database import contents_of

pytestmark = pytest.mark.process


def other_world(world: World, name: str = "elsewhere") -> World:
    """Return another machine: a game of its own, with a repository of its own."""
    folder = world.root / name
    folder.mkdir()
    return World(folder)


def test_an_export_is_what_its_name_says(world: World) -> None:
    """A database, or a gzip of one; both hold the same."""
    world.snapshot()
    plain, packed = world.root / "x.db", world.root / "x.db.gz"
    size = world.answer("export", "latest", str(plain))["size"]
    world.answer("export", "latest", str(packed))
    assert contents_of(plain) == contents_of(world.database)
    assert gzip.decompress(packed.read_bytes()) == plain.read_bytes()
    assert size == plain.stat().st_size
    assert plain.stat().st_mode & 0o777 == 0o600
    assert "gunzip" not in world.show("export", "latest", str(world.root / "y.db"))
    assert world.error("export", "latest", str(plain), code=1)[0] == "RepositoryError"


def test_an_export_without_a_file_has_the_snapshots_own_name(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the folder where one stands, as a gzip, also of an incremental."""
    world.snapshot()
    world.execute("UPDATE users SET dust = dust + 1")
    world.event("sale_1")
    elsewhere = world.root / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    for snapshot in world.answer("list")["snapshots"]:
        file = Path(world.answer("export", snapshot["id"])["file"])
        assert file.name.endswith(f"_{snapshot['id']}.db.gz")
        assert gzip.decompress(file.read_bytes()).startswith(b"SQLite format 3")


@pytest.mark.skipif(os.name == "nt", reason="the shell's standard output is a text stream there")
def test_an_export_to_standard_output_is_the_database_and_nothing_else(world: World) -> None:
    """For a pipe; with --json there is no room for it."""
    world.snapshot()
    done = world.process("export", "latest", "-", "--config", str(world.config))
    assert (done.returncode, done.stderr) == (0, b"")
    (world.root / "piped.db").write_bytes(done.stdout)
    assert contents_of(world.root / "piped.db") == contents_of(world.database)
    assert world.error("export", "latest", "-", code=2)[0] == "UsageError"


def test_a_database_from_elsewhere_becomes_a_snapshot_that_can_be_restored(world: World) -> None:
    """With what its write-ahead log holds. It is pinned, checked, in the audit log, and never restored by itself."""
    other = other_world(world)
    with closing(sqlite3.connect(other.database)) as connection:
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("INSERT INTO users (id, name, dust) VALUES (900, 'moved', 7)")
        connection.commit()
        copied = world.root / "copied.db"
        for side in ("", "-wal"):
            shutil.copy(f"{other.database}{side}", f"{copied}{side}")
    own = world.snapshot()
    before = copied.read_bytes()
    taken = world.answer("import", str(copied), "--note", "from the old host")["snapshot"]
    assert (taken["pinned"], taken["form"], taken["health"]["verdict"]) == (True, "full", "sound")
    assert taken["reasons"] == ["import of copied.db"]
    assert copied.read_bytes() == before
    assert world.answer("show", "latest")["snapshot"]["id"] == own["id"]
    assert "copied.db" in world.show("show", taken["id"])
    line = world.answer("audit")["lines"][-1]
    assert (line["action"], line["outcome"], line["actor"]["source"]) == ("import", "done", "shell")
    assert world.answer("verify", taken["id"], "--level", "restored")["ok"] is True
    world.answer("restore", taken["id"], "--yes")
    with closing(sqlite3.connect(world.database)) as connection:
        assert connection.execute("SELECT name FROM users WHERE id = 900").fetchone() == ("moved",)
    assert world.answer("show", "latest")["snapshot"]["id"] == taken["id"]


@pytest.mark.parametrize("kind", ["ours", "link", "gzip", "members"])
def test_a_gzip_from_elsewhere_is_taken_too(world: World, kind: str) -> None:
    """Savepoint's own full, and what gzip made, in one member or several."""
    other = other_world(world)
    other.execute("INSERT INTO users (id, name, dust) VALUES (900, 'moved', 7)")
    file = world.root / "there.db.gz"
    if kind in ("ours", "link"):
        other.snapshot()
        other.answer("export", "latest", str(file))
        file = other.repository / "latest.db.gz" if kind == "link" else file
    else:
        with closing(sqlite3.connect(other.database)) as connection:
            connection.execute("PRAGMA journal_mode = delete")
        content = other.database.read_bytes()
        half = len(content) // 2 if kind == "members" else 0
        file.write_bytes(gzip.compress(content[:half]) * bool(half) + gzip.compress(content[half:]))
    taken = world.answer("import", str(file))["snapshot"]
    world.answer("restore", taken["id"], "--yes")
    assert contents_of(world.database) == contents_of(other.database)


def _incremental(world: World) -> Path:
    world.snapshot()
    world.execute("UPDATE users SET dust = dust + 1")
    world.event("sale_1")
    event = next(each for each in world.answer("list")["snapshots"] if each["form"] == "incremental")
    return Path(shutil.copy(world.path_of(event), world.root / "there.gz"))


def _damaged(world: World) -> Path:
    content = bytearray(world.database.read_bytes())
    content[4096 * 2 : 4096 * 4] = b"\xff" * 8192
    (world.root / "there.db").write_bytes(content)
    return world.root / "there.db"


def _cut(world: World) -> Path:
    (world.root / "there.gz").write_bytes(gzip.compress(world.database.read_bytes())[:-20])
    return world.root / "there.gz"


def _cut_archive(world: World) -> Path:
    world.snapshot()
    world.answer("export", "latest", str(world.root / "there.db.gz"))
    (world.root / "there.db.gz").write_bytes((world.root / "there.db.gz").read_bytes()[:-9])
    return world.root / "there.db.gz"


def _newer(world: World) -> Path:
    newer = msgspec.structs.replace(HEAD, format=members.FORMAT + 1)
    (world.root / "there.db.gz").write_bytes(archived(world.database.read_bytes(), newer))
    return world.root / "there.db.gz"


def _another(world: World) -> Path:
    with closing(sqlite3.connect(world.root / "there.db")) as connection:
        connection.execute("CREATE TABLE heroes (id)")
        connection.commit()
    return world.root / "there.db"


def _text(world: World) -> Path:
    (world.root / "there.sql").write_text("-- PostgreSQL database dump\n")
    return world.root / "there.sql"


def _empty(world: World) -> Path:
    (world.root / "there.db").touch()
    return world.root / "there.db"


def _folder(world: World) -> Path:
    return world.root


def _missing(world: World) -> Path:
    return world.root / "nowhere.db"


def _live(world: World) -> Path:
    return world.database


@pytest.mark.parametrize(
    ("make", "error", "code", "said"),
    [
        (_incremental, "ImportRefused", 1, "only what changed since snapshot"),
        (_damaged, "DatabaseDamaged", 4, "damaged"),
        (_cut, "SnapshotDamaged", 4, "cut off"),
        (_cut_archive, "SnapshotDamaged", 4, "damaged"),
        (_newer, "ImportRefused", 1, "newer Savepoint"),
        (_another, "AnotherDatabase", 2, "--another"),
        (_text, "ImportRefused", 1, "a text of SQL"),
        (_empty, "ImportRefused", 1, "it is empty"),
        (_folder, "ImportRefused", 1, "a folder"),
        (_missing, "ImportRefused", 1, "There is no file"),
        (_live, "ImportRefused", 1, "live database itself"),
    ],
)
def test_what_could_not_be_restored_one_day_is_refused_now(
    world: World, make: object, error: str, code: int, said: str
) -> None:
    """One sentence says why; neither the file nor the repository nor the database changes."""
    file = make(world)  # type: ignore[operator]
    snapshots, present = world.answer("list")["snapshots"], contents_of(world.database)
    name, message = world.error("import", str(file), code=code)
    assert (name, said in message) == (error, True), message
    assert world.answer("list")["snapshots"] == snapshots
    assert contents_of(world.database) == present
    assert not list((world.repository / ".work").glob("snapshot-*"))


def test_a_database_of_another_bot_is_taken_if_it_is_meant(world: World) -> None:
    """And what is not as expected in it is said."""
    said = world.show("import", str(_another(world)), "--another")
    assert "What is in it: suspicious" in said
    assert "The database was not changed." in said


def test_what_was_imported_covers_no_event_and_no_periodic_snapshot(world: World) -> None:
    """Not even if it holds the very same state: it is not of the timeline, and nothing builds on it."""
    taken = world.snapshot()
    world.execute("UPDATE users SET dust = dust + 1")
    same = world.root / "same.db"
    with closing(sqlite3.connect(world.database)) as source, closing(sqlite3.connect(same)) as target:
        source.backup(target)
    world.answer("import", str(same))
    periodic = world.answer("now", "--kind", "periodic")["snapshot"]
    assert periodic is not None
    assert world.answer("show", "latest")["snapshot"]["id"] == periodic["id"]
    world.execute("UPDATE users SET dust = dust + 1")
    world.event("sale_1")
    event = world.answer("list")["snapshots"][0]
    assert event["base"] in (None, periodic["id"], taken["id"])
    assert world.answer("verify", "--level", "restored")["id"] == event["id"]


def test_what_was_imported_is_never_restored_by_itself(world: World) -> None:
    """Even where it is all that the repository has: nobody said that it is this game's."""
    other = other_world(world)
    with closing(sqlite3.connect(other.database)) as connection:
        connection.execute("PRAGMA journal_mode = delete")
    world.answer("import", str(other.database))
    read = Catalog(world.repository, world.repository / ".work").refresh()
    assert len(read.snapshots) == 1
    assert candidates(read.snapshots, read.restores, newest_only=False) == ()
    assert candidates(read.snapshots, read.restores, newest_only=True) == ()
