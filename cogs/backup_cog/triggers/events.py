"""The events of discord.py that tell of commands and clicks, and what a trigger finds in them."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import discord
from discord.ext import commands

from ..core_api import TriggerSettings

__all__ = ["DISCORD_EVENTS", "EVENTS", "PayloadOf", "is_own"]

Payload: TypeAlias = dict[str, Any]
PayloadOf: TypeAlias = Callable[..., Payload | None] | None
"""Returns the named payload for a trigger, or None if the event does not concern it."""

_NAMES = """
    interaction message message_edit message_delete bulk_message_delete raw_message_edit raw_message_delete
    raw_bulk_message_delete reaction_add reaction_remove reaction_clear raw_reaction_add raw_reaction_remove
    raw_reaction_clear member_join member_remove raw_member_remove member_update member_ban member_unban user_update
    guild_join guild_remove guild_update guild_role_create guild_role_delete guild_role_update voice_state_update
    thread_create thread_join thread_delete thread_member_join thread_member_remove raw_poll_vote_add
    raw_poll_vote_remove poll_vote_add poll_vote_remove entitlement_create entitlement_update entitlement_delete
    subscription_create subscription_update subscription_delete scheduled_event_create scheduled_event_update
    scheduled_event_user_add scheduled_event_user_remove invite_create invite_delete command
"""
DISCORD_EVENTS = frozenset(_NAMES.split())
"""Events that come before the game has done anything about them. A game dispatches its own when it has committed."""

_CLICKS = (discord.InteractionType.component, discord.InteractionType.modal_submit)
_PACKAGE = __name__.removesuffix(".triggers.events")


def is_own(value: object) -> bool:
    """Return True for an interaction, a context or a command that is Savepoint's own."""
    if isinstance(value, discord.Interaction):
        data: Mapping[str, Any] = value.data or {}
        return str(data.get("custom_id", "")).startswith("savepoint:") or is_own(value.command)
    if isinstance(value, commands.Context):
        return is_own(value.command)
    holder = getattr(value, "binding", None) or getattr(value, "cog", None)
    return isinstance(holder, commands.Cog) and type(holder).__module__.startswith(f"{_PACKAGE}.")


def _matches(patterns: Sequence[str], name: str) -> bool:
    return any(fnmatch.fnmatchcase(name.casefold(), pattern.strip().casefold()) for pattern in patterns)


def _prefix_command(settings: TriggerSettings, ctx: commands.Context[Any]) -> Payload | None:
    """Read ``command_completion``, which tells of prefix commands, and of hybrid ones however they were used."""
    if ctx.command is None or not _matches(settings.commands, ctx.command.qualified_name):
        return None
    given = ctx.args[-len(ctx.command.clean_params) :] if ctx.command.clean_params else []
    arguments = dict(zip(ctx.command.clean_params, [each for each in given if each is not ctx], strict=False))
    return {
        **arguments,
        **ctx.kwargs,
        "command": ctx.command.qualified_name,
        "user": ctx.author,
        "ctx": ctx,
        "interaction": ctx.interaction,
    }


def _slash_command(settings: TriggerSettings, interaction: discord.Interaction[Any], command: Any) -> Payload | None:
    """Read ``app_command_completion``; a hybrid command is left to the other event, which comes too."""
    hybrid = isinstance(getattr(command, "wrapped", None), commands.Command)
    if hybrid or not _matches(settings.commands, command.qualified_name):
        return None
    return {
        **dict(interaction.namespace),
        "command": command.qualified_name,
        "user": interaction.user,
        "ctx": interaction,
        "interaction": interaction,
    }


def _click(settings: TriggerSettings, interaction: discord.Interaction[Any]) -> Payload | None:
    """Read ``interaction`` where it is the use of a component or a modal."""
    if interaction.type not in _CLICKS:
        return None
    data: Mapping[str, Any] = interaction.data or {}
    custom_id = str(data.get("custom_id", ""))
    if not _matches(settings.buttons, custom_id):
        return None
    return {"custom_id": custom_id, "user": interaction.user, "interaction": interaction}


EVENTS: Mapping[str, tuple[tuple[str, PayloadOf], ...]] = {
    "event": (("", None),),
    "commands": (("command_completion", _prefix_command), ("app_command_completion", _slash_command)),
    "buttons": (("interaction", _click),),
}
"""By kind of trigger, the events to listen to ("" for the trigger's own) and how they are read."""
