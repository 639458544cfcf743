"""Answers that more than one command gives: what failed, and what a check found. Pure; nothing is awaited here."""
