"""Answering an interaction that Discord treats oddly."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import aiohttp
import discord
import pytest

from cogs.backup_cog import responses
from cogs.backup_cog.formatting import Reply
from cogs.backup_cog.responses import Answer, cannot_answer

REPLY = Reply(discord.Embed(title="Snapshot taken"))
RESET = ConnectionResetError(104, "Connection reset by peer")


def http_error(status: int, code: int) -> discord.HTTPException:
    """Make what discord.py raises."""
    response: Any = SimpleNamespace(status=status, reason="no")
    return discord.HTTPException(response, {"code": code, "message": "no"})


class Interaction:
    """One interaction whose acknowledgement fails, and where its answers go."""

    id = 7
    command = None
    message = None

    def __init__(self, *errors: BaseException) -> None:
        self.errors = list(errors)
        self.extras: dict[str, object] = {}
        self.edited: list[str | None] = []
        self.sent: list[str | None] = []
        self.response = SimpleNamespace(defer=self._defer, type=None)
        self.user = SimpleNamespace(id=1, send=self._send)
        self.channel = None

    async def _defer(self, **_: object) -> None:
        if self.errors:
            raise self.errors.pop(0)

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


@pytest.mark.parametrize("again", [[], [RESET], [http_error(400, 40060)]], ids=["taken", "lost again", "had it"])
async def test_an_acknowledgement_whose_reply_is_lost_is_sent_again(again: list[BaseException]) -> None:
    """Whether Discord had it or not; and errors are answered in place then, although discord.py knows of none."""
    interaction: Any = Interaction(aiohttp.ServerDisconnectedError(), *again)
    await Answer(interaction).defer()
    await Answer(interaction).fail(REPLY)
    assert (interaction.edited, interaction.sent) == (["Snapshot taken"], [])


async def test_a_network_that_stays_down_is_raised() -> None:
    """Nothing has been done yet, and nobody would see it."""
    interaction: Any = Interaction(RESET, RESET, RESET)
    with pytest.raises(ConnectionResetError):
        await Answer(interaction).defer()


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


class Failing(Interaction):
    """An interaction that is acknowledged, and whose edits and direct messages fail as often as the test says."""

    def __init__(self, edits: list[BaseException], messages: list[BaseException]) -> None:
        super().__init__(http_error(500, 0))
        self._edits, self._messages = edits, messages

    async def edit_original_response(self, *, embed: discord.Embed, **options: object) -> None:
        """Fail, or accept the answer."""
        if self._edits:
            raise self._edits.pop(0)
        await super().edit_original_response(embed=embed, **options)

    async def _send(self, *, embed: discord.Embed, **options: object) -> None:
        if self._messages:
            raise self._messages.pop(0)
        await super()._send(embed=embed, **options)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing wait between two attempts."""
    monkeypatch.setattr(responses, "_PAUSES", (0.0, 0.0))


LOST = [http_error(401, 50027), http_error(404, 10015), http_error(404, 10008)]


@pytest.mark.parametrize(
    "error",
    [RESET, aiohttp.ServerDisconnectedError(), http_error(503, 0), TimeoutError()],
    ids=lambda error: repr(error),
)
async def test_an_outcome_survives_a_moments_failure_in_place(at_once: None, error: BaseException) -> None:
    """A reset, a dropped connection, a 5xx: it is sent again, and once only."""
    interaction: Any = Failing([error], [])
    await Answer(interaction).show(REPLY, outcome=True)
    assert (interaction.edited, interaction.sent) == (["Snapshot taken"], [])


@pytest.mark.parametrize("errors", [[http_error(502, 0)] * 10, LOST[:1], LOST[1:2], LOST[2:]], ids=len)
async def test_an_outcome_that_cannot_be_shown_in_place_goes_by_direct_message(
    at_once: None, errors: list[BaseException]
) -> None:
    """Ten 5xx or a token that has expired: nobody is told that the operation failed."""
    interaction: Any = Failing(list(errors), [])
    await Answer(interaction).show(REPLY, outcome=True)
    assert (interaction.edited, interaction.sent) == ([], ["Snapshot taken"])


async def test_an_outcome_that_nobody_takes_is_kept_for_the_owner_and_in_the_log(
    at_once: None, caplog: pytest.LogCaptureFixture
) -> None:
    """The last way, with the ids of the person and the interaction; a list is not worth that."""
    kept: list[tuple[str | None, int]] = []

    def keep(reply: Reply, user_id: int, _: discord.ui.View | None) -> None:
        kept.append((reply.embed.title, user_id))

    closed = http_error(403, 50007)
    interaction: Any = Failing([LOST[0]], [closed])
    await Answer(interaction, keep).show(REPLY, outcome=True)
    assert kept == [("Snapshot taken", 1)]
    assert "user 1 (interaction 7" in caplog.text
    interaction = Failing([LOST[0]], [closed])
    await Answer(interaction, keep).show(REPLY)
    assert len(kept) == 1
