"""Who asked for something, as the journal and the audit log name them."""

from __future__ import annotations

from ..core_api import Actor
from ..formatting import plain
from ..language import text, word

__all__ = ["actor_text"]


def actor_text(actor: Actor, limit: int = 100) -> str:
    """Return a person with the way they came by; a name that players can choose does nothing."""
    source = plain(word(actor.source), limit)
    named = f"{actor.name} ({actor.id})" if actor.id is not None else actor.name
    return text("{person} by {source}", person=plain(named, limit), source=source) if named else source
