"""Connecting to the server beside the game's database: a database cannot be made or renamed from within."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from ...errors import DatabaseDamaged, DatabaseMissing, DatabaseUnavailable, SnapshotError
from ...progress import Watch
from .address import Address
from .session import Session, connected

__all__ = ["beside"]

_PLACES = ("postgres", "template1")


@contextlib.contextmanager
def beside(address: Address, watch: Watch, *, lock_timeout: float, patience: float = 0.0) -> Iterator[Session]:
    """Give a session in a database of the server that is not the game's; raises like ``connected``."""
    with contextlib.ExitStack() as stack:
        yield _first(stack, address, watch, lock_timeout, patience)


def _first(
    stack: contextlib.ExitStack, address: Address, watch: Watch, lock_timeout: float, patience: float
) -> Session:
    refused: SnapshotError | None = None
    for name in _PLACES:
        if name == address.database:
            continue
        place = connected(address.with_database(name), watch, lock_timeout=lock_timeout, patience=patience)
        try:
            return stack.enter_context(place)
        except (DatabaseMissing, DatabaseUnavailable, DatabaseDamaged) as error:
            refused = refused or error
    assert refused is not None
    if isinstance(refused, DatabaseMissing):
        raise DatabaseUnavailable(
            f"{address.shown} has neither a database postgres nor template1 to work from; create one of them."
        ) from refused
    raise refused
