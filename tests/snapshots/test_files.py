"""Files that are whole or not there, private, and durable; and errors that say what to do."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import pytest

from core.snapshots import files
from core.snapshots.engines import Engine
from core.snapshots.errors import NotEnoughSpace, RepositoryError
from core.snapshots.models import Exported
from core.snapshots.progress import Watch
from core.snapshots.worker import handlers
from core.snapshots.worker.protocol import ExportJob
from tests.worlds.engine_cases import HEAD


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of what was synced, in order."""
    names: list[str] = []
    sync = os.fsync

    def watched(descriptor: int) -> None:
        names.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        sync(descriptor)

    if Path("/proc/self/fd").is_dir():
        monkeypatch.setattr(os, "fsync", watched)
    return names


def another_file_system(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make renames into another folder fail as they do between two disks."""
    rename = Path.rename

    def refuse(self: Path, target: Path) -> Path:
        if self.parent != Path(target).parent:
            raise OSError(errno.EXDEV, "Invalid cross-device link", str(self))
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse)


def test_a_file_is_replaced_as_a_whole_and_its_folder_synced(tmp_path: Path, synced: list[str]) -> None:
    """Write, sync, rename, sync the folder: the order that makes a rename durable."""
    path, scratch = tmp_path / "catalog.json", tmp_path / "scratch"
    path.write_bytes(b"old")
    scratch.write_bytes(b"left by a crash")
    files.write_atomically(path, b"new", scratch=scratch)
    assert path.read_bytes() == b"new"
    assert not scratch.exists()
    assert synced in ([], ["scratch", tmp_path.name])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("fails", ["fsync", "replace"])
def test_a_file_that_cannot_be_replaced_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: str) -> None:
    """Until the rename the old file is untouched, and nothing temporary stays beside it."""
    path = tmp_path / "catalog.json"
    path.write_bytes(b"old")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    where: Any = os if fails == "fsync" else Path
    monkeypatch.setattr(where, fails, full)
    with pytest.raises(OSError, match="No space"):
        files.write_atomically(path, b"new", scratch=tmp_path / "scratch")
    assert {each.name: each.read_bytes() for each in tmp_path.iterdir()} == {"catalog.json": b"old"}


def test_a_moved_file_is_in_one_place_and_both_folders_are_synced(tmp_path: Path, synced: list[str]) -> None:
    """A move is durable when both folders are."""
    (tmp_path / "from").mkdir()
    (tmp_path / "to").mkdir()
    (tmp_path / "from" / "file").write_bytes(b"content")
    files.move(tmp_path / "from" / "file", tmp_path / "to" / "file")
    assert (tmp_path / "to" / "file").read_bytes() == b"content"
    assert not (tmp_path / "from" / "file").exists()
    assert synced in ([], ["to", "from"])


def test_a_move_to_another_disk_keeps_bytes_mode_and_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a rename is impossible the file is copied, synced, put in place by a rename, and only then removed."""
    another_file_system(monkeypatch)
    source, target = tmp_path / "file", tmp_path / "to" / "file"
    target.parent.mkdir()
    source.write_bytes(b"content")
    source.chmod(0o640)
    os.utime(source, (1_000_000, 1_000_000))
    seen: list[set[str]] = []
    replace = Path.replace

    def watched(self: Path, to: Path) -> Path:
        seen.append({path.name for path in target.parent.iterdir()})
        assert source.exists()
        assert self.read_bytes() == b"content"
        return replace(self, to)

    monkeypatch.setattr(Path, "replace", watched)
    files.move(source, target)
    assert seen == [{".file.part"}]
    assert not source.exists()
    assert (target.read_bytes(), stat.S_IMODE(target.stat().st_mode), target.stat().st_mtime) == (
        b"content",
        0o640,
        1_000_000,
    )
    assert [path.name for path in target.parent.iterdir()] == ["file"]


def test_a_copy_that_fails_half_way_leaves_the_source_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk on the other side: the file is still where it was, and no part of it where it was to go."""
    another_file_system(monkeypatch)
    source, target = tmp_path / "file", tmp_path / "to" / "file"
    target.parent.mkdir()
    source.write_bytes(b"content")

    def half(_source: Path, to: Path) -> None:
        Path(to).write_bytes(b"con")
        raise OSError(errno.ENOSPC, "No space left on device", str(to))

    monkeypatch.setattr(shutil, "copy2", half)
    with pytest.raises(OSError, match="No space"):
        files.move(source, target)
    assert source.read_bytes() == b"content"
    assert list(target.parent.iterdir()) == []


def test_another_error_is_not_taken_for_another_disk(tmp_path: Path) -> None:
    """A missing source is a missing source."""
    with pytest.raises(FileNotFoundError):
        files.move(tmp_path / "nothing", tmp_path / "target")
    assert list(tmp_path.iterdir()) == []


def test_folders_are_made_private_and_existing_ones_left(tmp_path: Path) -> None:
    """Ours are 0700; what a person made has the mode that person chose."""
    files.make_folder(tmp_path / "ours")
    assert stat.S_IMODE((tmp_path / "ours").stat().st_mode) == 0o700
    theirs = tmp_path / "theirs"
    theirs.mkdir(mode=0o750)
    files.make_folder(theirs)
    assert stat.S_IMODE(theirs.stat().st_mode) == 0o750
    (tmp_path / "file").touch()
    with pytest.raises(RepositoryError, match="in the way"):
        files.make_folder(tmp_path / "file")


def test_removing_takes_folders_with_all_they_hold_but_follows_no_link(tmp_path: Path) -> None:
    """What a link leads to is somebody else's; what is not there is fine."""
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").touch()
    (tmp_path / "folder" / "inner").mkdir(parents=True)
    (tmp_path / "folder" / "inner" / "link").symlink_to(tmp_path / "kept")
    (tmp_path / "link").symlink_to(tmp_path / "kept")
    for name in ("folder", "link", "nothing"):
        files.remove(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    assert (tmp_path / "kept" / "file").exists()


def test_a_folder_that_cannot_be_synced_is_no_error_on_some_file_systems(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Network file systems that refuse it have no better way; a disk that fails has something to say."""
    answer = errno.EINVAL

    def refuse(_: int) -> None:
        raise OSError(answer, os.strerror(answer))

    monkeypatch.setattr(os, "fsync", refuse)
    files.sync_folder(tmp_path)
    answer = errno.EIO
    with pytest.raises(OSError, match="Input/output"):
        files.sync_folder(tmp_path)


def test_the_free_space_of_a_folder_that_is_not_there_is_its_parents(tmp_path: Path) -> None:
    """A repository that was never used has as much room as the disk it will be on."""
    here, there = files.free_space(tmp_path), files.free_space(tmp_path / "not" / "yet")
    assert abs(here - there) < here / 10


def test_a_disk_that_would_get_too_full_is_refused_with_the_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The minimum stays free to the byte; the error says how much there is, is needed and must stay."""
    monkeypatch.setattr(files, "free_space", lambda _: 3 * 1024 * 1024)
    files.require_space(tmp_path, 1024 * 1024, 2 * 1024 * 1024)
    with pytest.raises(NotEnoughSpace) as caught:
        files.require_space(tmp_path, 1024 * 1024 + 1, 2 * 1024 * 1024)
    error = caught.value
    assert (error.free, error.needed, error.minimum) == (3 * 1024 * 1024, 1024 * 1024 + 1, 2 * 1024 * 1024)
    for figure in ("3.0 MiB free", "1.0 MiB needed", "2.0 MiB must stay free"):
        assert figure in str(error)


@pytest.mark.parametrize(
    ("number", "kind", "words"),
    [
        (errno.ENOSPC, NotEnoughSpace, "filled up"),
        (errno.EDQUOT, NotEnoughSpace, "filled up"),
        (errno.EACCES, RepositoryError, "No permission to read or write"),
        (errno.EROFS, RepositoryError, "read-only file system"),
        (errno.EIO, RepositoryError, "cannot be used"),
        (errno.EMFILE, RepositoryError, "Too many files are open"),
        (errno.ENOLCK, RepositoryError, "File locks do not work"),
    ],
)
def test_errors_of_the_operating_system_become_sentences(number: int, kind: type[RepositoryError], words: str) -> None:
    """Each says what happened and to which path."""
    error = files.translate_os_error(OSError(number, os.strerror(number), "backups/daily/x"))
    assert type(error) is kind
    assert words in str(error)
    assert "backups/daily/x" in str(error)
    assert "backups" in str(files.translate_os_error(OSError(number, os.strerror(number)), Path("backups")))


@pytest.mark.parametrize("platform", ["with positioned calls", "without"])
def test_pieces_are_read_and_written_where_they_belong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, platform: str
) -> None:
    """From several threads at once; Windows has no calls for it and takes a lock."""
    if platform == "without":
        monkeypatch.delattr(os, "pread")
        monkeypatch.delattr(os, "pwrite")
    pieces = [bytes([number]) * 3000 for number in range(100)]
    with (tmp_path / "image").open("w+b", buffering=0) as file, ThreadPoolExecutor(4) as pool:
        written = [pool.submit(files.write_at, file.fileno(), each, 3000 * at) for at, each in enumerate(pieces)]
        for future in written:
            future.result()
        read = [pool.submit(files.read_at, file.fileno(), 3000, 3000 * at) for at in range(101)]
        assert [future.result() for future in read] == [*pieces, b""]


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="sees what is synced in Linux's /proc")
def test_the_folder_of_an_export_is_synced(tmp_path: Path, synced: list[str]) -> None:
    """Otherwise a power cut takes back the name of a file that was reported as written."""

    class Exporting:
        def export(self, _chain: object, target: Path, *_: object) -> None:
            target.write_bytes(b"exported")

    (tmp_path / "out").mkdir()
    target = str(tmp_path / "out" / "a")
    job = ExportJob(url="", busy_timeout=1.0, deadline=1.0, scratch="", chain=(), head=HEAD, record="", target=target)
    assert handlers.do(job, cast(Engine, Exporting()), tmp_path, Watch()) == Exported(size=8)
    assert synced[-1] == "out"


def test_where_rights_cannot_be_changed_that_is_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CIFS and exFAT say EPERM to every chmod, and have no rights that could be too wide."""

    def refuse(path: Path, mode: int) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), str(path))

    monkeypatch.setattr(Path, "chmod", refuse)
    files.make_private(tmp_path)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give files away")
def test_what_root_writes_belongs_to_the_owner_of_the_folder(tmp_path: Path) -> None:
    """A shell in a container is often root's, and must not lock out the bot's own user."""
    folder = tmp_path / "of the bot"
    folder.mkdir()
    os.chown(folder, 4321, 4322)
    files.make_folder(folder / "one" / "two")
    files.write_atomically(folder / "catalog", b"{}", scratch=folder / "catalog.new")
    owners = {(each.stat().st_uid, each.stat().st_gid) for each in folder.rglob("*")}
    assert owners == {(4321, 4322)}
