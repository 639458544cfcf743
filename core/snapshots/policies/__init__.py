"""The decisions, as pure functions that return their reasons too. They use no clock, no disk and no randomness."""
