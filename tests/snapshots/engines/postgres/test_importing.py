"""The import of PostgreSQL snapshots: only Savepoint's own fulls, which stay what they are under a new name."""

from __future__ import annotations

import gzip
from pathlib import Path

import msgspec
import pytest

from core.snapshots.archive import full
from core.snapshots.engines.postgres.importing import take_in
from core.snapshots.errors import AnotherDatabase, ImportRefused, SnapshotDamaged
from core.snapshots.progress import Watch
from tests.worlds.full_archives import HEAD, archived

DUMP = b"-- PostgreSQL database dump\nCREATE TABLE users (id integer);\n" * 3
OURS = archived(DUMP, msgspec.structs.replace(HEAD, engine="postgresql", details={"version": 160004}))
NEW = msgspec.structs.replace(HEAD, id="4f00aa", engine="postgresql", details={"imported": "there.sql.gz"})


def imported(folder: Path, content: bytes, known: tuple[str, ...] = ()) -> Path:
    """Import a file with this content and return the archive."""
    source, target = folder / "there.sql.gz", folder / "target"
    source.write_bytes(content)
    result = take_in(source, target, folder, NEW, known, Watch())
    assert result.size == target.stat().st_size
    assert result.details == {"version": 160004, "imported": "there.sql.gz"}
    return target


def test_a_full_of_ours_keeps_its_dump_and_gets_a_new_name(tmp_path: Path) -> None:
    """With its rows, and what the engine noted of it."""
    target = imported(tmp_path, OURS, known=("users", "cards"))
    assert gzip.decompress(target.read_bytes()) == DUMP
    assert full.read_head(target).id == "4f00aa"
    assert full.read_tail(target).rows == {"users": 3}


@pytest.mark.parametrize(
    ("content", "known", "error", "said"),
    [
        (DUMP, (), ImportRefused, "a text of SQL"),
        (b"PGDMP\1", (), ImportRefused, "pg_restore"),
        (gzip.compress(DUMP), (), ImportRefused, "only a full of Savepoint's"),
        (archived(DUMP), (), AnotherDatabase, "a snapshot of a sqlite database"),
        (OURS, ("heroes",), AnotherDatabase, "none of the tables"),
        (OURS[:-3], (), SnapshotDamaged, "damaged"),
        (OURS.replace(b"postgresql", b"postgresqX"), (), SnapshotDamaged, "damaged"),
    ],
    ids=["text", "custom", "gzip", "sqlite", "another", "cut", "changed"],
)
def test_anything_else_is_refused(
    tmp_path: Path, content: bytes, known: tuple[str, ...], error: type[Exception], said: str
) -> None:
    """A dump of somebody else's can hold anything: it is loaded by its own tools."""
    with pytest.raises(error, match=said):
        imported(tmp_path, content, known)
    assert not (tmp_path / "target").exists()
