"""The examination: settings, then the database, then everything around it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..errors import SettingsError, SnapshotError
from ..history.questions import PlayerSettings
from ..progress import Watch
from ..settings import database_url
from ..settings.database_url import DatabaseUrl
from ..settings.schema import Settings, defaults, load
from ..settings.sources import DEFAULT_FILE, chosen_file
from . import surroundings
from .models import Candidate, Contents, Diagnosis, Problem
from .schema import read_contents
from .search import best, candidates, url_in_dotenv, url_of
from .surroundings import Finding

__all__ = ["examine"]

_SECONDS = 120.0
"""How long the database may be looked at."""


def examine(root: Path, config: Path | None = None, environment: Mapping[str, str] | None = None) -> Diagnosis:
    """Return what there is to say about a bot whose working directory is ``root``. Blocks; changes nothing.

    ``config`` names the settings file (None: the one that BACKUP_CONFIG names, or the default one if it is there).
    """
    environment = os.environ if environment is None else environment
    file = config or chosen_file(environment)
    findings: list[Finding] = []
    try:
        settings = load(file, environment)
    except SettingsError as error:
        settings = defaults()
        findings.append(Problem(check="settings", message=str(error), fix="Correct it, and run the doctor again."))
    repository = root / settings.repository.path
    found = candidates(root, repository)
    url, source = _database(root, settings, found)
    findings += _choice(found, source)
    contents = Contents(tables={})
    if url is None:
        findings.append(
            Problem(
                check="database",
                message=f"No database was found in {root}: neither settings nor .env name one, and no file is one.",
                fix="Start the bot once, so that it makes its database, or set DATABASE_URL; then ask again.",
            )
        )
    else:
        contents, looked = _looked_into(url.absolute(), settings)
        findings += looked
    findings += _around(root, repository, url, settings, contents)
    return Diagnosis(
        database=None if url is None else url.redacted,
        source=source,
        contents=contents,
        candidates=found,
        well=tuple(each for each in findings if isinstance(each, str)),
        problems=tuple(each for each in findings if isinstance(each, Problem)),
        settings=_missing_settings(settings, url, source, contents),
        settings_file=str(file or DEFAULT_FILE),
    )


def _database(root: Path, settings: Settings, found: tuple[Candidate, ...]) -> tuple[DatabaseUrl | None, str]:
    """Return the bot's database, and where it was named: settings, .env, the files, or "" if it was not found."""
    url = database_url.parse(settings.database.url)
    if settings.database.url != defaults().database.url or (root / (url.path or "")).is_file():
        return url, "settings"
    named = url_in_dotenv(root)
    if named is not None:
        return named[0], f".env ({named[1]})"
    likely = best(found)
    return (None, "") if likely is None else (database_url.parse(url_of(likely)), "files")


def _choice(found: tuple[Candidate, ...], source: str) -> Iterator[Finding]:
    others = [each.path for each in found if each.rows]
    if source == "files" and len(others) > 1:
        yield Problem(
            check="database",
            message=f"Several files are databases with rows: {', '.join(others)}; the one changed last is taken.",
            fix="Set database.url to the one that your players' data is in. Savepoint protects one.",
        )


def _looked_into(url: DatabaseUrl, settings: Settings) -> tuple[Contents, list[Finding]]:
    watch = Watch(deadline_at=time.monotonic() + _SECONDS, seconds=_SECONDS)
    try:
        history = settings.history
        asked = PlayerSettings(player=history.player, also=history.also, never=history.never)
        contents = read_contents(url, float(settings.database.busy_timeout), watch, asked)
    except ImportError as error:
        problem = Problem(check="driver", message=f"The database cannot be asked: {error}.", fix="See below.")
        return Contents(tables={}), [problem]
    except SnapshotError as error:
        fix = (
            "See docs/postgresql.md of Savepoint."
            if url.engine == "postgresql"
            else "Look at it: python -m core.snapshots integrity"
        )
        return Contents(tables={}), [Problem(check="database", message=str(error), fix=fix)]
    findings: list[Finding] = []
    if not contents.tables:
        findings.append(
            Problem(
                check="database",
                message=f"{url.redacted} has no tables.",
                fix="Start the bot once, so that it makes its tables, or set database.url to the right database.",
            )
        )
    missing = [name for name in settings.database.critical_tables if name not in contents.tables]
    if missing and contents.tables:
        findings.append(
            Problem(
                check="critical_tables",
                message=f"The settings call {', '.join(missing)} critical, and the database has no such table.",
                fix="Correct database.critical_tables.",
            )
        )
    findings += _players(contents)
    return contents, findings


def _players(contents: Contents) -> Iterator[Problem]:
    if contents.unnamed:
        named = json.dumps(contents.unnamed)
        yield Problem(
            check="history",
            message=f"In {', '.join(contents.unnamed)} are ids of players, and a rescue passes these rows by.",
            fix=f"[history] also = {named} if the rows belong to the players; if not, the same as never.",
        )
    if contents.unknown:
        yield Problem(
            check="history",
            message=f"[history] names {', '.join(contents.unknown)}, and the database has no such table or column.",
            fix="Correct history.also and history.never.",
        )


def _around(
    root: Path, repository: Path, url: DatabaseUrl | None, settings: Settings, contents: Contents
) -> Iterator[Finding]:
    engine = "sqlite" if url is None else url.engine
    yield from surroundings.packages(engine)
    yield from contents.remarks
    yield from (surroundings.lacking_programs(each) for each in contents.lacking)
    file = None if url is None or url.path is None else root / url.path
    size = file.stat().st_size if file is not None and file.is_file() else 0
    yield from surroundings.disk(repository, size, int(settings.repository.min_free))
    yield from surroundings.place("The folder of snapshots", repository, locks=False)
    if file is not None:
        yield from surroundings.place("The database", file, locks=True)
    yield from surroundings.git(root, repository)
    yield from surroundings.extension(root)


def _missing_settings(settings: Settings, url: DatabaseUrl | None, source: str, contents: Contents) -> dict[str, Any]:
    """Return what the settings file lacks. What the owner has set stays, and a password is never written down."""
    found: dict[str, Any] = {}
    standard = defaults()
    if url is not None and source != "settings" and url.redacted == url.text:
        found["database.url"] = url.text
    if contents.critical and settings.database.critical_tables == standard.database.critical_tables:
        found["database.critical_tables"] = contents.critical
    shipped = tuple(f"{each.table}.{each.column}" for each in standard.database.json_columns)
    unset = settings.database.json_columns == standard.database.json_columns
    if contents.tables and unset and contents.json_columns != shipped:
        found["database.json_columns"] = contents.json_columns
    if contents.player and not settings.history.player:
        found["history.player"] = contents.player
    return found
