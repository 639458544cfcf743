"""A game that is played while snapshots are taken of it, and what each snapshot must give back.

Import it as ``from tests.worlds.chain_world import ChainWorld``. The game keeps its connection open, as a bot does,
so that the write-ahead log goes on from one snapshot to the next. ``Chain`` takes snapshots with the engine alone, in
this process: use it only while no other connection of this process has the database open.
"""

from __future__ import annotations

import gzip
import random
import sqlite3
from pathlib import Path
from typing import Any

from core.snapshots import Kind, Snapshot, SnapshotService
from core.snapshots.archive.members import Head
from core.snapshots.engines import ChainFile, Engine, ParentSnapshot, SnapshotResult, suffix_for
from core.snapshots.engines.sqlite import rebuild
from core.snapshots.models import Form
from core.snapshots.progress import Watch
from core.snapshots.repository.names import INCREMENTAL_SUFFIX, relative_path
from tests.worlds.game_database import CRITICAL_TABLES, make_game_database
from tests.worlds.service_world import NOON, ServiceWorld, rows_of_sound

PAGE_INDEX, MEMBER_RECORD = "pages.index", "members.record"
GAME_BYTES = 300_000


class ChainWorld(ServiceWorld):
    """A world with a game of some hundred pages, played over one connection that stays open."""

    def __init__(self, folder: Path, *, journal_mode: str = "wal", page_size: int = 1024) -> None:
        super().__init__(folder, game=False)
        make_game_database(self.database, journal_mode=journal_mode, page_size=page_size, players=48, size=GAME_BYTES)
        self.wal = journal_mode == "wal"
        self.game = sqlite3.connect(self.database, isolation_level=None)
        self.game.execute("PRAGMA wal_autocheckpoint = 0")

    def close(self) -> None:
        """End the game."""
        self.game.close()

    def buy(self, card: int = 1) -> None:
        """Commit a small change."""
        self.game.execute("UPDATE cards SET story = story || 'x' WHERE id = ?", (card,))

    def work_file(self, name: str) -> Path:
        """Return the path of a derived file."""
        return self.repository / ".work" / name

    def image_of(self, service: SnapshotService, snapshot: Snapshot) -> bytes:
        """Return what a snapshot's chain rebuilds to; raise SnapshotDamaged if that has another fingerprint."""
        image = self.folder / "rebuilt.db"
        rebuild.rebuild(service._context.repository.chain(snapshot), image, Watch())
        content = image.read_bytes()
        image.unlink()
        return content

    async def exported(self, service: SnapshotService, snapshot: Snapshot) -> bytes:
        """Return what any gzip tool makes of a snapshot's export."""
        target = self.folder / "exported.db.gz"
        await service.export(snapshot.id, target)
        content = gzip.decompress(target.read_bytes())
        target.unlink()
        return content

    def rows_of(self, image: bytes) -> dict[str, list[tuple[Any, ...]]]:
        """Return the rows of an image that SQLite finds sound."""
        return rows_of_image(image, self.folder / "looked-at.db")


def rows_of_image(image: bytes, scratch: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Assert that SQLite finds an image sound, and return its rows."""
    scratch.write_bytes(image)
    return rows_of_sound(scratch)


def play_something(world: ChainWorld, dice: random.Random) -> None:
    """Commit one change of the kinds that a database goes through."""
    game = world.game
    actions = {
        "buy": 6,
        "grow": 2,
        "shrink": 1,
        "vacuum": 1,
        "checkpoint": 2,
        "overwrite": 1,
    }
    action = dice.choices(list(actions), weights=list(actions.values()))[0]
    if action == "buy":
        for _ in range(dice.randrange(1, 6)):
            world.buy(dice.randrange(1, 200))
    elif action == "grow":
        story = dice.randbytes(dice.choice([300, 3000, 30000])).hex()
        game.execute("INSERT INTO cards (name, rarity, story) VALUES ('new', 'common', ?)", (story,))
    elif action == "shrink":
        game.execute("DELETE FROM cards WHERE id > 200 AND id % 2 = ?", (dice.randrange(2),))
        game.execute("DELETE FROM creator_packs WHERE id = ?", (dice.randrange(48),))
    elif action == "vacuum":
        game.execute("VACUUM")
    elif action == "checkpoint":
        game.execute(f"PRAGMA wal_checkpoint({dice.choice(['PASSIVE', 'FULL', 'RESTART', 'TRUNCATE'])})").fetchall()
    else:
        game.execute("UPDATE cards SET story = upper(story) WHERE id % 2 = 1")


def head_of(number: int, kind: Kind = Kind.CRITICAL) -> Head:
    """Return the head of the snapshot with a number."""
    return Head(
        id=f"{number:012x}",
        sequence=number,
        kind=kind,
        created_at=NOON,
        began_at=NOON,
        reasons=("buy",),
        requests=1,
        note=None,
        pinned=False,
        engine="sqlite",
        details={},
    )


class Chain:
    """Snapshots that an engine takes of a database, each on the one before it where that is possible."""

    def __init__(self, folder: Path, engine: Engine) -> None:
        self.folder = folder
        self.index, self.record = folder / PAGE_INDEX, folder / MEMBER_RECORD
        self.scratch = folder / "scratch"
        self.scratch.mkdir(parents=True)
        self.engine = engine
        self.parts: list[ChainFile] = []
        self._number = 0

    @property
    def last_full(self) -> Path | None:
        """The file of the newest full."""
        fulls = [part for part in self.parts if part.form is Form.FULL]
        return Path(fulls[-1].path) if fulls else None

    def take(
        self,
        *,
        incremental: bool = True,
        skip_unchanged: bool = False,
        tables: tuple[str, ...] = CRITICAL_TABLES,
        watch: Watch | None = None,
    ) -> SnapshotResult:
        """Take a snapshot; what was written becomes the newest of ``parts``."""
        self._number += 1
        head, target = head_of(self._number), self.scratch / f"target-{self._number}"
        newest = self.parts[-1] if self.parts else None
        fulls = [part for part in self.parts if part.form is Form.FULL]
        base = ParentSnapshot(
            id=newest.snapshot if newest else None,
            fingerprint=newest.fingerprint if newest else None,
            index=str(self.index),
            record=str(self.record),
            full=str(self.last_full) if self.last_full else None,
            full_id=fulls[-1].snapshot if fulls else None,
            incremental=incremental and newest is not None,
            skip_unchanged=skip_unchanged,
        )
        taken = self.engine.snapshot(target, self.scratch, head, tables, base, watch or Watch())
        if taken.unchanged:
            assert not target.exists()
            return taken
        suffix = suffix_for(self.engine.name) if taken.form is Form.FULL else INCREMENTAL_SUFFIX
        name = relative_path(
            created_at=NOON, kind=head.kind, reason="buy", snapshot_id=head.id, suffix=suffix
        ).rpartition("/")[2]
        path = target.rename(self.folder / name)
        self.parts.append(
            ChainFile(
                snapshot=head.id,
                path=str(path),
                form=taken.form,
                base=taken.base,
                fingerprint=taken.fingerprint,
                size=taken.database_size,
            )
        )
        return taken

    def unfinished(self) -> list[str]:
        """Return the archives that an unfinished snapshot left."""
        return sorted(path.name for path in self.scratch.glob("target-*"))

    def chain(self) -> tuple[ChainFile, ...]:
        """Return the chain of the newest."""
        start = max(at for at, part in enumerate(self.parts) if part.form is Form.FULL)
        return tuple(self.parts[start:])

    def rebuild(self, image: Path | None = None) -> Path:
        """Rebuild the newest as ``image``."""
        image = image or self.scratch / "rebuilt.db"
        self.engine.rebuild(self.chain(), image, Watch())
        return image

    def rebuilt(self) -> bytes:
        """Return what the newest rebuilds to."""
        image = self.rebuild()
        content = image.read_bytes()
        image.unlink()
        return content

    def export(self, target: Path, record: Path | None = None) -> Path:
        """Write the newest to ``target`` as a full."""
        head = head_of(self._number)
        self.engine.export(self.chain(), target, self.scratch, head, record or self.record, Watch())
        return target

    def exported(self, record: Path | None = None) -> bytes:
        """Return the bytes of the newest's export."""
        target = self.export(self.scratch / "exported.db.gz", record)
        content = target.read_bytes()
        target.unlink()
        return content

    def rows(self) -> dict[str, list[tuple[Any, ...]]]:
        """Return the rows that the newest restores to."""
        return rows_of_image(self.rebuilt(), self.scratch / "looked-at.db")


def empty_base(folder: Path) -> ParentSnapshot:
    """Return the parent for a first snapshot; what the engine keeps is kept in a folder."""
    return ParentSnapshot(
        id=None,
        fingerprint=None,
        index=str(folder / PAGE_INDEX),
        record=str(folder / MEMBER_RECORD),
        full=None,
        full_id=None,
        incremental=False,
        skip_unchanged=True,
    )
