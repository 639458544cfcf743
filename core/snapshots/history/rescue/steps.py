"""The steps of a rescue."""

from __future__ import annotations

from typing import Literal

import msgspec

from ..databases import Value

__all__ = ["Kind", "Step", "Told", "Values", "place_of"]

Values = dict[str, Value]
Kind = Literal["insert", "update", "delete"]
Told = tuple[str, tuple[Value, ...]]
"""What tells a step from the others of a plan: its table, and what tells its row there."""


def place_of(key: tuple[Value, ...], *, by_number: bool) -> tuple[Value, ...]:
    """Return what tells a row from others in a table: its key, or its number if there is a NULL in that."""
    return (None, *key) if by_number else key


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One row to write, told by the ``columns`` of its ``key``: what is written, and what is there ``before``."""

    kind: Kind
    table: str
    columns: tuple[str, ...]
    key: tuple[Value, ...]
    values: Values
    before: Values | None
    by_number: bool = False
    """True if the row is told by its number although its table has a key, because there is a NULL in that."""

    @property
    def place(self) -> Told:
        """What tells a step from others; ``place_of`` says it of a row."""
        return self.table, place_of(self.key, by_number=self.by_number)

    @property
    def written(self) -> Values:
        """All values of a row that is put back."""
        return dict(zip(self.columns, self.key, strict=True)) | self.values
