"""The audit log ``audit.jsonl``: one JSON line for each thing that somebody did. Lines are only ever appended."""

from __future__ import annotations

import os
from collections import deque
from pathlib import Path

import msgspec

from ..files import give_to_owner, open_regular, open_to_read
from ..models import AuditLine

__all__ = ["FILE_NAME", "AuditLog"]

FILE_NAME = "audit.jsonl"
_LONGEST_LINE = 4000
"""Bytes. Players and admins write parts of a line, so its length must have a limit."""


class AuditLog:
    """The log of one repository. Its methods block."""

    def __init__(self, root: Path) -> None:
        self.path = root / FILE_NAME

    def append(self, line: AuditLine) -> None:
        """Write a line and sync it; raises OSError."""
        encoded = msgspec.json.encode(line)
        if len(encoded) > _LONGEST_LINE:
            encoded = msgspec.json.encode(msgspec.structs.replace(line, detail=line.detail[:500] + "…"))
        descriptor = open_regular(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            os.write(descriptor, encoded + b"\n")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        give_to_owner(self.path)

    def last(self, count: int | None = None) -> tuple[AuditLine, ...]:
        """Return the newest ``count`` lines, or all of them, oldest first. Lines that cannot be read are skipped."""
        try:
            with open_to_read(self.path) as file:
                lines = deque(file, maxlen=count)
        except FileNotFoundError:
            return ()
        found = []
        for line in lines:
            try:
                found.append(msgspec.json.decode(line, type=AuditLine))
            except (msgspec.DecodeError, UnicodeDecodeError):
                continue
        return tuple(found)
