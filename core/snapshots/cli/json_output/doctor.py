"""The document of ``doctor``."""

from __future__ import annotations

from typing import Any

import msgspec

from ...doctor import Diagnosis, Problem

__all__ = ["DoctorDocument", "doctor_document"]


class DoctorDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What ``doctor`` found."""

    database: str | None
    tables: dict[str, int]
    player: str | None
    references: tuple[str, ...]
    problems: tuple[Problem, ...]
    settings: dict[str, Any]


def doctor_document(found: Diagnosis) -> DoctorDocument:
    """Return the document of a diagnosis."""
    return DoctorDocument(
        database=found.database,
        tables=found.contents.tables,
        player=found.contents.player or None,
        references=found.contents.references,
        problems=found.problems,
        settings=found.settings,
    )
