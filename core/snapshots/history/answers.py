"""Answers each question about the past; called in the worker."""

from __future__ import annotations

import functools
from pathlib import Path

import msgspec

from ..models import Look, Point
from ..progress import Watch
from ..settings import database_url
from .diff import diff
from .look import inside, look, look_at_player, names
from .loss import loss
from .past import Past
from .player_history import player_history
from .query import find_change, query, sums
from .questions import (
    AskDiff,
    AskFindChange,
    AskHistory,
    AskInside,
    AskLook,
    AskLoss,
    AskNames,
    AskPlayer,
    AskPlayerHistory,
    AskQuery,
    AskRescue,
    AskSums,
    PastFiles,
    Question,
)
from .rescue.apply import perform_rescue, plan_rescue
from .row_history import row_history

__all__ = ["answer"]


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
    path = Path(database.path).resolve()

    with Past(files, path, busy_timeout, scratch, watch) as past:
        player = _player_of(question)
        if player is not None:
            past.keep_for(player)
        if isinstance(question, AskRescue) and question.perform:
            return perform_rescue(past, question, path, busy_timeout)
        return _answer(question, past)


@functools.singledispatch
def _answer(question: Question, past: Past) -> msgspec.Struct:
    raise TypeError(f"no answer to {type(question).__name__}")


@_answer.register
def _look(question: AskLook, past: Past) -> msgspec.Struct:
    return look(past, _point(question, past), question.table, question.key)


@_answer.register
def _player(question: AskPlayer, past: Past) -> msgspec.Struct:
    return look_at_player(past, _point(question, past), question.player, question.settings)


@_answer.register
def _history(question: AskHistory, past: Past) -> msgspec.Struct:
    return row_history(past, question.table, question.key, question.column, now=question.now)


@_answer.register
def _player_history(question: AskPlayerHistory, past: Past) -> msgspec.Struct:
    def look_at(point: Point | None) -> Look:
        return look_at_player(past, point, question.player, question.settings, question.table)

    return player_history([*past.points, *([None] if question.now else [])], look_at, past.time)


@_answer.register
def _diff(question: AskDiff, past: Past) -> msgspec.Struct:
    return diff(past, past.points[0], None if question.now else past.points[-1], shown=question.shown)


@_answer.register
def _rescue(question: AskRescue, past: Past) -> msgspec.Struct:
    return plan_rescue(past, question)


@_answer.register
def _find_change(question: AskFindChange, past: Past) -> msgspec.Struct:
    return find_change(past, question.condition, now=question.now)


@_answer.register
def _query(question: AskQuery, past: Past) -> msgspec.Struct:
    return query(past, _point(question, past), question.sql, most=question.most)


@_answer.register
def _loss(question: AskLoss, past: Past) -> msgspec.Struct:
    return loss(past, past.points[0], None if question.now else past.points[-1], question.settings)


@_answer.register
def _inside(question: AskInside, past: Past) -> msgspec.Struct:
    return inside(past, _point(question, past), question.table, question.shown)


@_answer.register
def _names(question: AskNames, past: Past) -> msgspec.Struct:
    return names(past, _point(question, past), question)


@_answer.register
def _sums(question: AskSums, past: Past) -> msgspec.Struct:
    return sums(past, _point(question, past), question.questions)


def _player_of(question: Question) -> str | None:
    """Return the player that a question is about, as a person named him."""
    if isinstance(question, AskRescue):
        return question.scope.player
    return question.player if isinstance(question, AskPlayer | AskPlayerHistory) else None


def _point(question: Question, past: Past) -> Point | None:
    return None if question.now else past.points[-1]
