"""The list of snapshots: its pages, its filters, and what belongs to whom."""

from __future__ import annotations

import datetime as dt
from types import SimpleNamespace
from typing import Any

import pytest
from simcord.results import InteractionResult

from core.snapshots import Kind, Snapshot
from tests.backup_cog.stage import HOME, Stage, said
from tests.end_to_end.discord_server.rules import require_choices, require_message
from tests.worlds.snapshots import make_snapshot
from tests.worlds.waiting import PATIENCE

pytestmark = [
    pytest.mark.process,
    pytest.mark.simcord(settle_timeout=PATIENCE),
    pytest.mark.parametrize("variables", [{"DISCORD_ADMIN_GUILD_IDS": f"[{HOME}]"}], ids=["home"]),
]

NASTY = "**x** `y` ||z|| [a](https://b.example) <@1> @everyone \u202e مرحبا 👩\u200d🚀🎁 \n# שלום _u_ ~~v~~ ".ljust(
    200, "🎁"
)


def have(stage: Stage, snapshots: list[Snapshot]) -> None:
    """Let the catalog list snapshots that were never taken, oldest first."""
    catalog = stage.cog.service._context.repository.catalog
    catalog.contents = catalog.contents.with_snapshots(snapshots)

    async def listed(kind: Kind | None = None) -> tuple[Snapshot, ...]:
        return tuple(reversed(snapshots))

    stage.cog.service.list = listed


def numbered(stage: Stage, count: int, **changes: Any) -> list[Snapshot]:
    """Return snapshots an hour apart, the newest of which was taken just now."""
    now = stage.cog.service.now()
    return [
        make_snapshot(number, at=now - dt.timedelta(hours=count - number), **changes) for number in range(1, count + 1)
    ]


def shown(result: InteractionResult) -> Any:
    """Return the message of an answer, to click at."""
    assert result.response is not None
    return result.response


def ids_in(result: InteractionResult) -> list[int]:
    """Return the numbers of the snapshots on a page."""
    lines = said(result).splitlines()
    return [int(line.split("`")[1], 16) for line in lines if line.startswith("`")]


async def test_a_list_is_turned_page_by_page_in_place(stage: Stage) -> None:
    """Ten a page; what was clicked is the same message."""
    snapshots = numbered(stage, 23)
    have(stage, snapshots)
    first = await stage.slash(stage.admin, "backup list")
    assert ids_in(first) == list(range(23, 13, -1))
    assert "23 snapshots\n" in said(first)
    for label, page, ids in (
        ("Next", "Page 2 of 3", range(13, 3, -1)),
        ("Last", "Page 3 of 3", range(3, 0, -1)),
        ("Back", "Page 2 of 3", range(13, 3, -1)),
        ("First", "Page 1 of 3", range(23, 13, -1)),
    ):
        turned = await stage.admin.click(shown(first), label=label)
        assert ids_in(turned) == list(ids)
        assert page in said(turned)
        assert shown(turned).id == shown(first).id
    del snapshots[3:]
    assert ids_in(await stage.admin.click(shown(first), label="Refresh")) == [3, 2, 1]
    assert stage.errors() == []


async def test_a_list_is_narrowed_by_what_is_chosen(stage: Stage) -> None:
    """One of a group is enough, and each group counts."""
    now = stage.cog.service.now()
    have(
        stage,
        [
            make_snapshot(1, at=now - dt.timedelta(days=9), pinned=True),
            make_snapshot(2, at=now - dt.timedelta(days=8), ok=False),
            make_snapshot(3, at=now - dt.timedelta(days=2), kind=Kind.MANUAL, pinned=True),
            make_snapshot(4, at=now, kind=Kind.SAFETY),
        ],
    )
    listed = await stage.slash(stage.admin, "backup list", kind="safety")
    assert ids_in(listed) == [4]
    [control] = [each for each in controls_of(shown(listed)) if each.endswith(unique_of(shown(listed)))][:1]
    for chosen, ids in (
        (["safety", "manual"], [4, 3]),
        (["pinned"], [3, 1]),
        (["pinned", "older"], [1]),
        (["damaged"], [2]),
        (["today"], [4]),
        (["week"], [4, 3]),
        (["manual", "damaged"], []),
        ([], [4, 3, 2, 1]),
    ):
        assert ids_in(await stage.admin.select(shown(listed), chosen, custom_id=control)) == ids
    assert "None is like that" in said(await stage.admin.select(shown(listed), ["found"], custom_id=control))


def controls_of(message: Any) -> list[str]:
    """Return the custom ids of a message's components."""
    return [each["custom_id"] for row in message.components for each in row["components"]]


def unique_of(message: Any) -> str:
    """Return what all custom ids of one list have in common."""
    return controls_of(message)[0].split(":")[2]


async def test_one_of_the_list_is_opened_in_a_message_of_its_own(stage: Stage) -> None:
    """Also by a click that comes after a restart."""
    snapshot = (await stage.cog.service.create(Kind.MANUAL, note="cup")).snapshot
    listed = await stage.slash(stage.admin, "backup list")
    control = controls_of(shown(listed))[1]
    opened = await stage.admin.select(shown(listed), [snapshot.id], custom_id=control)
    assert f"Snapshot {snapshot.id}" in said(opened)
    assert said(opened).count("cup") == 1
    for view in stage.cog.views:
        view.stop()
    late = await stage.admin.select(shown(listed), [snapshot.id], custom_id=control)
    assert f"Snapshot {snapshot.id}" in said(late)
    assert "1 snapshot\n" in said(await stage.admin.click(shown(listed), label="Refresh"))
    assert stage.errors() == []


async def test_a_list_belongs_to_who_asked_and_ends(stage: Stage) -> None:
    """Nobody else's click counts, nor one by a person who is no admin any more, nor one after the time."""
    snapshot = (await stage.cog.service.create(Kind.MANUAL)).snapshot
    listed = await stage.slash(stage.admin, "backup list")
    await stage.admin.click(shown(listed), label="Refresh")
    opened = await stage.admin.select(shown(listed), [snapshot.id], custom_id=controls_of(shown(listed))[1])
    [view] = stage.cog.views
    for person, why in ((stage.owner, "belong to the person"), (stage.admin, "Backups are for")):
        click = SimpleNamespace(user=person.user, locale="en-GB", guild_id=None, extras={})
        with pytest.raises(Exception, match=why):  # by its text: a reload makes the class anew
            await view.interaction_check(click)
    await stage.env.advance_time(seconds=601)
    assert all(each["disabled"] for row in message_now(stage, listed).components for each in row["components"])
    assert message_now(stage, opened).components[0]["components"][0]["label"] == "Verify"
    assert stage.errors() == []


def message_now(stage: Stage, result: InteractionResult) -> Any:
    """Return a message as Discord has it by now."""
    from simcord.results import ResponseMessage

    message = shown(result)
    return ResponseMessage(stage.env, stage.env.backend.messages[message.channel_id][message.id])


async def test_an_empty_list_says_what_to_do(stage: Stage) -> None:
    """With the button that does it."""
    empty = await stage.slash(stage.admin, "backup list")
    assert "`/backup now` takes the first one" in said(empty)
    assert "Snapshot taken" in said(await stage.admin.click(shown(empty), label="Snapshot now"))


async def test_three_hundred_snapshots_with_the_longest_reasons(stage: Stage) -> None:
    """Markdown, both directions and emoji: each page is taken by Discord, and no reason does anything."""
    have(stage, numbered(stage, 300, reasons=(NASTY, NASTY[::-1], NASTY[5:]), note=None, pinned=True, ok=False))
    listed = await stage.slash(stage.admin, "backup list")
    for label in ("Next", "Last", "Back", "First"):
        page = await stage.admin.click(shown(listed), label=label)
        assert len(ids_in(page)) == 10
        assert "@everyone" not in said(page)
        assert "**x**" not in said(page)
        assert "\u202e" not in said(page)
    options = await stage.admin.autocomplete(stage.office, "backup show", "snapshot", "everyone")
    assert len(options) == 25
    assert all(len(each["name"]) <= 100 and "\u202e" not in each["name"] for each in options)
    require_choices(options)
    for request in stage.env.http_requests:
        if request.method == "PATCH" and isinstance(request.json, dict):
            require_message(request.json)
    assert stage.errors() == []
