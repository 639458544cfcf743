"""The fingerprint: its published construction, and that blocks in order are the only way to it."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from core.snapshots.archive import fingerprint as module
from core.snapshots.archive.fingerprint import BLOCK, Fingerprint, of_file
from core.snapshots.errors import OperationCancelled
from core.snapshots.progress import Watch

SIZES = (0, 1, 512, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 17 * BLOCK + 5)


def published(image: bytes) -> str:
    """The five lines of the docstring, as anyone would type them."""
    digests = b"".join(blake3(image[at : at + 65536]).digest() for at in range(0, len(image), 65536))
    return "b3t64:" + blake3(b"savepoint/b3t64/1" + digests + len(image).to_bytes(8, "little")).hexdigest()


def fed(image: bytes) -> Fingerprint:
    fingerprint = Fingerprint()
    for at in range(0, len(image), BLOCK):
        fingerprint.add(image[at : at + BLOCK])
    return fingerprint


@pytest.mark.parametrize("size", SIZES)
def test_the_published_lines_give_the_same_fingerprint(size: int, tmp_path: Path) -> None:
    """A fingerprint can be recomputed without this code, whatever the image's length."""
    image = random.Random(size).randbytes(size)
    path = tmp_path / "game.db"
    path.write_bytes(image)

    assert fed(image).text() == published(image)
    assert of_file(path) == published(image)


def test_the_lines_in_the_docstring_run_as_they_stand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The docstring is the specification: its lines, run as they stand, print the fingerprint."""
    (tmp_path / "game.db").write_bytes(image := random.Random(2).randbytes(BLOCK + 77))
    monkeypatch.chdir(tmp_path)
    lines = [line.strip() for line in (module.__doc__ or "").splitlines() if line.startswith("    ")]

    exec("\n".join(lines), {})

    assert len(lines) == 4
    assert capsys.readouterr().out.strip() == fed(image).text()


def test_the_fingerprint_of_a_known_image_never_changes() -> None:
    """Fingerprints stand in catalogs for years: these are fixed for this scheme's name."""
    assert fed(b"").text() == "b3t64:a3b43ec114df878f6daa1da9e4b7eab0e923d0dcb2ab509e48c62a32d504d87d"
    assert (
        fed(bytes(BLOCK) + b"savepoint").text()
        == "b3t64:852961668f2af56822d0cce158bf743c752b76938563a072fcfe1d65acb8504e"
    )


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2 * BLOCK + 10), st.integers(0, 7), st.data())
def test_any_changed_bit_changes_the_fingerprint(size: int, bit: int, data: st.DataObject) -> None:
    """Two images with one bit between them never share a fingerprint, nor does one that is a byte longer."""
    image = bytearray(random.Random(size).randbytes(size + 1))
    before = fed(bytes(image)).text()
    image[data.draw(st.integers(0, size))] ^= 1 << bit

    assert fed(bytes(image)).text() != before
    assert fed(bytes(image) + b"\0").text() != fed(bytes(image)).text()


def test_a_block_is_as_good_as_its_digest() -> None:
    """An incremental snapshot knows the digests of blocks that did not change, and need not read them."""
    image = random.Random(3).randbytes(2 * BLOCK + 9)
    by_digest, by_block = Fingerprint(), Fingerprint()
    for at in range(0, len(image), BLOCK):
        block = image[at : at + BLOCK]
        assert by_block.add(block) == blake3(block).digest()
        by_digest.add_digest(blake3(block).digest(), len(block))

    assert by_digest.text() == by_block.text()
    assert by_digest.length == len(image)


def test_asking_for_the_text_does_not_end_the_fingerprint() -> None:
    """The text can be asked for at any time, and blocks go on being added."""
    fingerprint = Fingerprint()
    fingerprint.add(bytes(BLOCK))
    assert fingerprint.text() == fingerprint.text() == published(bytes(BLOCK))
    fingerprint.add(b"x")
    assert fingerprint.text() == published(bytes(BLOCK) + b"x")


@pytest.mark.parametrize("wrong", [b"", bytes(BLOCK + 1)])
def test_a_block_of_the_wrong_length_is_refused(wrong: bytes) -> None:
    """Blocks are 1 to 65536 bytes: anything else would give a fingerprint nobody else gets."""
    with pytest.raises(ValueError, match="only the last is shorter"):
        Fingerprint().add(wrong)


def test_nothing_follows_a_short_block() -> None:
    """Only the last block may be shorter."""
    fingerprint = Fingerprint()
    fingerprint.add(b"short")
    with pytest.raises(ValueError, match="only the last is shorter"):
        fingerprint.add(b"more")


def test_hashing_a_file_counts_its_bytes(tmp_path: Path) -> None:
    """Hashing a large file shows how far it is."""
    path = tmp_path / "game.db"
    path.write_bytes(bytes(3 * 1024 * 1024 + 1))
    seen: list[tuple[str, int, int]] = []
    watch = Watch(progress=lambda *report: seen.append(report))
    watch.phase("hash", path.stat().st_size)
    of_file(path, watch)

    assert (seen[0], seen[-1]) == (("hash", 0, 3 * 1024 * 1024 + 1), ("hash", 3 * 1024 * 1024 + 1, 3 * 1024 * 1024 + 1))


def test_hashing_a_file_stops_when_told_to(tmp_path: Path) -> None:
    """Hashing a large file can be cancelled."""
    path = tmp_path / "game.db"
    path.write_bytes(b"x")
    with pytest.raises(OperationCancelled):
        of_file(path, Watch(cancelled=lambda: True))
