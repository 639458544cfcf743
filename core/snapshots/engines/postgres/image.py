"""What stands for a rebuilt snapshot until it takes the game's place: a note that names where it is.

With the right to create databases that is a scratch database on the same server; without it, the archive itself, which
is loaded in place.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from ...errors import SnapshotDamaged
from ..base import Part
from .load import Content

__all__ = ["Image"]


class Image(msgspec.Struct, frozen=True):
    """``database`` is the scratch database that holds what ``part`` restores to, None where there is none."""

    database: str | None
    part: Part
    content: Content

    def save(self, path: Path) -> None:
        """Write it to a new file."""
        with path.open("xb") as file:
            file.write(msgspec.json.encode(self))

    @staticmethod
    def read(path: Path) -> Image:
        """Read it; raise SnapshotDamaged where the file is none."""
        try:
            return msgspec.json.decode(path.read_bytes(), type=Image)
        except (OSError, msgspec.DecodeError) as error:
            raise SnapshotDamaged(f"The note {path.name} of a rebuilt snapshot is lost.", path=str(path)) from error
