"""The small documents in ``state/``: synced, changed by one process at a time, and set aside when they are garbage."""

from __future__ import annotations

import threading
from pathlib import Path

import msgspec
import pytest

from core.snapshots.repository.state import StateFile


class Numbers(msgspec.Struct, frozen=True):
    """A document of the test's own."""

    numbers: tuple[int, ...] = ()


def adding(number: int, document: Numbers | None) -> Numbers:
    """Return the document with one number more."""
    return Numbers((*(document.numbers if document else ()), number))


def test_changes_by_many_are_all_kept(tmp_path: Path) -> None:
    """Each reads what the one before it wrote, as the processes of one bot do."""

    def work(first: int) -> None:
        for number in range(first, first + 10):
            StateFile(tmp_path, "numbers", Numbers).change(lambda document, number=number: adding(number, document))  # type: ignore[misc]

    threads = [threading.Thread(target=work, args=(10 * index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = StateFile(tmp_path, "numbers", Numbers).read()
    assert found is not None
    assert sorted(found.numbers) == list(range(40))


def test_a_change_that_changes_nothing_writes_nothing(tmp_path: Path) -> None:
    """The disk is left in peace."""
    file = StateFile(tmp_path, "numbers", Numbers)
    file.change(lambda document: adding(1, document))
    before = file.path.stat().st_mtime_ns, file.path.stat().st_ino
    file.change(lambda document: document or Numbers())
    assert (file.path.stat().st_mtime_ns, file.path.stat().st_ino) == before


@pytest.mark.parametrize("content", [b"\x00\xff", b"[]", b'{"numbers": "many"}', b"[" * 100_000])
def test_garbage_is_set_aside_and_a_change_begins_anew(tmp_path: Path, content: bytes) -> None:
    """It stays to be looked at, and stops nothing."""
    file = StateFile(tmp_path, "numbers", Numbers)
    file.change(lambda document: adding(1, document))
    file.path.write_bytes(content)
    assert file.change(lambda document: adding(2, document)) == Numbers((2,))
    assert file.path.with_suffix(".unreadable").read_bytes() == content


def test_a_document_that_cannot_be_written_raises_and_stays(tmp_path: Path) -> None:
    """The caller logs it; the document before is whole."""
    file = StateFile(tmp_path, "numbers", Numbers)
    file.change(lambda document: adding(1, document))
    file.path.with_suffix(".new").mkdir()
    (file.path.with_suffix(".new") / "in the way").touch()
    with pytest.raises(OSError):  # noqa: PT011 - which one depends on the platform
        file.change(lambda document: adding(2, document))
    assert file.read() == Numbers((1,))
