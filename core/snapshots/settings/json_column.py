"""A column that holds JSON, as the settings write it: ``creator_packs.cards_data`` or ``players.profile:object``."""

from __future__ import annotations

import msgspec

__all__ = ["EXPECTATIONS", "JsonColumn", "parse"]

EXPECTATIONS = ("list", "object", "any")
"""What the top level of a value may be required to be; ``any`` asks only that it parses."""


class JsonColumn(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A column whose values must parse as JSON and be what ``expects`` says: ``list``, ``object`` or ``any``."""

    table: str
    column: str
    expects: str = "list"


def parse(text: str) -> JsonColumn:
    """Read ``table.column`` or ``table.column:expects``; raise ValueError where it has another shape."""
    place, colon, expects = text.partition(":")
    table, _, column = place.rpartition(".")
    if not table.strip() or not column.strip() or "\0" in place:
        raise ValueError("a table and a column with a dot between them")
    if colon and expects not in EXPECTATIONS:
        raise ValueError(f"after the colon one of {', '.join(EXPECTATIONS)}")
    return JsonColumn(table=table, column=column, expects=expects or "list")
