"""The sixty cards of a new game, the same in every game."""

from __future__ import annotations

from itertools import product

from .models import Rarity

__all__ = ["STARTING_CARDS"]

_CREATURES = ("Fox", "Crane", "Golem", "Warden", "Serpent", "Sage")
_REALMS = ("Ember", "Tide", "Moss", "Frost", "Copper", "Thunder", "Dusk", "Glass", "Star", "Void")
_COUNTS = {
    Rarity.COMMON: 24,
    Rarity.UNCOMMON: 14,
    Rarity.RARE: 10,
    Rarity.EPIC: 6,
    Rarity.LEGENDARY: 4,
    Rarity.MYTHIC: 2,
}


def _starting_cards() -> tuple[tuple[str, Rarity], ...]:
    names = (f"{realm} {creature}" for realm, creature in product(_REALMS, _CREATURES))
    rarities = (rarity for rarity, count in _COUNTS.items() for _ in range(count))
    return tuple(zip(names, rarities, strict=True))


STARTING_CARDS = _starting_cards()
"""Name and rarity of each card, the most common ones first."""
