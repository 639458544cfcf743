"""Answering an interaction that Discord treats oddly."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import discord
import pytest

from cogs.backup_cog.formatting import Reply
from cogs.backup_cog.responses import Answer, cannot_answer

REPLY = Reply(discord.Embed(title="Snapshot taken"))


def http_error(status: int, code: int) -> discord.HTTPException:
    """Make what discord.py raises."""
    response: Any = SimpleNamespace(status=status, reason="no")
    return discord.HTTPException(response, {"code": code, "message": "no"})


class Interaction:
    """One interaction whose acknowledgement fails, and where its answers go."""

    id = 7
    command = None

    def __init__(self, error: discord.HTTPException) -> None:
        self.error = error
        self.edited: list[str | None] = []
        self.sent: list[str | None] = []
        self.response = SimpleNamespace(defer=self._defer)
        self.user = SimpleNamespace(id=1, send=self._send)
        self.channel = None

    async def _defer(self, **_: object) -> None:
        raise self.error

    async def _send(self, *, embed: discord.Embed, **_: object) -> None:
        self.sent.append(embed.title)

    async def edit_original_response(self, *, embed: discord.Embed, **_: object) -> None:
        """Accept the answer."""
        self.edited.append(embed.title)


async def test_what_is_acknowledged_already_is_answered_in_place() -> None:
    """40060 on a retried request: Discord took the first one, so the answer is there to be edited."""
    interaction: Any = Interaction(http_error(400, 40060))
    answer = Answer(interaction)
    await answer.defer()
    await answer.show(REPLY)
    assert (interaction.edited, interaction.sent) == (["Snapshot taken"], [])


async def test_what_died_is_answered_by_direct_message() -> None:
    """10062: there is nothing to edit, and nobody tries."""
    interaction: Any = Interaction(http_error(404, 10062))
    answer = Answer(interaction)
    await answer.defer()
    await answer.update(REPLY)
    await answer.show(REPLY)
    assert (interaction.edited, interaction.sent) == ([], ["Snapshot taken"])


async def test_another_failure_is_raised() -> None:
    """It is answered where errors are answered."""
    interaction: Any = Interaction(http_error(500, 0))
    with pytest.raises(discord.HTTPException):
        await Answer(interaction).defer()


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (404, 10008, True),
        (404, 10015, True),
        (404, 10062, True),
        (400, 40060, True),
        (401, 50027, True),
        (401, 0, True),
        (403, 50013, False),
        (500, 0, False),
        (400, 50035, False),
    ],
)
def test_these_errors_say_that_nobody_can_answer_any_more(status: int, code: int, expected: bool) -> None:
    """Nothing else does: a missing permission or a fault of ours must not be swallowed."""
    assert cannot_answer(http_error(status, code)) is expected
