"""Rows of the game as one line each, as plain text: players write parts of them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..formatting import plain
from ..language import text

__all__ = ["NOTHING", "Row", "difference", "row_text", "value_text"]

NOTHING = "–"
_VALUE_LIMIT = 40

Row = Mapping[str, Any]


def row_text(row: Row) -> str:
    """Return a row as "column value, column value"."""
    return ", ".join(f"{plain(column)} {value_text(value)}" for column, value in row.items())


def value_text(value: Any) -> str:
    """Return one value of a row."""
    return NOTHING if value is None else plain(str(value), _VALUE_LIMIT)


def difference(before: Row | None, after: Row | None, key: tuple[str, ...] = ()) -> str:
    """Return what became of a row: it is gone, it is new, or its columns changed; ``key`` are those that tell it."""
    if after is None:
        return text("− gone: {row}", row=row_text(before or {}))
    if before is None:
        return text("+ new: {row}", row=row_text(after))
    changed = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    told = row_text({name: after[name] for name in key if name in after and name not in changed})
    moves = ", ".join(
        f"{plain(name)} {value_text(before.get(name))} → {value_text(after.get(name))}" for name in changed
    )
    return text("± changed: {row}", row=" · ".join(part for part in (told, moves) if part))
