"""Snapshots by slash command: taken, listed, suggested, verified, each for the eyes of who asked."""

from __future__ import annotations

import datetime as dt
import os

import msgspec
import pytest

from core.snapshots import Actor
from core.snapshots.repository.file_lock import FileLock
from core.snapshots.repository.lock import Holder
from tests.end_to_end.discord_server.people import snapshot_ids
from tests.end_to_end.discord_stories.deeds import join, take
from tests.end_to_end.discord_stories.town import Town
from tests.worlds.waiting import wait_until

pytestmark = [pytest.mark.process, pytest.mark.socket]


def test_a_snapshot_is_taken_listed_suggested_and_verified(town: Town) -> None:
    """What an administrator does on a quiet day, and nobody else sees it."""
    join(town)
    shown = town.admin.slash("backup now", note="before the *event*", pin=True)
    taken = shown.reads("Id: ", r"before the \*event\*", "pinned")
    (snapshot,) = snapshot_ids(taken.text)
    assert taken.only_for is town.admin.user
    assert snapshot in snapshot_ids(town.owner.slash("backup list").reads(snapshot).text)
    assert snapshot in town.admin.types("backup verify", "snapshot", snapshot[:5]).choices()
    town.admin.slash("backup verify", snapshot=snapshot, level="restored").reads("Verified", snapshot, "is sound")
    town.admin.slash("db integrity").reads("The database is sound")


def test_two_who_press_at_once_are_both_answered_and_neither_is_refused(town: Town) -> None:
    """The second one waits for the first, and shares its snapshot where nothing was written since that began."""
    join(town)
    first, second = town.owner.slash("backup now"), town.admin.slash("backup now")
    taken = snapshot_ids(first.reads("To go back to it").text)
    answer = second.reads("To go back to it").text
    assert "restore snapshot:" in answer
    assert answer.startswith("Snapshot taken") or snapshot_ids(answer) == taken


def test_whoever_asks_while_something_runs_reads_what_it_is_and_is_served_after_it(town: Town) -> None:
    """Also what another process does: since when, and for whom; nobody has to ask again."""
    work = town.bot.repository / ".work"
    lock = FileLock(work / "lock")
    wait_until(lock.acquire, "nothing else runs")
    ann = Actor(source="discord", name="Ann", id=7)
    holder = Holder("a restore", os.getpid(), dt.datetime.now(dt.UTC), ann)
    (work / "operation.json").write_bytes(msgspec.json.encode(holder))
    try:
        asked = town.admin.slash("backup now")
        asked.reads("Waiting", r"Running now: a restore for Ann (7) by discord, begun <t:")
    finally:
        lock.release()
    asked.reads("Snapshot taken", "To go back to it")


def test_what_is_no_snapshot_is_answered_with_those_there_are(town: Town) -> None:
    """Suggestions validate nothing: anything can be typed."""
    snapshot = take(town.admin)
    town.admin.slash("backup verify", snapshot="@everyone `rm`").reads("There is no such snapshot", snapshot)


def test_a_snapshot_is_found_in_ones_own_words_and_looked_into(town: Town) -> None:
    """By a time in one's own zone, from the list to its details, its tables and a reason to keep it."""
    join(town)
    snapshot = take(town.admin)
    town.admin.slash("backup timezone", zone="Tokyo").reads("Asia/Tokyo")
    assert town.admin.types("backup show", "snapshot", "vor 0 Sekunden").choices()[0] == snapshot
    listed = town.admin.slash("backup list").reads(snapshot)
    shown = town.admin.choose(listed, snapshot).reads(f"Snapshot {snapshot}", f"<@{town.admin.user.id}>")
    inside = town.admin.click(shown, "Look inside").reads("users", "cards")
    town.admin.choose(inside, "cards").reads("cards in snapshot", "name")
    asked = town.admin.click(shown, "Pin…")
    town.admin.submit(asked, "before the cup").reads("Pinned")
    town.admin.slash("backup show", snapshot="before the cup").reads("Pinned by", "before the cup")
    town.admin.click(listed, "Refresh").reads("before the cup", "pinned")
    town.admin.click(shown, "Download").reads("Only the bot's owner")
    town.owner.click(town.owner.slash("backup show", snapshot=snapshot).reads("Snapshot"), "Download").reads("Sent")
    sent = town.discord.direct_with(town.owner.user).messages[-1]  # others are of other stories
    assert [each["filename"] for each in sent.attachments] == [f"{snapshot}.db.gz"]
