"""The link ``latest.*``: where it leads, and what a crash leaves of it."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from core.snapshots.models import Form, Kind, Level, Verification
from core.snapshots.repository.repository import Repository
from tests.worlds.repository_world import DAILY, NOON, content, point_latest, publish, snapshot


def test_latest_is_a_relative_link_to_the_newest_of_its_kinds(repository: Repository) -> None:
    """It follows the newest sound full of the kinds that the settings name, and survives a move of the repository."""
    publish(repository, snapshot(1), snapshot(2, Kind.PERIODIC), snapshot(3, Kind.CRITICAL), snapshot(4, Kind.SAFETY))
    point_latest(repository)
    assert repository.latest.name == "latest.db.gz"
    assert str(repository.latest.readlink()) == snapshot(2, Kind.PERIODIC).path
    assert repository.latest.read_bytes() == content(2)
    moved = repository.root.rename(repository.root.with_name("moved"))
    assert (moved / "latest.db.gz").read_bytes() == content(2)


@pytest.mark.parametrize("harm", ["damaged", "gone"])
def test_latest_never_leads_to_what_cannot_be_restored(repository: Repository, harm: str) -> None:
    """A damaged snapshot, or one whose file somebody removed, is passed over for the one before it."""
    publish(repository, snapshot(1), snapshot(2))
    if harm == "damaged":
        failed = Verification(level=Level.CHECKSUM, at=NOON, ok=False)
        repository.update(snapshot(2, verification=failed))
    else:
        (repository.root / snapshot(2).path).unlink()
    point_latest(repository)
    assert repository.latest.read_bytes() == content(1)


@pytest.mark.parametrize("harm", ["damaged", "base damaged", "base gone"])
def test_an_incremental_is_latest_only_with_all_that_it_builds_on(repository: Repository, harm: str) -> None:
    """It is wanted while its chain is whole, and passed over for the newest that can be restored otherwise."""
    periodic = [snapshot(number, Kind.PERIODIC) for number in (1, 2)]
    upon = snapshot(3, Kind.PERIODIC, form=Form.INCREMENTAL, base=snapshot(2).id)
    publish(repository, *periodic, upon)
    assert repository.latest_to_write(DAILY) == upon
    failed = Verification(level=Level.CHECKSUM, at=NOON, ok=False)
    if harm == "damaged":
        repository.update(msgspec.structs.replace(upon, verification=failed))
    elif harm == "base damaged":
        repository.update(msgspec.structs.replace(periodic[1], verification=failed))
    else:
        (repository.root / periodic[1].path).unlink()
    assert repository.latest_to_write(DAILY) == (periodic[1] if harm == "damaged" else periodic[0])


@pytest.mark.parametrize("harm", ["gone", "damaged"])
@pytest.mark.parametrize("symbolic", [True, False])
def test_latest_goes_with_the_last_file_that_it_can_be(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, harm: str, symbolic: bool
) -> None:
    """It leads to the one before a file that is gone or damaged, and where there is none it is none."""
    if not symbolic:
        no_links("symlink_to")(monkeypatch)
    publish(repository, snapshot(1), snapshot(2))
    point_latest(repository)
    failed = Verification(level=Level.CHECKSUM, at=NOON, ok=False)
    for number in (2, 1):
        if harm == "gone":
            (repository.root / snapshot(number).path).unlink()
        else:
            repository.update(snapshot(number, verification=failed))
        point_latest(repository)
        repository.drop_damaged_latest()
        if number == 2:
            assert repository.latest.read_bytes() == content(1)
    # What a hard link leads to is not gone with one of its names.
    assert os.path.lexists(repository.latest) == (harm == "gone" and not symbolic)


def test_latest_stays_where_there_is_nothing_newer(repository: Repository) -> None:
    """Without a sound snapshot of its kinds the link stays as it is: an old state is better than none."""
    point_latest(repository)
    assert not os.path.lexists(repository.latest)
    publish(repository, snapshot(1))
    point_latest(repository)
    before = repository.latest.lstat()
    point_latest(repository)
    assert repository.latest.lstat().st_ino == before.st_ino
    publish(repository, snapshot(2, Kind.CRITICAL))
    point_latest(repository)
    assert repository.latest.read_bytes() == content(1)


def no_links(*names: str) -> Callable[[pytest.MonkeyPatch], None]:
    """A platform on which these ways to link do not exist."""

    def apply(monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(self: Path, target: Path, **_: object) -> None:
            raise OSError(errno.EPERM, "Operation not permitted", str(self))

        for name in names:
            monkeypatch.setattr(Path, name, refuse)

    return apply


@pytest.mark.parametrize(
    "platform", [no_links("symlink_to"), no_links("symlink_to", "hardlink_to")], ids=["hard links", "no links"]
)
def test_latest_is_a_whole_file_where_there_are_no_symbolic_links(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, platform: Callable[[pytest.MonkeyPatch], None]
) -> None:
    """A hard link, or where there are none either a copy: it holds the newest state and is replaced in one step."""
    platform(monkeypatch)
    replaced: list[str] = []
    replace = Path.replace

    def watched(self: Path, target: Path) -> Path:
        if target == repository.latest:
            replaced.append(self.name)
            assert self.read_bytes() == content(len(repository.catalog.contents.snapshots))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", watched)
    for number in (1, 2):
        publish(repository, snapshot(number))
        point_latest(repository)
        point_latest(repository)
        assert not repository.latest.is_symlink()
        assert repository.latest.read_bytes() == content(number)
        assert stat.S_IMODE(repository.latest.stat().st_mode) == 0o600
    assert set(replaced) == {"latest.new"}
    repository.drop([snapshot(2)])
    assert repository.latest.read_bytes() == content(2)
    assert not (repository.work / "latest.new").exists()


def test_a_crash_before_the_link_is_moved_leaves_the_old_one(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new link is made beside and renamed over the old one; what is left beside is no obstacle."""
    publish(repository, snapshot(1))
    point_latest(repository)
    publish(repository, snapshot(2))

    def crash(self: Path, target: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", crash)
        with pytest.raises(KeyboardInterrupt):
            point_latest(repository)
    assert repository.latest.read_bytes() == content(1)
    point_latest(repository)
    assert repository.latest.read_bytes() == content(2)
