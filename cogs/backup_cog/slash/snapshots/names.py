"""Who the numbers in reasons are: "pack_opening_user_12" becomes "pack_opening_user_12 (Anna)".

The settings name the columns with names. What they say is asked in the worker, of the live database, and remembered for
a while; a list or a suggestion that is shown meanwhile has what is remembered. It can be lost at no cost.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from ...core_api import SnapshotError, SnapshotService
from ...formatting import clip, visible

__all__ = ["Names"]

log = logging.getLogger(__name__)
_NUMBER = re.compile(r"(?:(?<![a-z])([a-z]+)[\W_]*)?(?<![\d.])(\d{1,20})(?![\d.])", re.IGNORECASE)
"""A number, and the word before it."""
_SNOWFLAKE_DIGITS = 15
"""A number this long is the id of a Discord user, whatever stands before it."""
_PEOPLE = frozenset(
    (
        *("user", "users", "member", "members", "player", "players", "owner", "author", "creator", "winner"),
        *("buyer", "seller", "sender", "receiver", "by", "from", "to"),
    )
)
"""Words before the number of a person. A number after another word can be that of a card."""
_NAME_LIMIT = 40
_AT_ONCE = 50
_REMEMBERED_SECONDS = 600.0
_MOST_REMEMBERED = 5000
_MOST_SHOWN = 100_000
_PATIENCE_SECONDS = 1.5


class Names:
    """What the columns say. ``monotonic`` is in seconds."""

    def __init__(self, service: SnapshotService, columns: Sequence[str], monotonic: Callable[[], float]) -> None:
        self._service = service
        self._columns = tuple(columns)
        self._monotonic = monotonic
        self._known: dict[str, tuple[str, float]] = {}
        """By number the name, "" where there is none, and when it was asked for."""
        self._shown: dict[str, str] = {}
        """The reasons that were shown since a name was learned."""
        self._task: asyncio.Task[None] | None = None

    def shown(self, reason: str) -> str:
        """Return a reason with the names that are remembered. Asks nobody; a search asks this of every reason."""
        if not self._known:
            return reason
        shown = self._shown.get(reason)
        if shown is None:
            if len(self._shown) >= _MOST_SHOWN:
                self._shown.clear()
            shown = self._shown[reason] = _NUMBER.sub(self._with_name, reason)
        return shown

    def _with_name(self, found: re.Match[str]) -> str:
        name = self._known.get(found[2], ("", 0.0))[0] if _is_of_a_person(found) else ""
        return f"{found[0]} ({name})" if name else found[0]

    def learn_soon(self, reasons: Iterable[str]) -> None:
        """Ask for the names in reasons that are not remembered, for the next time; returns at once."""
        self._start(reasons)

    async def learn(self, reasons: Iterable[str], patience: float = _PATIENCE_SECONDS) -> None:
        """Ask for the names in reasons that are not remembered; wait for so many seconds at most. Never raises."""
        task = self._start(reasons)
        if task is not None:
            await asyncio.wait([task], timeout=patience)

    def _start(self, reasons: Iterable[str]) -> asyncio.Task[None] | None:
        """Return the question that is being asked, a new one if there is none and something to ask, else None."""
        if not self._columns:
            return None
        if self._task is None or self._task.done():
            old = self._monotonic() - _REMEMBERED_SECONDS
            numbers = (each for each in _numbers(reasons) if self._known.get(each, ("", old))[1] <= old)
            wanted = list(dict.fromkeys(numbers))[:_AT_ONCE]
            if not wanted:
                return None
            self._task = asyncio.get_running_loop().create_task(self._ask(wanted), name="savepoint names")
        return self._task

    async def close(self) -> None:
        """Stop asking."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _ask(self, numbers: Sequence[str]) -> None:
        found: dict[str, str] = {}
        try:
            answer = await self._service.names(self._columns, numbers)
        except (SnapshotError, OSError) as error:
            # What is remembered is shown, and all of it is asked for again later.
            log.warning("Who the numbers in reasons are could not be found out: %s", error)
            found = {number: self._known[number][0] for number in numbers if number in self._known}
        else:
            for column in reversed(self._columns):
                found |= answer.names.get(column, {})
        if len(self._known) + len(numbers) > _MOST_REMEMBERED:
            self._known.clear()
        self._shown.clear()
        now = self._monotonic()
        for number in numbers:
            self._known[number] = (clip(visible(found.get(number, "")), _NAME_LIMIT), now)


def _numbers(reasons: Iterable[str]) -> Iterator[str]:
    for reason in reasons:
        for found in _NUMBER.finditer(reason):
            if _is_of_a_person(found):
                yield found[2]


def _is_of_a_person(found: re.Match[str]) -> bool:
    return len(found[2]) >= _SNOWFLAKE_DIGITS or (found[1] or "").lower() in _PEOPLE
