"""What each question asks for, whichever engine answers it: the one place where a question meets a function."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import msgspec

from ..models import Look, Point
from .player_history import player_history
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
    Question,
)

__all__ = ["Functions", "answered"]

Answer = msgspec.Struct


class _Past(Protocol):
    """What both engines' pasts have."""

    @property
    def points(self) -> tuple[Point, ...]: ...

    def time(self, point: Point | None) -> dt.datetime: ...


AnyPast = TypeVar("AnyPast", bound=_Past)


class Functions(NamedTuple, Generic[AnyPast]):
    """The functions of one engine: the first argument is its past, the second most often a point (None: now)."""

    look: Callable[[AnyPast, Point | None, str, Any], Answer]
    look_at_player: Callable[..., Look]
    row_history: Callable[..., Answer]
    diff: Callable[..., Answer]
    plan_rescue: Callable[[AnyPast, AskRescue], Answer]
    perform_rescue: Callable[[AnyPast, AskRescue], Answer]
    find_change: Callable[..., Answer]
    query: Callable[..., Answer]
    loss: Callable[..., Answer]
    inside: Callable[[AnyPast, Point | None, str | None, int], Answer]
    names: Callable[[AnyPast, Point | None, AskNames], Answer]
    sums: Callable[[AnyPast, Point | None, tuple[str, ...]], Answer]


def answered(question: Question, past: AnyPast, by: Functions[AnyPast]) -> Answer:
    """Return the answer to a question about the points of a past."""
    point = None if question.now else past.points[-1]
    match question:
        case AskLook():
            return by.look(past, point, question.table, question.key)
        case AskPlayer():
            return by.look_at_player(past, point, question.player, question.settings)
        case AskHistory():
            return by.row_history(past, question.table, question.key, question.column, now=question.now)
        case AskPlayerHistory():
            asked = question

            def look_at(at: Point | None) -> Look:
                return by.look_at_player(past, at, asked.player, asked.settings, asked.table)

            return player_history([*past.points, *([None] if question.now else [])], look_at, past.time)
        case AskDiff():
            return by.diff(past, past.points[0], point, shown=question.shown)
        case AskLoss():
            return by.loss(past, past.points[0], point, question.settings)
        case AskRescue():
            return by.perform_rescue(past, question) if question.perform else by.plan_rescue(past, question)
        case AskFindChange():
            return by.find_change(past, question.condition, now=question.now)
        case AskQuery():
            return by.query(past, point, question.sql, most=question.most)
        case AskInside():
            return by.inside(past, point, question.table, question.shown)
        case AskNames():
            return by.names(past, point, question)
        case AskSums():
            return by.sums(past, point, question.questions)
