"""One player's past: what he owned, what changed, and putting it back."""
