"""The buttons under alerts: what one wants to do next. They work after a restart, for whoever may do it."""

from __future__ import annotations

import discord

from ..controls import CLAIM, LOOK, RUN, SNOOZE, VERIFY, custom_id
from ..language import for_the_host, text
from .models import Button

__all__ = ["alert_buttons", "buttons_in", "claim_buttons", "look_button"]


@for_the_host()
def alert_buttons(snapshot: str = "latest", about: str = "") -> tuple[Button, ...]:
    """Return the buttons of an alert; ``snapshot`` is the one to restore, ``about`` the outage that can be snoozed."""
    found = [
        *look_button(),
        Button(control=custom_id(VERIFY, "latest"), label=text("Verify newest sound")),
        Button(control=custom_id(LOOK, snapshot), label=text("Restore…"), danger=True),
    ]
    if about:
        found.append(Button(control=custom_id(SNOOZE, about), label=text("Snooze a day")))
    return tuple(found)


@for_the_host()
def look_button() -> tuple[Button, ...]:
    """Return the button that leads to the status."""
    return (Button(control=custom_id(RUN, "status"), label=text("Look")),)


@for_the_host()
def claim_buttons() -> tuple[Button, ...]:
    """Return the button of the alert that the snapshots are those of another database."""
    return (Button(control=custom_id(CLAIM), label=text("These are this database's snapshots")),)


def buttons_in(view: discord.ui.View | None) -> tuple[Button, ...]:
    """Return the buttons of a view as a notice keeps them."""
    return tuple(
        Button(control=each.custom_id, label=each.label or "", danger=each.style is discord.ButtonStyle.danger)
        for each in (view.children if view is not None else ())
        if isinstance(each, discord.ui.Button) and each.custom_id is not None
    )
