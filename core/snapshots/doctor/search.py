"""Where the bot's database is: its settings, its environment, its ``.env``, or the files below its folder."""

from __future__ import annotations

import datetime as dt
import os
import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

from ..errors import SettingsError
from ..settings.database_url import DatabaseUrl, parse
from .models import Candidate

__all__ = ["best", "candidates", "is_at_rest", "url_in_dotenv", "url_of"]

_SUFFIXES = (".db", ".db3", ".sqlite", ".sqlite3", ".s3db")
_SKIPPED = {"node_modules", "site-packages", "venv", "env", "__pycache__", "backups", "quarantine", "lost+found"}
_DEEPEST = 5
_HEADER = b"SQLite format 3\0"
_VARIABLES = (
    "DATABASE_URL",
    "DB_URL",
    "DATABASE_URI",
    "DB_URI",
    "POSTGRES_URL",
    "POSTGRESQL_URL",
    "SQLALCHEMY_DATABASE_URI",
)
_LINE = re.compile(r"\s*(?:export\s+)?([A-Za-z_]\w*)\s*=\s*(.*?)\s*$")


def candidates(root: Path, repository: Path) -> tuple[Candidate, ...]:
    """Return the SQLite databases below a folder, the one that was changed last first; snapshots are left out."""
    found = [found for path in _files(root, repository) if (found := _candidate(path, root)) is not None]
    return tuple(sorted(found, key=lambda each: each.changed_at, reverse=True))


def best(found: tuple[Candidate, ...]) -> Candidate | None:
    """Return the candidate that is most likely the game's: of those with rows the one that was changed last."""
    return next((each for each in found if each.rows), next((each for each in found if each.tables), None))


def url_of(candidate: Candidate) -> str:
    """Return the URL of a file as the settings write it: relative where it lies below the working directory."""
    path = Path(candidate.path).as_posix().replace("%", "%25").replace("#", "%23").replace("?", "%3F")
    return f"sqlite:///{path}"


def url_in_dotenv(root: Path) -> tuple[DatabaseUrl, str] | None:
    """Return the database that ``.env`` names, and its variable; None if it names none that can be used."""
    values = _dotenv(root / ".env")
    for name in _VARIABLES:
        try:
            if values.get(name):
                return parse(values[name]), name
        except SettingsError:
            continue
    return None


def _dotenv(path: Path) -> Mapping[str, str]:
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return {}
    found = {}
    for line in lines:
        entry = _LINE.fullmatch(line)
        if entry is not None:
            value = entry[2]
            quoted = re.fullmatch(r"""(["'])(.*)\1(?:\s+#.*)?""", value)
            found[entry[1]] = quoted[2] if quoted else value.split(" #")[0].strip()
    return found


def _files(root: Path, repository: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(root):
        here = Path(folder)
        deep = len(here.relative_to(root).parts) >= _DEEPEST
        folders[:] = [] if deep else [name for name in sorted(folders) if _is_searched(here / name, repository)]
        yield from (here / name for name in sorted(names) if name.lower().endswith(_SUFFIXES))


def _is_searched(folder: Path, repository: Path) -> bool:
    hidden = folder.name.startswith(".") or folder.name in _SKIPPED
    return not hidden and folder != repository and not (folder / "pyvenv.cfg").exists()


def _candidate(path: Path, root: Path) -> Candidate | None:
    try:
        with path.open("rb") as file:
            if file.read(len(_HEADER)) != _HEADER:
                return None
        status = path.stat()
        log = path.with_name(path.name + "-wal")
        changed = max(status.st_mtime, log.stat().st_mtime if log.exists() else 0.0)
        tables, rows = _counted(path)
    except (OSError, sqlite3.Error):
        return None
    return Candidate(
        path=str(path.relative_to(root)),
        size=status.st_size,
        changed_at=dt.datetime.fromtimestamp(changed, dt.UTC),
        tables=tables,
        rows=rows,
    )


def is_at_rest(path: Path) -> bool:
    """Return True for a database in WAL mode that nobody has open.

    Even a reading connection would make its ``-wal`` and ``-shm`` files, and as another user lock the bot out.
    """
    with path.open("rb") as file:
        header = file.read(20)
    return header[18:20] == b"\2\2" and not path.with_name(path.name + "-wal").exists()


def _counted(path: Path) -> tuple[int, int]:
    """Return how many tables a database has, and how many of them hold a row."""
    options = "mode=ro&immutable=1" if is_at_rest(path) else "mode=ro"
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?{options}", uri=True, timeout=2.0)) as connection:
        names = [
            str(name)
            for (name,) in connection.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
            )
        ]
        filled = 0
        for name in names:
            quoted = name.replace('"', '""')
            filled += connection.execute(f'SELECT 1 FROM "{quoted}" LIMIT 1').fetchone() is not None
        return len(names), filled
