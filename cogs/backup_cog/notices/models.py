"""The documents that the cog keeps in the repository's ``state`` folder, so that they outlast a restart."""

from __future__ import annotations

import datetime as dt
from enum import StrEnum
from typing import Any

import msgspec

__all__ = [
    "Button",
    "Digest",
    "How",
    "Notice",
    "Outage",
    "Outages",
    "PastAlert",
    "SentMessage",
    "SentMessages",
    "TriggerCounts",
    "WaitingNotices",
    "added_counts",
]


class Button(msgspec.Struct, frozen=True, kw_only=True):
    """A button under a notice: its custom id, its label, and if it leads to something that is hard to take back."""

    control: str
    label: str
    danger: bool = False


class How(StrEnum):
    """How a notice reaches its reader.

    As a new message, which Discord notifies of; as an edit, quietly, of the message about the same thing; or as the
    last edit, which is a new message if there is nothing to edit.
    """

    NEW = "new"
    EDIT = "edit"
    CLOSE = "close"


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """A message to the owner: an embed as Discord's document, and the buttons under it.

    ``at`` is when it was posted. ``about`` names what goes on, such as one outage: there is one message about it.
    ``promised`` is True if it is only meant for the case that the process that keeps it does not live on.
    ``picture`` is True if the picture of the snapshots goes with it.
    """

    id: str
    at: dt.datetime
    embed: dict[str, Any]
    buttons: tuple[Button, ...] = ()
    about: str = ""
    how: How = How.NEW
    promised: bool = False
    picture: bool = False


class WaitingNotices(msgspec.Struct, frozen=True, kw_only=True):
    """``outbox.json``: the notices that were not delivered yet, oldest first.

    ``done`` has the ids of the newest that need not be sent any more, for processes that know of them, too.
    """

    notices: tuple[Notice, ...] = ()
    done: tuple[str, ...] = ()


class SentMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A message that was sent: the ids of its channel and its own."""

    channel: int
    message: int


class SentMessages(msgspec.Struct, frozen=True, kw_only=True):
    """``messages.json``: the messages about what is not over, by what they are about."""

    messages: dict[str, SentMessage] = {}


class Outage(msgspec.Struct, frozen=True, kw_only=True):
    """An operation that fails: since when, how often, why last, and when the owner was last notified of it.

    Nobody is reminded of it before ``snoozed_until``; ``snoozed_by`` is the name of who asked for that.
    ``claimable`` is True if the repository is another database's, and a claim can end it.
    """

    began: dt.datetime
    failures: int
    message: str
    told: dt.datetime
    snoozed_until: dt.datetime | None = None
    snoozed_by: str = ""
    claimable: bool = False


class PastAlert(msgspec.Struct, frozen=True, kw_only=True):
    """An alert that is over, or that was over as soon as it was told: what it was of, and from when to when."""

    key: str
    began: dt.datetime
    ended: dt.datetime


class Outages(msgspec.Struct, frozen=True, kw_only=True):
    """``outages.json``: the outages that are not over, by operation, and the newest alerts that are."""

    outages: dict[str, Outage] = {}
    past: tuple[PastAlert, ...] = ()


class Digest(msgspec.Struct, frozen=True, kw_only=True):
    """``digest.json``: when the digest was due that was sent last."""

    sent: dt.datetime


class TriggerCounts(msgspec.Struct, frozen=True, kw_only=True):
    """``triggers.json``: how often each event fired and how often it requested a snapshot, since the first start."""

    fired: dict[str, int] = {}
    requested: dict[str, int] = {}


def added_counts(document: TriggerCounts | None, fired: dict[str, int], requested: dict[str, int]) -> TriggerCounts:
    """Return the counts with more of them added."""
    before = document if document is not None else TriggerCounts()
    return TriggerCounts(fired=_sums(before.fired, fired), requested=_sums(before.requested, requested))


def _sums(one: dict[str, int], other: dict[str, int]) -> dict[str, int]:
    return {name: one.get(name, 0) + other.get(name, 0) for name in (*one, *other)}
