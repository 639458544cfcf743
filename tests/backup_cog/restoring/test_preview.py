"""What the preview of a restore says, and how much is asked of whoever confirms it."""

from __future__ import annotations

import itertools

import pytest
from msgspec import structs

from cogs.backup_cog import restore_embeds
from cogs.backup_cog.formatting import plain
from cogs.backup_cog.language import speak
from cogs.backup_cog.restoring.bar import bar
from core.snapshots import Finding, Health, Loss, PlayerLoss, RestorePlan, RestoreStep, Stage, TableLoss, Verdict
from core.snapshots.models import Check, Severity
from tests.backup_cog.test_embeds import lost, plan, snapshot
from tests.backup_cog.world import NOON, text_of

LOST = Loss(tables={"users": TableLoss(changed=2)}, players=(PlayerLoss(player="80351110224678912", rows=2),))
UNREADABLE = Health(
    verdict=Verdict.UNREADABLE,
    checked_at=NOON,
    findings=(Finding(check=Check.PAGES, severity=Severity.ERROR, message="Page 7 cannot be read."),),
)
SECONDS = dict.fromkeys(RestoreStep, 1.0)


def text_in_preview(shown: RestorePlan, member: int = 0) -> str:
    """Return all text of a preview; one person is a member."""
    return text_of(restore_embeds.preview(shown, is_member=lambda user_id: user_id == member).embed)


@pytest.mark.parametrize(
    ("changes", "enough"),
    [
        ({}, False),
        ({"unchanged": True}, True),
        ({"loss": Loss()}, True),
        ({"loss": LOST}, False),
        ({"loss": LOST, "undoes": "x", "since_restore": Loss()}, True),
        ({"loss": LOST, "undoes": "x", "since_restore": LOST}, False),
        ({"loss": Loss(altered=("seasons",))}, False),
        ({"loss": Loss(problem="It took too long.")}, False),
        ({"unchanged": True, "another_database": "These are another's."}, False),
        ({"unchanged": True, "snapshot": structs.replace(snapshot(), health=UNREADABLE)}, False),
    ],
)
def test_one_click_is_enough_where_nothing_is_lost_and_nothing_else_speaks_against_it(
    changes: dict[str, object], enough: bool
) -> None:
    """Otherwise the beginning of the id is typed; the footer says which it is, and the text that nothing is lost."""
    shown = structs.replace(plan(), **changes)
    assert restore_embeds.is_one_click(shown) is enough
    assert ("Confirm restores at once" in text_in_preview(shown)) is enough
    assert ("Nothing is lost." in text_in_preview(shown)) is shown.loses_nothing


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"loss": LOST}, "Players who lose most: 80351110224678912: 2 rows"),
        ({"pause": 3.4, "seconds": SECONDS}, "about 3s, after about 2s in which the snapshot is rebuilt and checked"),
        ({"pause": None}, "Play pauses: while the bot is stopped"),
        ({}, "Not restored: what the bot holds in memory, and any other database or file"),
        ({"snapshot": structs.replace(snapshot(), health=UNREADABLE)}, "**unreadable** when it was taken\n- Page 7"),
        ({"snapshot": structs.replace(snapshot(), restored_at=NOON)}, "restored and compared <t:"),
        ({"undoes": "c0ffee"}, "This undoes the restore of snapshot `c0ffee`."),
        ({"loss": Loss(altered=("seasons",))}, "tables were altered: seasons"),
    ],
)
def test_the_preview_says_what_an_owner_wants_to_know(changes: dict[str, object], says: str) -> None:
    """What is lost and whose it is, how long play stops, what does not come back, and what is known of the state."""
    assert says in text_in_preview(structs.replace(plan(), **changes))


def test_a_player_who_is_a_member_is_linked_and_nobody_else() -> None:
    """A key of the game is no id of Discord's, and a name that looks like a mention is none."""
    player = int(LOST.players[0].player)
    shown = structs.replace(plan(), loss=LOST)
    assert f"<@{player}>: 2 rows" in text_in_preview(shown, player)
    assert "<@" not in text_in_preview(shown)
    named = structs.replace(LOST, players=(PlayerLoss(player="7", rows=1, name="<@80351110224678912>"),))
    assert "\\<@" in text_in_preview(structs.replace(plan(), loss=named), player)


def test_every_event_is_on_one_of_the_pages() -> None:
    """As many as fit, long ones too, in their order; a page that does not exist is the last one."""
    reasons = tuple(f"marketplace_buy_{number}{'x' * (number * 3)}" for number in range(40))
    found = restore_embeds.pages(lost(reasons, ()))
    assert list(itertools.chain(*found)) == [plain(each) for each in reasons]
    assert all(len(page) <= 10 and sum(map(len, page)) <= 700 for page in found)
    for page in range(len(found) + 1):
        shown = restore_embeds.preview(plan(reasons), page=page).embed
        (events,) = [field for field in shown.fields if "page" in str(field.name)]
        assert str(events.value).endswith(found[min(page, len(found) - 1)][-1])


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 0.75, 1.0])
@pytest.mark.parametrize("mark", [0.0, 0.7, 1.0])
def test_the_bar_passes_the_mark_when_the_database_is_replaced_and_never_before(share: float, mark: float) -> None:
    """Whatever was estimated: who sees the mark passed knows that it is done."""
    for changed in (False, True):
        stage = Stage(step=RestoreStep.SAFETY, number=4, of=7, share=share, left=20.0, changed=changed)
        before, after = bar(stage, mark).split("┃")
        assert ("░" not in before) is changed
        assert changed or "█" not in after


@pytest.mark.parametrize(
    ("left", "changed", "says"),
    [
        (21.0, False, "Step 4 of 7: keeping what is there now · replacing nothing yet · about 20s left"),
        (0.2, True, "Step 4 of 7: keeping what is there now · **replaced** · about 1s left"),
        (None, False, "replacing nothing yet · longer than expected"),
    ],
)
def test_progress_says_the_step_whether_anything_was_replaced_and_how_long_it_takes(
    left: float | None, changed: bool, says: str
) -> None:
    """In one line, in the reader's language."""
    stage = Stage(step=RestoreStep.SAFETY, number=4, of=7, share=0.5, left=left, changed=changed)
    assert says in text_of(restore_embeds.stage_shown(structs.replace(plan(), seconds=SECONDS), stage).embed)


def test_a_german_owner_reads_german() -> None:
    """All of it but what the core found."""
    speak("de")
    shown = text_in_preview(structs.replace(plan(("buy",), ("users",)), pause=3.4, seconds=SECONDS))
    speak("")
    assert "Spielpause: etwa 3 s, nach etwa 2 s, in denen der Snapshot aufgebaut" in shown
    for english in ("snapshot of", "events", "Play", "rows", "Nothing"):
        assert english not in shown
