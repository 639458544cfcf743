"""Do the work of several tables on two connections.

Each table is a group: tasks that may run beside each other, and then others in their order, one by one. The tables with
most rows come first, so that the others fill the time of whichever connection is free.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from typing import Protocol, TypeAlias

from ....errors import DatabaseBusy, DatabaseUnavailable
from ..plain_dump.lexer import Statement

__all__ = ["Executor", "Group", "Task", "execute"]

_CHECK_EVERY = 0.05


class Executor(Protocol):
    """One connection to the database that is loaded."""

    def run(self, statement: Statement) -> None:
        """Execute a statement of the dump; what the server refuses is left out, with a sentence."""

    def attempt(self, text: bytes) -> bool:
        """Execute a statement of our own; return False if the server refuses it."""


Task: TypeAlias = Callable[[Executor], object]


class Group:
    """The work of one table of ``rows`` rows. It may begin once ``ready`` returns True, or raises."""

    def __init__(self, rows: int, ready: Callable[[], bool] = lambda: True) -> None:
        self.rows = rows
        self.ready = ready
        self.beside: list[Task] = []
        self.afterwards: list[Task] = []


class _Plan:
    """Hands out the tasks of groups to two threads."""

    def __init__(self, groups: Iterable[Group]) -> None:
        self.again: list[Task] = []
        """Tasks that waited in vain for a lock, with what follows them."""
        self._groups = sorted(groups, key=lambda group: -group.rows)
        self._running: dict[int, int] = {}
        self._changed = threading.Condition()

    def work(self, executor: Executor) -> None:
        """Execute tasks until none is left. After an error nobody begins another one."""
        try:
            while (found := self._next()) is not None:
                self._execute(*found, executor)
        except BaseException:
            self._groups = []
            raise

    def _execute(self, group: Group, tasks: list[Task], executor: Executor) -> None:
        try:
            for number, task in enumerate(tasks):
                try:
                    task(executor)
                except DatabaseBusy:
                    with self._changed:
                        self.again += tasks[number:] + group.beside + group.afterwards
                        group.beside, group.afterwards = [], []
                    break
        finally:
            with self._changed:
                self._running[id(group)] -= 1
                self._changed.notify_all()

    def _next(self) -> tuple[Group, list[Task]] | None:
        """Return what to do next, in its order, once there is something; None if nothing is left to begin."""
        with self._changed:
            while any(group.beside or group.afterwards for group in self._groups):
                for group in self._groups:
                    tasks = self._taken(group)
                    if tasks:
                        self._running[id(group)] = self._running.get(id(group), 0) + 1
                        return group, tasks
                self._changed.wait(_CHECK_EVERY)
            return None

    def _taken(self, group: Group) -> list[Task]:
        tasks: list[Task] = []
        if (group.beside or group.afterwards) and group.ready():
            if group.beside:
                tasks = [group.beside.pop(0)]
            elif not self._running.get(id(group)):
                tasks, group.afterwards = group.afterwards, []
        return tasks


def execute(groups: Iterable[Group], here: Executor, there: Callable[[], AbstractContextManager[Executor]]) -> None:
    """Execute the tasks of groups: by ``here``, and beside it by what ``there`` opens, if the server has room for it.

    What waited in vain for a lock is executed once more, alone.
    """
    plan = _Plan(groups)

    def work_beside() -> None:
        with ExitStack() as stack:
            try:
                executor = stack.enter_context(there())
            except DatabaseUnavailable:
                return
            plan.work(executor)

    with ThreadPoolExecutor(1, thread_name_prefix="load-beside") as pool:
        beside = pool.submit(work_beside)
        plan.work(here)
        beside.result()
    for task in plan.again:
        task(here)
