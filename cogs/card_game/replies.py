"""The game's answers: values in, text and embeds out; nothing is awaited here.

Players choose the names of packs. So names are escaped and mention nobody; besides, answers are sent without allowed
mentions.
"""

from __future__ import annotations

from collections.abc import Iterable

import discord

from .errors import GameError
from .models import Balance, CardCopy, Listing, OpenedPack, Pack, PackDraft, PackPurchase, Sale

__all__ = [
    "card_choice",
    "error_text",
    "listed",
    "listing_choice",
    "opened_pack",
    "pack_choice",
    "published_pack",
    "purchase",
    "sold",
    "unpublished_pack",
    "withdrawn",
]

_CHOICE_LIMIT = 100


def error_text(error: BaseException) -> str:
    """Return the sentence for a player: that of a GameError, or an apology without details for any other error."""
    if isinstance(error, GameError):
        return _plain(str(error))
    return "Something went wrong on our side. It has been noted."


def opened_pack(opened: OpenedPack) -> discord.Embed:
    """Show the cards drawn, with the numbers that list them on the market."""
    embed = discord.Embed(title="You opened a pack", description=_copies(opened.cards))
    if opened.dust_gained:
        embed.add_field(name="Dust for cards you had", value=str(opened.dust_gained))
    return _with_balance(embed, opened.balance)


def unpublished_pack(draft: PackDraft) -> discord.Embed:
    """Show a pack before it is published."""
    return _pack_embed("Preview of your pack", draft)


def published_pack(pack: Pack) -> discord.Embed:
    """Announce a pack and the number to buy it by."""
    return _pack_embed(f"Pack {pack.id} is published", pack)


def purchase(bought: PackPurchase) -> discord.Embed:
    """Show the cards of a bought pack."""
    embed = discord.Embed(
        title=f"You bought pack {bought.pack.id}",
        description=f"**{_plain(bought.pack.name)}** for {bought.pack.price} dust\n{_copies(bought.cards)}",
    )
    return _with_balance(embed, bought.balance)


def listed(listing: Listing) -> str:
    """Announce a listing and the number to buy it by."""
    return f"{_offer(listing)} is on the market for {_coins(listing.price)}: listing {listing.id}."


def withdrawn(listing: Listing) -> str:
    """Show that a listing was withdrawn."""
    return f"{_offer(listing)} is off the market."


def sold(sale: Sale) -> str:
    """Show what was bought, and what the buyer has left."""
    return f"{_offer(sale.listing)} is yours for {_coins(sale.listing.price)}. You have {sale.balance.coins} left."


def card_choice(card: CardCopy) -> str:
    """Return a copy's label in a list of choices."""
    return f"{card.card_id}: {card.name} ({card.rarity})"[:_CHOICE_LIMIT]


def listing_choice(listing: Listing) -> str:
    """Return a listing's label in a list of choices."""
    return f"{listing.id}: {listing.name} ({listing.rarity}), {_coins(listing.price)}"[:_CHOICE_LIMIT]


def pack_choice(pack: Pack) -> str:
    """Return a pack's label in a list of choices."""
    return f"{pack.id}: {pack.name}, {pack.price} dust"[:_CHOICE_LIMIT]


def _pack_embed(title: str, pack: Pack | PackDraft) -> discord.Embed:
    lines = "\n".join(f"{_plain(card.name)} · {card.rarity}" for card in pack.cards)
    embed = discord.Embed(title=title, description=f"**{_plain(pack.name)}**\n{lines}")
    return embed.add_field(name="Price", value=f"{pack.price} dust")


def _with_balance(embed: discord.Embed, balance: Balance) -> discord.Embed:
    return embed.set_footer(text=f"{_coins(balance.coins)} and {balance.dust} dust left")


def _copies(cards: Iterable[CardCopy]) -> str:
    return "\n".join(f"`{card.card_id}` {_plain(card.name)} · {card.rarity}" for card in cards)


def _offer(listing: Listing) -> str:
    return f"{_plain(listing.name)} ({listing.rarity}, card {listing.card_id})"


def _coins(count: int) -> str:
    return "1 coin" if count == 1 else f"{count} coins"


def _plain(text: str) -> str:
    return discord.utils.escape_mentions(discord.utils.escape_markdown(text, ignore_links=False))
