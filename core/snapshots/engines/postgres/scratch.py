"""The databases that Savepoint makes on a server, found again by their names after a crash.

``savepoint_scratch_GAME_TIME_RANDOM`` holds a rebuilt snapshot while it is checked and until it replaces the game's
database. ``GAME_before_TIME`` is what a restore replaced. GAME is the database's name, shortened and followed by a hash
if it is long: a name has 63 bytes at most. TIME is in seconds since 1970 in the first and the restore's time in the
second. ``GAME_as_of_TIME`` is a rebuilt snapshot that was kept for looking at, TIME that of the snapshot; when
it was kept stands in its comment.

``Image`` is the file that stands for a rebuilt snapshot: it names the scratch database, or only the archive if the role
may not create databases and the archive is loaded in place.
"""

from __future__ import annotations

import calendar
import contextlib
import hashlib
import re
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from ...errors import SnapshotDamaged
from ..base import ChainFile
from .loading.archive_events import Content
from .loading.left_out import LeftOut
from .metadata.model import DatabaseProperties
from .metadata.read import read_properties
from .session import Session, literal, quoted

__all__ = [
    "Image",
    "Leftover",
    "create_scratch",
    "drop",
    "exists",
    "is_scratch",
    "keep_for_looking",
    "kept_databases",
    "kept_for_looking",
    "kept_name",
    "may_create",
    "opened",
    "scratch_databases",
]


_LONGEST = 63
_SCRATCH = "savepoint_scratch_"
_AS_OF = "_as_of_"
_KEPT_AT = "Savepoint kept this snapshot for looking at, in seconds since 1970: "
_MAY_USE_TABLESPACE = """
SELECT coalesce((SELECT pg_catalog.has_tablespace_privilege(oid, 'CREATE')
                   FROM pg_catalog.pg_tablespace WHERE spcname = $1), false)
"""


class Leftover(NamedTuple):
    """A database that Savepoint made, and its age in seconds."""

    name: str
    age: float


def _shortened(database: str, limit: int) -> str:
    raw = database.encode()
    if len(raw) <= limit:
        return database
    return raw[: limit - 9].decode(errors="ignore") + "_" + hashlib.sha256(raw).hexdigest()[:8]


def _scratch_prefix(database: str) -> str:
    return f"{_SCRATCH}{_shortened(database, 24)}_"


def _stamp(moment: str) -> str:
    return re.sub(r"[^A-Za-z0-9]", "", moment).lower()[:24]


def kept_name(database: str, moment: str) -> str:
    """Return the name under which a restore keeps the database that it replaced."""
    stamp = _stamp(moment)
    return f"{_shortened(database, _LONGEST - len('_before_') - len(stamp))}_before_{stamp}"


def exists(session: Session, name: str) -> bool:
    """Return True if the server has a database of this name."""
    return bool(session.value("SELECT count(*) FROM pg_catalog.pg_database WHERE datname = $1", name))


def may_create(session: Session) -> bool:
    """Return True if the role may create databases."""
    return bool(session.value("SELECT rolcreatedb OR rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user"))


def create_scratch(session: Session, database: str, properties: DatabaseProperties | None) -> str:
    """Create an empty database for rebuilding ``database``, and return its name.

    It gets the encoding, locale and tablespace in ``properties``, or those of ``database`` as it is now.
    """
    if properties is None:
        with contextlib.suppress(LookupError):
            properties = read_properties(session, database)
    options = " ENCODING 'UTF8'" if properties is None else _options(session, properties)
    name = f"{_scratch_prefix(database)}{int(time.time())}_{secrets.token_hex(4)}"
    session.execute(f"CREATE DATABASE {quoted(name)} TEMPLATE template0{options}")
    return name


def _options(session: Session, properties: DatabaseProperties) -> str:
    locale = properties.locale
    parts = [
        f"ENCODING {literal(properties.encoding)}",
        f"LC_COLLATE {literal(properties.collate)}",
        f"LC_CTYPE {literal(properties.ctype)}",
    ]
    if properties.provider == "i" and locale and session.version >= 15:
        parts += ["LOCALE_PROVIDER icu", f"ICU_LOCALE {literal(locale)}"]
        if properties.rules and session.version >= 16:
            parts.append(f"ICU_RULES {literal(properties.rules)}")
    elif properties.provider == "b" and locale and session.version >= 17:
        parts += ["LOCALE_PROVIDER builtin", f"BUILTIN_LOCALE {literal(locale)}"]
    if properties.tablespace != "pg_default" and session.value(_MAY_USE_TABLESPACE, properties.tablespace):
        parts.append(f"TABLESPACE {quoted(properties.tablespace)}")
    return " " + " ".join(parts)


@contextlib.contextmanager
def opened(session: Session, name: str) -> Iterator[None]:
    """Allow connections to a database while the block runs, if a restore kept it; scratch databases allow them."""
    if is_scratch(name):
        yield
        return
    session.execute(f"ALTER DATABASE {quoted(name)} WITH ALLOW_CONNECTIONS true")
    try:
        yield
    finally:
        session.execute(f"ALTER DATABASE {quoted(name)} WITH ALLOW_CONNECTIONS false")


def is_scratch(name: str) -> bool:
    """Return True if this is the name of a scratch database."""
    return name.startswith(_SCRATCH)


def drop(session: Session, name: str) -> None:
    """Drop a database and end its sessions; do nothing if it does not exist."""
    if session.value("SELECT datistemplate FROM pg_catalog.pg_database WHERE datname = $1", name):
        session.execute(f"ALTER DATABASE {quoted(name)} WITH IS_TEMPLATE false")
    session.execute(f"DROP DATABASE IF EXISTS {quoted(name)} WITH (FORCE)")


def keep_for_looking(session: Session, scratch: str, database: str, moment: str) -> str:
    """Give a scratch database the name that says of which moment it is, read-only, and return that name.

    It belongs to the role, and only the role may connect. A database kept for the same moment before is replaced.
    """
    stamp = _stamp(moment)
    name = f"{_shortened(database, _LONGEST - len(_AS_OF) - len(stamp))}{_AS_OF}{stamp}"
    drop(session, name)
    session.execute(f"ALTER DATABASE {quoted(scratch)} SET default_transaction_read_only = on")
    session.execute(f"REVOKE CONNECT ON DATABASE {quoted(scratch)} FROM PUBLIC")
    session.execute(f"COMMENT ON DATABASE {quoted(scratch)} IS {literal(f'{_KEPT_AT}{int(time.time())}')}")
    session.execute(f"ALTER DATABASE {quoted(scratch)} RENAME TO {quoted(name)}")
    return name


def kept_for_looking(session: Session, database: str) -> tuple[Leftover, ...]:
    """Return the rebuilt snapshots of ``database`` that were kept for looking at, with how long ago."""
    found = []
    for name, comment in session.rows(
        "SELECT datname, pg_catalog.shobj_description(oid, 'pg_database') FROM pg_catalog.pg_database "
        "WHERE pg_catalog.shobj_description(oid, 'pg_database') LIKE $1",
        f"{_KEPT_AT}%",
    ):
        stamp, kept_at = str(name).rpartition(_AS_OF)[2], str(comment).removeprefix(_KEPT_AT)
        own = f"{_shortened(database, _LONGEST - len(_AS_OF) - len(stamp))}{_AS_OF}{stamp}"
        if name == own and kept_at.isdigit():
            found.append(Leftover(str(name), time.time() - int(kept_at)))
    return tuple(found)


def scratch_databases(session: Session, database: str) -> tuple[Leftover, ...]:
    """Return the scratch databases that were made for ``database``."""
    pattern = re.compile(re.escape(_scratch_prefix(database)) + r"(\d{9,12})_[0-9a-f]{8}")
    names = (str(name) for (name,) in session.rows("SELECT datname FROM pg_catalog.pg_database"))
    found = ((name, pattern.fullmatch(name)) for name in names)
    return tuple(Leftover(name, time.time() - int(match[1])) for name, match in found if match)


def kept_databases(session: Session, database: str) -> tuple[Leftover, ...]:
    """Return the databases that restores of ``database`` replaced and kept, newest first."""
    pattern = re.compile(r".*_before_(\d{8}t\d{6})\d*z\w*", re.DOTALL)
    names = (str(name) for (name,) in session.rows("SELECT datname FROM pg_catalog.pg_database"))
    found = []
    for name in names:
        match = pattern.fullmatch(name)
        if match and name == kept_name(database, name.rpartition("_before_")[2]):
            taken = calendar.timegm(time.strptime(match[1], "%Y%m%dt%H%M%S"))
            found.append(Leftover(name, time.time() - taken))
    return tuple(sorted(found, key=lambda each: each.age))


class Image(msgspec.Struct, frozen=True):
    """A rebuilt snapshot: the scratch ``database`` that was made from the archive ``part``, None if there is none.

    ``left_out`` could not be made in it, and ``differences`` are all sentences on how it differs from the snapshot.
    """

    database: str | None
    part: ChainFile
    content: Content
    left_out: tuple[LeftOut, ...] = ()
    differences: tuple[str, ...] = ()

    def save(self, path: Path) -> None:
        """Write this to a new file."""
        with path.open("xb") as file:
            file.write(msgspec.json.encode(self))

    @staticmethod
    def read(path: Path) -> Image:
        """Return the image that a file describes; raises SnapshotDamaged if it describes none."""
        try:
            return msgspec.json.decode(path.read_bytes(), type=Image)
        except (OSError, msgspec.DecodeError) as error:
            raise SnapshotDamaged(f"The note {path.name} of a rebuilt snapshot is lost.", path=str(path)) from error
