"""Writes what the documents have generated: ``python -m documentation [tables|discord]``."""

from __future__ import annotations

import subprocess
import sys

from documentation import tables


def main(arguments: list[str]) -> int:
    """Write what is named, or everything. Return the exit status."""
    if len(arguments) > 1 or not set(arguments) <= {"tables", "discord"}:
        sys.stderr.write("Usage: python -m documentation [tables|discord]\n")
        return 2
    if arguments != ["discord"]:
        tables.write()
    if not arguments:
        from documentation import pictures

        pictures.write()
    return _discord() if arguments != ["tables"] else 0


def _discord() -> int:
    """Record the messages of the bot and draw them. Return the exit status."""
    from documentation import discord_pictures

    try:
        discord_pictures.record()
        discord_pictures.draw()
    except (RuntimeError, subprocess.SubprocessError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
