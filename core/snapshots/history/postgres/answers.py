"""Answers each question about the past of a PostgreSQL database; called in the worker."""

from __future__ import annotations

import functools
from pathlib import Path

import msgspec

from ...engines.postgres.connection import Address, resolve_service
from ...models import Look, Point
from ...progress import Watch
from ...settings.conninfo import parse_conninfo
from ..player_history import player_history
from ..questions import (
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
from .diff import diff
from .inside import inside, names
from .look import look, look_at_player, row_history
from .loss import loss
from .past import PostgresPast
from .query import find_change, query, sums
from .rescue import perform_rescue, plan_rescue

__all__ = ["answer"]


def answer(
    question: Question, files: PastFiles, url: str, busy_timeout: float, scratch: Path, watch: Watch
) -> msgspec.Struct:
    """Return the answer to a question about the points in ``files``.

    Raises QueryError, SnapshotDamaged, DatabaseError.
    """
    address = Address(resolve_service(parse_conninfo(url)))
    with PostgresPast(files, address, busy_timeout, scratch, watch) as past:
        return _answer(question, past)


@functools.singledispatch
def _answer(question: Question, past: PostgresPast) -> msgspec.Struct:
    raise TypeError(f"no answer to {type(question).__name__}")


@_answer.register
def _look(question: AskLook, past: PostgresPast) -> msgspec.Struct:
    return look(past, _point(question, past), question.table, question.key)


@_answer.register
def _player(question: AskPlayer, past: PostgresPast) -> msgspec.Struct:
    return look_at_player(past, _point(question, past), question.player, question.settings)


@_answer.register
def _history(question: AskHistory, past: PostgresPast) -> msgspec.Struct:
    return row_history(past, question.table, question.key, question.column, now=question.now)


@_answer.register
def _player_history(question: AskPlayerHistory, past: PostgresPast) -> msgspec.Struct:
    def look_at(point: Point | None) -> Look:
        return look_at_player(past, point, question.player, question.settings, question.table)

    return player_history([*past.points, *([None] if question.now else [])], look_at, past.time)


@_answer.register
def _diff(question: AskDiff, past: PostgresPast) -> msgspec.Struct:
    return diff(past, past.points[0], None if question.now else past.points[-1], shown=question.shown)


@_answer.register
def _rescue(question: AskRescue, past: PostgresPast) -> msgspec.Struct:
    return perform_rescue(past, question) if question.perform else plan_rescue(past, question)


@_answer.register
def _find_change(question: AskFindChange, past: PostgresPast) -> msgspec.Struct:
    return find_change(past, question.condition, now=question.now)


@_answer.register
def _query(question: AskQuery, past: PostgresPast) -> msgspec.Struct:
    return query(past, _point(question, past), question.sql, most=question.most)


@_answer.register
def _loss(question: AskLoss, past: PostgresPast) -> msgspec.Struct:
    return loss(past, past.points[0], None if question.now else past.points[-1], question.settings)


@_answer.register
def _inside(question: AskInside, past: PostgresPast) -> msgspec.Struct:
    return inside(past, _point(question, past), question.table, question.shown)


@_answer.register
def _names(question: AskNames, past: PostgresPast) -> msgspec.Struct:
    return names(past, _point(question, past), question)


@_answer.register
def _sums(question: AskSums, past: PostgresPast) -> msgspec.Struct:
    return sums(past, question.questions)


def _point(question: Question, past: PostgresPast) -> Point | None:
    return None if question.now else past.points[-1]
