"""The checksum of the catalog, and the rules for each of its entries: what does not keep them is not believed.

A third of all single bits that flip in a JSON document give another document that reads as well: a pin that is gone, an
id or a fingerprint of another snapshot. So the document begins with the BLAKE3 digest of the rest of it:

    {"checksum":"64 hexadecimal digits","format":2,...

The digest is of the document without that member, as it would be written without it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

import msgspec
from blake3 import blake3

from ..models import RestoreRecord, Snapshot
from ..units import printable

__all__ = ["is_sealed", "problem_of", "restores_in", "seal", "snapshots_in", "unseal"]

_BEFORE, _AFTER = b'{"checksum":"', b'",'
_DIGITS = 64


def seal(document: bytes) -> bytes:
    """Return a JSON object with its checksum as the first member."""
    return _BEFORE + blake3(document).hexdigest().encode() + _AFTER + document[1:]


def is_sealed(content: bytes) -> bool:
    """Return True if a document begins as one with a checksum does."""
    return content.startswith(_BEFORE)


def unseal(content: bytes) -> bytes | None:
    """Return the document without its checksum, or None if the checksum is not that of the rest."""
    end = len(_BEFORE) + _DIGITS
    document = b"{" + content[end + len(_AFTER) :]
    given = content[len(_BEFORE) : end]
    sound = content[end : end + len(_AFTER)] == _AFTER and given == blake3(document).hexdigest().encode()
    return document if sound else None


def problem_of(snapshot: Snapshot) -> str | None:
    """Return what is wrong with an entry, or None if it can be relied on."""
    times = (
        snapshot.created_at,
        snapshot.began_at,
        snapshot.verification.at,
        snapshot.restored_at,
        snapshot.kept_until,
    )
    if not all(_is_aware(time) for time in times if time is not None):
        return "a time without a zone"
    path = PurePosixPath(snapshot.path)
    if path.is_absolute() or len(path.parts) != 2 or any(part in ("..", "") for part in path.parts):
        return f"the path {snapshot.path!r}, which is not one of the repository"
    if not snapshot.path.isprintable() or "\\" in snapshot.path:
        return "a path that no snapshot has"
    numbers = (snapshot.size, snapshot.database_size, snapshot.sequence, snapshot.requests, *snapshot.rows.values())
    if min(numbers) < 0:
        return "a negative number"
    return None if snapshot.id else "no id"


def _is_aware(time: dt.datetime) -> bool:
    return time.tzinfo is not None


def snapshots_in(raw: Iterable[msgspec.Raw]) -> Iterator[Snapshot | str]:
    """Yield each entry that can be relied on, and for every other one what is wrong with it."""
    seen: set[str] = set()
    for each in raw:
        try:
            snapshot = msgspec.json.decode(each, type=Snapshot)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            yield printable(str(error))
            continue
        problem = problem_of(snapshot)
        if problem is None and snapshot.id in seen:
            problem = f"the id {snapshot.id!r}, which another entry has"
        seen.add(snapshot.id)
        yield snapshot if problem is None else problem


def restores_in(raw: Iterable[msgspec.Raw]) -> Iterator[RestoreRecord | str]:
    """Yield each record of a restore that can be relied on, and for every other one what is wrong with it."""
    for each in raw:
        try:
            record = msgspec.json.decode(each, type=RestoreRecord)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            yield printable(str(error))
            continue
        yield record if _is_aware(record.at) else "a time without a zone"
