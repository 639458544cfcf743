"""The databases that Savepoint makes on a server, found again by their names after a crash.

``savepoint_scratch_GAME_TIME_RANDOM`` holds a rebuilt snapshot while it is checked and until it replaces the game's
database. ``GAME_before_TIME`` is what a restore replaced. GAME is the database's name, shortened and followed by a hash
if it is long: a name has 63 bytes at most. TIME is in seconds since 1970 in the first and the restore's time in the
second.

``Image`` is the file that stands for a rebuilt snapshot: it names the scratch database, or only the archive if the role
may not create databases and the archive is loaded in place.
"""

from __future__ import annotations

import calendar
import hashlib
import re
import secrets
import time
from pathlib import Path
from typing import NamedTuple

import msgspec

from ...errors import SnapshotDamaged
from ..base import ChainFile
from .load import Content
from .session import Session, literal, quoted

__all__ = [
    "Image",
    "Leftover",
    "create_scratch",
    "drop",
    "exists",
    "is_scratch",
    "kept_databases",
    "kept_name",
    "may_create",
    "scratch_databases",
]


_LONGEST = 63
_SCRATCH = "savepoint_scratch_"


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


def kept_name(database: str, moment: str) -> str:
    """Return the name under which a restore keeps the database that it replaced."""
    stamp = re.sub(r"[^A-Za-z0-9]", "", moment).lower()[:24]
    return f"{_shortened(database, _LONGEST - len('_before_') - len(stamp))}_before_{stamp}"


def exists(session: Session, name: str) -> bool:
    """Return True if the server has a database of this name."""
    return bool(session.value("SELECT count(*) FROM pg_catalog.pg_database WHERE datname = $1", name))


def may_create(session: Session) -> bool:
    """Return True if the role may create databases."""
    return bool(session.value("SELECT rolcreatedb OR rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user"))


def create_scratch(session: Session, database: str) -> str:
    """Create an empty database with the encoding, locale and tablespace of ``database``, and return its name."""
    name = f"{_scratch_prefix(database)}{int(time.time())}_{secrets.token_hex(4)}"
    session.execute(f"CREATE DATABASE {quoted(name)} TEMPLATE template0{_likeness(session, database)}")
    return name


def _likeness(session: Session, database: str) -> str:
    provider = "datlocprovider::text" if session.version >= 15 else "'c'"
    locale = {15: "daticulocale", 16: "daticulocale"}.get(session.version, "datlocale")
    found = session.rows(
        f"""SELECT pg_catalog.pg_encoding_to_char(encoding), datcollate, datctype, datconnlimit, {provider},
                   {locale if session.version >= 15 else "NULL"}, t.spcname
              FROM pg_catalog.pg_database d JOIN pg_catalog.pg_tablespace t ON t.oid = d.dattablespace
             WHERE datname = $1""",
        database,
    )
    if not found:
        return " ENCODING 'UTF8'"
    encoding, collate, ctype, limit, kind, locale_name, space = found[0]
    parts = [f"ENCODING {literal(encoding)}", f"LC_COLLATE {literal(collate)}", f"LC_CTYPE {literal(ctype)}"]
    if kind == "i":
        parts += ["LOCALE_PROVIDER icu", f"ICU_LOCALE {literal(locale_name)}"]
    elif kind == "b":
        parts += ["LOCALE_PROVIDER builtin", f"BUILTIN_LOCALE {literal(locale_name)}"]
    if space != "pg_default":
        parts.append(f"TABLESPACE {quoted(space)}")
    if limit not in (-1, -2):
        parts.append(f"CONNECTION LIMIT {limit}")
    return " " + " ".join(parts)


def is_scratch(name: str) -> bool:
    """Return True if this is the name of a scratch database."""
    return name.startswith(_SCRATCH)


def drop(session: Session, name: str) -> None:
    """Drop a database and end its sessions; do nothing if it does not exist."""
    session.execute(f"DROP DATABASE IF EXISTS {quoted(name)} WITH (FORCE)")


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
    """A rebuilt snapshot: the scratch ``database`` that was made from the archive ``part``, None if there is none."""

    database: str | None
    part: ChainFile
    content: Content

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
