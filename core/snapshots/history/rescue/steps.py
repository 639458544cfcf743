"""The steps of a rescue."""

from __future__ import annotations

from typing import Literal

import msgspec

from ..databases import Value

__all__ = ["Step", "Values"]

Values = dict[str, Value]
Kind = Literal["insert", "update", "delete"]


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One row to write, told by the ``columns`` of its ``key``: what is written, and what is there ``before``."""

    kind: Kind
    table: str
    columns: tuple[str, ...]
    key: tuple[Value, ...]
    values: Values
    before: Values | None

    @property
    def written(self) -> Values:
        """All values of a row that is put back."""
        return dict(zip(self.columns, self.key, strict=True)) | self.values
