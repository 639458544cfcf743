"""Build the indexes of several tables on two connections.

The indexes of one table stay in the order of the dump, on one connection: adding a constraint locks its table. The
tables with most rows come first, so that the others fill the time of the second connection. Foreign keys lock two
tables each, and come after all of them, one by one.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from typing import TypeAlias

from ....errors import DatabaseBusy, DatabaseUnavailable
from ..plain_dump.lexer import Statement, unquoted
from ..session import quoted

__all__ = ["IndexGroups"]

_IDENTIFIER = rb'(?:"(?:[^"]|"")*"|[^\s.";]+)'
_TABLE = re.compile(
    rb"(?:ALTER TABLE|CREATE (?:UNIQUE )?INDEX " + _IDENTIFIER + rb" ON) (?:ONLY )?"
    rb"(?P<schema>" + _IDENTIFIER + rb")\.(?P<name>" + _IDENTIFIER + rb")\s"
)
_BUILDING = ("CONSTRAINT", "INDEX")

Execute: TypeAlias = Callable[[Statement], object]
Opened: TypeAlias = AbstractContextManager[Execute]


class IndexGroups:
    """The statements that build indexes, by table, from the first one to the first statement of another kind."""

    def __init__(self) -> None:
        self._groups: dict[str, list[Statement]] = {}
        self._last: list[Statement] = []

    def __bool__(self) -> bool:
        return bool(self._groups)

    def take(self, statement: Statement, encoding: str) -> bool:
        """Add a statement if it builds an index, or describes the last one; return False for any other."""
        kind = statement.entry.type if statement.entry is not None else ""
        if kind == "COMMENT" and self._groups:
            self._last.append(statement)
            return True
        found = _TABLE.match(statement.text) if kind in _BUILDING else None
        if found is None:
            return False
        table = quoted(*(unquoted(found[part], encoding) for part in ("schema", "name")))
        self._last = self._groups.setdefault(table, [])
        self._last.append(statement)
        return True

    def execute(self, here: Execute, there: Callable[[], Opened], rows: Mapping[str, int]) -> None:
        """Execute everything: by ``here``, and beside it by what ``there`` opens, if there is more than one table.

        ``rows`` says how many a table has. What waited in vain for a lock is executed once more, alone.
        """
        groups = sorted(self._groups.items(), key=lambda group: -rows.get(group[0], 0))
        waiting = [statements for _, statements in groups]
        again: list[Statement] = []
        lock = threading.Lock()
        self._groups = {}

        def work(execute: Execute) -> None:
            while True:
                with lock:
                    if not waiting:
                        return
                    group = waiting.pop(0)
                for number, statement in enumerate(group):
                    try:
                        execute(statement)
                    except DatabaseBusy:
                        again.extend(group[number:])
                        break
                    except BaseException:
                        with lock:
                            waiting.clear()  # the other connection need not go on either
                        raise

        def work_beside() -> None:
            with ExitStack() as stack:
                try:
                    execute = stack.enter_context(there())
                except DatabaseUnavailable:
                    return  # no room for a second connection
                work(execute)

        if len(waiting) < 2:
            work(here)
        else:
            with ThreadPoolExecutor(1, thread_name_prefix="index-2") as pool:
                beside = pool.submit(work_beside)
                work(here)
                beside.result()
        for statement in again:
            here(statement)
