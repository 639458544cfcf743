"""Locks: those that a snapshot takes, and who holds the ones that it does not get."""
