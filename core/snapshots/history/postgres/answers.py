"""Answers each question about the past of a PostgreSQL database; called in the worker."""

from __future__ import annotations

from pathlib import Path

import msgspec

from ...engines.postgres.connection import Address, resolve_service
from ...progress import Watch
from ...settings.conninfo import parse_conninfo
from ..answering import Functions, answered
from ..questions import PastFiles, Question
from .diff import diff
from .inside import inside, names
from .look import look, look_at_player, row_history
from .loss import loss
from .past import PostgresPast
from .query import find_change, query, sums
from .rescue import perform_rescue, plan_rescue

__all__ = ["answer"]

_POSTGRES: Functions[PostgresPast] = Functions(
    look=look,
    look_at_player=look_at_player,
    row_history=row_history,
    diff=diff,
    plan_rescue=plan_rescue,
    perform_rescue=perform_rescue,
    find_change=find_change,
    query=query,
    loss=loss,
    inside=inside,
    names=names,
    sums=sums,
)


def answer(
    question: Question, files: PastFiles, url: str, busy_timeout: float, scratch: Path, watch: Watch
) -> msgspec.Struct:
    """Return the answer to a question about the points in ``files``.

    Raises QueryError, SnapshotDamaged, DatabaseError.
    """
    address = Address(resolve_service(parse_conninfo(url)))
    with PostgresPast(files, address, busy_timeout, scratch, watch) as past:
        return answered(question, past, _POSTGRES)
