"""Files from elsewhere that somebody wants to import: what they are, and why they are refused.

The files are only read. Whatever cannot be restored one day is refused here, and not when it is needed.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ..archive import full
from ..archive.members import Head
from ..errors import AnotherDatabase, ImportRefused, SnapshotDamaged

__all__ = ["GZIP", "beginning_of", "head_of", "kind_of", "refused", "require_kinship"]

GZIP = b"\x1f\x8b"
_ENOUGH = 100
_HAS_LABEL = 4
"""The flag FEXTRA (RFC 1952), which all members of our archives have."""
_NAMED = 5
_OTHERS = (
    (b"PGDMP", "a PostgreSQL dump in pg_dump's custom format: load it with pg_restore, then take a snapshot"),
    (b"PK\x03\x04", "a zip file: unpack it first"),
    (b"\x28\xb5\x2f\xfd", "compressed by zstd: unpack it first"),
    (b"\xfd7zXZ", "compressed by xz: unpack it first"),
    (b"BZh", "compressed by bzip2: unpack it first"),
    (b"--", "a text of SQL: load it into a database, then take a snapshot"),
)
"""How other files begin that people have, and what they are."""


def beginning_of(source: Path) -> bytes:
    """Return the first bytes of a file. Raises ImportRefused for a folder, and OSError."""
    try:
        with source.open("rb") as file:
            return file.read(_ENOUGH)
    except IsADirectoryError:
        raise refused(source, "it is a folder") from None


def refused(source: Path, why: str) -> ImportRefused:
    """Return the error that says why a file is not taken."""
    return ImportRefused(f"{source} cannot be imported: {why}. Nothing was changed.", path=str(source))


def kind_of(beginning: bytes) -> str:
    """Return what a file seems to be that is no database of the right kind."""
    if not beginning:
        return "empty"
    return next(
        (what for start, what in _OTHERS if beginning.startswith(start)), "neither a database nor a gzip of one"
    )


def head_of(source: Path, beginning: bytes, engine: str) -> Head | None:
    """Return the head of an archive of Savepoint's; None for any other gzip.

    Raises ImportRefused for an incremental or what a newer Savepoint wrote, AnotherDatabase for that of another engine,
    and SnapshotDamaged.
    """
    if not (len(beginning) > 3 and beginning[3] & _HAS_LABEL):
        return None
    try:
        head = full.read_head(source)
    except SnapshotDamaged as error:
        if "update Savepoint" in str(error.detail):
            raise refused(source, f"a newer Savepoint wrote it ({error.detail})") from error
        raise
    if head.engine != engine:
        raise AnotherDatabase(
            f"{source} is a snapshot of a {head.engine} database, and this repository is for {engine}. Nothing was "
            "changed.",
            recorded=engine,
            present=head.engine,
        )
    if head.delta is not None:
        why = (
            f"it holds only what changed since snapshot {head.delta.base}. Export that snapshot where it comes from "
            f"(export {head.id} snapshot.db.gz), and import the result"
        )
        raise refused(source, why)
    return head


def require_kinship(source: Path, tables: Iterable[str], known: Iterable[str]) -> None:
    """Raise AnotherDatabase if a file has none of the tables that the repository's database is known to have."""
    there, wanted = [each.lower() for each in tables], list(known)
    if wanted and {each.lower() for each in wanted}.isdisjoint(there):
        raise AnotherDatabase(
            f"{source} has none of the tables of this repository's database ({', '.join(wanted[:_NAMED])}), so it is "
            "that of another bot. If it is meant all the same: import --another. Nothing was changed.",
            recorded=", ".join(wanted),
            present=", ".join(there),
        )
