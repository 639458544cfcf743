"""Bits that flip in the live database, and a file that ends too early: who finds it.

What can be read and is not what was written is found by a snapshot in rollback mode, where SQLite counts every
transaction in the first page, unless it is that page. In WAL mode it does not, so a changed letter in a page that the
log does not name may be play. What cannot be read must be found in both.
"""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec

from core.snapshots.engines.sqlite.engine import SqliteEngine
from core.snapshots.errors import SnapshotError
from core.snapshots.models import Verdict
from core.snapshots.policies.health import judge
from core.snapshots.progress import Watch
from tests.worlds.chain_world import Chain
from tests.worlds.engine_cases import CHECKS
from tests.worlds.game_database import contents_of, make_game_database
from tests.worlds.service_world import sweep_into_file

__all__ = ["LiveRot"]

_PAGE = 4096
_QUICK = msgspec.structs.replace(CHECKS, quick=True)


class LiveRot:
    """A database of which there is a snapshot, damaged at one place in each run; nothing is written to it since."""

    def __init__(self, folder: Path, journal_mode: str, seed: int = 7) -> None:
        self._dice, self._counts = random.Random(seed), journal_mode != "wal"
        self._game = make_game_database(folder / "game" / "game.db", journal_mode=journal_mode, players=40)
        sweep_into_file(self._game)
        self._content = self._game.read_bytes()
        self._rows = contents_of(self._game)
        self._engine = SqliteEngine(self._game, 1.0)
        self._chain = Chain(folder / "chain", self._engine)
        self._chain.take()
        self._parts = list(self._chain.parts)
        self._kept = {path: path.read_bytes() for path in (self._chain.index, self._chain.record)}
        self.found_by: Counter[str] = Counter()
        """How often each of them found it, and how often nobody did."""

    def problem(self) -> str | None:
        """Damage the database at random; return what is wrong with how that was met, None if nothing is."""
        self._reset()
        content = bytearray(self._content)
        if self._dice.random() < 0.1:
            where = f"cut at {self._dice.randrange(1, len(content))}"
            del content[int(where.split()[-1]) :]
        else:
            at, bit = self._dice.randrange(len(content)), self._dice.randrange(8)
            where = f"byte {at}, bit {bit}"
            content[at] ^= 1 << bit
        self._game.write_bytes(content)
        finders = [name for name, look in self._looks() if look()]
        state = self._state()
        self.found_by.update(finders or ["nothing differs" if state == self._rows else "nobody"])
        counted = self._counts and _pages_differ_after_the_first(bytes(content), self._content)
        if finders or state == self._rows or not (state == "unreadable" or counted):
            return None
        return f"{where}: the rows differ, and nobody found it"

    def _looks(self) -> list[tuple[str, Any]]:
        return [("start-up", self._at_start_up), ("integrity", self._by_a_check), ("capture", self._by_a_snapshot)]

    def _at_start_up(self) -> bool:
        """Look as a start does, which restores what cannot be read."""
        return self._is_bad(lambda: self._engine.integrity(_QUICK, self._chain.scratch, Watch()).findings)

    def _by_a_check(self) -> bool:
        return self._is_bad(lambda: self._engine.integrity(CHECKS, self._chain.scratch, Watch()).findings)

    def _by_a_snapshot(self) -> bool:
        def findings() -> Any:
            return self._chain.take(skip_unchanged=True).findings or ()

        return self._is_bad(findings)

    @staticmethod
    def _is_bad(look: Any) -> bool:
        """Return True if a look at it says that something is wrong; only errors of ours may end it."""
        try:
            return judge(look()) is not Verdict.SOUND
        except SnapshotError:
            return True

    def _state(self) -> Any:
        try:
            return contents_of(self._game)
        except sqlite3.Error as error:
            return "text that is none" if "decode" in str(error) else "unreadable"
        except UnicodeDecodeError:  # SQLite's own message quotes what it cannot read
            return "unreadable"

    def _reset(self) -> None:
        for path in self._game.parent.iterdir():
            path.unlink()
        shutil.rmtree(self._chain.scratch)
        self._chain.scratch.mkdir()
        for path in self._chain.folder.glob("*.gz"):
            if str(path) not in {part.path for part in self._parts}:
                path.unlink()
        for path, content in self._kept.items():
            path.write_bytes(content)
        self._chain.parts[:] = self._parts


def _pages_differ_after_the_first(content: bytes, before: bytes) -> bool:
    return content[_PAGE:] != before[_PAGE:]
