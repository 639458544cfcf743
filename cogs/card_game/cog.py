"""The card game on Discord: slash commands in, replies out.

Each command defers before anything else, calls one action of the game and shows the result. Errors of commands and
buttons are answered in one place, ``answer_error``.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence

import discord
from discord import app_commands
from discord.ext import commands

from . import replies, rules
from .errors import GameError
from .game import CardGame
from .views import PublishView

__all__ = ["CardGameCog"]

_log = logging.getLogger(__name__)
_QUIET = discord.AllowedMentions.none()
_CHOICES_LIMIT = 25

_Id = app_commands.Range[int, 1]
_Price = app_commands.Range[int, 1, rules.PRICE_LIMIT]
_PackName = app_commands.Range[str, 1, rules.PACK_NAME_LIMIT]


class CardGameCog(commands.Cog, name="CardGame"):
    """Collect cards, trade them, publish packs of your own.

    ``game`` must have been started; it is closed when the cog is unloaded.
    """

    pack = app_commands.Group(name="pack", description="Open packs and publish your own")
    market = app_commands.Group(name="market", description="Trade cards for coins")
    dust = app_commands.Group(name="dust", description="Spend your dust")

    def __init__(self, game: CardGame) -> None:
        self.game = game

    async def cog_unload(self) -> None:
        """Close the game after the running actions."""
        await self.game.close()

    @pack.command(name="open")
    async def open_pack(self, interaction: discord.Interaction) -> None:
        """Open a pack of five cards for 100 coins."""
        await interaction.response.defer()
        opened = await self.game.open_pack(interaction.user.id, interaction.user.display_name)
        await interaction.followup.send(embed=replies.opened_pack(opened), allowed_mentions=_QUIET)

    @pack.command(name="publish")
    @app_commands.describe(
        name="What the pack is called",
        cards="Names of one to ten cards, with commas between them",
        preview="Look at it first, then publish it by a button",
    )
    async def publish_pack(
        self, interaction: discord.Interaction, name: _PackName, cards: str, preview: bool = False
    ) -> None:
        """Publish a pack of cards for others to buy with dust."""
        await interaction.response.defer(ephemeral=preview)
        names = rules.card_names(cards)
        if preview:
            await self._preview(interaction, name, names)
        else:
            await self._publish(interaction, name, names)

    @market.command(name="list")
    @app_commands.describe(card="The number of a card of yours", price="In coins")
    async def list_card(self, interaction: discord.Interaction, card: _Id, price: _Price) -> None:
        """Offer one of your cards for coins."""
        await interaction.response.defer()
        listing = await self.game.list_card(interaction.user.id, card, price, interaction.user.display_name)
        await interaction.followup.send(replies.listed(listing), allowed_mentions=_QUIET)

    @market.command(name="buy")
    @app_commands.describe(listing="The number of a listing")
    async def buy_listing(self, interaction: discord.Interaction, listing: _Id) -> None:
        """Buy a card from another player."""
        await interaction.response.defer(ephemeral=True)
        sale = await self.game.buy_listing(interaction.user.id, listing, interaction.user.display_name)
        await interaction.followup.send(replies.sold(sale), ephemeral=True, allowed_mentions=_QUIET)

    @market.command(name="withdraw")
    @app_commands.describe(listing="The number of a listing of yours")
    async def withdraw_listing(self, interaction: discord.Interaction, listing: _Id) -> None:
        """Take one of your cards off the market."""
        await interaction.response.defer(ephemeral=True)
        gone = await self.game.withdraw_listing(interaction.user.id, listing, interaction.user.display_name)
        await interaction.followup.send(replies.withdrawn(gone), ephemeral=True, allowed_mentions=_QUIET)

    @dust.command(name="buy")
    @app_commands.describe(pack="The number of a published pack")
    async def buy_pack(self, interaction: discord.Interaction, pack: _Id) -> None:
        """Buy a published pack with dust."""
        await interaction.response.defer(ephemeral=True)
        bought = await self.game.buy_pack_with_dust(interaction.user.id, pack, interaction.user.display_name)
        await interaction.followup.send(embed=replies.purchase(bought), ephemeral=True, allowed_mentions=_QUIET)

    async def _publish(self, interaction: discord.Interaction, name: str, names: Sequence[str]) -> None:
        """Publish a pack and announce it, for the command and for the preview's button."""
        published = await self.game.publish_pack(interaction.user.id, name, names, interaction.user.display_name)
        await interaction.followup.send(embed=replies.published_pack(published), allowed_mentions=_QUIET)

    async def _preview(self, interaction: discord.Interaction, name: str, names: Sequence[str]) -> None:
        async def publish(click: discord.Interaction) -> None:
            await self._publish(click, name, names)

        draft = await self.game.draft_pack(name, names)
        view = PublishView(interaction, publish=publish, answer_error=self.answer_error)
        embed = replies.unpublished_pack(draft)
        await interaction.edit_original_response(embed=embed, view=view, allowed_mentions=_QUIET)

    @list_card.autocomplete("card")
    async def _own_cards(self, interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[int]]:
        async def choices() -> list[tuple[int, str]]:
            cards = await self.game.cards_of(interaction.user.id)
            return [(card.card_id, replies.card_choice(card)) for card in cards if not card.listed]

        return await _matching(typed, choices)

    @buy_listing.autocomplete("listing")
    async def _others_listings(self, interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[int]]:
        async def choices() -> list[tuple[int, str]]:
            found = await self.game.open_listings()
            return [(one.id, replies.listing_choice(one)) for one in found if one.seller_id != interaction.user.id]

        return await _matching(typed, choices)

    @withdraw_listing.autocomplete("listing")
    async def _own_listings(self, interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[int]]:
        async def choices() -> list[tuple[int, str]]:
            found = await self.game.open_listings()
            return [(one.id, replies.listing_choice(one)) for one in found if one.seller_id == interaction.user.id]

        return await _matching(typed, choices)

    @buy_pack.autocomplete("pack")
    async def _packs(self, interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[int]]:
        async def choices() -> list[tuple[int, str]]:
            return [(pack.id, replies.pack_choice(pack)) for pack in await self.game.published_packs()]

        return await _matching(typed, choices)

    @commands.Cog.listener()
    async def on_backup_restore_starting(self, _plan: object) -> None:
        """Pause: the database is about to be replaced."""
        await self.game.pause()

    @commands.Cog.listener()
    async def on_backup_restore_finished(self, _report: object) -> None:
        """Resume, whether or not the restore succeeded."""
        try:
            await self.game.resume()
        except GameError as error:
            _log.warning(
                "The game could not reopen its database after a restore; the next action tries again: %s", error
            )

    async def cog_app_command_error(
        self, interaction: discord.Interaction, error: app_commands.AppCommandError
    ) -> None:
        """Answer an error of any of the commands."""
        cause = error.original if isinstance(error, app_commands.CommandInvokeError) else error
        await self.answer_error(interaction, cause)

    async def answer_error(self, interaction: discord.Interaction, error: BaseException) -> None:
        """Show the player what went wrong; log what is not one of the game's errors."""
        if not isinstance(error, GameError):
            _log.error("An action of the card game failed", exc_info=error)
        text = replies.error_text(error)
        try:
            if interaction.response.is_done():
                await interaction.followup.send(text, ephemeral=True, allowed_mentions=_QUIET)
            else:
                await interaction.response.send_message(text, ephemeral=True, allowed_mentions=_QUIET)
        except discord.HTTPException as unanswered:
            _log.warning("A player could not be answered: %s", unanswered)


async def _matching(
    typed: str, choices: Callable[[], Awaitable[list[tuple[int, str]]]]
) -> list[app_commands.Choice[int]]:
    try:
        found = await choices()
    except GameError:
        # Suggestions cannot show an error; the command itself will.
        return []
    wanted = str(typed).lower()
    shown = [(number, label) for number, label in found if wanted in label.lower()]
    return [app_commands.Choice(name=label, value=number) for number, label in shown[:_CHOICES_LIMIT]]
