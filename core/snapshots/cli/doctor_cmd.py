"""Looking at a bot: ``doctor``."""

from __future__ import annotations

from pathlib import Path

import click

from ..doctor import examine, write_settings
from .app import command
from .invocation import Invocation
from .json_output import doctor as documents
from .text_output import doctor as text

__all__ = ["doctor"]

_FAILED = 1


@command()
@click.option("--write", is_flag=True, help="Write the settings that were found into the settings file.")
@click.pass_obj
def doctor(invocation: Invocation, write: bool) -> int:
    """Find the bot's database, and say what is not well.

    It needs no settings and changes nothing without --write. The exit code is 1 if there are problems.
    """
    found = examine(Path.cwd(), invocation.config)
    if write and found.settings:
        write_settings(Path(found.settings_file), found.settings)
    invocation.answer(documents.doctor_document(found), text.doctor_output(found, invocation.now(), written=write))
    return _FAILED if found.problems else 0
