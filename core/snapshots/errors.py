"""All errors of the core, as one tree.

    SnapshotError
    ├── SettingsError            a setting is unknown, has the wrong type or a value that is not allowed
    ├── Busy                     another operation holds the exclusive lock
    ├── SnapshotNotFound         no snapshot has this id
    │   └── AmbiguousSnapshot    several have this prefix
    ├── SnapshotDamaged          the stored bytes do not match what was recorded
    ├── CatalogError             the catalog cannot be used
    │   └── CatalogTooNew        it was written by a newer Savepoint
    ├── RepositoryError          the repository folder cannot be used (permissions, not a folder, input/output)
    │   ├── NotEnoughSpace       writing would leave less than the minimum free
    │   └── RepositoryVanished   it had snapshots, and has none now or lies on another disk
    ├── DatabaseError
    │   ├── DatabaseBusy         somebody held a lock until the deadline
    │   ├── DatabaseMissing      there is no database at this path or address
    │   ├── DatabaseDamaged      the database exists, but is damaged
    │   └── DatabaseUnavailable  permissions or input/output; this does not mean damage
    │       └── RestoreTestUnavailable   a test restore is not possible here
    ├── RestoreFailed            the restore did not happen, or was undone
    │   ├── PlanOutdated         the state changed since the plan was shown
    │   └── StateUnfit           the state in the snapshot would not repair the database
    ├── QueryError               a question about the past that cannot be answered: an unknown table, a wrong key
    ├── ImportRefused            a file cannot become a snapshot of this repository
    ├── AnotherDatabase          the repository belongs to another database
    ├── DeadlineExceeded         the operation took longer than its deadline
    ├── OperationCancelled       the operation was told to stop
    └── WorkerFailed             the worker died or sent an invalid answer

Each error has its data as attributes, and ``str(error)`` is a message for the owner: what happened, and what to do. The
worker sends errors to the bot with ``to_wire`` and ``from_wire``, which keep the class and the data.
"""

from __future__ import annotations

from typing import Any, ClassVar

from .units import printable_lines

__all__ = [
    "AmbiguousSnapshot",
    "AnotherDatabase",
    "Busy",
    "CatalogError",
    "CatalogTooNew",
    "DatabaseBusy",
    "DatabaseDamaged",
    "DatabaseError",
    "DatabaseMissing",
    "DatabaseUnavailable",
    "DeadlineExceeded",
    "ImportRefused",
    "NotEnoughSpace",
    "OperationCancelled",
    "PlanOutdated",
    "QueryError",
    "RepositoryError",
    "RepositoryVanished",
    "RestoreFailed",
    "RestoreTestUnavailable",
    "SettingsError",
    "SnapshotDamaged",
    "SnapshotError",
    "SnapshotNotFound",
    "StateUnfit",
    "WorkerFailed",
]


class SnapshotError(Exception):
    """The root of all errors that Savepoint raises on purpose. ``data`` can be read as attributes."""

    exit_code: ClassVar[int] = 1
    """The exit status of the shell: 1 failed, 2 wrong usage, 3 busy, 4 damaged."""

    def __init__(self, message: str, **data: Any) -> None:
        # A message quotes files that others may have written, and ends in logs and on terminals.
        self.message = printable_lines(message)
        super().__init__(self.message)
        self.data = data

    def __getattr__(self, name: str) -> Any:
        data: dict[str, Any] = self.__dict__.get("data", {})
        if name in data:
            return data[name]
        raise AttributeError(f"{type(self).__name__} has no {name!r}")

    def __str__(self) -> str:
        return self.message

    def to_wire(self) -> dict[str, Any]:
        """Return a document, convertible to JSON, from which ``from_wire`` makes the same error."""
        return {"code": type(self).__name__, "message": self.message, "data": self.data}


class SettingsError(SnapshotError):
    """A setting cannot be used; see ``key``, ``value`` and ``allowed``."""

    exit_code = 2


class Busy(SnapshotError):
    """Another operation holds the exclusive lock; ``operation`` and ``pid`` are those of the holder, if known."""

    exit_code = 3


class SnapshotNotFound(SnapshotError, LookupError):
    """No snapshot has the id in ``snapshot_id``."""

    exit_code = 2


class AmbiguousSnapshot(SnapshotNotFound):
    """Several snapshots begin with ``snapshot_id``; ``matches`` lists them."""


class SnapshotDamaged(SnapshotError):
    """The file of ``snapshot_id`` does not match what was recorded."""

    exit_code = 4


class CatalogError(SnapshotError):
    """The catalog at ``path`` cannot be used."""

    exit_code = 4


class CatalogTooNew(CatalogError):
    """The catalog has format ``found``; this version reads up to ``supported``."""

    exit_code = 1


class RepositoryError(SnapshotError, OSError):
    """The repository folder cannot be used."""


class NotEnoughSpace(RepositoryError):
    """Writing ``needed`` of the ``free`` bytes would leave less than ``minimum``."""


class DatabaseError(SnapshotError):
    """The root of errors of the game's database."""


class DatabaseBusy(DatabaseError, TimeoutError):
    """Somebody held a lock on the database until the deadline."""

    exit_code = 3


class DatabaseMissing(DatabaseError, FileNotFoundError):
    """There is no database at the address in the settings."""


class DatabaseDamaged(DatabaseError):
    """The database exists, but is damaged; ``detail`` is the engine's message."""

    exit_code = 4


class DatabaseUnavailable(DatabaseError, OSError):
    """Permissions, input/output or a wrong path prevent access; this does not mean damage."""


class RestoreTestUnavailable(DatabaseUnavailable):
    """A test restore is not possible here, so no snapshot can be verified by ``restored``; restores are possible."""


class RestoreFailed(SnapshotError):
    """The restore did not happen, or was undone; ``safety`` is the id of the safety snapshot, if there is one."""


class PlanOutdated(RestoreFailed):
    """The database or the snapshots changed since the plan was made; a new plan must be shown first."""


class QueryError(SnapshotError, ValueError):
    """A question about the past that cannot be answered: an unknown table, a key of another type, SQL that is wrong."""

    exit_code = 2


class ImportRefused(SnapshotError):
    """The file at ``path`` is nothing that can become a snapshot of this repository; nothing was changed."""


class StateUnfit(RestoreFailed):
    """The state in the snapshot would not repair the database, so it was not restored automatically."""


class AnotherDatabase(SnapshotError):
    """The repository belongs to the database ``recorded``, and the settings name the database ``present``."""

    exit_code = 2


class RepositoryVanished(RepositoryError):
    """The repository had snapshots, and its folder is empty, gone, or on another disk than before."""


class DeadlineExceeded(SnapshotError, TimeoutError):
    """The operation did not end within ``seconds``, which is the value of ``setting`` if one limits it."""


class OperationCancelled(SnapshotError):
    """The operation was told to stop; nothing half-done is left."""


class WorkerFailed(SnapshotError):
    """The worker died or sent an invalid answer; see ``exit_status`` and ``stderr``."""


def _tree(root: type[SnapshotError]) -> dict[str, type[SnapshotError]]:
    found = {root.__name__: root}
    for child in root.__subclasses__():
        found.update(_tree(child))
    return found


def from_wire(document: dict[str, Any]) -> SnapshotError:
    """Return the error that ``to_wire`` describes; an unknown class becomes WorkerFailed."""
    kind = _tree(SnapshotError).get(str(document.get("code")), WorkerFailed)
    return kind(str(document.get("message", "the worker failed without saying why")), **document.get("data", {}))
