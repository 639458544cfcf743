"""The files that make up one SQLite database (https://www.sqlite.org/tempfiles.html)."""

from __future__ import annotations

__all__ = ["SIDE_FILES"]

SIDE_FILES = ("", "-wal", "-shm", "-journal")
"""What each name ends with, the main file first: a crash after moving it leaves a missing database, not a mixed one."""
