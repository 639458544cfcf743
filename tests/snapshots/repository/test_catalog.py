"""The catalog file: always whole, never treated as empty, and left alone if a newer version wrote it."""

from __future__ import annotations

import datetime as dt
import json
import os
import random
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from core.snapshots.errors import CatalogError, CatalogTooNew, RepositoryError, SnapshotError
from core.snapshots.models import RestoreRecord, Snapshot
from core.snapshots.repository import catalog as catalog_module
from core.snapshots.repository.catalog import FILE_NAME, FORMAT, PREVIOUS, Catalog, Contents
from core.snapshots.repository.sealing import seal
from tests.worlds.snapshots import make_snapshot

ROOT = Path(__file__).parents[3]
NOON = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)


def snapshot(sequence: int, **changes: Any) -> Snapshot:
    at = NOON + dt.timedelta(seconds=sequence)
    return make_snapshot(sequence, at=at, rows={"users": 3}, details={"journal_mode": "wal"}, **changes)


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    (tmp_path / ".work").mkdir()
    return Catalog(tmp_path, tmp_path / ".work")


def again(catalog: Catalog) -> Catalog:
    """The same catalog as another process sees it."""
    return Catalog(catalog.path.parent, catalog.path.parent / ".work")


def filled(catalog: Catalog, count: int = 3) -> Contents:
    return catalog.change(lambda contents: contents.with_snapshots(snapshot(number) for number in range(1, count + 1)))


def test_what_was_written_is_read_again(catalog: Catalog) -> None:
    """Snapshots, restores and times come back as they were, in the order of their sequence."""
    record = RestoreRecord(at=NOON, snapshot="a" * 12, sequence=1, before=3, safety=None, automatic=True)
    full = Contents(restores=(record,), periodic_checked_at=NOON).with_snapshots([snapshot(2), snapshot(1)])
    catalog.change(lambda _: full)
    assert again(catalog).refresh() == full
    assert [each.sequence for each in full.snapshots] == [1, 2]
    document = json.loads(catalog.path.read_text())
    assert document["format"] == FORMAT
    assert len(document["snapshots"]) == 2


def test_a_catalog_is_private(catalog: Catalog) -> None:
    """It holds reasons and notes: only its owner reads it."""
    filled(catalog)
    filled(catalog, 4)
    for path in (catalog.path, catalog.path.parent / ".work" / PREVIOUS):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_missing_catalog_is_an_error(catalog: Catalog) -> None:
    """It is never an empty one: that is for the repository to decide, which knows whether there are snapshots."""
    with pytest.raises(CatalogError, match="missing"):
        catalog.refresh()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"garbage",
        b"[]",
        b"{}",
        b'{"format": "1"}',
        b'{"format": 1, "snapshots": {}}',
        b'{"format": 1, "snapshots": []',
        b'{"format": 1} trailing',
        b"\xff\xfe\x00",
        b'{"format": 1, "periodic_checked_at": "2026\xff"}',
        b'{"format": 1, "extra": ' + b"[" * 100_000,
        b'{"format": 1, "periodic_checked_at": "yesterday"}',
        b"[" * 100_000,
        bytes(4096),
    ],
)
def test_a_catalog_that_cannot_be_read_is_an_error_and_stays_as_it_is(catalog: Catalog, content: bytes) -> None:
    """Whatever happened to the file, it is CatalogError, and what was known before stays known."""
    known = filled(catalog)
    catalog.path.write_bytes(content)
    with pytest.raises(CatalogError) as caught:
        catalog.refresh()
    assert not isinstance(caught.value, CatalogTooNew)
    assert catalog.contents == known
    assert catalog.path.read_bytes() == content


def test_a_catalog_cut_at_any_byte_is_an_error(catalog: Catalog) -> None:
    """A file that was cut off is never read as one with fewer snapshots."""
    filled(catalog)
    content = catalog.path.read_bytes()
    for length in range(0, len(content) - 1, 13):
        catalog.path.write_bytes(content[:length])
        with pytest.raises(CatalogError):
            again(catalog).refresh()


def test_every_flipped_bit_is_found(catalog: Catalog) -> None:
    """A pin that is gone, another path, another number: it is an error, never a catalog that reads as well."""
    filled(catalog)
    content = catalog.path.read_bytes()
    for position in range(len(content) - 1):
        changed = bytearray(content)
        changed[position] ^= 1 << (position % 8)
        catalog.path.write_bytes(changed)
        with pytest.raises(CatalogError) as caught:
            again(catalog).refresh()
        assert not isinstance(caught.value, CatalogTooNew), position


def test_changed_bytes_give_an_error(catalog: Catalog) -> None:
    """Bytes changed at random raise nothing but errors of ours."""
    filled(catalog)
    content, dice = catalog.path.read_bytes(), random.Random(5)
    for _ in range(400):
        changed = bytearray(content)
        for _ in range(dice.randrange(1, 4)):
            changed[dice.randrange(len(changed) - 1)] ^= dice.randrange(1, 256)
        if bytes(changed) != content:
            catalog.path.write_bytes(changed)
            with pytest.raises(CatalogError):
                again(catalog).refresh()


def test_what_is_salvaged_of_a_catalog_with_a_flipped_bit_is_the_one_before(catalog: Catalog) -> None:
    """Pins and reasons come from the last catalog whose checksum is right."""
    before = filled(catalog)
    filled(catalog, 4)
    content = bytearray(catalog.path.read_bytes())
    content[len(content) // 2] ^= 1
    catalog.path.write_bytes(content)
    assert again(catalog).salvage() == before


@pytest.mark.parametrize(
    "changes",
    [
        {"created_at": "2026-11-23T12:00:00"},
        {"path": "/etc/passwd"},
        {"path": "../outside.db.gz"},
        {"path": "daily/../../outside.db.gz"},
        {"path": "daily/a\u001b[2J.db.gz"},
        {"size": -1},
        {"database_size": -5},
        {"sequence": -1},
        {"id": "id-of-another"},
        {"kind": "unheard of"},
        {"verification": None},
    ],
    ids=lambda changes: "-".join(changes),
)
def test_one_entry_that_cannot_be_relied_on_hides_no_other(catalog: Catalog, changes: dict[str, Any]) -> None:
    """It is passed over, so that its file is looked at and listed anew; the others are there."""
    known = filled(catalog).snapshots
    document = json.loads(catalog.path.read_text())
    del document["checksum"]
    changes = {key: known[0].id if value == "id-of-another" else value for key, value in changes.items()}
    document["snapshots"][1].update(changes)
    catalog.path.write_bytes(seal(json.dumps(document).encode()))
    assert again(catalog).refresh().snapshots == (known[0], known[2])


def test_a_catalog_of_the_first_edition_is_read_without_a_checksum(catalog: Catalog) -> None:
    """It had none; the next change writes one."""
    known = filled(catalog)
    document = json.loads(catalog.path.read_text()) | {"format": 1}
    del document["checksum"]
    catalog.path.write_text(json.dumps(document))
    other = again(catalog)
    assert other.refresh().snapshots == known.snapshots
    other.change(lambda contents: contents.without({known.snapshots[0].id}))
    assert json.loads(catalog.path.read_text())["checksum"]


@pytest.mark.parametrize("kind", ["pipe", "link", "folder"])
def test_a_catalog_that_is_no_file_is_an_error_and_waits_for_nobody(catalog: Catalog, kind: str) -> None:
    """Opening a pipe would wait for ever, and following a link read somebody else's file."""
    filled(catalog)
    elsewhere = catalog.path.rename(catalog.path.with_name("elsewhere"))
    if kind == "pipe":
        os.mkfifo(catalog.path)
    elif kind == "link":
        catalog.path.symlink_to(elsewhere)
    else:
        catalog.path.mkdir()
    with pytest.raises(RepositoryError, match="not an ordinary file"):
        again(catalog).refresh()


def test_a_catalog_of_a_newer_format_is_left_to_the_newer_version(catalog: Catalog) -> None:
    """What this version does not understand it neither reads nor replaces, whatever else is in it."""
    content = b'{"format": 3, "snapshots": "in another way"}'
    catalog.path.write_bytes(content)
    for use in (catalog.refresh, catalog.salvage):
        with pytest.raises(CatalogTooNew) as caught:
            use()
        assert (caught.value.found, caught.value.supported) == (3, FORMAT)
    assert catalog.path.read_bytes() == content


def test_what_a_later_version_of_this_format_added_is_read_over(catalog: Catalog) -> None:
    """Fields that this version does not know do not keep it from reading the others."""
    contents = filled(catalog)
    document = json.loads(catalog.path.read_text())
    document["mood"] = "good"
    document["snapshots"][0]["colour"] = "blue"
    del document["checksum"]
    catalog.path.write_bytes(seal(json.dumps(document).encode()))
    assert again(catalog).refresh() == contents


def test_a_folder_in_its_place_is_an_error_of_ours(catalog: Catalog) -> None:
    """Errors of the operating system become sentences."""
    catalog.path.mkdir()
    with pytest.raises(SnapshotError):
        catalog.refresh()


def test_it_is_read_again_only_when_it_changed(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking costs one stat; what another process wrote is seen at the next look."""
    filled(catalog)
    reads: list[Path] = []
    read = Catalog._read

    def counted(self: Catalog, path: Path) -> Contents:
        reads.append(path)
        return read(self, path)

    monkeypatch.setattr(Catalog, "_read", counted)
    catalog.refresh()
    catalog.refresh()
    assert reads == []
    other = again(catalog)
    other.refresh()
    other.change(lambda contents: contents.adding(snapshot(9)))
    assert [each.sequence for each in catalog.refresh().snapshots] == [1, 2, 3, 9]
    assert len(reads) == 2


def test_nothing_is_written_where_nothing_changed(catalog: Catalog) -> None:
    """An unchanged catalog keeps its file, and with it the one before it."""
    filled(catalog)
    before = catalog.path.stat()
    catalog.change(lambda contents: contents.adding(snapshot(2)))
    assert catalog.path.stat().st_ino == before.st_ino


def test_the_catalog_before_the_last_change_is_remembered(catalog: Catalog) -> None:
    """Pins and verifications live in the catalog alone: when it is lost, the one before it still knows most of them."""
    filled(catalog, 2)
    catalog.change(lambda contents: contents.adding(snapshot(2, pinned=True)))
    catalog.change(lambda contents: contents.adding(snapshot(3)))
    catalog.path.write_bytes(b"lost")
    remembered = again(catalog).salvage()
    assert [(each.sequence, each.pinned) for each in remembered.snapshots] == [(1, False), (2, True)]
    catalog.path.unlink()
    assert again(catalog).salvage() == remembered
    (catalog.path.parent / ".work" / PREVIOUS).write_bytes(b"lost too")
    assert again(catalog).salvage() == Contents()


def test_the_one_before_is_kept_also_without_hard_links(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some file systems have none; a copy does as well."""

    def refuse(self: Path, target: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    before = filled(catalog, 2)
    filled(catalog, 3)
    catalog.path.unlink()
    assert again(catalog).salvage() == before


def test_a_change_that_fails_leaves_the_old_catalog(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk, or a step that raises: the file and what is known stay, and no temporary file does."""
    before = filled(catalog)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    def wrong(_: Contents) -> Contents:
        raise RuntimeError("a step that fails")

    with pytest.raises(RuntimeError):
        catalog.change(wrong)
    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(OSError, match="No space"):
            catalog.change(lambda contents: contents.adding(snapshot(4)))
    assert catalog.contents == before
    assert again(catalog).refresh() == before
    assert [path.name for path in (catalog.path.parent / ".work").iterdir()] == [PREVIOUS]
    catalog.change(lambda contents: contents.adding(snapshot(4)))
    assert len(again(catalog).refresh().snapshots) == 4


CHANGER = """
import os, signal, sys
from pathlib import Path
from core.snapshots.repository.catalog import Catalog
from core.snapshots.models import Snapshot
root, at = Path(sys.argv[1]), int(sys.argv[2])
catalog = Catalog(root, root / ".work")
contents = catalog.refresh()
count = 0
def look(event, arguments):
    global count
    if event in ("open", "os.rename", "os.remove", "os.link"):
        count += 1
        if count == at:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(look)
catalog.change(lambda contents: contents.without({contents.snapshots[0].id}))
"""


@pytest.mark.process
def test_a_change_that_dies_leaves_the_old_catalog_or_the_new(catalog: Catalog) -> None:
    """Killed before each of its operations on files in turn, the file is whole, and so is the next change."""
    old = filled(catalog)
    seen = []
    for at in range(1, 30):
        catalog.refresh()
        catalog.change(lambda _: old)
        died = subprocess.run([sys.executable, "-c", CHANGER, str(catalog.path.parent), str(at)], cwd=ROOT, check=False)
        seen.append(len(again(catalog).refresh().snapshots))
        assert seen[-1] in (2, 3)
        assert len(again(catalog).salvage().snapshots) == seen[-1]
        if died.returncode == 0:
            break
    assert seen[0] == 3
    assert seen[-1] == 2
    assert seen == sorted(seen, reverse=True)
    assert len(seen) > 3


def test_one_that_cannot_be_read_is_set_aside(catalog: Catalog) -> None:
    """It is renamed, not removed: a person may get out of it what a program could not."""
    filled(catalog)
    catalog.path.write_bytes(b"half a catal")
    catalog.set_aside(NOON)
    assert not catalog.exists
    kept = [path for path in catalog.path.parent.iterdir() if path.is_file()]
    assert [(path.name, path.read_bytes()) for path in kept] == [
        (f"{FILE_NAME}.damaged-20261123T120000.000Z", b"half a catal")
    ]
    catalog.set_aside(NOON)


def test_one_entry_takes_the_place_of_the_one_with_its_id(catalog: Catalog) -> None:
    """Adding and removing go by id; sequences go on rising, also when the newest is gone."""
    contents = filled(catalog)
    pinned = contents.adding(snapshot(2, pinned=True))
    assert [each.pinned for each in pinned.snapshots] == [False, True, False]
    assert [each.sequence for each in contents.without({snapshot(2).id, "unknown"}).snapshots] == [1, 3]
    assert contents.next_sequence == 4
    assert Contents().next_sequence == 1


def test_old_restores_are_forgotten_one_by_one(catalog: Catalog) -> None:
    """The catalog does not grow for ever; the newest restores are the ones that matter."""
    contents = Contents()
    for number in range(1, catalog_module._RESTORES_KEPT + 6):
        contents = contents.recording(
            RestoreRecord(
                at=NOON, snapshot=f"{number:012}", sequence=number, before=number, safety=None, automatic=True
            )
        )
    assert len(contents.restores) == catalog_module._RESTORES_KEPT
    assert contents.restores[-1].sequence == catalog_module._RESTORES_KEPT + 5


def test_ten_thousand_snapshots_are_no_other_case(catalog: Catalog) -> None:
    """A catalog of years of events is read and changed like a small one."""
    filled(catalog, 10_000)
    changed = catalog.change(lambda contents: contents.adding(snapshot(10_001)))
    assert again(catalog).refresh() == changed
    assert len(changed.snapshots) == 10_001
