"""Writes what the documents have generated: ``python -m documentation``."""

from __future__ import annotations

from documentation import tables

if __name__ == "__main__":
    tables.write()
