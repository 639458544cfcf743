"""Why SQLite will not open a file: destroyed, encrypted, of a newer format, or with a schema that is too new.

SQLite says "file is not a database" of all but the last. Only the first is damage. Sources:
https://www.sqlite.org/fileformat2.html (1.3, the header) and https://www.zetetic.net/sqlcipher/design/ (an encrypted
file is random from its first byte, or from its 17th or 33rd where the header is left plain).

It opens the database's file by itself, so it runs in the worker only.
"""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import msgspec

from ...models import Check, Finding, Severity

__all__ = ["NEWER_SQLITE", "diagnosed", "is_foreign_schema"]

NEWER_SQLITE = "If the bot cannot use it either, that definition is damaged: restore a snapshot from before."

_MAGIC = b"SQLite format 3\0"
_HEADER = 100
_NEWEST_FORMAT = 2
"""The highest read and write version (header bytes 18 and 19) that SQLite defines."""
_NEWEST_SCHEMA_FORMAT = 4
"""The highest schema format (header bytes 44 to 47) that SQLite defines."""
_FAR = 16
"""A version higher than this by so much was not written by a newer SQLite: the header is destroyed."""
_PAGE_SIZES = frozenset((1, *(1 << power for power in range(9, 16))))
_FRACTIONS = bytes((64, 32, 32))
"""Header bytes 21 to 23, the same in every database since 2004."""
_PACKED = (
    *(b"\x1f\x8b", b"PK\x03\x04", b"PK\x05\x06", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd", b"7z\xbc\xaf", b"Rar!"),
    *(b"\x04\x22\x4d\x18", b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"RIFF", b"OggS", b"ID3", b"\x1a\x45\xdf\xa3"),
    b"%PDF",
)
"""How compressed files begin, which are as random as encrypted ones: somebody put another file there."""
_ISO_MEDIA = b"ftyp"
"""The bytes 4 to 7 of an MP4 file and its kin."""
_SAMPLE = 1024
_SMALLEST_SAMPLE = 512
_SAMPLES = 16
_RANDOM = 7.5
"""Bits of entropy in each byte of a sample. Of random bytes, 1024 have 7.8 and 512 have 7.6; a page of a database has
less than 7, but for the pages of compressed pictures."""
_DAMAGED_SCHEMA = ("invalid rootpage", "orphan index", "disk image is malformed")
"""What SQLite says of a schema that no version of it would write."""


def is_foreign_schema(detail: str) -> bool:
    """Return True if SQLite read the schema and does not understand it, which is no damage.

    A newer SQLite may have written it, or a connection with functions and modules of its own. ``detail`` is SQLite's
    own message, which ends with the reason.
    """
    reason = detail.partition(") - ")[2]
    legible = "\ufffd" not in detail and all(letter.isprintable() or letter.isspace() for letter in detail)
    understood = bool(reason) and legible and not reason.endswith(_DAMAGED_SCHEMA)
    return detail.startswith("malformed database schema") and understood


def diagnosed(path: Path, detail: str) -> Finding:
    """Return what is wrong with a file that SQLite refused with ``detail``: damage, or a file it cannot understand.

    Raises OSError if the file cannot be read.
    """
    if is_foreign_schema(detail):
        message = f"The schema needs a newer SQLite than this bot's worker has: {detail}."
        return msgspec.structs.replace(_unknown(Check.SCHEMA, message), remedy=NEWER_SQLITE)
    with path.open("rb") as file:
        beginning = file.read(_HEADER)
        size = file.seek(0, 2)
        newer = _newer_format(beginning)
        if newer is not None:
            return _unknown(Check.FORMAT, f"The file {path.name} has {newer} than this SQLite knows.")
        samples = []
        for number in range(_SAMPLES):
            file.seek(number * max(_SAMPLE, (size - _SAMPLE) // _SAMPLES))
            samples.append(file.read(_SAMPLE))
    if _looks_encrypted(beginning, [sample for sample in samples if len(sample) >= _SMALLEST_SAMPLE]):
        return _unknown(
            Check.ENCRYPTED,
            f"The file {path.name} looks encrypted (SQLCipher or SEE): it cannot be read without its key.",
        )
    return Finding(check=Check.FILE, severity=Severity.ERROR, message=f"The database {path.name} is damaged: {detail}.")


def _newer_format(header: bytes) -> str | None:
    """Return what is newer in a header that is otherwise sound, or None."""
    sound = header.startswith(_MAGIC) and len(header) == _HEADER and header[21:24] == _FRACTIONS
    if not sound or int.from_bytes(header[16:18], "big") not in _PAGE_SIZES:
        return None
    read_write, schema = max(header[18:20]), int.from_bytes(header[44:48], "big")
    if _NEWEST_FORMAT < read_write < _NEWEST_FORMAT + _FAR:
        return f"a newer format ({header[18]}/{header[19]})"
    if _NEWEST_SCHEMA_FORMAT < schema < _NEWEST_SCHEMA_FORMAT + _FAR:
        return f"a newer schema format ({schema})"
    return None


def _looks_encrypted(beginning: bytes, samples: list[bytes]) -> bool:
    """Return True if every sample is as random as ciphertext, and the file does not begin like a compressed one."""
    packed = beginning.startswith(_PACKED) or beginning[4:8] == _ISO_MEDIA
    return bool(samples) and not packed and all(_entropy(each) > _RANDOM for each in samples)


def _entropy(sample: bytes) -> float:
    """Return the bits of entropy in each byte."""
    return -sum(count / len(sample) * math.log2(count / len(sample)) for count in Counter(sample).values())


def _unknown(check: Check, message: str) -> Finding:
    return Finding(check=check, severity=Severity.ERROR, message=message)
