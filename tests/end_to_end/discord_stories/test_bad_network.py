"""Discord fails in the middle of a restore: what was restored is told all the same, by the next way that works."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.end_to_end.discord_server.people import Shown
from tests.end_to_end.discord_stories.deeds import agree, ask, join, take
from tests.end_to_end.discord_stories.town import Town

pytestmark = [pytest.mark.process, pytest.mark.socket]

EDIT = "/webhooks/*/messages/@original"


class Agreed:
    """A restore that an owner will agree to as soon as something was planned to go wrong."""

    def __init__(self, town: Town) -> None:
        self._town = town
        self.snapshot, self.then = take(town.owner), town.bot.dump()
        join(town)
        self._preview = ask(town.owner, self.snapshot)

    def go(self) -> Shown:
        """Agree."""
        return agree(self._town.owner, self._preview, self.snapshot)


@pytest.fixture
def agreed(town: Town) -> Iterator[Agreed]:
    """A restore whose preview is open; at the end of the story it has brought the rows back."""
    made = Agreed(town)
    yield made
    assert town.bot.dump() == made.then


@pytest.mark.parametrize(
    "trouble",
    [{"status": 429, "retry_after": 0.2}, {"status": 500}, {"reset": True}, {"lose_reply": True}],
    ids=["429", "500", "reset", "lost reply"],
)
def test_trouble_with_the_last_edit_passes(town: Town, trouble: dict[str, Any]) -> None:
    """It is tried again, and the message does not stand at "is thinking" for good."""
    planned = town.server.plan("PATCH", EDIT, **trouble)
    town.admin.slash("backup list").reads("snapshot")
    assert planned.met == 1


def test_after_fifteen_minutes_the_outcome_comes_by_direct_message(town: Town, agreed: Agreed) -> None:
    """Discord takes no answer any more (50027): nothing is repeated in vain, and the person knows the way back."""
    town.server.plan("PATCH", EDIT, takes=15 * 60.0)
    agreed.go()
    town.owner.gets("Restored", agreed.snapshot, "Safety snapshot")


def test_closed_direct_messages_leave_the_outcome_to_another_owner(town: Town, agreed: Agreed) -> None:
    """Then the alerts' way is left: whoever of the team can be reached."""
    alerts = town.home.channels[1]
    town.owner.user.dms_open = alerts.open_to_bot = False
    try:
        town.server.plan("PATCH", EDIT, takes=15 * 60.0)
        agreed.go()
        town.colleague.gets("Restored", agreed.snapshot, f"<@{town.owner.user.id}>")
    finally:
        town.owner.user.dms_open = alerts.open_to_bot = True


def test_a_gateway_that_drops_in_a_restore_changes_nothing(town: Town, agreed: Agreed) -> None:
    """Answers go by REST; the session is resumed and the next command works."""
    resumed = town.gateway.resumed
    release = town.server.hold("PATCH", EDIT)
    shown = agreed.go()
    town.run(town.gateway.drop())
    release()
    shown.reads("Restored")
    town.owner.waits(lambda: town.gateway.resumed > resumed, "the session is resumed")
    town.owner.slash("backup status").reads("snapshot")


def test_a_gateway_that_moves_is_followed(town: Town) -> None:
    """Discord asks every bot to connect anew from time to time: the session is resumed, nothing is set up twice."""
    before = town.gateway.resumed
    town.run(town.gateway.ask_to_reconnect())
    town.owner.waits(lambda: town.gateway.resumed > before, "the session is resumed")
    shown = town.owner.slash("backup status")
    shown.reads("snapshot")
    assert len(shown.interaction.messages) == 1


def test_an_acknowledgement_whose_reply_is_lost_does_not_stop_the_command(town: Town) -> None:
    """Discord has it (40060 at the second time): the person waits for the outcome, and it comes."""
    town.server.plan("POST", "/interactions/*/callback", lose_reply=True)
    town.admin.slash("backup list").reads("snapshot")


def test_a_modal_whose_reply_is_lost_can_be_sent_all_the_same(town: Town, agreed: Agreed) -> None:
    """The person has it before him, and knows nothing of lost replies."""
    town.server.plan("POST", "/interactions/*/callback", lose_reply=True)
    agreed.go().reads("Restored")


def test_an_acknowledgement_that_comes_too_late_is_answered_by_direct_message(town: Town) -> None:
    """The three seconds are over (10062), but what was asked for is done."""
    join(town)
    town.server.plan("POST", "/interactions/*/callback", takes=3.0)
    town.admin.slash("backup now")
    town.admin.gets("Id: ")
