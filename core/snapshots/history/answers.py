"""Answers each question about the past; called in the worker."""

from __future__ import annotations

from pathlib import Path

import msgspec

from ..progress import Watch
from ..settings import database_url
from .answering import Functions, answered
from .diff import diff
from .look import inside, look, look_at_player, names
from .loss import loss
from .past import Past
from .query import find_change, query, sums
from .questions import AskPlayer, AskPlayerHistory, AskRescue, PastFiles, Question
from .rescue.apply import perform_rescue, plan_rescue
from .row_history import row_history

__all__ = ["answer"]

_SQLITE: Functions[Past] = Functions(
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
    """Return the answer to a question about the points in ``files``; raise QueryError, SnapshotDamaged, DatabaseError.

    ``url`` is that of the live database, ``scratch`` a folder for what must be rebuilt.
    """
    database = database_url.parse(url)
    if database.path is None:
        # Imported here, because only a bot with such a database has the driver.
        from .postgres.answers import answer as answer_for_postgres

        return answer_for_postgres(question, files, database.text, busy_timeout, scratch, watch)
    with Past(files, Path(database.path).resolve(), busy_timeout, scratch, watch) as past:
        player = _player_of(question)
        if player is not None:
            past.keep_for(player)
        return answered(question, past, _SQLITE)


def _player_of(question: Question) -> str | None:
    """Return the player that a question is about, as a person named him."""
    if isinstance(question, AskRescue):
        return question.scope.player
    return question.player if isinstance(question, AskPlayer | AskPlayerHistory) else None
