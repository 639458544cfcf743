"""What counts here and how it is: ``status`` and ``settings``."""

from __future__ import annotations

import os

import click

from ..doctor.glance import glance
from ..errors import DatabaseDamaged
from ..models import Verdict
from ..settings.origins import effective
from ..settings.sources import chosen_file
from .app import command
from .invocation import Invocation
from .json_output import status as documents
from .session import opened
from .text_output import status as text

__all__ = ["settings", "status"]

_FAILED = 1
_DAMAGED = DatabaseDamaged.exit_code


@command()
@click.pass_obj
def status(invocation: Invocation) -> int:
    """Show the database and the repository at a glance.

    The exit code is 4 if the database cannot be read, 1 if anything else is not well.
    """
    with opened(invocation, reading=True) as session:
        found = session.run(session.service.status())
        problems = glance(found, session.service.settings, invocation.now())
    triggers = session.service.settings.triggers
    document = documents.status_document(found, problems, settings_file=session.settings_file, triggers=len(triggers))
    shown = text.status_output(
        found, problems, invocation.now(), settings_file=session.settings_file, triggers=triggers
    )
    invocation.answer(document, shown)
    if found.live is not None and found.live.verdict is Verdict.UNREADABLE:
        return _DAMAGED
    # A repository that may only be read, like a rescue disk, is shown as such, and reading it has not failed.
    return _FAILED if any(each.check != "permissions" for each in problems) else 0


@command()
@click.pass_obj
def settings(invocation: Invocation) -> None:
    """Show each setting that counts, and where it came from."""
    file = chosen_file(os.environ) if invocation.config is None else invocation.config
    found = effective(file)
    invocation.answer(documents.settings_document(found, file), text.settings_output(found, file))
