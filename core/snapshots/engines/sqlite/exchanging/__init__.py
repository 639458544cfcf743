"""Replacing a database that SQLite cannot open: its files are exchanged, by steps that a crash cannot tear apart."""
