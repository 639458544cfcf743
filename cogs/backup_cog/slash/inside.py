"""A look into a snapshot: its tables with their numbers of rows, and the first rows of one. For managers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import discord

from ..controls import TABLE, chosen, custom_id
from ..core_api import Inside
from ..formatting import CHOICE_LIMIT, CHOICES_LIMIT, Reply, clip, embed, listing, plain, report_text, visible, when
from ..language import number_text, plural, text
from ..permissions import Interaction
from .parts import CogPart

__all__ = ["InsideCommands"]

_ROWS = 10
_LINES_LIMIT = 3000
_VALUE_LIMIT = 40
_COLUMNS = 8
"""Columns of a row that are shown; the attached report has them all."""


class InsideCommands(CogPart):
    """A part of ``BackupCog``."""

    async def look_inside(self, interaction: Interaction, snapshot: str) -> None:
        """Show which tables a snapshot has, for the button under it."""
        async with self.managing(interaction) as answer:
            found = await self.service.inside(snapshot)
        await answer.show(_tables(found), view=_choice(found))

    async def first_rows(self, interaction: Interaction, snapshot: str) -> None:
        """Show the first rows of the table that was chosen."""
        async with self.managing(interaction) as answer:
            found = await self.service.inside(snapshot, chosen(interaction), shown=_ROWS)
        await answer.show(_rows(found))


def _tables(found: Inside) -> Reply:
    lines = [_counted(table, count) for table, count in found.tables.items()]
    title = text("What is in snapshot {snapshot}", snapshot=found.at)
    state = text("The state of {when}.", when=when(found.time))
    shown = listing(lines, _LINES_LIMIT) or text("It has no tables.")
    report = report_text([f"{table}: {count}" for table, count in found.tables.items()])
    return Reply(embed(title, f"{state}\n{shown}"), report if len(lines) > shown.count("\n") + 1 else None)


def _counted(table: str, count: int) -> str:
    return f"**{plain(table)}** · " + plural(count, "{count} row", "{rows} rows", rows=number_text(count))


def _choice(found: Inside) -> discord.ui.View | None:
    """Return the select of tables, None where there is none. The cog's listener hears it, after a restart too."""
    tables = [table for table in found.tables if len(table) <= CHOICE_LIMIT and table.strip()][:CHOICES_LIMIT]
    if not tables:
        return None
    view = discord.ui.View(timeout=None)
    options = [discord.SelectOption(label=clip(visible(table), CHOICE_LIMIT) or "–", value=table) for table in tables]
    placeholder = text("Show the first rows of a table")
    view.add_item(discord.ui.Select(custom_id=custom_id(TABLE, found.at), placeholder=placeholder, options=options))
    view.stop()
    return view


def _rows(found: Inside) -> Reply:
    table, count = next(iter(found.tables.items()), ("", 0))
    title = text("{table} in snapshot {snapshot}", table=plain(table), snapshot=found.at)
    lines = [f"- {_row(row)}" for row in found.rows]
    shown = listing(lines, _LINES_LIMIT) or text("It has no rows.")
    report = report_text([repr(row) for row in found.rows]) if found.rows else None
    return Reply(embed(title, f"{_counted(table, count)}\n{shown}"), report)


def _row(row: Mapping[str, Any]) -> str:
    parts = [f"{plain(column)} **{_value(value)}**" for column, value in list(row.items())[:_COLUMNS]]
    return ", ".join([*parts, *(["…"] if len(row) > _COLUMNS else [])])


def _value(value: Any) -> str:
    if isinstance(value, dict):
        value = next(iter(value.values()), "")
    return "–" if value is None else plain(str(value), _VALUE_LIMIT) or "–"
