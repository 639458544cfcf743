"""The folder of snapshots as one thing: store, catalog, lock, and the order in which they change.

A snapshot is published in this order: file into place and folder synced, catalog written and synced, ``latest.*``
moved. Retention takes entries out of the catalog before it removes files. A crash between any two of these steps
leaves either a file that the catalog does not know yet (``open`` proves and adopts it) or exactly what the catalog
says. Everything but the constructor blocks; the service calls it from its threads.
"""

from __future__ import annotations

import datetime as dt
import functools
import shutil
from collections.abc import Collection, Iterable
from pathlib import Path

from ..archive import full
from ..engines import ChainFile
from ..errors import RepositoryError, SnapshotDamaged
from ..files import free_space, make_folder, remove, sync_file, sync_folder, translate_os_error
from ..models import Kind, Snapshot
from ..policies.chain import chain_of
from ..policies.health import readable
from ..policies.retention import restorable
from .catalog import PREVIOUS, Catalog, Contents
from .lock import is_abandoned
from .names import INCREMENTAL_SUFFIX, parse_name
from .stores import LocalStore

__all__ = ["Repository", "in_use_lock"]

WORK = ".work"
QUARANTINE = "quarantine"
PAGE_INDEX, MEMBER_RECORD = "pages.index", "members.record"
_KEPT_IN_WORK = {"lock", "operation.json", PREVIOUS, PAGE_INDEX, MEMBER_RECORD}


def in_use_lock(scratch: Path) -> Path:
    """Give the lock file that tells whether somebody is using a temporary folder."""
    return scratch.with_name(scratch.name + ".lock")


class Repository:
    """One repository on the local disk."""

    def __init__(self, root: Path, suffix: str) -> None:
        """Take the root and what names of full snapshots end with; nothing is touched before ``prepare``."""
        self.root = root
        self.work = root / WORK
        self.suffix = suffix
        self.store = LocalStore(root)
        self.catalog = Catalog(root, self.work)

    @property
    def page_index(self) -> Path:
        """Where the engine keeps what it knows of the newest state, for the next incremental; can be lost."""
        return self.work / PAGE_INDEX

    @property
    def member_record(self) -> Path:
        """Where the engine keeps what it knows of the newest full, for the next one; can be lost."""
        return self.work / MEMBER_RECORD

    @property
    def latest(self) -> Path:
        """The link to a standalone copy of the newest state, such as ``latest.db.gz``."""
        return self.root / f"latest{self.suffix}"

    def prepare(self) -> None:
        """Create what is missing; raise RepositoryError if the place cannot be used."""
        try:
            for folder in (self.root, self.work):
                make_folder(folder)
            self.store.prepare()
        except RepositoryError:
            raise
        except OSError as error:
            raise translate_os_error(error, self.root) from error

    def clean(self) -> None:
        """Remove temporary files that a crash left. Only under the lock: then nobody is using one."""
        for path in sorted(self.work.iterdir()):
            mark = path if path.suffix == ".lock" else in_use_lock(path)
            if path.name not in _KEPT_IN_WORK and (not mark.exists() or is_abandoned(mark)):
                remove(path)

    def refresh(self) -> Contents:
        """Give the catalog's contents; a missing catalog is an empty one only where there are no snapshot files."""
        if not self.catalog.exists and not any(True for _ in self.snapshot_files()):
            self.catalog.forget()
        else:
            self.catalog.refresh()
        return self.catalog.contents

    def snapshot_files(self) -> Iterable[str]:
        """Give the names of the files that look like snapshots of this engine."""
        for name in self.store.names():
            parsed = parse_name(name.partition("/")[2])
            if parsed is not None and parsed.suffix in (self.suffix, INCREMENTAL_SUFFIX):
                yield name

    def unknown_files(self) -> tuple[tuple[str, str], ...]:
        """Give (name, path) of the snapshot files that the catalog does not list."""
        known = {snapshot.path for snapshot in self.catalog.contents.snapshots}
        return tuple((name, str(self.store.fetch(name))) for name in sorted(self.snapshot_files()) if name not in known)

    def publish(self, source: Path, snapshot: Snapshot) -> None:
        """Put a proven file into place, list it, and move ``latest.*`` where its kind does that."""
        self.store.publish(source, snapshot.path)
        try:
            self.catalog.change(lambda contents: contents.adding(snapshot))
        except BaseException:
            # Unlisted it would be adopted later, behind snapshots that are newer than it.
            self.store.remove(snapshot.path)
            raise

    def update(self, *snapshots: Snapshot) -> None:
        """Put the entries of snapshots in the place of those with their ids."""
        self.catalog.change(lambda contents: functools.reduce(Contents.adding, snapshots, contents))

    def drop(self, snapshots: Collection[Snapshot]) -> int:
        """Take snapshots out of the catalog, then remove their files; give the bytes that this freed."""
        if not snapshots:
            return 0
        ids = {snapshot.id for snapshot in snapshots}
        self.catalog.change(lambda contents: contents.without(ids))
        for snapshot in snapshots:
            self.store.remove(snapshot.path)
        return sum(snapshot.size for snapshot in snapshots)

    def is_stored(self, snapshot: Snapshot) -> bool:
        """Whether a snapshot's file is there with its size; cheap, proves nothing about its bytes."""
        return self.store.size(snapshot.path) == snapshot.size

    def chain(self, snapshot: Snapshot) -> tuple[ChainFile, ...]:
        """Give the files that restore a snapshot, its full first; raise SnapshotDamaged or SnapshotNotFound."""
        return tuple(
            ChainFile(
                snapshot=each.id,
                path=str(self.store.fetch(each.path)),
                form=each.form,
                base=each.base,
                fingerprint=each.fingerprint,
                size=each.database_size,
            )
            for each in chain_of(snapshot, self.catalog.contents.snapshots)
        )

    def wanted_latest(self, kinds: Collection[Kind]) -> Snapshot | None:
        """Give the newest restorable snapshot of these kinds if ``latest.*`` is not that one already.

        One that lacks a file, its own or one below it, is passed over.
        """
        snapshots = self.catalog.contents.snapshots
        sound = restorable(snapshots)
        for each in reversed(snapshots):
            if each.kind in kinds and each.id in sound and readable(each.health):
                if self._is_latest(each):
                    return None
                if all(self.is_stored(below) for below in chain_of(each, snapshots)):
                    return each
        return None

    def _is_latest(self, snapshot: Snapshot) -> bool:
        if self.latest.is_symlink():
            return str(self.latest.readlink()) == snapshot.path and self.is_stored(snapshot)
        try:
            return full.read_head(self.latest).id == snapshot.id
        except (SnapshotDamaged, OSError):
            return False

    def drop_unfit_latest(self) -> None:
        """Remove ``latest.*`` where it is the file of a snapshot that is gone or damaged; a file of its own stays."""
        if not self.latest.exists():
            self.latest.unlink(missing_ok=True)  # a link to what is gone, or nothing
            return
        damaged = (self.root / each.path for each in self.catalog.contents.snapshots if each.damaged)
        if any(path.exists() and self.latest.samefile(path) for path in damaged):
            self.latest.unlink()

    def link_latest(self, snapshot: Snapshot) -> None:
        """Make ``latest.*`` a link to a full, in one step."""
        scratch = self.work / "latest.new"
        scratch.unlink(missing_ok=True)
        self._link(snapshot.path, scratch)
        self.place_latest(scratch)

    def place_latest(self, scratch: Path) -> None:
        """Put a finished file or link in the place of ``latest.*``, in one step."""
        scratch.replace(self.latest)
        scratch.unlink(missing_ok=True)  # two links to one file stay both
        sync_folder(self.root)

    def _link(self, target: str, scratch: Path) -> None:
        try:
            # Relative to where it will be, not to where it is made.
            scratch.symlink_to(target)
        except (OSError, NotImplementedError):
            source = self.store.fetch(target)
            try:
                scratch.hardlink_to(source)
            except (OSError, NotImplementedError):
                shutil.copy2(source, scratch)
                sync_file(scratch)

    def quarantine_folder(self, now: dt.datetime) -> Path:
        """Give a folder in the quarantine that is not there yet; whoever moves something into it makes it."""
        base = self.root / QUARANTINE / f"{now:%Y%m%dT%H%M%S}.{now.microsecond // 1000:03}Z"
        folder, number = base, 1
        while folder.exists():
            number += 1
            folder = base.with_name(f"{base.name}-{number}")
        return folder

    def free(self) -> int:
        """Give the free bytes of the repository's disk."""
        return free_space(self.root)
