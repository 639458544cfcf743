"""Notices to the owner: their texts, the outbox that keeps them on disk until delivered, and the ways to deliver them.

Nothing waits for a delivery, because backups do not need Discord.
"""
