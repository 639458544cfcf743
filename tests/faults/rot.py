"""Bits that flip in the files of a repository, and files that end too early: who finds it."""

from __future__ import annotations

import random
from pathlib import Path

from core.snapshots.archive.page_index import PageIndex
from core.snapshots.archive.reuse import MemberRecord
from core.snapshots.engines.sqlite import SUFFIX, rebuild
from core.snapshots.errors import CatalogError, SnapshotDamaged
from core.snapshots.progress import Watch
from core.snapshots.repository.catalog import PREVIOUS, Catalog
from core.snapshots.repository.repository import MEMBER_RECORD, PAGE_INDEX, Repository
from tests.worlds.service_world import CATALOG, PlayedWorld, rows_of_sound

__all__ = ["Rot"]

_DERIVED: dict[str, type[PageIndex] | type[MemberRecord]] = {PAGE_INDEX: PageIndex, MEMBER_RECORD: MemberRecord}


class Rot:
    """A repository whose files are damaged one bit at a time; each run puts the file back."""

    def __init__(self, world: PlayedWorld, seed: int = 7) -> None:
        self._world, self._dice = world, random.Random(seed)
        repository = Repository(world.repository, SUFFIX)
        repository.refresh()
        self._chain = repository.chain(world.newer)
        self._rows = world.rows_in(world.newer)
        self._files = [Path(file.path) for file in self._chain] + [world.repository / CATALOG]
        self._files += [repository.page_index, repository.member_record, repository.work / PREVIOUS]

    def problem(self) -> str | None:
        """Damage a file at random; return what is wrong if nobody finds it, None if it is found or harmless."""
        path = self._dice.choice(self._files)
        content = path.read_bytes()
        changed = bytearray(content)
        if self._dice.random() < 0.1:
            del changed[self._dice.randrange(len(changed) - 1) :]
        else:
            changed[self._dice.randrange(len(changed) - 1)] ^= 1 << self._dice.randrange(8)
        path.write_bytes(changed)
        try:
            return self._problem_of(path)
        finally:
            path.write_bytes(content)

    def _problem_of(self, path: Path) -> str | None:
        scratch = self._world.folder / "rotten"
        scratch.mkdir(exist_ok=True)
        try:
            if path.name == CATALOG:
                Catalog(self._world.repository, scratch).refresh()
                return "a changed catalog was believed"
            if path.name == PREVIOUS:
                (scratch / CATALOG).write_bytes(path.read_bytes())
                Catalog(scratch, scratch).refresh()
                return "a changed copy of the catalog was believed"
            if path.name in _DERIVED:
                return None if _DERIVED[path.name].load(path) is None else f"a changed {path.name} was believed"
            rebuild.verify(self._chain, scratch, Watch())
            rebuild.rebuild(self._chain, scratch / "image.db", Watch())
        except (SnapshotDamaged, CatalogError):
            return None
        # It passed: then what it restores to must be the state to the row.
        return None if rows_of_sound(scratch / "image.db") == self._rows else "a damaged archive was believed"
