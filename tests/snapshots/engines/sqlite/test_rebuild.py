"""A full put together from a chain is what rebuilding and compressing gives, to the byte."""

from __future__ import annotations

import random
import zlib
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from core.snapshots.archive import compression
from core.snapshots.archive.fingerprint import BLOCK, Fingerprint
from core.snapshots.archive.full import write_full
from core.snapshots.archive.incremental import Delta, write_pages
from core.snapshots.archive.reuse import MemberRecord, verify_and_record
from core.snapshots.engines.base import ChainFile
from core.snapshots.engines.sqlite import rebuild
from core.snapshots.engines.sqlite.rebuild import assemble
from core.snapshots.errors import SnapshotDamaged
from core.snapshots.models import Form
from core.snapshots.progress import Watch
from tests.snapshots.archive.test_reuse import digests_of
from tests.worlds.chain_world import head_of
from tests.worlds.service_world import flip_byte

Image = list[bytes]


def fingerprint_of(image: Image) -> str:
    found, whole = Fingerprint(), b"".join(image)
    for at in range(0, len(whole), BLOCK):
        found.add(whole[at : at + BLOCK])
    return found.text()


@pytest.fixture(autouse=True)
def with_zlib(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are compared to the byte here, and isal does not always give the same for the same block."""
    monkeypatch.setattr(compression, "default_deflate", lambda: compression.Deflate(zlib))


class Written:
    """A chain of images, written as a full and incrementals."""

    def __init__(self, folder: Path, *images: Image) -> None:
        self.folder, self.images, self.parts = folder, images, list[ChainFile]()
        first = folder / "20261123T120000.000Z_critical_buy_000000000001.db.gz"
        write_full(first, images[0], head_of(1), {}, Watch())
        self._add(first, images[0], None)
        self.record = verify_and_record(first, head_of(1).id, digests_of(b"".join(images[0])), Watch())
        for number, (below, image) in enumerate(pairwise(images), start=2):
            numbers = [at for at, page in enumerate(image, 1) if at > len(below) or page != below[at - 1]]
            delta = Delta(
                base=head_of(number - 1).id,
                base_fingerprint=fingerprint_of(below),
                fingerprint=fingerprint_of(image),
                page_size=len(image[0]),
                page_count=len(image),
                pages=len(numbers),
            )
            head = msgspec.structs.replace(head_of(number), delta=delta)
            path = folder / f"{number}.pages.gz"
            write_pages(path, head, numbers, [image[at - 1] for at in numbers], {}, Watch())
            self._add(path, image, delta.base)

    def _add(self, path: Path, image: Image, base: str | None) -> None:
        form = Form.FULL if base is None else Form.INCREMENTAL
        size = len(image) * len(image[0])
        snapshot, fingerprint = head_of(len(self.parts) + 1).id, fingerprint_of(image)
        self.parts.append(
            ChainFile(snapshot=snapshot, path=str(path), form=form, base=base, fingerprint=fingerprint, size=size)
        )

    def assembled(self, name: str = "assembled") -> bytes:
        target = self.folder / name
        assemble(self.parts, self.record, target, self.folder, head_of(9), {}, Watch())
        return target.read_bytes()

    def rebuilt(self) -> bytes:
        image = self.folder / "rebuilt"
        rebuild.rebuild(self.parts, image, Watch())
        assert image.read_bytes() == b"".join(self.images[-1])
        write_full(self.folder / "compressed", [image.read_bytes()], head_of(9), {}, Watch())
        return (self.folder / "compressed").read_bytes()


def page(dice: random.Random, size: int) -> bytes:
    return (dice.randbytes(16) * (size // 16))[:size]


def changed(dice: random.Random, image: Image) -> Image:
    """Overwrite some pages, early ones more often than not, then grow, shrink or neither."""
    size, found = len(image[0]), list(image)
    for _ in range(dice.randrange(4)):
        found[dice.randrange(min(8, len(found)) if dice.random() < 0.6 else len(found))] = page(dice, size)
    per_block = BLOCK // size
    change = dice.choice(["grow", "shrink", "stay"])
    amount = dice.choice([1, 2, per_block - 1, per_block, per_block + 1, 2 * per_block + 1]) or 1
    if change == "grow":
        found += [page(dice, size) for _ in range(amount)]
    elif change == "shrink":
        found = found[: max(1, len(found) - amount)]
    if found == image:
        found[0] = page(dice, size)
    return found


@pytest.mark.parametrize("page_size", [512, 1024, 4096, 32768, 65536])
def test_an_assembled_full_is_the_compressed_rebuild_to_the_byte(tmp_path: Path, page_size: int) -> None:
    """Growing, shrinking, pages overwritten in several incrementals, and pages that went and came back."""
    for seed in range(12):
        dice = random.Random(f"{page_size}-{seed}")
        images = [[page(dice, page_size) for _ in range(dice.randrange(1, 3 * BLOCK // page_size + 3))]]
        for _ in range(dice.randrange(1, 6)):
            images.append(changed(dice, images[-1]))
        folder = tmp_path / str(seed)
        folder.mkdir()
        chain = Written(folder, *images)
        assert chain.assembled() == chain.rebuilt()


def small_chain(folder: Path) -> Written:
    dice = random.Random(4)
    first = [page(dice, 4096) for _ in range(70)]
    second = [*first[:3], page(dice, 4096), *first[4:]]
    return Written(folder, first, second, [*second, page(dice, 4096)])


@pytest.mark.parametrize("which", [0, 1, 2])
def test_damage_anywhere_in_the_chain_gives_no_file_and_names_it(tmp_path: Path, which: int) -> None:
    """Assembling refuses, and so does the export that falls back on rebuilding, which says which file it is."""
    chain = small_chain(tmp_path)
    flip_byte(Path(chain.parts[which].path))
    with pytest.raises(SnapshotDamaged):
        chain.assembled()
    assert not (tmp_path / "assembled").exists()
    chain.record.save(tmp_path / "members.record")
    with pytest.raises(SnapshotDamaged) as caught:
        rebuild.export(chain.parts, tmp_path / "exported", tmp_path, head_of(9), tmp_path / "members.record", Watch())
    assert caught.value.path == chain.parts[which].path
    assert not (tmp_path / "exported").exists()


def test_a_base_that_was_cut_short_is_damage_and_not_an_endless_copy(tmp_path: Path) -> None:
    """At any length, also one at the end of a member."""
    chain = small_chain(tmp_path)
    base = Path(chain.parts[0].path)
    whole = base.read_bytes()
    for length in (0, 5, chain.record.offset(0), chain.record.offset(1), chain.record.offset(2), len(whole) - 1):
        base.write_bytes(whole[:length])
        with pytest.raises(SnapshotDamaged):
            chain.assembled()
        assert not (tmp_path / "assembled").exists()


def test_the_record_of_another_full_with_the_same_image_does_not_stop_an_export(tmp_path: Path) -> None:
    """Its members lie elsewhere: the record of a manual snapshot of an unchanged database, taken later."""
    chain = small_chain(tmp_path)
    other = tmp_path / "other.db.gz"
    head = msgspec.structs.replace(head_of(7), note="a longer head")
    write_full(other, chain.images[0], head, {}, Watch())
    record = verify_and_record(other, head.id, digests_of(b"".join(chain.images[0])), Watch())
    assert record.fingerprint == chain.record.fingerprint
    for saved in (record, _forged(record)):
        saved.save(tmp_path / "members.record")
        target = tmp_path / "exported"
        rebuild.export(chain.parts, target, tmp_path, head_of(9), tmp_path / "members.record", Watch())
        assert target.read_bytes() == chain.rebuilt()
        for path in (target, tmp_path / "rebuilt", tmp_path / "compressed"):
            path.unlink()


def _forged(record: MemberRecord) -> MemberRecord:
    """Return the record of one full under the name of the other."""
    return msgspec.structs.replace(record, snapshot=head_of(1).id)
