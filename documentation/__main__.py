"""Writes what the documents have generated: ``python -m documentation [tables]``."""

from __future__ import annotations

import sys

from documentation import tables


def main(arguments: list[str]) -> int:
    """Write the tables, and without an argument the pictures too. Return the exit status."""
    if arguments not in ([], ["tables"]):
        sys.stderr.write("Usage: python -m documentation [tables]\n")
        return 2
    tables.write()
    if not arguments:
        from documentation import discord_pictures, pictures

        pictures.write()
        discord_pictures.record()
        discord_pictures.draw()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
