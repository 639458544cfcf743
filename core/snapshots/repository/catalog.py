"""The catalog: what is in the repository, in one JSON file that is always whole.

``backup_metadata.json`` holds ``{"format": 1, "snapshots": [...], "restores": [...], "periodic_checked_at": ...}``.
It is written to a temporary file, synced and renamed. A catalog that cannot be read is never taken for an empty one:
it is ``CatalogError``, and the repository rebuilds it from the snapshot files. One of a newer format is
``CatalogTooNew``, and stays as it is. Everything here blocks; changes are made under the repository's lock only.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from ..errors import CatalogError, CatalogTooNew
from ..files import translate_os_error, write_atomically
from ..models import RestoreRecord, Snapshot
from ..policies.timeline import newest_sound, resolve

__all__ = ["FILE_NAME", "FORMAT", "PREVIOUS", "Catalog", "Contents"]

FILE_NAME = "backup_metadata.json"
FORMAT = 1
PREVIOUS = "catalog.previous.json"
"""The catalog before the last change, in ``.work/``: pins and verifications come from it if the catalog is lost."""
_RESTORES_KEPT = 200


class Contents(msgspec.Struct, frozen=True, kw_only=True):
    """What the catalog says. ``snapshots`` are in the order of their sequence, oldest first."""

    format: int = FORMAT
    snapshots: tuple[Snapshot, ...] = ()
    restores: tuple[RestoreRecord, ...] = ()
    periodic_checked_at: dt.datetime | None = None

    def with_snapshots(self, snapshots: Iterable[Snapshot]) -> Contents:
        """Give the contents with these snapshots instead."""
        ordered = tuple(sorted(snapshots, key=lambda each: (each.sequence, each.began_at, each.id)))
        return msgspec.structs.replace(self, snapshots=ordered)

    def adding(self, snapshot: Snapshot) -> Contents:
        """Give the contents with one more snapshot, or with this one in the place of the one with its id."""
        before = next((at for at, old in enumerate(self.snapshots) if old.id == snapshot.id), None)
        if before is None and self.snapshots and snapshot.sequence > self.snapshots[-1].sequence:
            return msgspec.structs.replace(self, snapshots=(*self.snapshots, snapshot))
        if before is not None and snapshot.sequence == self.snapshots[before].sequence:
            snapshots = (*self.snapshots[:before], snapshot, *self.snapshots[before + 1 :])
            return msgspec.structs.replace(self, snapshots=snapshots)
        return self.with_snapshots([*(old for old in self.snapshots if old.id != snapshot.id), snapshot])

    def without(self, ids: set[str]) -> Contents:
        """Give the contents without some snapshots."""
        return self.with_snapshots(old for old in self.snapshots if old.id not in ids)

    def recording(self, restore: RestoreRecord) -> Contents:
        """Give the contents with one more restore; very old ones are forgotten."""
        return msgspec.structs.replace(self, restores=(*self.restores, restore)[-_RESTORES_KEPT:])

    def find(self, text: str) -> Snapshot:
        """Return the snapshot named by an id, a unique prefix of one, or "latest".

        Raises SnapshotNotFound or AmbiguousSnapshot.
        """
        return resolve(text, self.snapshots, self.restores)

    @property
    def newest_sound(self) -> Snapshot | None:
        """The newest undamaged snapshot that the present database comes from."""
        return newest_sound(self.snapshots, self.restores)

    @property
    def next_sequence(self) -> int:
        """The sequence of the next snapshot."""
        after_snapshots = self.snapshots[-1].sequence + 1 if self.snapshots else 1
        # Files can be lost; what comes after a restore must still be seen to come after it.
        return max([after_snapshots, *(record.before for record in self.restores[-1:])])


class _Format(msgspec.Struct):
    format: int


class Catalog:
    """The file, and its contents as last read or written."""

    def __init__(self, root: Path, work: Path) -> None:
        """Take the repository's root and its folder for temporary files."""
        self.path = root / FILE_NAME
        self._previous = work / PREVIOUS
        self._scratch = work / "catalog.new.json"
        self._seen: tuple[int, int, int] | None = None
        # Listing reads the file without the repository's lock, in a thread beside the one that changes it.
        self._guard = threading.RLock()
        self.contents = Contents()

    @property
    def exists(self) -> bool:
        """Whether the file is there."""
        return self.path.exists()

    def refresh(self) -> Contents:
        """Read the file if it changed since it was last read or written here, and give its contents.

        Raises CatalogError where it is missing or cannot be read, CatalogTooNew where a newer version wrote it.
        """
        with self._guard:
            stamp = self._stamp()
            if stamp is None:
                raise CatalogError(f"The catalog {self.path.name} is missing.", path=str(self.path))
            if stamp != self._seen:
                self.contents = self._read(self.path)
                self._seen = stamp
            return self.contents

    def change(self, step: Callable[[Contents], Contents]) -> Contents:
        """Make the contents what ``step`` gives for them, durably."""
        with self._guard:
            changed = step(self.contents)
            if changed != self.contents or not self.exists:
                self._keep_previous()
                write_atomically(self.path, _encode(changed), scratch=self._scratch)
                self._seen = self._stamp()
                self.contents = changed
            return self.contents

    def forget(self) -> None:
        """Start again with nothing: the file is gone, and every snapshot with it."""
        with self._guard:
            self._seen = None
            self.contents = Contents()

    def remembered(self) -> Contents:
        """Give what can still be read of the catalog or of the one before it; for rebuilding, never for listing.

        Raises CatalogTooNew: what a newer version wrote is not for this one to rebuild.
        """
        for path in (self.path, self._previous):
            try:
                return self._read(path)
            except CatalogTooNew:
                raise
            except (CatalogError, OSError):
                continue
        return Contents()

    def set_aside(self, now: dt.datetime) -> None:
        """Keep a catalog that cannot be read beside the new one, so that nothing is thrown away."""
        if self.exists:
            at = f"{now:%Y%m%dT%H%M%S}.{now.microsecond // 1000:03}Z"
            self.path.rename(self.path.with_name(f"{FILE_NAME}.damaged-{at}"))

    def _read(self, path: Path) -> Contents:
        try:
            content = path.read_bytes()
        except OSError as error:
            raise translate_os_error(error, path) from error
        try:
            found = msgspec.json.decode(content, type=_Format).format
            if found > FORMAT:
                raise CatalogTooNew(
                    f"The catalog {path.name} was written by a newer Savepoint (format {found}; this version reads up "
                    f"to {FORMAT}). Update Savepoint; nothing was changed.",
                    path=str(path),
                    found=found,
                    supported=FORMAT,
                )
            return msgspec.json.decode(content, type=Contents)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise CatalogError(
                f"The catalog {path.name} cannot be read: {error}.", path=str(path), detail=str(error)
            ) from error

    def _stamp(self) -> tuple[int, int, int] | None:
        try:
            status = self.path.stat()
        except FileNotFoundError:
            return None
        return status.st_ino, status.st_mtime_ns, status.st_size

    def _keep_previous(self) -> None:
        if self.exists:
            self._previous.unlink(missing_ok=True)
            try:
                self._previous.hardlink_to(self.path)
            except OSError:
                # No hard links here: the copy is a convenience for rebuilding, not a promise.
                self._previous.write_bytes(self.path.read_bytes())


def _encode(contents: Contents) -> bytes:
    """Give the JSON with one snapshot a line: for people and for grep, at the speed of the encoder."""
    around = msgspec.json.encode(msgspec.structs.replace(contents, snapshots=()))
    before, empty, after = around.partition(b'"snapshots":[]')
    encode = msgspec.json.Encoder().encode
    lines = b",\n".join([encode(snapshot) for snapshot in contents.snapshots])
    return b"".join((before, empty[:-1], b"\n", lines, b"\n]", after, b"\n"))
