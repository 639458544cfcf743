"""Whose snapshots these are: a repository belongs to one database, and nothing is put over another by itself.

Settings with another identity write nothing and restore nothing by themselves. There are two ways out: another
``repository.path``, or ``claim``, which the owner runs once after moving the database or its host.
"""

from __future__ import annotations

import msgspec

from ..errors import AnotherDatabase
from ..models import NOBODY, Actor, Identity
from ..repository.catalog import Contents
from .context import Context
from .exclusive import exclusive
from .journal import audit
from .rebuild_catalog import readable_contents
from .whereabouts import forget_whereabouts

__all__ = ["claim", "identified", "present_identity", "require_own"]


async def present_identity(context: Context) -> Identity | None:
    """Return the identity of the database in the settings, or None if the server cannot tell it now."""
    if context.identity is None:
        location = await context.probe.identity()
        if location is None:
            return None
        context.identity = Identity(engine=context.url.engine, location=location)
    return context.identity


async def require_own(context: Context, contents: Contents) -> None:
    """Raise AnotherDatabase if the repository belongs to another database than that of the settings."""
    recorded = contents.identity
    if recorded is None:
        return
    present = await present_identity(context)
    if present is None and recorded.engine != context.url.engine:
        present = Identity(
            engine=context.url.engine, location=context.url.redacted
        )  # whatever it is, it is another one
    if present is not None and not present.same_database(recorded):
        raise AnotherDatabase(
            f"The repository {context.repository.root} holds snapshots of the {recorded}, and the settings name the "
            f"{present}: nothing was written and nothing restored. Give this bot a [repository] path of its own; or, "
            "if the database has moved, run claim once (python -m core.snapshots claim).",
            recorded=recorded.location,
            present=present.location,
        )


async def identified(context: Context, contents: Contents) -> Contents:
    """Return the contents with the identity of this database, recording it if there is none yet."""
    if contents.identity is not None:
        return contents
    present = await present_identity(context)
    if present is None:
        return contents
    own = msgspec.structs.replace(present, repository=context.token_hex(8))
    change = context.repository.catalog.change
    return await context.in_thread(change, lambda now: msgspec.structs.replace(now, identity=own))


async def claim(context: Context, *, actor: Actor = NOBODY) -> Identity:
    """Make the repository that of the database in the settings, and return that identity.

    Raises AnotherDatabase if the server cannot tell which database that is.
    """
    await context.in_thread(forget_whereabouts, context)
    async with exclusive(context, "a claim", actor=actor, beginning_anew=True):
        contents = await readable_contents(context)
        present = await present_identity(context)
        if present is None:
            raise AnotherDatabase(
                "The database cannot be reached, so it cannot be told which one it is; nothing was changed.",
                recorded=contents.identity.location if contents.identity else "",
                present="",
            )
        kept = contents.identity.repository if contents.identity else context.token_hex(8)
        own = msgspec.structs.replace(present, repository=kept)
        change = context.repository.catalog.change
        await context.in_thread(change, lambda now: msgspec.structs.replace(now, identity=own))
        before = "" if contents.identity is None else f"before: the {contents.identity}"
        await audit(context, actor, "claim", "done", None, f"now: the {own}; {before}".rstrip("; "))
        return own
