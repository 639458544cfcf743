"""Everything that can go wrong in the engine room, as one tree.

    SnapshotError
    ├── SettingsError            a setting is unknown, has the wrong type or a value that is not allowed
    ├── Busy                     another operation has the repository
    ├── SnapshotNotFound         no snapshot has this id
    │   └── AmbiguousSnapshot    several have this prefix
    ├── SnapshotDamaged          the stored bytes do not give back what was recorded
    ├── CatalogError             the catalog cannot be used
    │   └── CatalogTooNew        it was written by a newer Savepoint
    ├── RepositoryError          the repository folder cannot be used (permissions, not a folder, input/output)
    │   ├── NotEnoughSpace       writing would leave less than the minimum free
    │   └── RepositoryVanished   it had snapshots, and has none now or lies on another disk
    ├── DatabaseError
    │   ├── DatabaseBusy         somebody held a lock until the deadline
    │   ├── DatabaseMissing      there is no database at that place
    │   ├── DatabaseDamaged      it is there and is not a sound database
    │   └── DatabaseUnavailable  permissions or input/output: says nothing about damage
    │       └── RestoreTestUnavailable  snapshots cannot be rebuilt for a test restore here
    ├── RestoreFailed            the restore did not happen, or was taken back
    │   ├── PlanOutdated         the state changed since the plan was shown
    │   └── StateUnfit           the state in the snapshot would not mend the database
    ├── QueryError               a question about the past that cannot be answered: an unknown table, a wrong key
    ├── AnotherDatabase          the repository belongs to another database
    ├── DeadlineExceeded         the operation took longer than its deadline
    ├── OperationCancelled       the operation was told to stop
    └── WorkerFailed             the child process died or spoke nonsense

Each class carries its data as attributes, and ``str(error)`` is a sentence fit for the owner: what happened, and what
to do. A class survives the way from the worker to the bot as ``code`` and ``data`` (see ``to_wire`` and ``from_wire``).
"""

from __future__ import annotations

from typing import Any, ClassVar

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
    """The root: catch this to catch everything that Savepoint raises on purpose."""

    exit_code: ClassVar[int] = 1
    """What the shell returns for it: 1 failed, 2 wrong usage, 3 busy, 4 damaged."""

    def __init__(self, message: str, **data: Any) -> None:
        """Take the owner's sentence, and the facts behind it as keyword arguments that become attributes."""
        super().__init__(message)
        self.message = message
        self.data = data

    def __getattr__(self, name: str) -> Any:
        data: dict[str, Any] = self.__dict__.get("data", {})
        if name in data:
            return data[name]
        raise AttributeError(f"{type(self).__name__} has no {name!r}")

    def __str__(self) -> str:
        return self.message

    def to_wire(self) -> dict[str, Any]:
        """Give a JSON-ready document that ``from_wire`` turns back into the same error."""
        return {"code": type(self).__name__, "message": self.message, "data": self.data}


class SettingsError(SnapshotError):
    """A setting cannot be used; ``key``, ``value`` and ``allowed`` say which, what it was and what it may be."""

    exit_code = 2


class Busy(SnapshotError):
    """Another operation has the repository; ``operation`` and ``pid`` name it where they are known."""

    exit_code = 3


class SnapshotNotFound(SnapshotError, LookupError):
    """No snapshot has the id in ``snapshot_id``."""

    exit_code = 2


class AmbiguousSnapshot(SnapshotNotFound):
    """Several snapshots begin with ``snapshot_id``; ``matches`` lists them."""


class SnapshotDamaged(SnapshotError):
    """The file of ``snapshot_id`` does not give back what was recorded for it."""

    exit_code = 4


class CatalogError(SnapshotError):
    """The catalog at ``path`` cannot be used as it is."""

    exit_code = 4


class CatalogTooNew(CatalogError):
    """The catalog has format ``found``; this version reads up to ``supported``."""

    exit_code = 1


class RepositoryError(SnapshotError, OSError):
    """The repository folder cannot be used."""


class NotEnoughSpace(RepositoryError):
    """Writing ``needed`` bytes would leave less than ``minimum`` of the ``free`` ones."""


class DatabaseError(SnapshotError):
    """The root of what concerns the game's database."""


class DatabaseBusy(DatabaseError, TimeoutError):
    """Somebody held a lock on the database until the deadline."""

    exit_code = 3


class DatabaseMissing(DatabaseError, FileNotFoundError):
    """There is no database where the settings say."""


class DatabaseDamaged(DatabaseError):
    """The database is there and is not sound; ``detail`` is the engine's own word for it."""

    exit_code = 4


class DatabaseUnavailable(DatabaseError, OSError):
    """Permissions, input/output or a wrong path: says nothing about whether the data is sound."""


class RestoreTestUnavailable(DatabaseUnavailable):
    """Snapshots cannot be rebuilt for proof here, so nothing is proven by ``restored``; they can be restored."""


class RestoreFailed(SnapshotError):
    """The restore did not happen, or was taken back; ``safety`` names the way back where there is one."""


class PlanOutdated(RestoreFailed):
    """The database or the snapshots changed since the plan was made: look at a new one first."""


class QueryError(SnapshotError, ValueError):
    """A question about the past that cannot be answered: an unknown table, a key of another type, SQL that is wrong."""

    exit_code = 2


class StateUnfit(RestoreFailed):
    """The state in the snapshot would not mend the database, so it was not restored by itself."""


class AnotherDatabase(SnapshotError):
    """The repository belongs to the database ``recorded``, and the settings name the database ``present``."""

    exit_code = 2


class RepositoryVanished(RepositoryError):
    """The repository had snapshots, and its folder is empty, gone, or on another disk than before."""


class DeadlineExceeded(SnapshotError, TimeoutError):
    """The operation did not end within ``seconds``; nothing half-done is left."""


class OperationCancelled(SnapshotError):
    """The operation was told to stop; nothing half-done is left."""


class WorkerFailed(SnapshotError):
    """The worker process died or answered nonsense; ``exit_status`` and ``stderr`` tell how."""


def _tree(root: type[SnapshotError]) -> dict[str, type[SnapshotError]]:
    found = {root.__name__: root}
    for child in root.__subclasses__():
        found.update(_tree(child))
    return found


def from_wire(document: dict[str, Any]) -> SnapshotError:
    """Give back the error that ``to_wire`` described; an unknown code becomes ``WorkerFailed``."""
    kind = _tree(SnapshotError).get(str(document.get("code")), WorkerFailed)
    return kind(str(document.get("message", "the worker failed without saying why")), **document.get("data", {}))
