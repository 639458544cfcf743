"""Full snapshots as files: what goes in comes out, any gzip tool reads it, and a failure leaves nothing behind."""

from __future__ import annotations

import datetime as dt
import gzip
import io
import os
import random
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.snapshots.archive import compression, full, members
from core.snapshots.archive.compression import Deflate, default_deflate
from core.snapshots.archive.fingerprint import BLOCK, of_file
from core.snapshots.archive.members import Expectation, Head, Tail
from core.snapshots.archive.pipeline import BATCH, WORKERS, blocks, in_order
from core.snapshots.errors import DeadlineExceeded, NotEnoughSpace, OperationCancelled, SnapshotError
from core.snapshots.models import Kind
from core.snapshots.progress import Watch

MIB = 1024 * 1024
SIZES = (0, 1, 4096, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK, BATCH * BLOCK, 5 * BATCH * BLOCK + 4096)
HEAD = Head(
    id="3f9a1c",
    sequence=7,
    kind=Kind.CRITICAL,
    created_at=dt.datetime(2026, 11, 23, 8, 0, 1, 250000, tzinfo=dt.UTC),
    began_at=dt.datetime(2026, 11, 23, 8, 0, 1, tzinfo=dt.UTC),
    reasons=("marketplace_buy_42", "pack_opening_user_7"),
    requests=2,
    note="vor dem Umzug ✓",
    pinned=True,
    engine="sqlite",
    details={"page_size": 4096, "journal_mode": "wal"},
)


def image_of(size: int) -> bytes:
    """Bytes that compress about as well as a database: half words, half noise."""
    source = random.Random(size)
    piece = b"".join(b"card %d legendary " % source.randrange(9) + source.randbytes(12) for _ in range(3000))
    return (piece * (size // len(piece) + 1))[:size]


def changed(**fields: Any) -> Head:
    return msgspec.structs.replace(HEAD, **fields)


def written(path: Path, image: bytes, head: Head = HEAD, rows: dict[str, int] | None = None) -> Tail:
    return full.write_full(path, io.BytesIO(image), head, rows or {}, Watch())


@pytest.mark.parametrize("size", SIZES)
def test_what_goes_in_comes_out(size: int, tmp_path: Path) -> None:
    """Head, tail and every byte of the image come back, whatever the image's length."""
    path, back, image = tmp_path / "s.db.gz", tmp_path / "back.db", image_of(size)
    tail = written(path, image, rows={"users": 500, "cards": 0})

    assert full.read_head(path) == HEAD
    assert full.read_tail(path) == tail
    assert (tail.size, tail.members, tail.rows) == (size, -(-size // BLOCK), {"users": 500, "cards": 0})
    assert full.verify(path, fingerprint=tail.fingerprint, size=size, watch=Watch()) == tail
    assert full.extract(path, back, fingerprint=tail.fingerprint, size=size, watch=Watch()) == tail
    assert back.read_bytes() == image
    assert of_file(back) == tail.fingerprint


def test_a_real_database_comes_back_and_opens(tmp_path: Path) -> None:
    """The image of a SQLite database is restored page for page and passes SQLite's own check."""
    source, path, back = tmp_path / "game.db", tmp_path / "s.db.gz", tmp_path / "back.db"
    with closing(sqlite3.connect(source)) as database, database:
        database.execute("CREATE TABLE cards (id INTEGER PRIMARY KEY, name TEXT)")
        database.executemany("INSERT INTO cards (name) VALUES (?)", [(f"card {n}" * 20,) for n in range(9000)])
    with source.open("rb") as image:
        tail = full.write_full(path, image, HEAD, {"cards": 9000}, Watch())
    full.extract(path, back, fingerprint=tail.fingerprint, size=tail.size, watch=Watch())

    assert tail.fingerprint == of_file(source)
    with closing(sqlite3.connect(back)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert database.execute("SELECT count(*), min(name) FROM cards").fetchone() == (9000, "card 0" * 20)


@pytest.mark.parametrize("size", SIZES)
def test_python_reads_the_file_as_an_ordinary_gzip(size: int, tmp_path: Path) -> None:
    """Whoever has lost this code still has their database: the gzip module and bare zlib give the exact image."""
    path, image = tmp_path / "s.db.gz", image_of(size)
    written(path, image)
    assert gzip.decompress(path.read_bytes()) == image

    rest, out = path.read_bytes(), b""
    while rest:
        member = zlib.decompressobj(wbits=31)
        out += member.decompress(rest)
        assert member.eof
        rest = member.unused_data
    assert out == image


@pytest.mark.process
@pytest.mark.parametrize("command", [["gunzip", "-c"], ["zcat"], ["gzip", "-dc"], ["gzip", "-t"]])
@pytest.mark.parametrize("size", [0, 5 * BLOCK + 77])
def test_the_gzip_commands_read_the_file(command: list[str], size: int, tmp_path: Path) -> None:
    """The tools on every server give the exact image and complain of nothing."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed here")
    path, image = tmp_path / "s.db.gz", image_of(size)
    written(path, image)
    done = subprocess.run([*command, str(path)], capture_output=True, check=False, timeout=60)

    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == (b"" if "-t" in command else image)


def test_the_same_snapshot_gives_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the clock, the machine or the threads is in the file; isal alone may choose other matches."""
    monkeypatch.setattr(compression, "default_deflate", lambda: Deflate(zlib))
    image = image_of(40 * BLOCK + 3)
    written(tmp_path / "1.gz", image)
    written(tmp_path / "2.gz", image)
    assert (tmp_path / "1.gz").read_bytes() == (tmp_path / "2.gz").read_bytes()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 3 * BLOCK), max_size=6))
def test_how_the_image_arrives_makes_no_difference(lengths: list[int]) -> None:
    """Pages, large pieces, empty pieces or a file: the members are the same."""
    image = image_of(sum(lengths))
    ends = [sum(lengths[: n + 1]) for n in range(len(lengths))]
    pieces = [image[end - length : end] for end, length in zip(ends, lengths, strict=True)]
    in_pieces, whole = io.BytesIO(), io.BytesIO()

    assert members.write(in_pieces, pieces, HEAD, {}, Watch()) == members.write(
        whole, io.BytesIO(image), HEAD, {}, Watch()
    )
    assert in_pieces.getvalue() == whole.getvalue()
    assert [len(block) for block in blocks(pieces)][:-1] == [BLOCK] * (-(-len(image) // BLOCK) - 1)


@pytest.mark.parametrize("reader", [default_deflate(), Deflate(zlib)], ids=["isal", "zlib"])
@pytest.mark.parametrize("writer", [default_deflate(), Deflate(zlib)], ids=["isal", "zlib"])
def test_an_archive_from_one_implementation_is_read_by_the_other(writer: Deflate, reader: Deflate) -> None:
    """A snapshot made where isal is installed is restored where it is not, and the other way round."""
    image, target, out = image_of(3 * BLOCK + 1), io.BytesIO(), list[bytes]()
    tail = members.write(target, [image], HEAD, {}, Watch(), deflate=writer)
    target.seek(0)

    assert members.read(target, out.append, Expectation(), Watch(), deflate=reader) == (HEAD, tail)
    assert b"".join(out) == image


def test_reasons_that_do_not_fit_are_left_out_and_still_counted(tmp_path: Path) -> None:
    """A thousand purchases in one snapshot never make its head too long: the first reasons stay, the count is true."""
    reasons = tuple(f"marketplace_buy_{n:05}_\x01ß" for n in range(5000))
    written(tmp_path / "s.gz", b"image", changed(reasons=reasons, requests=5000))
    head = full.read_head(tmp_path / "s.gz")

    assert head.requests == 5000
    assert 1000 < len(head.reasons) < 5000
    assert head.reasons == reasons[: len(head.reasons)]
    assert gzip.decompress((tmp_path / "s.gz").read_bytes()) == b"image"


def test_a_note_that_does_not_fit_is_shortened(tmp_path: Path) -> None:
    """A note of any length, from any keyboard, never keeps a snapshot from being written."""
    written(tmp_path / "s.gz", b"image", changed(note="\x01" * 100_000))
    head = full.read_head(tmp_path / "s.gz")
    assert head.note == "\x01" * 1000
    assert head.reasons == HEAD.reasons


def test_text_that_is_not_unicode_is_written_readably(tmp_path: Path) -> None:
    """Event payloads and arguments can carry lone surrogates, which JSON cannot hold."""
    written(tmp_path / "s.gz", b"image", changed(reasons=("buy_\ud800_1",), note="\udcff!"))
    head = full.read_head(tmp_path / "s.gz")
    assert (head.reasons, head.note) == (("buy_?_1",), "?!")


def test_details_that_do_not_fit_are_refused_and_leave_no_file(tmp_path: Path) -> None:
    """An engine that puts too much into the details is told so when it writes, not when somebody restores."""
    with pytest.raises(ValueError, match="65491"):
        written(tmp_path / "s.gz", b"image", changed(details={"schema": "x" * 70_000}))
    assert list(tmp_path.iterdir()) == []


def test_a_snapshot_is_private_and_never_written_over_another(tmp_path: Path) -> None:
    """A snapshot is player data (0600), and an existing file is neither replaced nor removed."""
    path, back = tmp_path / "s.db.gz", tmp_path / "back.db"
    written(path, b"image")
    full.extract(path, back, fingerprint=None, size=None, watch=Watch())
    before = path.read_bytes()
    if os.name == "posix":
        assert [stat.S_IMODE(file.stat().st_mode) for file in (path, back)] == [0o600, 0o600]

    with pytest.raises(FileExistsError):
        written(path, b"another")
    with pytest.raises(FileExistsError):
        full.extract(path, back, fingerprint=None, size=None, watch=Watch())
    assert path.read_bytes() == before
    assert back.read_bytes() == b"image"


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="needs symbolic links")
def test_a_link_in_the_way_is_not_followed(tmp_path: Path) -> None:
    """A link that stands where a snapshot should be written never leads it elsewhere."""
    (tmp_path / "s.gz").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError):
        written(tmp_path / "s.gz", b"image")
    assert not (tmp_path / "elsewhere").exists()


def test_the_file_is_complete_when_it_is_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last thing before closing is fsync, of all that was written."""
    synced: list[int] = []
    real = os.fsync

    def watched(descriptor: int) -> None:
        synced.append(os.fstat(descriptor).st_size)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    path, back = tmp_path / "s.gz", tmp_path / "back.db"
    written(path, image_of(3 * BLOCK + 5))
    full.extract(path, back, fingerprint=None, size=None, watch=Watch())
    assert synced == [path.stat().st_size, 3 * BLOCK + 5]


def failing(good: int) -> Iterator[bytes]:
    yield from [bytes(MIB)] * good
    raise RuntimeError("the database went away")


@pytest.mark.parametrize("good", [0, 1, 20])
def test_an_image_that_breaks_off_leaves_no_file(good: int, tmp_path: Path) -> None:
    """Whatever the reader of the database raises comes through as it is, and nothing half-written stays."""
    with pytest.raises(RuntimeError, match="went away"):
        full.write_full(tmp_path / "s.gz", failing(good), HEAD, {}, Watch())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on the size of files")
def test_a_write_that_fails_half_way_leaves_no_file(tmp_path: Path) -> None:
    """A disk that takes no more: the operating system's error passes, the part is gone (with a real failing write)."""
    import resource

    path, image = tmp_path / "s.gz", random.Random(1).randbytes(4 * MIB)
    written(path, image)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2 * MIB + 100, before[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            written(tmp_path / "second.gz", image)
        with pytest.raises(OSError, match="too large"):
            full.extract(path, tmp_path / "back.db", fingerprint=None, size=None, watch=Watch())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == [path]


def test_stopping_half_way_leaves_no_file(tmp_path: Path) -> None:
    """Cancelled, late or short of space: the error says which, and nothing half-done stays."""
    path = tmp_path / "s.gz"
    image = random.Random(2).randbytes(20 * MIB)
    written(path, image)

    def no_space() -> None:
        raise NotEnoughSpace("The disk is nearly full.")

    def cancelled(ticks: Iterator[int]) -> bool:
        return next(ticks) > 5

    cases: list[tuple[type[SnapshotError], Callable[[], Watch]]] = [
        (OperationCancelled, lambda: Watch(cancelled=partial(cancelled, count()))),
        (DeadlineExceeded, lambda: Watch(deadline_at=8, monotonic=partial(next, count(0.0)))),
        (NotEnoughSpace, lambda: Watch(space=no_space)),
    ]
    for error, watching in cases:
        with pytest.raises(error):
            full.write_full(tmp_path / "second.gz", [image], HEAD, {}, watching())
        with pytest.raises(error):
            full.extract(path, tmp_path / "back.db", fingerprint=None, size=None, watch=watching())
        assert list(tmp_path.iterdir()) == [path]


def test_progress_counts_the_bytes_of_the_image(tmp_path: Path) -> None:
    """Writing counts into the caller's phase; proving and extracting open their own, and end at the total."""
    seen: list[tuple[str, int, int]] = []
    watch = Watch(progress=lambda *report: seen.append(report))
    size = 3 * MIB + 17
    watch.phase("write", size)
    full.write_full(tmp_path / "s.gz", [image_of(size)], HEAD, {}, watch)
    full.verify(tmp_path / "s.gz", fingerprint=None, size=None, watch=watch)
    full.extract(tmp_path / "s.gz", tmp_path / "back.db", fingerprint=None, size=None, watch=watch)

    for name in ("write", "check", "extract"):
        reports = [report for report in seen if report[0] == name]
        assert (reports[0], reports[-1]) == ((name, 0, size), (name, size, size))


def test_memory_stays_small_whatever_the_image(tmp_path: Path) -> None:
    """A database of any size is written, proven and taken out again within 24 MiB of objects."""
    piece = random.Random(3).randbytes(MIB)
    tracemalloc.start()
    try:
        tail = full.write_full(tmp_path / "s.gz", (piece for _ in range(64)), HEAD, {}, Watch())
        full.verify(tmp_path / "s.gz", fingerprint=tail.fingerprint, size=tail.size, watch=Watch())
        full.extract(tmp_path / "s.gz", tmp_path / "back.db", fingerprint=None, size=None, watch=Watch())
        assert tail.size == 64 * MIB
        assert tracemalloc.get_traced_memory()[1] < 24 * MIB
    finally:
        tracemalloc.stop()


def test_results_come_in_the_order_of_the_items() -> None:
    """Two threads work, one order comes out; the items are taken only a little ahead."""
    taken: list[int] = []
    first_may_end = threading.Event()

    def items() -> Iterator[int]:
        for number in range(20):
            taken.append(number)
            yield number

    def work(number: int) -> int:
        if number == 0:
            assert first_may_end.wait(30)
        else:
            first_may_end.set()
        return number * number

    with closing(in_order(work, items())) as results:
        assert next(results) == 0
        assert len(taken) <= WORKERS + 1
        assert list(results) == [number * number for number in range(1, 20)]


def test_what_the_work_raises_comes_out_and_the_threads_end() -> None:
    """An error in a thread is an error of the caller, and no thread outlives the work."""
    with closing(in_order(lambda number: 1 // (3 - number), range(100))) as results, pytest.raises(ZeroDivisionError):
        list(results)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("archive")]
