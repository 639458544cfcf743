"""The interface of the engines, with the values that it uses.

An engine has two sides. ``Engine`` is the working side: it blocks, may read files, and runs only in the worker process.
``Probe`` is the watching side, and the only one in the bot's process: it is asynchronous and cheap, uses the database's
asynchronous driver, and never opens the database's files itself.
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

__all__ = [
    "ChainFile",
    "Checks",
    "Engine",
    "ParentSnapshot",
    "Position",
    "Probe",
    "Recovery",
    "ReplaceResult",
    "SnapshotResult",
]


class Checks(msgspec.Struct, frozen=True, kw_only=True):
    """What an integrity check checks, and what it compares with.

    ``expected_rows`` are the row counts of the newest snapshot that has any; ``expected_from`` names that snapshot and
    its time, ``seen_in`` an older one for critical tables that it does not have. ``expected_device`` is the disk that
    the database was on, and ``snapshots_exist`` is True if there is any snapshot: they tell an emptied database from a
    new one. Without ``critical_tables`` every table is counted.
    ``without_tables`` is True if the newest snapshot, or the one that is verified, has none: then none are missing.
    ``quick`` leaves out the comparison of indexes with their tables. With ``wait_for_server`` a server that cannot be
    reached is awaited until the deadline, because it may be starting too.
    """

    critical_tables: tuple[str, ...] = ()
    json_columns: tuple[JsonColumn, ...] = ()
    expected_rows: dict[str, int] = {}
    expected_from: str = ""
    seen_in: dict[str, str] = {}
    expected_device: int | None = None
    snapshots_exist: bool = False
    without_tables: bool = False
    quick: bool = False
    wait_for_server: bool = False


class ParentSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The newest snapshot, which the next one may build on. Without a sound one, ``id`` and ``fingerprint`` are None.

    ``index`` is the path of the page index of the newest state, ``record`` that of the record of members of the newest
    full; both files can be lost. ``full`` is the path of that full and ``full_id`` its id, both None if there is no
    sound one. ``incremental`` allows the next snapshot to be an incremental. With ``skip_unchanged`` nothing is written
    if the state is still the same. ``unreadable`` is True if the parent's state could not be read, and
    ``journal_mode`` is that of the database at the time, None if it is unknown.
    """

    id: str | None
    fingerprint: str | None
    index: str
    record: str
    full: str | None
    full_id: str | None
    incremental: bool
    skip_unchanged: bool
    unreadable: bool = False
    journal_mode: str | None = None


class ChainFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a chain: that of the snapshot with the id ``snapshot``, which builds on the one with the id ``base``.

    The image that it restores to has this ``fingerprint``, and this ``size`` in bytes.
    """

    snapshot: str
    path: str
    form: Form
    base: str | None
    fingerprint: str
    size: int


class SnapshotResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of ``snapshot``: either unchanged, so that nothing was written, or what the new archive holds."""

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
    """The result of ``replace``.

    ``identical`` is True if the new content was verified to be that of the snapshot, None if another connection wrote
    in the meantime. ``quarantine`` names what was kept of the old state, which ``put_back`` can restore.
    """

    integrity: IntegrityReport
    identical: bool | None
    quarantine: str | None
    left_out: tuple[str, ...] = ()
    """Sentences on what could not be restored as it was in the snapshot."""


class Recovery(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a replacement that was interrupted.

    ``restored`` is True if the database is the new one now, False if it is as it was before, None if somebody used it
    in the meantime, so that it was left as it is. ``message`` is the owner's sentence.
    """

    restored: bool | None
    message: str


class Engine(Protocol):
    """The working side for one kind of database.

    Every method blocks. It raises SnapshotError, OSError for the files of the repository, and what the watch raises;
    the worker translates every OSError.
    """

    name: ClassVar[str]

    def inspect(self, tables: tuple[str, ...] | None, watch: Watch) -> DatabaseState:
        """Return the state of the database, even if missing or damaged. Raises if it is busy or cannot be read."""

    def snapshot(
        self,
        target: Path,
        scratch: Path,
        head: Head,
        tables: tuple[str, ...] | None,
        parent: ParentSnapshot,
        watch: Watch,
    ) -> SnapshotResult:
        """Write one consistent state to ``target``, as ``parent`` allows, and verify it by reading it back.

        ``scratch`` is a folder for temporary files. The rows of ``tables`` are counted: if it is empty, those of every
        table; if it is None, an incremental counts none.
        """

    def rebuild(self, chain: Sequence[ChainFile], image: Path, watch: Watch, *, fresh: bool = False) -> Level:
        """Rebuild the last snapshot of a chain as ``image``. Raises SnapshotDamaged if the chain does not give it.

        With ``fresh`` it is rebuilt from the archives even if the engine has the same state elsewhere. Returns the
        level of verification that a passed ``check_image`` then means: ``restored``, or ``checksum`` if the archives
        were only read. If the engine keeps data outside ``image``, ``discard`` or ``replace`` removes it.
        """

    def discard(self, image: Path, watch: Watch) -> None:
        """Remove what ``rebuild`` created outside ``image``, if there is anything and ``replace`` has not used it.

        An engine that creates nothing there inherits this method.
        """
        return None  # noqa: RET501 - not abstract

    def verify(self, chain: Sequence[ChainFile], scratch: Path, watch: Watch) -> None:
        """Verify that a chain restores to its last snapshot. Raises SnapshotDamaged if it does not."""

    def export(
        self, chain: Sequence[ChainFile], target: Path, scratch: Path, head: Head, record: Path, watch: Watch
    ) -> None:
        """Write the last snapshot of a chain to ``target`` as a verified full.

        ``record`` is the path of the record of members, as in ``ParentSnapshot``.
        """

    def take_in(
        self,
        source: Path,
        target: Path,
        scratch: Path,
        head: Head,
        known: tuple[str, ...],
        checks: Checks,
        watch: Watch,
    ) -> SnapshotResult:
        """Write a file from elsewhere, a database or an archive of one, to ``target`` as a verified full.

        The file is only read. Raises ImportRefused for anything else, SnapshotDamaged or DatabaseDamaged for what
        cannot be restored, and AnotherDatabase if it has none of the tables ``known`` (empty: any will do).
        """

    def check_image(self, image: Path, checks: Checks, watch: Watch) -> IntegrityReport:
        """Check a rebuilt image as thoroughly as ``integrity`` checks the database."""

    def integrity(self, checks: Checks, scratch: Path, watch: Watch) -> IntegrityReport:
        """Check the database. Damage is a finding; a database that is busy or cannot be read raises an error."""

    def replace(
        self,
        image: Path,
        method: Method,
        quarantine: Path,
        details: dict[str, Any],
        checks: Checks,
        watch: Watch,
        *,
        record: Path | None = None,
        stopped: bool = False,
    ) -> ReplaceResult:
        """Replace the content of the database by ``image`` and check it. A crash leaves the old or the new state.

        With Method.SWAP the damaged files go to the folder ``quarantine``, and each step is written down in ``record``
        first. ``stopped`` says that nobody uses the database, where that cannot be found out. An engine that keeps the
        old state elsewhere names it after that folder.
        """

    def keep(self, image: Path, moment: str, watch: Watch) -> str:
        """Keep a rebuilt image for looking at, read-only, and return the name by which it can be opened.

        ``moment`` is the time of the snapshot as its file names it; ``clean_up`` removes the image after an hour. An
        engine whose images are files of their own inherits this.
        """
        return str(image)

    def clean_up(self, scratch_age: float, kept_age: float, watch: Watch) -> tuple[str, ...]:
        """Remove what unfinished operations and earlier restores left outside the repository; return its names.

        Leftovers of operations are removed if they are older than ``scratch_age`` seconds, replaced states if older
        than ``kept_age``. An engine that leaves nothing there inherits this method.
        """
        return ()

    def put_back(self, quarantine: Path, watch: Watch, *, record: Path | None = None) -> None:
        """Undo a swap: move the files in ``quarantine`` back. Raises DatabaseMissing if there are none."""

    def recover(self, record: Path | None, watch: Watch) -> Recovery | None:
        """Finish or undo a replacement that was interrupted, by its ``record``; None if there was none.

        An engine whose replacement is a transaction inherits this method.
        """
        return None

    def finish(self, watch: Watch) -> bool:
        """Clean up when the bot goes down, if nobody else has the database open; return True if there was anything.

        Raises DatabaseBusy if somebody has. An engine that has nothing to clean up inherits this method.
        """
        return False


class Position(NamedTuple):
    """A position in the log of a database, in bytes. Only positions in the same ``log`` can be compared."""

    log: str
    offset: int


class Probe(Protocol):
    """The watching side for one kind of database, in the bot's process."""

    async def token(self) -> str | None:
        """Return a token that changes with every commit by any connection, or None if it is unknown."""

    async def position(self) -> Position | None:
        """Return the current position in the database's log, or None if it has no log that all processes see.

        Earlier commits are in every snapshot whose ``details`` have a later position (``log`` and ``position``).
        """

    async def identity(self) -> str | None:
        """Return what tells this database from every other one of its kind, or None if that is unknown now.

        For a file its absolute path; for a server its system identifier and the database's name.
        """

    async def size(self) -> int:
        """Return the size of the database in bytes, 0 if it does not exist."""

    async def remarks(self) -> tuple[str, ...]:
        """Return sentences for the status that the owner should know about the engine, usually none."""

    async def lacking(self) -> tuple[str, ...]:
        """Return sentences on what a snapshot needs and this machine lacks, such as the server's programs."""

    async def users(self) -> tuple[str, ...] | None:
        """Return the other processes that have the database open, by name; None if that cannot be told."""

    async def create_restore_point(self, name: str) -> None:
        """Create a named restore point in the database's log, for its own tools. Raises DatabaseUnavailable."""

    async def join(self, group: str, *, eligible: bool) -> bool:
        """Join the processes that share a repository. Returns True if this one is the leader, which keeps the schedule.

        One of the ``eligible`` members of a ``group`` is the leader, until it ends or loses its connection, so this is
        called again from time to time. If the engine cannot tell processes apart, each eligible one is a leader.
        """

    async def leave(self, group: str) -> bool:
        """Leave the group. Returns True if no other member is left."""

    async def close(self) -> None:
        """Release the database. The next call of ``token`` opens it again; ``join`` must be called again."""
