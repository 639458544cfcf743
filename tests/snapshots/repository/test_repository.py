"""The folder of snapshots: what is put where, in which order, and what a crash between two steps leaves."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from core.snapshots.errors import CatalogError, RepositoryError, SnapshotNotFound
from core.snapshots.files import write_atomically
from core.snapshots.history.chains.kept import SUFFIX
from core.snapshots.models import Form, Kind
from core.snapshots.repository import catalog
from core.snapshots.repository.catalog import FILE_NAME, PREVIOUS, Contents
from core.snapshots.repository.lock import InUseLock
from core.snapshots.repository.repository import Repository, in_use_lock
from tests.worlds.repository_world import NOON, content, point_latest, publish, snapshot


def again(repository: Repository) -> Repository:
    """The same repository as another process sees it."""
    return Repository(repository.root, repository.suffix)


def modes(folder: Path) -> dict[str, int]:
    return {
        str(path.relative_to(folder)): stat.S_IMODE(path.stat().st_mode)
        for path in sorted(folder.rglob("*"))
        if not path.is_symlink()
    }


def test_everything_in_it_is_private(repository: Repository) -> None:
    """Folders are 0700, files 0600, whatever the umask: a snapshot is player data."""
    umask = os.umask(0)
    try:
        shutil.rmtree(repository.root)
        repository.prepare()
        publish(repository, snapshot(1), snapshot(2, Kind.CRITICAL))
        point_latest(repository)
    finally:
        os.umask(umask)
    found = modes(repository.root)
    folders = {".work", "daily", "critical", "shutdown"}
    assert {found.pop(name) for name in folders} == {0o700}
    assert stat.S_IMODE(repository.root.stat().st_mode) == 0o700
    ours = {".gitignore", FILE_NAME, f".work/{PREVIOUS}"}
    assert set(found) == ours | {snapshot(1).path, snapshot(2, Kind.CRITICAL).path}
    assert set(found.values()) == {0o600}


def test_git_leaves_it_alone(repository: Repository) -> None:
    """Snapshots are players' data, and many a bot's folder is pushed whole; what the owner writes there stays."""
    ignored = repository.root / ".gitignore"
    assert ignored.read_text() == "*\n"
    ignored.write_text("*\n!README\n")
    repository.prepare()
    assert ignored.read_text() == "*\n!README\n"


def test_preparing_twice_changes_nothing(repository: Repository) -> None:
    """Every operation prepares the folders; what is there stays."""
    publish(repository, snapshot(1))
    before = modes(repository.root)
    repository.prepare()
    assert modes(repository.root) == before


@pytest.mark.parametrize("place", [".", ".work", "daily", "shutdown"])
def test_a_file_where_a_folder_is_needed_is_a_sentence(tmp_path: Path, place: str) -> None:
    """The error says which path is in the way, and nothing is removed."""
    path = tmp_path / "backups" / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("mine")
    with pytest.raises(RepositoryError, match="in the way"):
        Repository(tmp_path / "backups", ".db.gz").prepare()
    assert path.read_text() == "mine"


def test_a_path_below_a_file_is_an_error_of_the_repository(tmp_path: Path) -> None:
    """Errors of the operating system become sentences."""
    (tmp_path / "file").write_text("mine")
    with pytest.raises(RepositoryError):
        Repository(tmp_path / "file" / "backups", ".db.gz").prepare()


def test_a_published_snapshot_is_in_place_and_listed(repository: Repository) -> None:
    """Its file lies in its kind's folder, the catalog lists it, and nothing temporary is left."""
    publish(repository, snapshot(1), snapshot(2, Kind.CRITICAL), snapshot(3, Kind.SHUTDOWN))
    assert [each.sequence for each in again(repository).refresh().snapshots] == [1, 2, 3]
    for each, folder in zip(repository.catalog.contents.snapshots, ("daily", "critical", "shutdown"), strict=True):
        assert each.path.startswith(f"{folder}/")
        assert (repository.root / each.path).read_bytes() == content(each.sequence)
        assert repository.is_stored(each)
    assert {path.name for path in repository.work.iterdir()} == {PREVIOUS}


@pytest.mark.parametrize("replaced", [True, False])
def test_a_file_stays_if_the_catalog_lists_it_although_writing_that_failed(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, replaced: bool
) -> None:
    """The sync after the catalog was replaced can fail; if it was not replaced the file goes."""
    publish(repository, snapshot(1))

    def fail(path: Path, content: bytes, *, scratch: Path) -> None:
        if replaced:
            write_atomically(path, content, scratch=scratch)
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(catalog, "write_atomically", fail)
    with pytest.raises(OSError, match="Input/output"):
        publish(repository, snapshot(2))
    listed = {each.path for each in again(repository).refresh().snapshots}
    assert len(listed) == (2 if replaced else 1)
    assert {path for path in listed if (repository.root / path).exists()} == listed
    assert len(list(repository.root.glob("daily/*"))) == len(listed)


def test_a_published_file_is_never_written_over(repository: Repository) -> None:
    """Another file under the same name is refused, and neither file nor catalog changes."""
    publish(repository, snapshot(1))
    before = repository.catalog.path.read_bytes()
    source = repository.work / "another"
    source.write_bytes(b"other bytes")
    with pytest.raises(RepositoryError, match="never rewritten"):
        repository.publish(source, snapshot(1, note="another"))
    assert (repository.root / snapshot(1).path).read_bytes() == content(1)
    assert repository.catalog.path.read_bytes() == before


@pytest.mark.parametrize("path", ["../outside.db.gz", "daily/../../outside.db.gz", "/outside.db.gz", "quarantine/x"])
def test_a_catalog_that_points_outside_is_refused(repository: Repository, path: str, tmp_path: Path) -> None:
    """Whoever edits the catalog cannot make a path of it: every use of such an entry is refused."""
    outside = tmp_path / "outside.db.gz"
    outside.write_bytes(content(1))
    astray = snapshot(1, path=path)
    publish(repository, snapshot(2))
    repository.update(astray)
    for use in (repository.is_stored, lambda each: repository.drop([each])):
        with pytest.raises(RepositoryError):
            use(astray)
    with pytest.raises(RepositoryError):
        repository.publish(outside, astray)
    assert outside.read_bytes() == content(1)


def test_a_missing_catalog_is_empty_only_where_there_are_no_snapshots(repository: Repository) -> None:
    """A lost catalog beside snapshot files must be rebuilt; without any there is nothing to lose."""
    assert repository.refresh() == Contents()
    publish(repository, snapshot(1))
    repository.catalog.path.unlink()
    with pytest.raises(CatalogError):
        repository.refresh()
    (repository.root / snapshot(1).path).unlink()
    assert repository.refresh() == Contents()


def test_files_the_catalog_does_not_list_are_found(repository: Repository) -> None:
    """What a crash left between the two steps of publishing is known by its name; other files are not ours."""
    publish(repository, snapshot(1), snapshot(2))
    orphan = snapshot(3, Kind.CRITICAL)
    (repository.root / orphan.path).write_bytes(content(3))
    for stranger in (
        "daily/notes.txt",
        "daily/game.db.gz",
        "critical/.hidden",
        orphan.path.replace(".db.gz", ".sql.gz"),
    ):
        (repository.root / stranger).write_bytes(b"not ours")
    (repository.root / "daily" / "folder.db.gz").mkdir()
    assert repository.unknown_files() == ((orphan.path, str(repository.root / orphan.path)),)


def test_what_is_dropped_is_gone_from_catalog_and_disk(repository: Repository) -> None:
    """The bytes that were freed are what the files held; what was not named stays."""
    publish(repository, snapshot(1), snapshot(2), snapshot(3))
    assert repository.drop([snapshot(1), snapshot(3)]) == len(content(1)) + len(content(3))
    assert [each.sequence for each in again(repository).refresh().snapshots] == [2]
    assert list(repository.snapshot_files()) == [snapshot(2).path]
    assert repository.drop([]) == 0


def test_pages_that_were_kept_of_players_go_with_the_full_that_holds_them(repository: Repository) -> None:
    """What a player deleted is not kept longer than the snapshots of it; an incremental takes nothing with it."""
    publish(repository, snapshot(1), snapshot(2))
    repository.history_cache.mkdir()
    kept = repository.history_cache / f"somebody{SUFFIX}"
    kept.touch()
    repository.drop([msgspec.structs.replace(snapshot(2), form=Form.INCREMENTAL)])
    assert kept.exists()
    repository.drop([snapshot(1)])
    assert not kept.exists()


def test_the_catalog_forgets_before_the_files_go(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """A crash in the middle of pruning leaves files that are not listed, never entries without files."""
    publish(repository, snapshot(1), snapshot(2))

    def crash(_: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(repository.store, "remove", crash)
    with pytest.raises(KeyboardInterrupt):
        repository.drop([snapshot(1)])
    left = again(repository)
    assert [each.sequence for each in left.refresh().snapshots] == [2]
    assert [name for name, _ in left.unknown_files()] == [snapshot(1).path]


def test_a_file_of_another_size_is_not_stored(repository: Repository) -> None:
    """Cut off, grown or gone: the cheap look sees it."""
    publish(repository, snapshot(1))
    path = repository.root / snapshot(1).path
    for damage in (lambda: path.write_bytes(b"short"), lambda: path.write_bytes(content(1) + b"more"), path.unlink):
        damage()
        assert not repository.is_stored(snapshot(1))


# Temporary files


def test_what_a_crash_left_is_cleaned_and_what_is_in_use_is_not(repository: Repository) -> None:
    """Temporary files of a job that still runs are told from those of one that died by the lock beside them."""
    running, dead = repository.work / "job-running", repository.work / "job-dead"
    mark = InUseLock(in_use_lock(running))
    mark.hold()
    in_use_lock(dead).touch()
    for folder in (running, dead, repository.work / "restore-0"):
        folder.mkdir()
        (folder / "image.db").write_bytes(b"half an image")
    for name in ("snapshot-000", "catalog.new.json", "latest.new"):
        (repository.work / name).write_bytes(b"half")
    (repository.work / "lock").touch()
    (repository.work / "operation.json").write_text("{}")
    publish(repository, snapshot(1), snapshot(2))
    for name in ("pages.index", "members.record", "pages.index.new"):
        (repository.work / name).write_bytes(b"what the engine keeps, and half of the next")
    assert (repository.page_index.name, repository.member_record.name) == ("pages.index", "members.record")
    repository.clean()
    kept = {"lock", "operation.json", PREVIOUS, "pages.index", "members.record"}
    assert {path.name for path in repository.work.iterdir()} == kept | {"job-running", "job-running.lock"}
    assert (running / "image.db").exists()
    mark.release()
    repository.clean()
    assert {path.name for path in repository.work.iterdir()} == kept


@pytest.mark.process
@pytest.mark.kill
def test_a_job_of_another_process_is_left_alone_until_it_dies(repository: Repository) -> None:
    """The mark is the operating system's lock, so it ends with the process that set it, however that ended."""
    job = repository.work / "job-elsewhere"
    job.mkdir()
    program = (
        "import sys, pathlib; from core.snapshots.repository.lock import InUseLock; "
        "mark = InUseLock(pathlib.Path(sys.argv[1])); mark.hold(); print('held', flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(in_use_lock(job))],
        cwd=Path(__file__).parents[3],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        repository.clean()
        assert job.exists()
        process.kill()
        process.wait()
    repository.clean()
    assert list(repository.work.iterdir()) == []


# Quarantine


def test_no_two_quarantines_share_a_folder(repository: Repository) -> None:
    """Two restores within a millisecond keep their damaged files apart."""
    at = NOON.replace(microsecond=123_456)
    first = repository.quarantine_folder(at)
    assert first == repository.root / "quarantine" / "20261123T120000.123Z"
    assert not first.exists()
    first.mkdir(parents=True)
    second = repository.quarantine_folder(at)
    second.mkdir()
    assert len({first, second, repository.quarantine_folder(at)}) == 3


def test_what_is_not_there_any_more_cannot_be_fetched(repository: Repository) -> None:
    """A listed snapshot whose file somebody removed is not found, by name."""
    publish(repository, snapshot(1))
    (repository.root / snapshot(1).path).unlink()
    with pytest.raises(SnapshotNotFound, match=snapshot(1).path):
        repository.store.fetch(snapshot(1).path)


def test_a_catalog_that_cannot_be_written_takes_the_file_back(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A snapshot that could not be listed was not taken: its file does not stay to be adopted later."""
    publish(repository, snapshot(1))

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(repository.catalog, "change", full)
    with pytest.raises(OSError, match="No space"):
        publish(repository, snapshot(2))
    assert list(repository.snapshot_files()) == [snapshot(1).path]


def test_the_free_space_is_that_of_its_disk(repository: Repository) -> None:
    """A number of bytes, as an ordinary user may use them."""
    assert 0 < repository.free() <= shutil.disk_usage(repository.root).total
