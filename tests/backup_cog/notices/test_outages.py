"""An outage from its beginning to its end: across restarts, reminded of daily, snoozed, and remembered."""

from __future__ import annotations

import datetime as dt

from cogs.backup_cog.notices.alerts import SNAPSHOT, VERIFICATION
from tests.backup_cog.notices.owners import FULL, HOUR, Disk, Owner, Process
from tests.backup_cog.world import NOON, Clock


def test_the_next_process_tells_that_it_works_again(clock: Clock, disk: Disk) -> None:
    """As was promised, with the whole length of the outage, and once."""
    first = Process(clock, disk)
    first.alerts.failed(SNAPSHOT, FULL)
    clock.advance(hours=3)
    second = Process(clock, disk)
    assert "A snapshot failed: for 3h" in second.alerts.open[0]
    second.alerts.failed(SNAPSHOT, FULL)
    second.alerts.covered()
    assert second.told == ["Snapshots work again\nOver, after 3h and 2 failed attempts.\nIt was: The disk is full.\n"]
    third = Process(clock, disk)
    third.alerts.covered()
    assert third.told == []


def test_an_outage_that_lasts_is_told_daily(clock: Clock, disk: Disk) -> None:
    """Not more often, whichever process it is, and not after its end."""
    Process(clock, disk).alerts.failed(SNAPSHOT, FULL)
    reminded = 0
    for _ in range(50):
        clock.advance(hours=1)
        process = Process(clock, disk)
        process.alerts.watch(expected=True)
        reminded += len(process.told)
        assert all("Still: A snapshot failed" in text and "The disk is full." in text for text in process.told)
    assert reminded == 2
    process = Process(clock, disk)
    process.alerts.covered()
    clock.advance(days=3)
    process.alerts.watch(expected=False)
    assert len(process.told) == 1


def test_an_outage_is_one_message_that_is_edited_as_it_goes_on(owner: Owner, clock: Clock) -> None:
    """At most once a minute, with how often it failed; what ends it closes the same message."""
    for _ in range(6):
        owner.alerts.failed(SNAPSHOT, FULL)
        clock.advance(seconds=30)
    assert ["3 failures" in text for text in owner.edited] == [True, False]
    owner.alerts.covered()
    assert owner.about == [f"snapshot@{int(NOON.timestamp())}"] * 2
    owner.alerts.failed(SNAPSHOT, FULL)
    assert owner.about[2] not in owner.about[:2], "the next outage is another one"


async def test_a_snoozed_outage_is_reminded_of_a_day_later(clock: Clock, disk: Disk) -> None:
    """Across restarts; the button of an outage that is over, or of an earlier one, snoozes nothing."""
    first = Process(clock, disk)
    first.alerts.failed(SNAPSHOT, FULL)
    name = first.about[0]
    assert f"savepoint:snooze:{name}" in first.controls[0]
    clock.advance(hours=20)
    assert await first.alerts.snooze("snapshot@1", "ada") is None
    assert await first.alerts.snooze(name, "ada") == clock() + dt.timedelta(days=1)
    assert "Snoozed by ada" in first.edited[0]
    reminded = []
    for _ in range(30):
        clock.advance(hours=1)
        process = Process(clock, disk)
        process.alerts.watch(expected=False)
        reminded.append(len(process.told))
    assert (sum(reminded), reminded.index(1)) == (1, 23)
    last = Process(clock, disk)
    last.alerts.covered()
    assert await last.alerts.snooze(name, "ada") is None
    last.alerts.failed(SNAPSHOT, FULL)
    assert "Snoozed" not in last.told[-1]


async def test_an_outage_of_another_process_is_snoozed_from_here(clock: Clock, disk: Disk) -> None:
    """The click comes to the shard of the guild, which may not have met it."""
    shard = Process(clock, disk)
    first = Process(clock, disk)
    first.alerts.failed(SNAPSHOT, FULL)
    clock.advance(hours=20)
    assert await shard.alerts.snooze("snapshot@1", "ada") is None
    assert await shard.alerts.snooze(first.about[0], "ada") == clock() + dt.timedelta(days=1)
    assert "Snoozed by ada" in shard.edited[0]
    clock.advance(hours=23)
    first.alerts.watch(expected=False)
    assert len(first.told) == 1


async def test_a_clock_that_was_wrong_silences_nothing(clock: Clock, disk: Disk) -> None:
    """A year ahead for a moment: told, and snoozed, in a year. The reminders go on by the clock that is right."""
    first = Process(clock, disk)
    clock.advance(days=365)
    first.alerts.failed(SNAPSHOT, FULL)
    await first.alerts.snooze(first.about[0], "ada")
    clock.advance(days=-365)
    reminded = 0
    for _ in range(3):
        for pause in (25, 1):
            clock.advance(hours=pause)
            process = Process(clock, disk)
            process.alerts.watch(expected=False)
            reminded += len(process.told)
    assert reminded == 3


async def test_processes_that_meet_the_same_outage_tell_of_it_in_one_message(clock: Clock, disk: Disk) -> None:
    """The first one sends it, the others go on in it; one of them reminds, and none if another was asked not to."""
    first, second = Process(clock, disk), Process(clock, disk)
    first.alerts.failed(SNAPSHOT, FULL)
    clock.advance(minutes=5)
    second.alerts.failed(SNAPSHOT, FULL)
    assert (len(first.told), second.told) == (1, [])
    assert "2 failures" in second.edited[0]
    clock.advance(hours=25)
    for each in (second, first, second):
        each.alerts.watch(expected=False)
    assert [len(first.told), len(second.told)] == [1, 1]
    assert await second.alerts.snooze(first.about[0], "ada") is not None
    clock.advance(hours=23)
    first.alerts.failed(SNAPSHOT, FULL)
    for each in (first, second):
        each.alerts.watch(expected=False)
    clock.advance(minutes=59)
    first.alerts.watch(expected=False)
    assert [len(first.told), len(second.told)] == [1, 1]
    for each in (first, second):
        each.alerts.covered()
    assert {*first.about, *second.about} == {first.about[0]}
    assert disk.document is not None
    assert disk.document.outages == {}


def test_alerts_that_are_over_are_remembered(clock: Clock, disk: Disk) -> None:
    """For the picture and the digest: what they were of, from when to when, and those that are not over."""
    first = Process(clock, disk)
    first.alerts.failed(SNAPSHOT, FULL)
    first.alerts.noticed("jump", "More gold.")
    clock.advance(hours=1)
    first.alerts.covered()
    first.alerts.failed(VERIFICATION, FULL)
    clock.advance(hours=1)
    second = Process(clock, disk)
    found = [(past.key, (past.began - NOON).seconds, (past.ended - NOON).seconds) for past in second.alerts.past]
    assert found == [("jump", 0, 0), ("snapshot", 0, HOUR), ("verification", HOUR, 2 * HOUR)]
