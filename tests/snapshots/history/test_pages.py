"""Pages are read from a chain one by one, and are those that a rebuild of the whole gives."""

from __future__ import annotations

import os
import random
from pathlib import Path

import msgspec
import pytest

from core.snapshots.archive.page_index import PageIndex
from core.snapshots.errors import SnapshotDamaged
from core.snapshots.history.chains.members import ArchiveMembers
from core.snapshots.history.chains.pages import ChainPages, ExpandedMembers, differing_pages
from core.snapshots.progress import Watch
from tests.worlds.past.history_world import HistoryWorld

ROWS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {}) "


def eventful(folder: Path, *, page_size: int = 1024) -> HistoryWorld:
    """A database that grew, shrank and was vacuumed, in two chains."""
    world = HistoryWorld(folder, page_size=page_size)
    world.snapshot(
        "CREATE TABLE cards (id INTEGER PRIMARY KEY, story TEXT)",
        "INSERT INTO cards (story) " + ROWS.format(900) + "SELECT hex(randomblob(100)) FROM n",
    )
    world.snapshot("UPDATE cards SET story = 'short' WHERE id = 700")
    world.snapshot("INSERT INTO cards (story) " + ROWS.format(50) + "SELECT hex(randomblob(900)) FROM n")
    world.snapshot("DELETE FROM cards WHERE id > 400", "VACUUM")
    world.snapshot("INSERT INTO cards (story) " + ROWS.format(200) + "SELECT hex(randomblob(400)) FROM n")
    world.snapshot("UPDATE cards SET story = 'again' WHERE id % 50 = 0", full=True)
    world.snapshot("UPDATE cards SET story = upper(story) WHERE id = 3")
    return world


@pytest.mark.parametrize("page_size", [512, 4096, 65536])
def test_every_page_at_every_point_is_that_of_a_full_rebuild(tmp_path: Path, page_size: int) -> None:
    """In an order that the memory for expanded members is too small for."""
    world = eventful(tmp_path, page_size=page_size)
    asked = []
    with ExpandedMembers(memory=150_000) as expanded:
        chains = [ChainPages(chain, expanded, tmp_path / "cache") for chain in world.chains]
        for point in world.points:
            image, pages = world.image(point).read_bytes(), chains[point.chain]
            assert pages.page_size == page_size
            assert pages.page_count(point.position) * page_size == len(image)
            asked += [(pages, point.position, number, image) for number in range(1, len(image) // page_size + 1)]
        random.Random(1).shuffle(asked)
        for pages, position, number, image in asked:
            assert pages.page(number, position) == image[(number - 1) * page_size : number * page_size]


@pytest.mark.parametrize("second", range(7))
def test_no_page_that_differs_is_missing_from_those_that_can_differ(tmp_path: Path, second: int) -> None:
    """Within a chain and from one chain to another, in both directions."""
    world = eventful(tmp_path)
    with ExpandedMembers() as expanded:
        chains = [ChainPages(chain, expanded) for chain in world.chains]
        then = world.points[second]
        for point in world.points:
            images = [world.image(each).read_bytes() for each in (point, then)]
            pages = [[image[at : at + 1024] for at in range(0, len(image), 1024)] for image in images]
            longest = max(map(len, pages))
            padded = [each + [b""] * (longest - len(each)) for each in pages]
            differ = {number for number, pair in enumerate(zip(*padded, strict=True), 1) if pair[0] != pair[1]}
            found = differing_pages(chains[point.chain], point.position, chains[then.chain], then.position, Watch())
            assert found is not None
            assert differ <= found


def test_only_blocks_that_changed_are_expanded_to_compare_two_fulls(tmp_path: Path) -> None:
    """A page far from the change is not among those that can differ."""
    world = HistoryWorld(tmp_path)
    world.snapshot(
        "CREATE TABLE t (a INTEGER PRIMARY KEY, b)", "INSERT INTO t (b) " + ROWS.format(4000) + "SELECT hex(i) FROM n"
    )
    world.snapshot("UPDATE t SET b = 'x' WHERE a = 1", full=True)
    with ExpandedMembers() as expanded:
        first, second = (ChainPages(chain, expanded) for chain in world.chains)
        found = differing_pages(first, 0, second, 0, Watch())
        assert found is not None
        assert 0 < len(found) < 5
        assert first.page_count(0) > 50


def test_what_was_found_of_an_archive_is_kept_and_can_be_lost(tmp_path: Path) -> None:
    """A kept file that is damaged or speaks of another file is not believed; without a folder nothing is kept."""
    world = eventful(tmp_path)
    cache = tmp_path / "cache"
    part = world.chains[0][2]
    found = ArchiveMembers.of(part, cache)
    kept = cache / f"{part.snapshot}.members"
    assert ArchiveMembers.of(part, cache) == found
    kept.write_bytes(kept.read_bytes()[:-1] + b"?")
    assert ArchiveMembers.of(part, cache) == found
    kept.unlink()
    assert ArchiveMembers.of(part, None) == found
    assert not kept.exists()
    other = ArchiveMembers.of(world.chains[0][1], cache)
    (cache / f"{other.snapshot}.members").rename(kept)
    assert ArchiveMembers.of(part, cache) == found


def test_nothing_is_written_where_the_folder_cannot_be_made(tmp_path: Path) -> None:
    """A repository on a read-only disk is read all the same."""
    world = eventful(tmp_path)
    in_the_way = tmp_path / "file"
    in_the_way.write_text("")
    assert ArchiveMembers.of(world.chains[0][0], in_the_way / "cache").snapshot == world.points[0].snapshot


@pytest.mark.slow
def test_damage_anywhere_in_a_chain_names_the_snapshot_and_gives_no_page(tmp_path: Path) -> None:
    """Every byte of a small archive in turn, before and after its members are known."""
    world = HistoryWorld(tmp_path, page_size=512)
    world.snapshot("CREATE TABLE t (a INTEGER PRIMARY KEY, b)", "INSERT INTO t VALUES (1, 'one'), (2, 'two')")
    last = world.snapshot("UPDATE t SET b = 'three' WHERE a = 1")
    image = world.image(last).read_bytes()
    for known in (False, True):
        cache = tmp_path / "cache" if known else None
        for point in world.points:
            path = world.file(point)
            sound, before = path.read_bytes(), path.stat().st_mtime_ns
            ArchiveMembers.of(world.chains[0][point.position], cache)
            for at in range(len(sound)):
                path.write_bytes(sound[:at] + bytes([sound[at] ^ 0x55]) + sound[at + 1 :])
                _set_time(path, before)
                assert _pages_or_culprit(world, cache, len(image) // 512) in (point.snapshot, image)
            path.write_bytes(sound)
            _set_time(path, before)
        assert _pages_or_culprit(world, cache, len(image) // 512) == image


def _set_time(path: Path, modified: int) -> None:
    os.utime(path, ns=(modified, modified))


def _pages_or_culprit(world: HistoryWorld, cache: Path | None, count: int) -> bytes | str:
    """Return the whole image of the last point, or the snapshot that its error names."""
    try:
        with ExpandedMembers() as expanded:
            pages = ChainPages(world.chains[0], expanded, cache)
            return b"".join(pages.page(number, 1) for number in range(1, count + 1))
    except SnapshotDamaged as error:
        return str(error.snapshot_id) if error.snapshot_id in str(error) else str(error)


@pytest.mark.parametrize("harm", ["cut off", "missing", "another snapshot's"])
def test_a_file_that_is_not_the_one_listed_is_damage(tmp_path: Path, harm: str) -> None:
    """Cut off, gone, or a sound file of another snapshot."""
    world = eventful(tmp_path)
    path = world.file(world.points[2])
    if harm == "cut off":
        path.write_bytes(path.read_bytes()[:-10])
    elif harm == "missing":
        path.unlink()
    else:
        path.write_bytes(world.file(world.points[1]).read_bytes())
    with ExpandedMembers() as expanded, pytest.raises(SnapshotDamaged, match=world.points[2].snapshot):
        ChainPages(world.chains[0], expanded)


def test_a_page_that_is_not_what_the_page_index_says_is_damage(tmp_path: Path) -> None:
    """Also one whose member is sound: it was exchanged for another one."""
    world = eventful(tmp_path)
    index = PageIndex.load(world.taken.index)
    assert index is not None
    digests = bytearray(index.page_digests)
    digests[16 * 4] ^= 1
    wrong = msgspec.structs.replace(index, page_digests=bytes(digests))
    before, last = world.points[-2:]
    assert (before.chain, before.position + 1) == (last.chain, last.position)
    with ExpandedMembers() as expanded:
        pages = ChainPages(world.chains[last.chain], expanded, None, wrong)
        assert pages.holder(5, last.position) == pages.holder(5, before.position)
        pages.page(4, last.position)
        for point in (last, before):
            with pytest.raises(SnapshotDamaged, match="page 5"):
                pages.page(5, point.position)
