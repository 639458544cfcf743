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

from ...models import Check, Finding, Severity

__all__ = ["diagnosed", "is_foreign_schema"]

_MAGIC = b"SQLite format 3\0"
_NEWEST_FORMAT = 2
"""The highest read and write version (header bytes 18 and 19) that SQLite defines."""
_PACKED = (b"\x1f\x8b", b"PK\x03\x04", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd", b"\x89PNG", b"\xff\xd8\xff", b"%PDF")
"""How compressed files begin, which are as random as encrypted ones: somebody put another file there."""
_SAMPLE = 4096
_SAMPLES = 16
_RANDOM = 7.5
"""Bits of entropy in each byte of a 4 KiB sample: random bytes have 7.95, a page of a database less than 7 in all but
a few pages that hold compressed pictures."""


def is_foreign_schema(detail: str) -> bool:
    """Return True if SQLite read the schema and does not understand it, which is no damage.

    A newer SQLite may have written it. ``detail`` is SQLite's own message.
    """
    return detail.startswith("malformed database schema") and (
        "syntax error" in detail or "no such" in detail or "unknown" in detail or "unrecognized" in detail
    )


def diagnosed(path: Path, detail: str) -> Finding:
    """Return what is wrong with a file that SQLite refused with ``detail``: damage, or a file it cannot understand.

    Raises OSError if the file cannot be read.
    """
    if is_foreign_schema(detail):
        return _unknown(Check.SCHEMA, f"The schema needs a newer SQLite than this bot's worker has: {detail}.")
    with path.open("rb") as file:
        beginning = file.read(100)
        size = file.seek(0, 2)
        if beginning.startswith(_MAGIC) and max(beginning[18:20], default=0) > _NEWEST_FORMAT:
            return _unknown(
                Check.FORMAT,
                f"The file {path.name} has a newer format ({beginning[18]}/{beginning[19]}) than this SQLite knows.",
            )
        samples = []
        for number in range(_SAMPLES):
            file.seek(number * max(_SAMPLE, (size - _SAMPLE) // _SAMPLES))
            samples.append(file.read(_SAMPLE))
    if _looks_encrypted(beginning, [sample for sample in samples if len(sample) == _SAMPLE]):
        return _unknown(
            Check.ENCRYPTED,
            f"The file {path.name} looks encrypted (SQLCipher or SEE): it cannot be read without its key.",
        )
    return Finding(check=Check.FILE, severity=Severity.ERROR, message=f"The database {path.name} is damaged: {detail}.")


def _looks_encrypted(beginning: bytes, samples: list[bytes]) -> bool:
    """Return True if every sample is as random as ciphertext, and the file does not begin like a compressed one."""
    return bool(samples) and not beginning.startswith(_PACKED) and all(_entropy(each) > _RANDOM for each in samples)


def _entropy(sample: bytes) -> float:
    """Return the bits of entropy in each byte."""
    return -sum(count / len(sample) * math.log2(count / len(sample)) for count in Counter(sample).values())


def _unknown(check: Check, message: str) -> Finding:
    return Finding(check=check, severity=Severity.ERROR, message=message)
