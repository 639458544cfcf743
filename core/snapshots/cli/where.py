"""Where the shell looked: whoever stands in the wrong folder should see that at once."""

from __future__ import annotations

from pathlib import Path

from ..settings.sources import DEFAULT_FILE

__all__ = ["where_it_looked"]


def where_it_looked(repository: Path, settings_file: Path | None) -> str:
    """Return the folder of snapshots, and which settings say that it is this one."""
    if settings_file is not None:
        return f"{repository} (settings of {settings_file})"
    return f"{repository} (no {DEFAULT_FILE.as_posix()} here; defaults used)"
