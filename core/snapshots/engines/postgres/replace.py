"""Put a rebuilt snapshot in the place of the game's database, with the rights and settings of the snapshot."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import msgspec

from ...errors import DatabaseDamaged, DatabaseMissing, DatabaseUnavailable
from ...progress import Watch
from .connection import Address
from .exchange import exchange
from .loading.left_out import sentences
from .loading.report import rest_of
from .metadata.model import Metadata
from .metadata.read import read_metadata, read_properties
from .metadata.restore import Attempts, property_statements, restore_rights
from .scratch import Image, drop, kept_databases, kept_name, opened
from .session import connected, maintenance_session, quoted

__all__ = ["Replaced", "replace_by_exchange"]


class Replaced(NamedTuple):
    """The name under which the replaced database was kept, None if there was none, and what could not be restored."""

    kept: str | None
    left_out: tuple[str, ...]


def replace_by_exchange(
    address: Address, busy_timeout: float, image: Image, quarantine: Path, watch: Watch
) -> Replaced:
    """Exchange a rebuilt database for the game's.

    Raises DatabaseBusy, with nothing changed, if a session that cannot be ended is in the way.
    """
    assert image.database is not None
    name, new, kept = address.database, image.database, kept_name(address.database, quarantine.name)
    wanted = image.content.metadata or _present(address, busy_timeout, watch)
    left_out = sentences(image.left_out)
    with maintenance_session(address, watch, lock_timeout=busy_timeout, patience=busy_timeout) as session:
        with opened(session, new), connected(address.with_database(new), watch, lock_timeout=busy_timeout) as inside:
            inside.execute("ANALYZE")
            if wanted is not None:
                attempts = Attempts(inside)
                restore_rights(inside, wanted, attempts)
                found = read_metadata(inside, new)
        if wanted is not None:
            outside = Attempts(session)
            for statement in property_statements(new, found.database, wanted.database):
                outside.run(statement)
            found = msgspec.structs.replace(found, database=read_properties(session, new))
            attempts.refused |= outside.refused
            left_out = rest_of(
                image.left_out, found, wanted, attempts, compare_definitions=image.content.metadata is not None
            )
    replaced = exchange(address, new, kept, busy_timeout, watch)
    watch.commit()
    with maintenance_session(address, watch, lock_timeout=busy_timeout, patience=busy_timeout) as session:
        for older in kept_databases(session, name):
            if older.name != kept:
                drop(session, older.name)
    return Replaced(kept if replaced else None, tuple(each.replace(quoted(new), quoted(name)) for each in left_out))


def _present(address: Address, busy_timeout: float, watch: Watch) -> Metadata | None:
    """Return the metadata of the database as it is now, for archives that hold none; None if it cannot be read."""
    try:
        with connected(address, watch, lock_timeout=busy_timeout) as session:
            return read_metadata(session, address.database)
    except (DatabaseMissing, DatabaseDamaged, DatabaseUnavailable):
        return None
