"""One snapshot in full: ``show``, and the buttons under it."""

from __future__ import annotations

import discord
from discord import app_commands

from ..controls import LOOK, PIN, UNPIN, VERIFY, custom_id
from ..core_api import PruneDecision, Snapshot, count_text, size_text
from ..embeds import GREEN, when
from ..formatting import Reply, embed, listing, plain, report_text
from ..permissions import Interaction, actor_of
from .groups import BACKUP
from .parts import CogPart
from .snapshots.lines import facts

__all__ = ["DetailCommands", "details"]

_Name = app_commands.Range[str, 1, 100]
_LIMIT = 900


class DetailCommands(CogPart):
    """A part of ``BackupCog``."""

    @BACKUP.command(name="show")
    @app_commands.describe(snapshot='Which one: pick it, or type a reason, "20m ago", "yesterday 18:00"')
    async def details(self, interaction: Interaction, snapshot: _Name = "latest") -> None:
        """Show one snapshot in full: what it holds, how it is verified, how long it is kept."""
        await self.show_one(interaction, snapshot)

    async def show_one(self, interaction: Interaction, snapshot: str) -> None:
        """Show the snapshot that somebody named or clicked."""
        async with self.managing(interaction) as answer:
            found = await self.service.get(await self.named(interaction, snapshot))
            report = await self.service.prune(dry_run=True)
        decision = next((each for each in report.decisions if each.snapshot.id == found.id), None)
        await answer.show(details(found, decision), view=_buttons(found))

    @details.autocomplete("snapshot")
    async def suggest_shown(self, interaction: Interaction, typed: str) -> list[app_commands.Choice[str]]:
        """Suggest snapshots to show."""
        return await self.suggested(interaction, typed)

    async def pin(self, interaction: Interaction, snapshot: str, *, pinned: bool) -> None:
        """Pin or unpin a snapshot, for the buttons under it."""
        async with self.managing(interaction) as answer:
            found = await self.service.pin(snapshot, pinned, actor=actor_of(interaction))
        done = "is kept whatever retention says" if pinned else "goes when retention says so"
        title = "Pinned" if pinned else "Unpinned"
        await answer.show(Reply(embed(title, f"Snapshot `{found.id}` {done}.", colour=GREEN)), outcome=True)


def details(snapshot: Snapshot, decision: PruneDecision | None) -> Reply:
    """Show all of a snapshot; all its reasons are attached if they do not fit."""
    base = f", needs `{snapshot.base}` and what that needs" if snapshot.base else ", needs no other file"
    rows = [f"{plain(table)}: {count:,}" for table, count in snapshot.rows.items()]
    fields = [
        *facts(snapshot),
        ("Form", snapshot.form.value + base),
        ("Restored and compared", when(snapshot.restored_at) if snapshot.restored_at else "never yet"),
        ("State", _state(snapshot)),
        ("Rows", listing(rows, _LIMIT) if rows else "were not counted"),
        ("Kept", _kept(snapshot, decision)),
    ]
    title = f"Snapshot {snapshot.id}"
    text = f"{count_text(snapshot.requests, 'event')} covered; {size_text(snapshot.size)} on disk."
    whole = report_text(snapshot.reasons) if len(snapshot.reasons) > 1 else None
    return Reply(embed(title, text, fields=fields), whole)


def _state(snapshot: Snapshot) -> str:
    health = snapshot.health
    if health is None:
        return "not looked at"
    found = [f"{plain(finding.message, 200)}" for finding in health.findings]
    return listing([f"{health.verdict.value}, looked at {when(health.checked_at)}", *found], _LIMIT)


def _kept(snapshot: Snapshot, decision: PruneDecision | None) -> str:
    if snapshot.pinned:
        until = f" until {when(snapshot.kept_until)}" if snapshot.kept_until else " until somebody unpins it"
        return f"pinned{until}"
    if decision is None:
        return "as long as retention says"
    why = ", ".join(plain(reason, 100) for reason in decision.reasons)
    return f"now: {why}" if decision.keep else f"goes at the next clean-up: {why}"


def _buttons(snapshot: Snapshot) -> discord.ui.View:
    """Return buttons that work after a restart too; a click goes to the cog's listener and not to the view."""
    view = discord.ui.View(timeout=None)
    pin = (UNPIN, "Unpin") if snapshot.pinned else (PIN, "Pin")
    for word, label in ((VERIFY, "Verify"), pin, (LOOK, "Restore…")):
        style = discord.ButtonStyle.danger if word == LOOK else discord.ButtonStyle.secondary
        view.add_item(discord.ui.Button(label=label, style=style, custom_id=custom_id(word, snapshot.id)))
    view.stop()
    return view
