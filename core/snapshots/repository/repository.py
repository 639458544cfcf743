"""The repository: a store and a catalog, and the order in which they change.

A snapshot is published in this order: the file is moved into place and the folder synced, then the catalog is written
and synced, then ``latest.*`` is replaced. Retention removes entries from the catalog before it removes files. So a
crash between two steps leaves the files that the catalog lists, and at most a file that it does not list, which is
verified and adopted when the service opens. All methods block.
"""

from __future__ import annotations

import datetime as dt
import functools
import os
import shutil
from collections.abc import Collection, Iterable
from pathlib import Path

from ..archive import full
from ..engines import ChainFile
from ..errors import RepositoryError, SnapshotDamaged, SnapshotError
from ..files import (
    PRIVATE_FILE,
    free_space,
    give_to_owner,
    make_folder,
    remove,
    sync_file,
    sync_folder,
    translate_os_error,
)
from ..models import Form, Kind, Snapshot
from ..policies.chain import chain_of
from ..policies.health import readable, usable_state
from ..policies.retention import restorable
from .catalog import PREVIOUS, Catalog, Contents
from .lock import is_abandoned
from .names import INCREMENTAL_SUFFIX, QUARANTINE, WORK, parse_name
from .stores import LocalStore

__all__ = ["Repository", "in_use_lock"]

PAGE_INDEX, MEMBER_RECORD = "pages.index", "members.record"
HISTORY_CACHE = "history"
_KEPT_IN_WORK = {"lock", "operation.json", PREVIOUS, PAGE_INDEX, MEMBER_RECORD, HISTORY_CACHE}


def in_use_lock(scratch: Path) -> Path:
    """Return the path of the lock file that marks a temporary folder as in use."""
    return scratch.with_name(scratch.name + ".lock")


class Repository:
    """One repository on the local disk. ``suffix`` is that of full snapshots. Nothing is touched before ``prepare``."""

    def __init__(self, root: Path, suffix: str) -> None:
        self.root = root
        self.work = root / WORK
        self.suffix = suffix
        self.store = LocalStore(root)
        self.catalog = Catalog(root, self.work)

    @property
    def page_index(self) -> Path:
        """The engine's index of the pages of the newest state, for the next incremental. It can be deleted."""
        return self.work / PAGE_INDEX

    @property
    def member_record(self) -> Path:
        """The engine's record of the compressed members of the newest full, for the next one. It can be deleted."""
        return self.work / MEMBER_RECORD

    @property
    def history_cache(self) -> Path:
        """The folder that keeps where the members of each archive are, for reading the past. It can be deleted."""
        return self.work / HISTORY_CACHE

    @property
    def latest(self) -> Path:
        """The path of the newest state as a standalone file, such as ``latest.db.gz``; often a link."""
        return self.root / f"latest{self.suffix}"

    @property
    def is_read_only(self) -> bool:
        """True if the folder is there and nothing can be written in it by this process."""
        return self.root.is_dir() and not os.access(self.root, os.W_OK)

    def prepare(self) -> None:
        """Create the folders that are missing; raise RepositoryError if that is impossible."""
        try:
            for folder in (self.root, self.work):
                make_folder(folder)
            self.store.prepare()
            self._keep_out_of_git()
        except RepositoryError:
            raise
        except OSError as error:
            raise translate_os_error(error, self.root) from error

    def _keep_out_of_git(self) -> None:
        """Make git leave the folder alone: snapshots are players' data, and a bot's folder is often pushed whole."""
        ignored = self.root / ".gitignore"
        try:
            # Several processes of one bot may be the first at once.
            descriptor = os.open(ignored, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE)
        except FileExistsError:
            return
        with os.fdopen(descriptor, "wb") as file:
            file.write(b"*\n")
        give_to_owner(ignored)

    def clean(self) -> None:
        """Remove temporary files that a crash left; the caller holds the exclusive lock."""
        for path in sorted(self.work.iterdir()):
            in_use = path if path.suffix == ".lock" else in_use_lock(path)
            if path.name not in _KEPT_IN_WORK and (not in_use.exists() or is_abandoned(in_use)):
                remove(path)

    def refresh(self) -> Contents:
        """Return the catalog's contents. A missing catalog counts as empty only if there are no snapshot files."""
        if not self.catalog.exists and not any(True for _ in self.snapshot_files()):
            self.catalog.forget()
        else:
            self.catalog.refresh()
        return self.catalog.contents

    def snapshot_files(self) -> Iterable[str]:
        """Yield the names of the files that look like snapshots of this engine."""
        for name in self.store.names():
            parsed = parse_name(name.partition("/")[2])
            if parsed is not None and parsed.suffix in (self.suffix, INCREMENTAL_SUFFIX):
                yield name

    def unknown_files(self) -> tuple[tuple[str, str], ...]:
        """Return (name, path) of the snapshot files that the catalog does not list."""
        known = {snapshot.path for snapshot in self.catalog.contents.snapshots}
        return tuple((name, str(self.store.fetch(name))) for name in sorted(self.snapshot_files()) if name not in known)

    def publish(self, source: Path, snapshot: Snapshot) -> None:
        """Move a verified file into the store, and list the snapshot in the catalog."""
        self.store.publish(source, snapshot.path)
        try:
            self.catalog.change(lambda contents: contents.adding(snapshot))
        except BaseException:
            # If it stayed without being listed, it would be adopted later, after snapshots that are newer.
            if not self._may_list(snapshot):
                self.store.remove(snapshot.path)
            raise

    def _may_list(self, snapshot: Snapshot) -> bool:
        """Return True unless the catalog is known not to list it: the sync can fail after the catalog was replaced."""
        try:
            return any(each.id == snapshot.id for each in self.catalog.refresh().snapshots)
        except (SnapshotError, OSError):
            return self.catalog.exists

    def update(self, *snapshots: Snapshot) -> None:
        """Replace the catalog's entries of these snapshots."""
        self.catalog.change(lambda contents: functools.reduce(Contents.adding, snapshots, contents))

    def drop(self, snapshots: Collection[Snapshot]) -> int:
        """Remove snapshots from the catalog, then their files; return the number of bytes freed."""
        if not snapshots:
            return 0
        ids = {snapshot.id for snapshot in snapshots}
        self.catalog.change(lambda contents: contents.without(ids))
        for snapshot in snapshots:
            self.store.remove(snapshot.path)
            (self.history_cache / f"{snapshot.id}.members").unlink(missing_ok=True)
        if any(snapshot.form is Form.FULL for snapshot in snapshots):
            for kept in self.history_cache.glob("*.player"):  # pages of the chain that is gone are among them
                kept.unlink(missing_ok=True)
        return sum(snapshot.size for snapshot in snapshots)

    def is_stored(self, snapshot: Snapshot) -> bool:
        """Return True if a snapshot's file exists and has the right size; its bytes are not read."""
        return self.store.size(snapshot.path) == snapshot.size

    def chain(self, snapshot: Snapshot) -> tuple[ChainFile, ...]:
        """Return the files that restore a snapshot, the full first; raise SnapshotDamaged or SnapshotNotFound."""
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

    def latest_to_write(self, kinds: Collection[Kind]) -> Snapshot | None:
        """Return the newest restorable snapshot of these kinds, or None if ``latest.*`` is that one already.

        A snapshot is passed over if a file of its chain is missing, or if its state cannot be read.
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
        if not self.latest.is_file():
            return False  # a pipe or a device, which must not be opened: it would wait for ever
        try:
            return full.read_head(self.latest).id == snapshot.id
        except (SnapshotDamaged, OSError):
            return False

    def drop_damaged_latest(self) -> None:
        """Remove ``latest.*`` if it is the file of a damaged snapshot or a dangling link; a standalone copy stays."""
        if not self.latest.exists():
            self.latest.unlink(missing_ok=True)  # a dangling link, or nothing
            return
        damaged = (self.root / each.path for each in self.catalog.contents.snapshots if not usable_state(each))
        if any(path.exists() and self.latest.samefile(path) for path in damaged):
            self.latest.unlink()

    def link_latest(self, snapshot: Snapshot) -> None:
        """Make ``latest.*`` a link to a full, in one step."""
        scratch = self.work / "latest.new"
        scratch.unlink(missing_ok=True)
        self._link(snapshot.path, scratch)
        self.place_latest(scratch)

    def place_latest(self, scratch: Path) -> None:
        """Replace ``latest.*`` with a finished file or link, in one step."""
        give_to_owner(scratch)
        scratch.replace(self.latest)
        scratch.unlink(missing_ok=True)  # rename(2) leaves both names if they are links to the same file
        sync_folder(self.root)

    def _link(self, target: str, scratch: Path) -> None:
        try:
            # The target is relative to the root, where the link will be moved to.
            scratch.symlink_to(target)
        except (OSError, NotImplementedError):
            source = self.store.fetch(target)
            try:
                scratch.hardlink_to(source)
            except (OSError, NotImplementedError):
                shutil.copy2(source, scratch)
                sync_file(scratch)

    def quarantine_folder(self, now: dt.datetime) -> Path:
        """Return the path of a new folder in the quarantine, without creating it."""
        base = self.root / QUARANTINE / f"{now:%Y%m%dT%H%M%S}.{now.microsecond // 1000:03}Z"
        folder, number = base, 1
        while folder.exists():
            number += 1
            folder = base.with_name(f"{base.name}-{number}")
        return folder

    def free(self) -> int:
        """Return the free bytes of the repository's disk."""
        return free_space(self.root)
