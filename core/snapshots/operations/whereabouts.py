"""Whether the repository is still where it was: a volume that is not mounted looks like a new, empty folder.

A new beginning there would hide that all snapshots are gone, and what was written would be hidden under the volume when
it comes back. So a small file beside a SQLite database remembers where its repository is, on which disk, and that it
had snapshots. A PostgreSQL database has no folder of ours beside it: there only the running bot notices.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

import msgspec

from ..errors import RepositoryVanished
from ..files import device_of, open_regular, read_regular, short_name
from .context import Context

__all__ = ["forget_whereabouts", "remember_whereabouts", "require_there"]

log = logging.getLogger(__name__)


class _Whereabouts(msgspec.Struct, frozen=True):
    """Where the repository is, the number of its disk (``st_dev``), and a number of snapshots that it had."""

    repository: str
    device: int
    snapshots: int


def require_there(context: Context) -> str | None:
    """Return the owner's sentence if the repository lost its snapshots where it is, otherwise None. Blocks.

    Raises RepositoryVanished if it has none and lies on another disk than before: nothing may be written there.
    """
    known = _read(context)
    root = context.repository.root
    if known is None or known.repository != str(root) or _has_snapshots(context):
        return None
    if device_of(root) != known.device:
        raise RepositoryVanished(
            f"The repository {root} had {known.snapshots:,} snapshots on another disk, and there are none now: its "
            "volume is probably not mounted. Nothing was written there. Mount it and start again; or, if the "
            "repository is to begin anew here, run claim once (python -m core.snapshots claim).",
            path=str(root),
        )
    return f"The repository {root} had {known.snapshots:,} snapshots and has none now: somebody removed them."


def remember_whereabouts(context: Context) -> None:
    """Remember where the repository is. Blocks; that it cannot be written down is no failure."""
    path = _path(context)
    snapshots = len(context.repository.catalog.contents.snapshots)
    if path is None or not snapshots:
        return
    found = _Whereabouts(str(context.repository.root), device_of(context.repository.root), snapshots)
    known = _read(context)
    if known is not None and (known.repository, known.device) == (found.repository, found.device):
        return  # the number need not be exact
    try:
        # Not by way of a second file, which a crash would leave beside the database: half of a note counts as none.
        with os.fdopen(open_regular(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), "wb") as file:
            file.write(msgspec.json.encode(found))
    except OSError as error:
        log.debug("Where the repository is could not be remembered: %s", error)


def forget_whereabouts(context: Context) -> None:
    """Forget where the repository was, because the owner said that it begins anew. Blocks."""
    path = _path(context)
    if path is not None:
        path.unlink(missing_ok=True)


def _path(context: Context) -> Path | None:
    if context.url.path is None:
        return None
    database = Path(context.url.path)
    return short_name(database, "savepoint")


def _read(context: Context) -> _Whereabouts | None:
    path = _path(context)
    try:
        return None if path is None else msgspec.json.decode(read_regular(path), type=_Whereabouts)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None


def _has_snapshots(context: Context) -> bool:
    repository = context.repository
    return repository.catalog.exists or any(True for _ in repository.snapshot_files())
