"""What every engine can do, and the values it takes and gives.

An engine has two sides. ``Engine`` is the working side: it blocks, may read files, and runs only in the worker process.
``Probe`` is the watching side: asynchronous, cheap, and all that runs in the bot's process; it uses the database's own
asynchronous driver and never opens the database's files itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol

import msgspec

from ..archive.members import Head
from ..models import DatabaseState, Finding, Form, IntegrityReport, Level, Method
from ..progress import Watch
from ..settings.json_column import JsonColumn

__all__ = ["ChainFile", "Checks", "Engine", "ParentSnapshot", "Position", "Probe", "ReplaceResult", "SnapshotResult"]


class Checks(msgspec.Struct, frozen=True, kw_only=True):
    """What an integrity check looks at.

    ``expected_rows`` are the row counts of the newest snapshot that has any, ``expected_from`` names that snapshot and
    its time, ``expected_device`` is the disk that the database
    was on, ``snapshots_exist`` is True if there is one: they tell an emptied database from a new one. Without
    ``critical_tables`` every table is counted. ``quick`` leaves out the comparison of indexes with their
    tables. ``wait_for_server`` waits until the deadline for a server that is away, because it may be starting too.
    """

    critical_tables: tuple[str, ...] = ()
    json_columns: tuple[JsonColumn, ...] = ()
    expected_rows: dict[str, int] = {}
    expected_from: str = ""
    expected_device: int | None = None
    snapshots_exist: bool = False
    quick: bool = False
    wait_for_server: bool = False


class ParentSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The newest snapshot, for what comes after it; ``id`` and ``fingerprint`` are None where there is no sound one.

    ``index`` and ``record`` are the paths where the engine keeps what it knows about the newest state and about the
    newest full; both files can be lost. ``full`` is the path of that full and ``full_id`` its id, both None if there is
    no sound one. ``incremental`` allows a snapshot that builds on this one. With ``skip_unchanged`` nothing is written
    if the state is the same.
    """

    id: str | None
    fingerprint: str | None
    index: str
    record: str
    full: str | None
    full_id: str | None
    incremental: bool
    skip_unchanged: bool


class ChainFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a chain, of the snapshot with the id ``snapshot``, which builds on ``base``.

    What it restores to has this fingerprint and this size in bytes.
    """

    snapshot: str
    path: str
    form: Form
    base: str | None
    fingerprint: str
    size: int


class SnapshotResult(msgspec.Struct, frozen=True, kw_only=True):
    """What ``snapshot`` gives: ``unchanged`` and nothing else, or the facts of the archive that was written."""

    unchanged: bool
    fingerprint: str
    form: Form = Form.FULL
    base: str | None = None
    size: int = 0
    database_size: int = 0
    rows: dict[str, int] = {}
    findings: tuple[Finding, ...] | None = None
    details: dict[str, Any] = {}


class ReplaceResult(msgspec.Struct, frozen=True, kw_only=True):
    """What ``replace`` gives: whether the result was proven identical (None: somebody wrote meanwhile).

    ``quarantine`` names what was kept of the state before; ``put_back`` can go back to it.
    """

    integrity: IntegrityReport
    identical: bool | None
    quarantine: str | None


class Engine(Protocol):
    """The working side of one kind of database. Every method blocks, takes a Watch, and raises SnapshotErrors only."""

    name: ClassVar[str]

    def inspect(self, tables: tuple[str, ...] | None, watch: Watch) -> DatabaseState:
        """Give the state of the database; raises for a busy or unreadable one, not for a damaged or missing one."""

    def snapshot(
        self,
        target: Path,
        scratch: Path,
        head: Head,
        tables: tuple[str, ...] | None,
        base: ParentSnapshot,
        watch: Watch,
    ) -> SnapshotResult:
        """Write one consistent state to ``target``, as ``base`` allows, and prove it by reading it back.

        ``scratch`` is a folder for temporary files. ``tables`` are counted: empty means every table, None means that an
        incremental counts nothing.
        """

    def rebuild(self, chain: Sequence[ChainFile], image: Path, watch: Watch, *, fresh: bool = False) -> Level:
        """Rebuild the last snapshot of a chain as ``image``; raise SnapshotDamaged if that does not give it back.

        With ``fresh`` from the archives alone, also where the engine has the same state at hand. Gives the level that a
        passed ``check_image`` then proves: ``restored``, or ``checksum`` where the archives were only read. What an
        engine keeps elsewhere for an image goes with ``discard`` or ``replace``.
        """

    def discard(self, image: Path, watch: Watch) -> None:
        """Remove what ``rebuild`` made elsewhere than in ``image``; an engine that makes nothing there inherits this.

        It is no error if there is nothing, or if ``replace`` has used it.
        """
        return None  # noqa: RET501 - not abstract

    def verify(self, chain: Sequence[ChainFile], scratch: Path, watch: Watch) -> None:
        """Prove that a chain gives back its last snapshot; raise SnapshotDamaged otherwise."""

    def export(
        self, chain: Sequence[ChainFile], target: Path, scratch: Path, head: Head, record: Path, watch: Watch
    ) -> None:
        """Write the last snapshot of a chain to ``target`` as a verified full.

        ``record`` is that of ``ParentSnapshot``.
        """

    def check_image(self, image: Path, checks: Checks, watch: Watch) -> IntegrityReport:
        """Check a rebuilt image as thoroughly as ``integrity`` checks the database."""

    def integrity(self, checks: Checks, scratch: Path, watch: Watch) -> IntegrityReport:
        """Check the database. Damage is a finding; busy, unreadable and input/output are errors."""

    def replace(
        self, image: Path, method: Method, quarantine: Path, details: dict[str, Any], checks: Checks, watch: Watch
    ) -> ReplaceResult:
        """Make the database what ``image`` is and check the result; a crash leaves the old state or the new one.

        With Method.SWAP the damaged files are moved to ``quarantine`` first. An engine that keeps the replaced state
        elsewhere takes its name from that folder's.
        """

    def clean_up(self, scratch_age: float, kept_age: float, watch: Watch) -> tuple[str, ...]:
        """Remove what unfinished work and restores left elsewhere than in the repository; return its names.

        Only what is older than ``scratch_age`` and ``kept_age`` seconds, respectively. An engine that leaves nothing
        there inherits this.
        """
        return ()

    def put_back(self, quarantine: Path, watch: Watch) -> None:
        """Undo a swap: move the files in ``quarantine`` back to where they were."""


class Position(NamedTuple):
    """How far a database's log has come, in bytes; only what is said of the same ``log`` can be compared."""

    log: str
    offset: int


class Probe(Protocol):
    """The watching side of one kind of database, for the bot's process."""

    async def token(self) -> str | None:
        """Give a text that differs after every commit by anybody, or None when that cannot be told now."""

    async def position(self) -> Position | None:
        """Give how far the database's own log has come, None where it has none that all its processes see.

        What was committed before is in every snapshot whose ``details`` name a later one (``log`` and ``position``).
        """

    async def size(self) -> int:
        """Give the database's size in bytes, 0 if it is not there."""

    async def remarks(self) -> tuple[str, ...]:
        """Give what the owner should know of the engine: sentences for the status, none where all is plain."""

    async def create_restore_point(self, name: str) -> None:
        """Name this moment in the database's own log, for its own tools; raise DatabaseUnavailable where it cannot."""

    async def join(self, group: str, *, eligible: bool) -> bool:
        """Count as one of the processes that share a repository, and tell whether this one keeps its schedule.

        Of those of a ``group`` that are ``eligible`` one does, until it ends or loses its connection: ask again now and
        then. Where the engine cannot tell processes apart, each does.
        """

    async def leave(self, group: str) -> bool:
        """Count no more, and tell whether nobody else of the group is left."""

    async def close(self) -> None:
        """Let go of the database; the next call to ``token`` opens it again, and ``join`` must be called again."""
