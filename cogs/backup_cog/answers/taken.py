"""The answer to a request for a snapshot: which one covers it, what it cost, and how to go back to it. Pure."""

from __future__ import annotations

from ..core_api import Created, Snapshot
from ..formatting import GREEN, Reply, embed
from ..language import duration_text, size_text, text, word
from ..slash.snapshots.lines import facts

__all__ = ["created"]


def created(outcome: Created, *, group: str = "backup") -> Reply:
    """Show the snapshot that was taken, or that another one has this state already.

    ``group`` is the name of the slash commands.
    """
    snapshot = outcome.snapshot
    back = (text("To go back to it"), text("`/{group} restore snapshot:{id}`", group=group, id=snapshot.id))
    if outcome.joined:
        title = text("Covered by the snapshot that was being taken")
        said = text("Nothing was written since it began, so it covers this moment too.")
        return Reply(embed(title, said, fields=[*facts(snapshot), back], colour=GREEN))
    if outcome.unchanged:
        said = text("Nothing changed since the newest snapshot, so it covers this moment too.")
        return Reply(embed(text("Nothing to do"), said, fields=[*facts(snapshot), back], colour=GREEN))
    said = text("Written, read back and verified. It covers everything that was written before it began.")
    fields = [*facts(snapshot), (text("Cost"), _cost(snapshot, outcome.seconds)), back]
    return Reply(embed(text("Snapshot taken"), said, fields=fields, colour=GREEN))


def _cost(snapshot: Snapshot, seconds: float) -> str:
    return text(
        "{size} written in {duration} ({form})",
        size=size_text(snapshot.size),
        duration=duration_text(seconds),
        form=word(snapshot.form.value),
    )
