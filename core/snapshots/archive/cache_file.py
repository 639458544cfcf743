"""Files that are computed from others and may be lost. A checksum tells a whole file from a damaged one."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import msgspec
from blake3 import blake3

from ..files import give_to_owner, read_regular

__all__ = ["load", "save"]

Value = TypeVar("Value", bound=msgspec.Struct)
_DIGEST = 32


def load(path: Path, magic: bytes, kind: type[Value]) -> Value | None:
    """Return the value saved at ``path``, or None if it cannot be read, is damaged or has another format."""
    try:
        content = memoryview(read_regular(path))
    except OSError:
        return None
    start = len(magic) + _DIGEST
    body = content[start:]
    if content[:start] != magic + blake3(body).digest():
        return None
    try:
        return msgspec.msgpack.decode(body, type=kind)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


def save(path: Path, magic: bytes, value: msgspec.Struct) -> None:
    """Save a value at ``path`` (mode 0600), replacing the one there. Raises OSError.

    Nothing is synced: after a crash ``load`` returns the old value, the new one, or None.
    """
    body = msgspec.msgpack.encode(value)
    scratch = path.with_name(f"{path.name}.new")
    scratch.unlink(missing_ok=True)
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(magic + blake3(body).digest())
            file.write(body)
        give_to_owner(scratch)
        scratch.replace(path)
    except BaseException:
        with suppress(OSError):
            scratch.unlink()
        raise
