"""The errors of the game, as one tree.

    GameError
    ├── NotEnough
    │   ├── NotEnoughCoins       the player cannot pay the price in coins
    │   └── NotEnoughDust        the player cannot pay the price in dust
    ├── NotFound
    │   ├── PlayerNotFound       nobody with this id has played yet
    │   ├── CardNotFound         no such card
    │   ├── ListingNotFound      no such listing
    │   └── PackNotFound         no such pack
    ├── NotAllowed
    │   ├── CardNotOwned         the card belongs to somebody else
    │   ├── CardAlreadyListed    the card is on the market already
    │   ├── OwnListing           nobody buys from themselves
    │   ├── ListingNotOwned      only the seller withdraws a listing
    │   └── ListingClosed        the listing was sold or withdrawn
    ├── Invalid
    │   ├── InvalidPrice         outside what the market takes
    │   └── InvalidPack          a name or a list of cards that cannot be published
    ├── PackUnreadable           the pack's stored contents are damaged
    └── GameUnavailable
        ├── GamePaused           a restore is running
        └── GameBusy             another transaction held a lock for too long

``str(error)`` is a sentence for the player. An action that raises has changed nothing: its transaction is rolled back.
The sentences can quote what a player typed, so whoever shows them must escape markdown.
"""

from __future__ import annotations

__all__ = [
    "CardAlreadyListed",
    "CardNotFound",
    "CardNotOwned",
    "GameBusy",
    "GameError",
    "GamePaused",
    "GameUnavailable",
    "Invalid",
    "InvalidPack",
    "InvalidPrice",
    "ListingClosed",
    "ListingNotFound",
    "ListingNotOwned",
    "NotAllowed",
    "NotEnough",
    "NotEnoughCoins",
    "NotEnoughDust",
    "NotFound",
    "OwnListing",
    "PackNotFound",
    "PackUnreadable",
    "PlayerNotFound",
]


class GameError(Exception):
    """The root: catch this to catch every error of the game."""


class NotEnough(GameError):
    """The player has ``have`` of something and needs ``need``."""

    what = "of it"

    def __init__(self, *, need: int, have: int) -> None:
        what = self.what.removesuffix("s") if need == 1 else self.what
        super().__init__(f"You need {need} {what} for that and have {have}.")
        self.need = need
        self.have = have


class NotEnoughCoins(NotEnough):
    """The player cannot pay the price in coins."""

    what = "coins"


class NotEnoughDust(NotEnough):
    """The player cannot pay the price in dust."""

    what = "dust"


class NotFound(GameError, LookupError):
    """Nothing in the game has this name or number."""


class PlayerNotFound(NotFound):
    """Nobody with this id has played yet."""


class CardNotFound(NotFound):
    """There is no such card."""


class ListingNotFound(NotFound):
    """There is no such listing."""


class PackNotFound(NotFound):
    """There is no such pack."""


class NotAllowed(GameError):
    """The rules of the game do not let this player do that."""


class CardNotOwned(NotAllowed):
    """The card belongs to somebody else."""


class CardAlreadyListed(NotAllowed):
    """The card is on the market already."""


class OwnListing(NotAllowed):
    """The buyer is the seller."""


class ListingNotOwned(NotAllowed):
    """Only the seller withdraws a listing."""


class ListingClosed(NotAllowed):
    """The listing was sold or withdrawn."""


class Invalid(GameError, ValueError):
    """What was typed is not valid; the sentence says what is."""


class InvalidPrice(Invalid):
    """The price is outside what the market takes."""


class InvalidPack(Invalid):
    """The name or the list of cards cannot be published."""


class PackUnreadable(GameError):
    """The pack's stored contents cannot be read."""


class GameUnavailable(GameError):
    """The game cannot be played now; the same action can work later."""


class GamePaused(GameUnavailable):
    """The game is paused while its database is restored."""


class GameBusy(GameUnavailable, TimeoutError):
    """Another transaction held a lock for too long."""
