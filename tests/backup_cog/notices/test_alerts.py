"""When the owner is told, and when not."""

from __future__ import annotations

import discord
import pytest

from cogs.backup_cog.notices.alerts import LOGIN, SNAPSHOT, VERIFICATION
from core.snapshots import (
    Actor,
    AnotherDatabase,
    AuditLine,
    Check,
    Finding,
    Health,
    Level,
    Severity,
    SnapshotDamaged,
    StartupOutcome,
    StartupReport,
    Verdict,
    VerifyReport,
)
from tests.backup_cog.notices.owners import FULL, Disk, Owner, Process
from tests.backup_cog.world import NOON, Clock
from tests.worlds.snapshots import make_snapshot


def verified(snapshot_id: str, ok: bool) -> VerifyReport:
    """Make the outcome of a verification."""
    return VerifyReport(id=snapshot_id, level=Level.RESTORED, ok=ok, findings=(), at=NOON, seconds=1.0)


def damage(snapshot_id: str) -> SnapshotDamaged:
    """Make the error of a failed verification."""
    return SnapshotDamaged(f"Snapshot {snapshot_id} did not pass.", snapshot_id=snapshot_id)


def test_an_outage_is_told_once_and_its_end_once(owner: Owner, clock: Clock) -> None:
    """However often it fails, there is one notice with the reason and one with how long it lasted."""
    for _ in range(5):
        owner.alerts.failed(SNAPSHOT, FULL)
        clock.advance(minutes=10)
    assert len(owner.told) == 1
    assert "The disk is full." in owner.told[0]
    assert ", 5 failures. The disk is full." in owner.alerts.open[0]
    owner.alerts.covered()
    owner.alerts.covered()
    assert len(owner.told) == 2
    assert "50m and 5 failed attempts" in owner.told[1]
    assert owner.alerts.open == ()


def test_success_is_quiet(owner: Owner) -> None:
    """Nobody is told that all is well."""
    owner.alerts.covered()
    owner.alerts.verified(verified("a", True))
    owner.alerts.started(StartupReport(outcome=StartupOutcome.CLEAN, message="fine"), checked=True)
    assert owner.told == []


def test_staleness_is_told_once_and_its_end_once(owner: Owner, clock: Clock) -> None:
    """Two hours without a success, though nothing failed."""
    clock.advance(hours=2)
    owner.alerts.watch(expected=True)
    assert owner.told == []
    clock.advance(seconds=1)
    owner.alerts.watch(expected=True)
    owner.alerts.watch(expected=True)
    assert len(owner.told) == 1
    assert "stale" in owner.told[0]
    owner.alerts.covered()
    assert len(owner.told) == 2
    clock.advance(hours=1)
    owner.alerts.watch(expected=True)
    assert len(owner.told) == 2


def test_a_known_outage_is_not_told_again_as_staleness(owner: Owner, clock: Clock) -> None:
    """The owner heard of it already; one recovery ends it."""
    owner.alerts.failed(SNAPSHOT, FULL)
    clock.advance(hours=9)
    owner.alerts.watch(expected=True)
    owner.alerts.covered()
    assert len(owner.told) == 2


def test_staleness_that_turns_out_a_failure_recovers_once(owner: Owner, clock: Clock) -> None:
    """Both are told as they are found, each in a message of its own, and the success closes both."""
    clock.advance(hours=3)
    owner.alerts.watch(expected=True)
    owner.alerts.failed(SNAPSHOT, FULL)
    owner.alerts.covered()
    assert owner.about[:2] == owner.about[:1:-1]
    assert owner.alerts.open == ()


def test_nothing_is_stale_while_nothing_is_expected(owner: Owner, clock: Clock) -> None:
    """A bot in no guild takes no periodic snapshots on purpose; the time counts from when it is in one."""
    clock.advance(hours=9)
    owner.alerts.watch(expected=False)
    owner.alerts.watch(expected=True)
    assert owner.told == []
    clock.advance(hours=3)
    owner.alerts.watch(expected=True)
    assert len(owner.told) == 1


def test_a_snapshots_success_does_not_end_a_failing_verification(owner: Owner) -> None:
    """They are different outages."""
    owner.alerts.failed(VERIFICATION, FULL)
    owner.alerts.covered()
    assert len(owner.told) == 1
    owner.alerts.verified(verified("a", True))
    assert len(owner.told) == 2


def test_a_damaged_snapshot_is_told_once_each(owner: Owner) -> None:
    """Verifying it again is no news, another one is, and one that is sound again may become news again."""
    for snapshot_id in ("aaa", "aaa", "bbb"):
        owner.alerts.failed(VERIFICATION, damage(snapshot_id))
    assert ["aaa" in text for text in owner.told] == [True, False]
    owner.alerts.verified(verified("aaa", True))
    owner.alerts.failed(VERIFICATION, damage("aaa"))
    assert len(owner.told) == 3
    assert owner.alerts.open == ()


@pytest.mark.parametrize("outcome", ["restored", "damaged", "refused", "unchecked"])
def test_a_bad_start_is_told_with_its_sentence(owner: Owner, outcome: str) -> None:
    """The report's own words reach the owner."""
    owner.alerts.started(StartupReport(outcome=StartupOutcome(outcome), message="Lost are two hours."), checked=False)
    assert "Lost are two hours." in owner.told[0]


def test_a_failed_shutdown_snapshot_is_told_with_the_newest_one(owner: Owner) -> None:
    """The bot does not go on, so nothing is promised; during an outage it is news too."""
    owner.alerts.failed(SNAPSHOT, FULL)
    owner.alerts.shutdown_failed(FULL, None)
    assert "The bot shuts down without it. There is no snapshot." in owner.told[1]
    newest = make_snapshot(created_at=NOON)
    owner.alerts.shutdown_failed(FULL, newest)
    assert f"The newest snapshot is `{newest.id}` of {discord.utils.format_dt(NOON, 'f')}" in owner.told[2]
    assert not [text for text in owner.told[1:] if "goes on" in text or "The disk is full." not in text]


@pytest.mark.parametrize("operation", ["retention", "latest", "audit", "restore point"])
def test_whatever_fails_ends_its_own_outage(owner: Owner, operation: str) -> None:
    """A snapshot's success says nothing about the removal of expired ones."""
    owner.alerts.failed(operation, FULL)
    owner.alerts.covered()
    assert len(owner.told) == 1
    owner.alerts.succeeded(operation)
    assert len(owner.told) == 2
    assert owner.alerts.open == ()


def test_a_bot_that_starts_in_vain_is_told_at_the_third_time(clock: Clock, disk: Disk) -> None:
    """Once, not at every start of a crash loop; reaching Discord ends it."""
    told = []
    for _ in range(5):
        process = Process(clock, disk)
        process.alerts.count_start()
        told.append(len(process.told))
    assert told == [0, 0, 1, 0, 0]
    last = Process(clock, disk)
    assert "without reaching Discord: for" in last.alerts.open[0]
    last.alerts.succeeded(LOGIN)
    assert "The bot reaches Discord again" in last.told[0]
    ordinary = Process(clock, disk)
    ordinary.alerts.count_start()
    ordinary.alerts.succeeded(LOGIN)
    assert ordinary.told == []


def health_of(verdict: Verdict, *findings: Finding) -> Health:
    """Make a verdict on the live database."""
    return Health(verdict=verdict, findings=findings, checked_at=NOON)


GONE = Finding(
    check=Check.TABLES,
    severity=Severity.ERROR,
    message="The table users is missing; it had 3,000 rows in 0123456789ab of 2026-11-22 09:00 UTC.",
    remedy="If it was meant, edit [database] critical_tables; if not, restore.",
    table="users",
)
TORN = Finding(check=Check.PAGES, severity=Severity.ERROR, message="Page 7 of users cannot be read.")


def test_a_missing_table_is_told_with_when_it_was_last_there_and_a_button(clock: Clock, disk: Disk) -> None:
    """What was found, what to do in either case, and a look at the restore of that very snapshot."""
    known = (make_snapshot(id="ffffffffffff"), make_snapshot(id="0123456789ab"))
    process = Process(clock, disk, known)
    process.alerts.health_changed(health_of(Verdict.SUSPICIOUS, GONE))
    (text,) = process.told
    assert all(part in text for part in ("is missing; it had 3,000 rows in 0123456789ab", "If it was meant"))
    assert "savepoint:look:0123456789ab" in process.controls[0]


def test_unreadable_pages_are_told_with_the_newest_usable_snapshot(clock: Clock, disk: Disk) -> None:
    """One whose own state cannot be read does not help; and its end is told."""
    torn = make_snapshot(id="ffffffffffff", health=health_of(Verdict.UNREADABLE, TORN))
    process = Process(clock, disk, (torn, make_snapshot(id="0123456789ab")), group="saves")
    process.alerts.health_changed(health_of(Verdict.UNREADABLE, TORN))
    assert "Page 7 of users cannot be read." in process.told[0]
    assert "`/saves restore snapshot:0123456789ab`" in process.told[0]
    assert "savepoint:look:0123456789ab" in process.controls[0]
    process.alerts.health_changed(health_of(Verdict.SOUND))
    assert process.told[1].startswith("The database is sound again")


def test_findings_at_a_start_are_told_by_its_own_notice_and_once(owner: Owner) -> None:
    """Not twice in one start; and not at every start, if nothing is new."""
    report = StartupReport(outcome=StartupOutcome.SUSPICIOUS, message="The table users is missing.")
    owner.alerts.begin_start()
    owner.alerts.health_changed(health_of(Verdict.SUSPICIOUS, GONE))
    owner.alerts.started(report, checked=True)
    assert len(owner.told) == 1
    assert "The table users is missing." in owner.told[0]
    owner.alerts.begin_start()
    owner.alerts.started(report, checked=True)
    assert len(owner.told) == 1
    owner.alerts.begin_start()
    owner.alerts.health_changed(health_of(Verdict.SOUND))
    owner.alerts.started(StartupReport(outcome=StartupOutcome.CLEAN, message="fine"), checked=True)
    assert owner.told[1].startswith("The database is sound again")


def test_a_start_on_another_database_is_told_once_with_the_button_that_claims(clock: Clock, disk: Disk) -> None:
    """Neither each start nor each snapshot that is refused tells it again."""
    message = "The repository holds snapshots of the sqlite database /a, and the settings name /b."
    report = StartupReport(outcome=StartupOutcome.REFUSED, message=message, another_database=True)
    process = Process(clock, disk)
    process.alerts.started(report, checked=True)
    process.alerts.failed(SNAPSHOT, AnotherDatabase(message, recorded="/a", present="/b"))
    again = Process(clock, disk)
    again.alerts.started(report, checked=True)
    assert process.controls == [["savepoint:claim:"]]
    assert "/a" in process.told[0]
    assert again.told == []


@pytest.mark.parametrize(
    ("action", "source", "told"),
    [
        ("restore", "discord", True),
        ("restore", "shell", True),
        ("pin", "discord", True),
        ("prune", "shell", False),
        ("backup restore", "discord", False),
        ("restore", "startup", False),
    ],
)
def test_restores_and_pins_go_to_the_alert_channel(
    clock: Clock, disk: Disk, action: str, source: str, told: bool
) -> None:
    """Who did it and to which snapshot; a restore at the start has its own notice."""
    line = AuditLine(
        at=NOON, actor=Actor(source=source, name="ada", id=7), action=action, outcome="done", snapshot="0123456789ab"
    )
    process = Process(clock, disk, tells_actors=True)
    process.alerts.audited(line)
    assert [("ada (7) by" in text, "0123456789ab" in text) for text in process.told] == [(True, True)] * told


def test_without_an_alert_channel_an_owner_is_not_told_what_he_did_himself(owner: Owner) -> None:
    """Only owners restore, and the direct message would go to them; what came from the shell is told."""
    for source in ("discord", "shell"):
        owner.alerts.audited(AuditLine(at=NOON, actor=Actor(source=source), action="restore", outcome="done"))
    assert len(owner.told) == 1
