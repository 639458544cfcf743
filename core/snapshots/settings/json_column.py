"""Columns that hold JSON, written in the settings as ``creator_packs.cards_data`` or ``players.profile:object``."""

from __future__ import annotations

import msgspec

__all__ = ["EXPECTATIONS", "JsonColumn", "parse"]

EXPECTATIONS = ("list", "object", "any")
"""What the top level of a value must be; ``any`` means that the value only has to parse."""


class JsonColumn(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A column whose values must parse as JSON, with a top level of type ``expects``: ``list``, ``object``, ``any``."""

    table: str
    column: str
    expects: str = "list"


def parse(text: str) -> JsonColumn:
    """Parse ``table.column`` or ``table.column:expects``; raise ValueError for any other form."""
    name, colon, expects = text.partition(":")
    table, _, column = name.rpartition(".")
    if not table.strip() or not column.strip() or "\0" in name:
        raise ValueError("a table and a column with a dot between them")
    if colon and expects not in EXPECTATIONS:
        raise ValueError(f"after the colon one of {', '.join(EXPECTATIONS)}")
    return JsonColumn(table=table, column=column, expects=expects or "list")
