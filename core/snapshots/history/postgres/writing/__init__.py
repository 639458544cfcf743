"""Writing rows that come back: in which order, with which numbers, and beside the game's triggers."""
