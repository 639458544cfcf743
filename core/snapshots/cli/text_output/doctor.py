"""The text of ``doctor``."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

from rich.console import RenderableType

from ...doctor import Diagnosis
from ...doctor.configuration import merged
from ...units import count_text, size_text
from .layout import BAD, GOOD, QUIET, SHOWN, Shown, ago, plain, sentence, table

__all__ = ["doctor_output"]


def doctor_output(found: Diagnosis, now: dt.datetime, *, written: bool) -> Shown:
    """Show a diagnosis: the database, what is well, what is not, and the settings."""
    return (*_database(found, now), *_checks(found), *_settings(found, written))


def _database(found: Diagnosis, now: dt.datetime) -> Iterator[RenderableType]:
    if found.database is None:
        yield sentence("No database was found.", BAD)
        return
    yield sentence(f"Database: {found.database} (from {found.source})")
    for each in found.candidates:
        changed = ago(each.changed_at, now)
        yield sentence(
            f"  {each.path}: {size_text(each.size)}, {count_text(each.tables, 'table')}, changed {changed}", QUIET
        )
    contents = found.contents
    if contents.tables:
        json_columns = [text.partition(":")[0] for text in contents.json_columns]
        grid = table("table", "rows>", "what")
        for name, rows in list(contents.tables.items())[:SHOWN]:
            notes = ["the players"] if contents.player.rpartition(".")[0] == name else []
            notes += [f"{text.rpartition('.')[2]} is JSON" for text in json_columns if text.rpartition(".")[0] == name]
            grid.add_row(plain(name), f"{rows:,}", plain(", ".join(notes)))
        yield grid
        if len(contents.tables) > SHOWN:
            yield sentence(f"{len(contents.tables) - SHOWN:,} more tables", QUIET)
    if contents.player:
        called = f" (or {', '.join(contents.called)})" if contents.called else ""
        yield sentence(f"Player: {contents.player}{called}, since {contents.player_why}.")
        referring = ", ".join(contents.references) or "nothing, so a rescue knows only the player's own row"
        yield sentence(f"  What refers to a player: {referring}.", QUIET)
    elif contents.player_why:
        yield sentence(contents.player_why, QUIET)


def _checks(found: Diagnosis) -> Iterator[RenderableType]:
    for text in found.well:
        yield sentence(f"✓ {text}", GOOD)
    for problem in found.problems:
        yield sentence(f"✗ {problem.message}", BAD)
        yield sentence(f"  {problem.fix}")


def _settings(found: Diagnosis, written: bool) -> Iterator[RenderableType]:
    if not found.settings:
        yield sentence("The settings lack nothing that can be found here.")
        return
    file = Path(found.settings_file).absolute()
    if written:
        yield sentence(f"Written to {file}:")
    else:
        yield sentence(f"Settings for {file}, which --write writes and keeps what is there:")
    for line in merged("", found.settings).splitlines():
        if line.strip():
            yield sentence(f"  {line}", QUIET)
