"""One snapshot in full: ``show``, and the buttons under it, which work after a restart too."""

from __future__ import annotations

import logging

import discord
from discord import app_commands

from ..controls import DOWNLOAD, INSIDE, LOOK, PIN, PIN_WHY, REASONS, UNPIN, UNPIN_WHY, VERIFY, custom_id, typed_text
from ..core_api import AuditLine, Snapshot, SnapshotError
from ..formatting import GREEN, Reply, embed
from ..language import phrase, text
from ..permissions import Interaction, actor_of
from ..responses import ProgressDisplay, acknowledge
from .groups import BACKUP
from .parts import CogPart
from .snapshots.described import described
from .snapshots.detail_embeds import PAGE_LENGTH, pages_of, shown_details
from .snapshots.lines import own_reasons

__all__ = ["DetailCommands"]

log = logging.getLogger(__name__)
_Name = app_commands.Range[str, 1, 100]
_WHY_LIMIT = 200
_MODAL_SECONDS = 900.0
_BUTTONS = {
    VERIFY: phrase("Verify"),
    PIN: phrase("Pin…"),
    UNPIN: phrase("Unpin…"),
    INSIDE: phrase("Look inside"),
    DOWNLOAD: phrase("Download"),
    LOOK: phrase("Restore…"),
}


class DetailCommands(CogPart):
    """A part of ``BackupCog``."""

    @BACKUP.command(name="show")
    @app_commands.describe(snapshot='Which one: pick it, or type a reason, "20m ago", "yesterday 18:00"')
    async def details(self, interaction: Interaction, snapshot: _Name = "latest") -> None:
        """Show one snapshot in full: what it holds, how it is verified, how long it is kept."""
        await self.show_one(interaction, snapshot)

    @details.autocomplete("snapshot")
    async def suggest_shown(self, interaction: Interaction, typed: str) -> list[app_commands.Choice[str]]:
        """Suggest snapshots to show."""
        return await self.suggested(interaction, typed)

    async def show_one(self, interaction: Interaction, snapshot: str) -> None:
        """Show the snapshot that somebody named or clicked."""
        await self._show_details(interaction, snapshot, 0, in_place=False)

    async def turn_reasons(self, interaction: Interaction, control: str) -> None:
        """Show another page of the reasons in place, for the buttons under them."""
        snapshot, _, page = control.partition(":")
        await self._show_details(interaction, snapshot, int(page) if page.isdecimal() else 0, in_place=True)

    async def _show_details(self, interaction: Interaction, snapshot: str, page: int, *, in_place: bool) -> None:
        async with self.managing(interaction, in_place=in_place) as answer:
            found = await self.service.get(await self.named(interaction, snapshot))
            page = min(page, pages_of(found) - 1)
            await self.names.learn(own_reasons(found)[page * PAGE_LENGTH :][:PAGE_LENGTH])
            decisions = (await self.service.prune(dry_run=True)).decisions
            known = described(found, self.service.known, decisions, await self._audited())
        reply = shown_details(known, page, self.reader(interaction))
        await answer.show(reply, view=_buttons(found, page), turns=in_place)

    async def _audited(self) -> tuple[AuditLine, ...]:
        """Return the audit log. That it cannot be read is an outage of its own, and hides no snapshot."""
        try:
            return await self.service.audit()
        except (OSError, SnapshotError) as error:
            log.warning("The audit log cannot be read: %s", error)
            return ()

    async def ask_why(self, interaction: Interaction, snapshot: str, *, pinned: bool) -> None:
        """Ask for the reason of a pin or of its end, for the buttons."""
        self.answer_to(interaction)  # speaks the person's language from here on
        await self.permissions.require_manager(interaction)
        await acknowledge(lambda: interaction.response.send_modal(_why(snapshot, pinned=pinned)))

    async def pin(self, interaction: Interaction, snapshot: str, *, pinned: bool) -> None:
        """Pin or unpin a snapshot, once its reason was typed."""
        why, actor = typed_text(interaction)[:_WHY_LIMIT], actor_of(interaction)
        async with self.managing(interaction) as answer, ProgressDisplay(answer) as progress:
            found = await self.service.pin(snapshot, pinned, why=why, actor=actor, on_wait=progress.waits)
        if pinned:
            title, done = (
                text("Pinned"),
                text("Snapshot `{snapshot}` is kept until somebody unpins it.", snapshot=found.id),
            )
        else:
            title, done = (
                text("Unpinned"),
                text("Snapshot `{snapshot}` goes when retention says so.", snapshot=found.id),
            )
        await answer.show(Reply(embed(title, done, colour=GREEN)), outcome=True)


def _why(snapshot: str, *, pinned: bool) -> discord.ui.Modal:
    """Return the question for a reason. The cog's listener hears the answer, so it counts after a restart too."""
    title = text("Keep this snapshot?") if pinned else text("Keep it no longer?")
    modal = discord.ui.Modal(
        title=title, timeout=_MODAL_SECONDS, custom_id=custom_id(PIN_WHY if pinned else UNPIN_WHY, snapshot)
    )
    field: discord.ui.TextInput[discord.ui.Modal] = discord.ui.TextInput(
        custom_id="why", required=False, max_length=_WHY_LIMIT
    )
    modal.add_item(discord.ui.Label(text=text("Why? The audit log keeps it."), component=field))
    return modal


def _buttons(snapshot: Snapshot, page: int) -> discord.ui.View:
    """Return the buttons. The view is over already: a click goes to the cog's listener and not to the view."""
    view = discord.ui.View(timeout=None)
    for control in (VERIFY, UNPIN if snapshot.pinned else PIN, INSIDE, DOWNLOAD, LOOK):
        style = discord.ButtonStyle.danger if control == LOOK else discord.ButtonStyle.secondary
        said = text(_BUTTONS[control])
        view.add_item(discord.ui.Button(label=said, style=style, custom_id=custom_id(control, snapshot.id)))
    last = pages_of(snapshot) - 1
    if last:
        for said, other in ((text("Reasons before"), page - 1), (text("More reasons"), page + 1)):
            control = custom_id(REASONS, f"{snapshot.id}:{other}")
            view.add_item(discord.ui.Button(label=said, custom_id=control, disabled=not 0 <= other <= last, row=1))
    view.stop()
    return view
