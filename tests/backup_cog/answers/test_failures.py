"""Each error of the core is told with a title and what to do, in the words of the person who reads it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import discord
import pytest
from discord.app_commands import CommandSignatureMismatch

from cogs.backup_cog.answers.failures import FAILURES, failure
from cogs.backup_cog.language import speak
from cogs.backup_cog.permissions import NotAllowed
from core.snapshots import errors
from core.snapshots.errors import SnapshotError
from core.snapshots.worker.deadlines import overdue
from core.snapshots.worker.protocol import SnapshotJob
from tests.backup_cog.world import text_of

KINDS: list[type[SnapshotError]] = [getattr(errors, name) for name in errors.__all__]


def test_no_error_of_the_core_lacks_a_title_and_a_remedy() -> None:
    assert set(KINDS) == FAILURES.keys()
    assert len({found.title for found in FAILURES.values()}) == len(FAILURES)


@pytest.mark.parametrize("locale", ["en", "de"])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.__name__))
def test_an_error_is_shown_with_its_sentence_and_what_to_do(kind: type[SnapshotError], locale: str) -> None:
    speak(locale)
    shown = text_of(failure(kind("What the core says."), backup="save", database="data").embed)
    speak("")
    title, what, remedy = (line for line in shown.splitlines() if line)
    english = FAILURES[kind].remedy.format(
        backup="save", database="data", setting="schedule", shell="python -m core.snapshots"
    )
    assert "What the core says." in what
    assert title != remedy
    assert (remedy == english) is (locale == "en")
    assert "{" not in shown


def test_a_deadline_names_the_operation_and_its_setting() -> None:
    shown = text_of(failure(overdue(SnapshotJob, 1.0)).embed)
    assert "The snapshot did not end within 1s" in shown
    assert "`schedule.snapshot_deadline` in the settings is how long it may take." in shown


def test_a_refusal_is_told_in_the_readers_language_and_logged_in_english() -> None:
    refused = NotAllowed("Only the bot's owner may do that.")
    speak("de")
    shown = text_of(failure(refused).embed)
    speak("")
    assert shown.splitlines()[:2] == ["Nicht erlaubt", "Das darf nur der Besitzer des Bots."]
    assert str(refused) == "Only the bot's owner may do that."


def of_status(status: int) -> discord.HTTPException:
    """Make the error of a request that Discord answers with this HTTP status."""
    response: Any = SimpleNamespace(status=status, reason="")
    return discord.HTTPException(response, "secret")


@pytest.mark.parametrize(
    ("error", "title"),
    [
        (CommandSignatureMismatch(cast("Any", SimpleNamespace(name="backup now"))), "an older form of this"),
        (of_status(503), "Discord did not answer the bot"),
        (of_status(429), "Discord did not answer the bot"),
        (of_status(400), "That did not work"),
        (OSError("secret"), "That did not work"),
        (ValueError("secret"), "That did not work"),
    ],
)
def test_what_is_no_error_of_the_core_is_told_without_its_text(error: Exception, title: str) -> None:
    """It can hold anything; what Discord did and what a person can do about it is said where that is known."""
    shown = text_of(failure(error).embed)
    assert title in shown.splitlines()[0]
    assert "secret" not in shown
    assert "backup now" not in shown
