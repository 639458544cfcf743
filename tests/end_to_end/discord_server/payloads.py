"""What this Discord knows, as the documents that its gateway and its REST routes send."""

from __future__ import annotations

import datetime as dt
from typing import Any

from .state import Channel, Discord, Guild, Interaction, Message, User

__all__ = ["application", "channel", "guild", "interaction", "member", "message", "of_member", "own_user", "user"]

Document = dict[str, Any]
GUILD_TEXT, DIRECT = 0, 1
_ALL_PERMISSIONS = (1 << 53) - 1
_ADMINISTRATOR = 1 << 3
UPLOAD_LIMIT = 10 << 20


def _moment() -> str:
    return dt.datetime.now(dt.UTC).isoformat()


def user(person: User) -> Document:
    """Return somebody as others see him."""
    return {
        "id": str(person.id),
        "username": person.name,
        "global_name": None,
        "discriminator": "0",
        "avatar": None,
        "bot": person.bot,
        "public_flags": 0,
    }


def own_user(discord: Discord) -> Document:
    """Return the bot as it sees itself."""
    return {**user(discord.bot), "verified": True, "mfa_enabled": False, "locale": "en-US", "flags": 0}


def member(guild: Guild, person: User, *, with_permissions: bool = False) -> Document:
    """Return a member; interactions name the permissions."""
    made: Document = {
        "user": user(person),
        "roles": [],
        "nick": None,
        "joined_at": _moment(),
        "deaf": False,
        "mute": False,
        "flags": 0,
        "avatar": None,
    }
    if with_permissions:
        held = guild.members.get(person, 0)
        made["permissions"] = str(_ALL_PERMISSIONS if held & _ADMINISTRATOR or guild.owner is person else held)
    return made


def channel(shown: Channel) -> Document:
    """Return a channel."""
    if shown.guild is None:
        assert shown.recipient is not None
        recipients = [user(shown.recipient)]
        return {"id": str(shown.id), "type": DIRECT, "recipients": recipients, "last_message_id": None}
    return {
        "id": str(shown.id),
        "type": GUILD_TEXT,
        "name": shown.name,
        "guild_id": str(shown.guild.id),
        "position": 0,
        "permission_overwrites": [],
        "parent_id": None,
        "topic": None,
        "nsfw": False,
        "last_message_id": None,
        "rate_limit_per_user": 0,
    }


def guild(discord: Discord, shown: Guild) -> Document:
    """Return a guild as GUILD_CREATE has it, without the members, who need an intent."""
    everyone = {
        "id": str(shown.id),
        "name": "@everyone",
        "permissions": str(shown.members[discord.bot]),
        "position": 0,
        "color": 0,
        "hoist": False,
        "managed": False,
        "mentionable": False,
        "flags": 0,
    }
    return {
        "id": str(shown.id),
        "name": shown.name,
        "owner_id": str(shown.owner.id),
        "member_count": len(shown.members),
        "verification_level": 0,
        "default_message_notifications": 0,
        "explicit_content_filter": 0,
        "mfa_level": 0,
        "nsfw_level": 0,
        "preferred_locale": "en-US",
        "premium_tier": 0,
        "system_channel_flags": 0,
        "unavailable": False,
        "large": False,
        "joined_at": _moment(),
        "features": [],
        "roles": [everyone],
        "emojis": [],
        "stickers": [],
        "channels": [channel(each) for each in shown.channels],
        "threads": [],
        "members": [member(shown, discord.bot)],
        "presences": [],
        "voice_states": [],
        "stage_instances": [],
        "guild_scheduled_events": [],
    }


def application(discord: Discord) -> Document:
    """Return the application, which belongs to a team, whose first member owns it."""
    first = next(iter(discord.team))
    members = [
        {"user": user(person), "role": role, "membership_state": 2, "permissions": ["*"], "team_id": "1"}
        for person, role in discord.team.items()
    ]
    return {
        "id": str(discord.bot.id),
        "name": discord.bot.name,
        "description": "",
        "icon": None,
        "bot_public": True,
        "bot_require_code_grant": False,
        "verify_key": "0",
        "flags": 0,
        "owner": user(first),
        "team": {"id": "1", "name": "the team", "icon": None, "owner_user_id": str(first.id), "members": members},
    }


def message(shown: Message) -> Document:
    """Return a message."""
    made: Document = {
        "id": str(shown.id),
        "type": 0,
        "channel_id": str(shown.channel.id),
        "author": user(shown.author),
        "content": shown.content,
        "timestamp": _moment(),
        "edited_timestamp": None,
        "tts": False,
        "mention_everyone": False,
        "mentions": [],
        "mention_roles": [],
        "attachments": shown.attachments,
        "embeds": [{"type": "rich", **embed} for embed in shown.embeds],
        "components": _numbered(shown.components),
        "pinned": False,
        "flags": shown.flags,
    }
    if shown.channel.guild is not None:
        made["guild_id"] = str(shown.channel.guild.id)
    return made


def _numbered(components: list[Document], first: int = 1) -> list[Document]:
    """Return components with the ids that Discord gives to those that have none."""
    numbered = []
    for number, each in enumerate(components, first):
        copy = {"id": number, **each}
        if "components" in each:
            copy["components"] = _numbered(each["components"], 100 * number)
        numbered.append(copy)
    return numbered


def of_member(command: Document, target: User) -> Document:
    """Return the data of an entry of a menu that was chosen for somebody."""
    return {**command, "target_id": str(target.id), "resolved": {"users": {str(target.id): user(target)}}}


def interaction(discord: Discord, made: Interaction, data: Document) -> Document:
    """Return an interaction as INTERACTION_CREATE has it."""
    place = made.channel.guild
    document: Document = {
        "id": str(made.id),
        "application_id": str(discord.bot.id),
        "type": made.kind,
        "token": made.token,
        "version": 1,
        "data": data,
        "channel": channel(made.channel),
        "channel_id": str(made.channel.id),
        "locale": made.user.locale,
        "entitlements": [],
        "authorizing_integration_owners": {"0": str(place.id if place is not None else 0)},
        "context": 0 if place is not None else 1,
        "app_permissions": str(_ALL_PERMISSIONS),
        "attachment_size_limit": UPLOAD_LIMIT,
    }
    if made.source is not None:
        document["message"] = message(made.source)
    if place is None:
        return {**document, "user": user(made.user)}
    return {
        **document,
        "guild_id": str(place.id),
        "guild": {"id": str(place.id), "locale": "en-US", "features": []},
        "guild_locale": "en-US",
        "member": member(place, made.user, with_permissions=True),
    }
