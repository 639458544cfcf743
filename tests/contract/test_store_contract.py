"""What every store promises (``core/snapshots/repository/stores/base.py``)."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from core.snapshots.errors import RepositoryError, SnapshotNotFound
from core.snapshots.repository.names import FOLDERS
from core.snapshots.repository.stores import STORES, Store

NAME = "daily/20261123T081309.123Z_manual_note_3fa9c1d2e4b5.db.gz"
OTHER = "critical/20261123T081310.456Z_critical_pack-opening-user-7_0123456789ab.db.gz"
ESCAPES = (
    "daily/../backup_metadata.json",
    "../daily/x.db.gz",
    "daily/../../etc/passwd",
    "/etc/passwd",
    "daily//etc/passwd",
    "daily/sub/x.db.gz",
    "daily/..",
    "daily/.",
    "daily/",
    "daily",
    "",
    "quarantine/x.db.gz",
    ".work/lock",
    "daily/..\\..\\x.db.gz",
    "daily/C:x.db.gz",
    "daily/x\0.db.gz",
)


@pytest.fixture(params=sorted(STORES))
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    made: Store = STORES[request.param](tmp_path / "backups")
    made.prepare()
    return made


@pytest.fixture
def finished(tmp_path: Path) -> Callable[[bytes], Path]:
    """Make a finished local file with some content."""

    def make(content: bytes) -> Path:
        path = tmp_path / "finished"
        path.write_bytes(content)
        return path

    return make


def test_what_was_published_is_there_and_complete(store: Store, finished: Callable[[bytes], Path]) -> None:
    """A published file is listed under its name, with its size and its bytes."""
    assert list(store.names()) == []
    store.publish(finished(b"one"), NAME)
    store.publish(finished(b"another"), OTHER)
    assert sorted(store.names()) == sorted([NAME, OTHER])
    assert (store.size(NAME), store.size(OTHER)) == (3, 7)
    assert store.fetch(NAME).read_bytes() == b"one"
    assert store.fetch(OTHER).read_bytes() == b"another"


def test_a_published_file_is_never_replaced(store: Store, finished: Callable[[bytes], Path]) -> None:
    """Snapshots are immutable: a second file under the same name is refused and stays where it is."""
    store.publish(finished(b"first"), NAME)
    second = finished(b"second")
    with pytest.raises(RepositoryError):
        store.publish(second, NAME)
    assert store.fetch(NAME).read_bytes() == b"first"
    assert second.read_bytes() == b"second"


def test_what_is_fetched_can_only_be_read_by_its_owner(store: Store, finished: Callable[[bytes], Path]) -> None:
    """A snapshot is player data, whatever the mode of the file that was handed in."""
    path = finished(b"content")
    path.chmod(0o644)
    store.publish(path, NAME)
    assert stat.S_IMODE(store.fetch(NAME).stat().st_mode) == 0o600


def test_preparing_again_keeps_what_is_there(store: Store, finished: Callable[[bytes], Path]) -> None:
    """Every start prepares the store, and takes nothing away."""
    store.publish(finished(b"content"), NAME)
    store.prepare()
    assert list(store.names()) == [NAME]


def test_what_was_never_published_is_not_there(store: Store) -> None:
    """Fetching it is SnapshotNotFound, its size is None, and removing it is fine."""
    with pytest.raises(SnapshotNotFound):
        store.fetch(NAME)
    assert store.size(NAME) is None
    store.remove(NAME)


def test_what_was_removed_is_gone(store: Store, finished: Callable[[bytes], Path]) -> None:
    """Removing takes this file and no other, and frees its name."""
    store.publish(finished(b"one"), NAME)
    store.publish(finished(b"another"), OTHER)
    store.remove(NAME)
    assert list(store.names()) == [OTHER]
    assert store.size(NAME) is None
    store.publish(finished(b"again"), NAME)
    assert store.fetch(NAME).read_bytes() == b"again"


@pytest.mark.parametrize("name", ESCAPES)
def test_no_name_leads_out_of_the_store(store: Store, finished: Callable[[bytes], Path], name: str) -> None:
    """Names come from a catalog that anybody may have edited: each use of one that is no name is refused."""
    path = finished(b"content")
    for use in (store.fetch, store.size, store.remove, lambda text: store.publish(path, text)):
        with pytest.raises(RepositoryError):
            use(name)
    assert path.read_bytes() == b"content"
    assert list(store.names()) == []


def test_a_store_knows_how_much_more_it_takes(store: Store) -> None:
    """The free space is a number of bytes."""
    assert store.free() > 0


def test_every_folder_of_the_layout_can_be_published_to(store: Store, finished: Callable[[bytes], Path]) -> None:
    """The folders that names can have are the folders that a store has."""
    for folder in FOLDERS:
        store.publish(finished(b"content"), f"{folder}/file.db.gz")
    assert {name.partition("/")[0] for name in store.names()} == set(FOLDERS)
