"""The catalog: the list of snapshots and restores, in one JSON file that is always whole.

``backup_metadata.json`` holds ``{"checksum": ..., "format": 2, "snapshots": [...], "restores": [...],
"periodic_checked_at": ..., "identity": ...}``; ``sealing`` has the checksum. It is written to a temporary file, synced
and renamed. A catalog that cannot be read is never treated as empty: it
raises ``CatalogError``, and is rebuilt from the snapshot files. A catalog of a newer format raises ``CatalogTooNew``
and is left alone. All methods block; changes are made under the exclusive lock only.
"""

from __future__ import annotations

import datetime as dt
import logging
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from ..errors import CatalogError, CatalogTooNew, RepositoryError
from ..files import read_regular, translate_os_error, write_atomically
from ..models import Identity, RestoreRecord, Snapshot
from ..policies.timeline import newest_sound, resolve
from .sealing import is_sealed, problem_of, restores_in, seal, snapshots_in, unseal

__all__ = ["FILE_NAME", "FORMAT", "PREVIOUS", "Catalog", "Contents", "encode"]

log = logging.getLogger(__name__)

FILE_NAME = "backup_metadata.json"
FORMAT = 2
"""1: the first edition. 2: with the identity of the database, and the health of states."""
PREVIOUS = "catalog.previous.json"
"""The catalog before the last change, in ``.work/``. If the catalog is lost, pins and verifications come from it."""
_RESTORES_KEPT = 200


class Contents(msgspec.Struct, frozen=True, kw_only=True):
    """The contents of the catalog. ``snapshots`` are ordered by ``sequence``, oldest first."""

    format: int = FORMAT
    snapshots: tuple[Snapshot, ...] = ()
    restores: tuple[RestoreRecord, ...] = ()
    periodic_checked_at: dt.datetime | None = None
    identity: Identity | None = None

    def with_snapshots(self, snapshots: Iterable[Snapshot]) -> Contents:
        """Return the contents with these snapshots in place of the present ones."""
        ordered = tuple(sorted(snapshots, key=lambda each: (each.sequence, each.began_at, each.id)))
        return msgspec.structs.replace(self, snapshots=ordered)

    def adding(self, snapshot: Snapshot) -> Contents:
        """Return the contents with one more snapshot; it replaces a snapshot with the same id."""
        before = next((at for at, old in enumerate(self.snapshots) if old.id == snapshot.id), None)
        if before is None and self.snapshots and snapshot.sequence > self.snapshots[-1].sequence:
            return msgspec.structs.replace(self, snapshots=(*self.snapshots, snapshot))
        if before is not None and snapshot.sequence == self.snapshots[before].sequence:
            snapshots = (*self.snapshots[:before], snapshot, *self.snapshots[before + 1 :])
            return msgspec.structs.replace(self, snapshots=snapshots)
        return self.with_snapshots([*(old for old in self.snapshots if old.id != snapshot.id), snapshot])

    def without(self, ids: set[str]) -> Contents:
        """Return the contents without the snapshots with these ids."""
        return self.with_snapshots(old for old in self.snapshots if old.id not in ids)

    def recording(self, restore: RestoreRecord) -> Contents:
        """Return the contents with one more restore; only the last 200 are kept."""
        return msgspec.structs.replace(self, restores=(*self.restores, restore)[-_RESTORES_KEPT:])

    def find(self, text: str, *, shortest: int = 1) -> Snapshot:
        """Return the snapshot named by an id, a unique prefix of one, or "latest".

        ``shortest`` is the length that a prefix must have. Raises SnapshotNotFound or AmbiguousSnapshot.
        """
        return resolve(text, self.snapshots, self.restores, shortest=shortest)

    @property
    def newest_sound(self) -> Snapshot | None:
        """The newest usable snapshot of the timeline, or of all if the timeline has none; None without any."""
        return newest_sound(self.snapshots, self.restores)

    @property
    def next_sequence(self) -> int:
        """The sequence of the next snapshot."""
        after_snapshots = self.snapshots[-1].sequence + 1 if self.snapshots else 1
        # Snapshots before the last restore can be lost; a new one must still come after it.
        return max([after_snapshots, *(record.before for record in self.restores[-1:])])


class _Format(msgspec.Struct):
    format: int


class Catalog:
    """The catalog's file, and its contents as last read or written. ``work`` is the folder for temporary files."""

    def __init__(self, root: Path, work: Path) -> None:
        self.path = root / FILE_NAME
        self._previous = work / PREVIOUS
        self._scratch = work / "catalog.new.json"
        self._seen: tuple[int, int, int] | None = None
        # Listing takes no exclusive lock, so one thread can read the file while another one changes it.
        self._guard = threading.RLock()
        self.contents = Contents()

    @property
    def exists(self) -> bool:
        """True if the file exists."""
        return self.path.exists()

    def refresh(self) -> Contents:
        """Return the contents, after reading the file if it changed since it was last read or written here.

        Raises CatalogError if the file is missing or cannot be read, CatalogTooNew if a newer version wrote it.
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
        """Replace the contents with ``step(contents)``, write them durably, and return them."""
        with self._guard:
            changed = step(self.contents)
            if changed != self.contents or not self.exists:
                self._keep_previous()
                changed = msgspec.structs.replace(changed, format=FORMAT)
                write_atomically(self.path, encode(changed), scratch=self._scratch)
                self._seen = self._stamp()
                self.contents = changed
            return self.contents

    def upgrade(self) -> None:
        """Write the catalog in the present format, if it has an older one."""
        with self._guard:
            if self.is_old:
                self.contents = msgspec.structs.replace(self.contents, format=FORMAT)
                self._keep_previous()
                write_atomically(self.path, encode(self.contents), scratch=self._scratch)
                self._seen = self._stamp()

    def forget(self) -> None:
        """Empty the contents in memory, after the file and all snapshots were removed."""
        with self._guard:
            self._seen = None
            self.contents = Contents()

    def salvage(self) -> Contents:
        """Return what can still be read of the catalog or of the previous one; for a rebuild, never for listing.

        Raises CatalogTooNew if a newer version wrote it, because this one must not rebuild it.
        """
        for path, sealed in ((self.path, True), (self._previous, True), (self.path, False), (self._previous, False)):
            try:
                return self._read(path, sealed=sealed)
            except CatalogTooNew:
                if sealed:
                    raise
            except (CatalogError, OSError):
                continue
        return Contents()

    def set_aside(self, now: dt.datetime) -> None:
        """Rename the present catalog, which cannot be read, so that a rebuild does not overwrite it."""
        if self.exists:
            at = f"{now:%Y%m%dT%H%M%S}.{now.microsecond // 1000:03}Z"
            self.path.rename(self.path.with_name(f"{FILE_NAME}.damaged-{at}"))

    def _read(self, path: Path, *, sealed: bool = True) -> Contents:
        """Return the contents of a file; without ``sealed`` also if its checksum is wrong, for what can be salvaged."""
        try:
            content = read_regular(path)
        except RepositoryError:
            raise
        except OSError as error:
            raise translate_os_error(error, path) from error
        try:
            if is_sealed(content):
                document = unseal(content)
                if document is None and sealed:
                    raise _unreadable(path, "its checksum does not fit its content")
                content = document or content
                found = msgspec.json.decode(content, type=_Format).format
            else:
                found = msgspec.json.decode(content, type=_Format).format
                if found == FORMAT and sealed:
                    raise _unreadable(path, "it has no checksum")
            if found > FORMAT:
                raise CatalogTooNew(
                    f"The catalog {path.name} was written by a newer Savepoint (format {found}; this version reads up "
                    f"to {FORMAT}). Update Savepoint; nothing was changed.",
                    path=str(path),
                    found=found,
                    supported=FORMAT,
                )
            return _decoded(content, path)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise _unreadable(path, str(error)) from error

    @property
    def is_old(self) -> bool:
        """True if what was read last was written by the first edition."""
        return self.contents.format < FORMAT

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
                # No hard links on this file system. The copy need not be atomic: it only helps a rebuild.
                self._previous.write_bytes(read_regular(self.path))


class _Loose(msgspec.Struct):
    """A catalog whose entries are read one by one, because one of them is not as it should be."""

    format: int = FORMAT
    snapshots: tuple[msgspec.Raw, ...] = ()
    restores: tuple[msgspec.Raw, ...] = ()
    periodic_checked_at: dt.datetime | None = None
    identity: Identity | None = None


def _decoded(content: bytes, path: Path) -> Contents:
    """Return the contents without entries that cannot be relied on: their files are looked at and listed anew."""
    try:
        contents = msgspec.json.decode(content, type=Contents)
    except (msgspec.DecodeError, UnicodeDecodeError):
        contents = None
    if contents is not None and _is_sound(contents):
        return contents
    loose = msgspec.json.decode(content, type=_Loose)
    snapshots, restores = list(snapshots_in(loose.snapshots)), list(restores_in(loose.restores))
    for problem in (each for each in (*snapshots, *restores) if isinstance(each, str)):
        log.error("An entry of the catalog %s is passed over: it has %s", path.name, problem)
    checked = loose.periodic_checked_at
    found = Contents(
        format=loose.format,
        restores=tuple(each for each in restores if not isinstance(each, str)),
        periodic_checked_at=None if checked is None or checked.tzinfo is None else checked,
        identity=loose.identity,
    )
    return found.with_snapshots(each for each in snapshots if not isinstance(each, str))


def _is_sound(contents: Contents) -> bool:
    checked = contents.periodic_checked_at
    return (
        all(problem_of(each) is None for each in contents.snapshots)
        and len({each.id for each in contents.snapshots}) == len(contents.snapshots)
        and all(record.at.tzinfo is not None for record in contents.restores)
        and (checked is None or checked.tzinfo is not None)
    )


def _unreadable(path: Path, detail: str) -> CatalogError:
    return CatalogError(f"The catalog {path.name} cannot be read: {detail}.", path=str(path), detail=detail)


def encode(contents: Contents) -> bytes:
    """Return the catalog's JSON with its checksum, one snapshot a line: easy to read and to grep."""
    around = msgspec.json.encode(msgspec.structs.replace(contents, snapshots=()))
    before, empty, after = around.partition(b'"snapshots":[]')
    encoder = msgspec.json.Encoder()
    lines = b",\n".join([encoder.encode(snapshot) for snapshot in contents.snapshots])
    return seal(b"".join((before, empty[:-1], b"\n", lines, b"\n]", after, b"\n")))
