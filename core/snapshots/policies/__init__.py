"""Decisions as pure functions of their arguments, with their reasons: no clock, no disk, no randomness."""
