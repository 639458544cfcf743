"""When the owner is told, and when not."""

from __future__ import annotations

import discord
import pytest

from cogs.backup_cog.alerts import SNAPSHOT, VERIFICATION
from core.snapshots import Level, NotEnoughSpace, SnapshotDamaged, StartupOutcome, StartupReport, VerifyReport
from tests.backup_cog.world import NOON, Clock, alerts_to, text_of
from tests.worlds.snapshots import make_snapshot

HOUR = 3600.0
FULL = NotEnoughSpace("The disk is full.", needed=2, free=1, minimum=1)


class Owner:
    """Collects what the owner would be told."""

    def __init__(self, clock: Clock) -> None:
        self.told: list[str] = []
        self.controls: list[str] = []
        self.alerts = alerts_to(self._post, clock, stale_after=2 * HOUR)

    def _post(self, notice: discord.Embed, control: str = "", label: str = "") -> None:
        self.told.append(text_of(notice))
        self.controls.append(control)


@pytest.fixture
def owner(clock: Clock) -> Owner:
    """An owner who knows nothing yet."""
    return Owner(clock)


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
    assert ", 5 times: The disk is full." in owner.alerts.open[0]
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
    """Both are told as they are found; the success ends both in one notice."""
    clock.advance(hours=3)
    owner.alerts.watch(expected=True)
    owner.alerts.failed(SNAPSHOT, FULL)
    owner.alerts.covered()
    assert len(owner.told) == 3
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
