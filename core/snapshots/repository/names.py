"""The names of snapshots: ids, file names and folders.

A file name is ``TIME_KIND_SLUG_ID.SUFFIX``, for example
``20261123T081309.123Z_critical_marketplace-buy-42_3fa9c1d2e4b5.db.gz``. The time is UTC to the millisecond with fields
of a fixed width, so that names sort by time. No part can contain ``/`` or ``_`` or begin with a dot. So whatever
players put into a reason, a name stays in its folder, is shorter than 255 bytes, and can be parsed. Pure: no clock, no
disk.
"""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from collections.abc import Callable, Container

import msgspec

from ..models import Kind

__all__ = [
    "FOLDERS",
    "INCREMENTAL_SUFFIX",
    "NOTE_LENGTH",
    "QUARANTINE",
    "REASON_LENGTH",
    "WORK",
    "ParsedName",
    "file_name",
    "folder_of",
    "legible",
    "new_id",
    "parse_name",
    "relative_path",
    "slug",
]

INCREMENTAL_SUFFIX = ".pages.gz"
"""The suffix of incremental snapshots."""

WORK = ".work"
"""The folder of the repository for temporary files, and for what can be made again."""
QUARANTINE = "quarantine"
"""The folder of the repository for databases that a restore replaced."""

_FOLDERS = {
    Kind.PERIODIC: "daily",
    Kind.MANUAL: "daily",
    Kind.CRITICAL: "critical",
    Kind.SAFETY: "critical",
    Kind.SHUTDOWN: "shutdown",
}
FOLDERS = tuple(dict.fromkeys(_FOLDERS.values()))
"""The folders of the repository that hold snapshots."""

REASON_LENGTH = 200
NOTE_LENGTH = 1000
"""Characters of a reason and of a note that are kept."""

_ID_BYTES = 6
_ID_ATTEMPTS = 1000
_SLUG_LENGTH = 40
_REASON_READ = 400
_NAME_LENGTH = 255
_ID = re.compile(r"[0-9a-f]{12}")
_SUFFIX = re.compile(r"(?:\.[a-z0-9]{1,16}){1,3}")
_NAME = re.compile(
    r"([0-9]{4})([0-9]{2})([0-9]{2})T([0-9]{2})([0-9]{2})([0-9]{2})\.([0-9]{3})Z"
    rf"_(?P<kind>{'|'.join(Kind)})"
    r"_(?P<slug>[a-z0-9]+(?:-[a-z0-9]+)*)"
    rf"_(?P<id>{_ID.pattern})"
    rf"(?P<suffix>{_SUFFIX.pattern})"
)


class ParsedName(msgspec.Struct, frozen=True):
    """The parts of a file name; ``created_at`` is UTC to the millisecond, ``suffix`` begins with a dot."""

    created_at: dt.datetime
    kind: Kind
    slug: str
    id: str
    suffix: str


def legible(text: str, limit: int) -> str:
    """Return a reason or a note as text that can be encoded, of at most ``limit`` characters.

    Players write parts of them, and their texts can contain lone surrogates, which no encoding accepts.
    """
    plain = text[: limit + 1].encode("utf-8", "replace").decode("utf-8")
    return plain if len(plain) <= limit else plain[: limit - 1] + "…"


def folder_of(kind: Kind) -> str:
    """Return the name of the folder for snapshots of this kind."""
    return _FOLDERS[kind]


def slug(reason: str) -> str:
    """Return the reason as 1 to 40 characters of ``a-z0-9-``, or "snapshot" if none are left."""
    # Players write parts of reasons; one of a megabyte must not block the bot's event loop for milliseconds.
    plain = unicodedata.normalize("NFKD", reason[:_REASON_READ]).encode("ascii", "ignore").decode("ascii")
    words = re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")
    return words[:_SLUG_LENGTH].rstrip("-") or "snapshot"


def file_name(*, created_at: dt.datetime, kind: Kind, reason: str, snapshot_id: str, suffix: str) -> str:
    """Return the name of a snapshot's file, such as ``20261123T081309.123Z_manual_note_3fa9c1d2e4b5.db.gz``.

    ``suffix`` is one to three extensions with their dots. Raises ValueError for a naive time, an id that is not 12
    lowercase hexadecimal digits, or another suffix.
    """
    if created_at.utcoffset() is None:
        raise ValueError(f"a snapshot's time needs a time zone: {created_at!r}")
    if not _ID.fullmatch(snapshot_id):
        raise ValueError(f"a snapshot's id is 12 lowercase hexadecimal digits: {snapshot_id!r}")
    if not _SUFFIX.fullmatch(suffix):
        raise ValueError(f'a suffix is one to three extensions like ".db.gz": {suffix!r}')
    utc = created_at.astimezone(dt.UTC)
    # Not strftime: its %Y does not pad years below 1000 on every platform.
    day = f"{utc.year:04}{utc.month:02}{utc.day:02}"
    time = f"{utc.hour:02}{utc.minute:02}{utc.second:02}.{utc.microsecond // 1000:03}"
    return f"{day}T{time}Z_{kind.value}_{slug(reason)}_{snapshot_id}{suffix}"


def relative_path(*, created_at: dt.datetime, kind: Kind, reason: str, snapshot_id: str, suffix: str) -> str:
    """Return the folder and the file name with ``/`` between them; raise as ``file_name`` does."""
    name = file_name(created_at=created_at, kind=kind, reason=reason, snapshot_id=snapshot_id, suffix=suffix)
    return f"{folder_of(kind)}/{name}"


def parse_name(name: str) -> ParsedName | None:
    """Return the parts of a name, or None if ``file_name`` cannot have made it."""
    found = _NAME.fullmatch(name) if len(name) <= _NAME_LENGTH else None
    if found is None or len(found["slug"]) > _SLUG_LENGTH:
        return None
    year, month, day, hour, minute, second, millisecond = (int(digits) for digits in found.groups()[:7])
    try:
        created_at = dt.datetime(year, month, day, hour, minute, second, millisecond * 1000, tzinfo=dt.UTC)
    except ValueError:
        return None
    return ParsedName(created_at, Kind(found["kind"]), found["slug"], found["id"], found["suffix"])


def new_id(token_hex: Callable[[int], str], taken: Container[str]) -> str:
    """Return a random id of 12 lowercase hexadecimal digits that is not in ``taken``.

    ``token_hex`` is ``secrets.token_hex`` or a replacement for it. Raises RuntimeError if a thousand calls of it return
    nothing new.
    """
    for _ in range(_ID_ATTEMPTS):
        snapshot_id = token_hex(_ID_BYTES)
        if snapshot_id not in taken:
            return snapshot_id
    raise RuntimeError(f"the source of random ids gave only taken ones, {_ID_ATTEMPTS} times")
