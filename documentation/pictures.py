"""The picture of the demonstration, as it ran."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from documentation import terminal
from documentation.tables import PROJECT

__all__ = ["PICTURES", "write"]

PICTURES = PROJECT / "docs" / "pictures"
SHOWN_FOLDER = "/srv/bot"
"""Stands in the pictures for the temporary folder in which the demonstration ran."""


def write() -> None:
    """Run the demonstration, and write its recording."""
    PICTURES.mkdir(exist_ok=True)
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("BACKUP_", "DATABASE_"))}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        lines = terminal.record(
            [sys.executable, str(PROJECT / "main.py"), "demo"], folder, {**environment, "PYTHONPATH": str(PROJECT)}
        )
        shown = [line._replace(text=line.text.replace(str(folder), SHOWN_FOLDER)) for line in lines]
        (PICTURES / "demo.svg").write_text(terminal.picture("make demo", shown), encoding="utf-8")
