"""Retention: what always stays, what goes by rule, and that no clock and no verification costs a good snapshot."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import msgspec
import pytest

from core.snapshots.models import (
    Kind,
    RestoreRecord,
    RetentionRules,
    Snapshot,
)
from core.snapshots.policies.retention import CLOCK_ERROR, decide, restorable
from core.snapshots.units import Duration
from tests.worlds.prune_decisions import DAY, NOW, RULES, TEN_YEARS, ago, damaged, kept, of_lost_rows, reasons, taken

LINK = "source of the latest link: newest periodic, manual or shutdown snapshot"


def test_bases_that_go_round_in_a_circle_are_not_restorable_and_do_no_harm() -> None:
    """A catalog that was tampered with ends in a decision, not in an endless loop; an empty one in none."""
    assert decide([], RULES, NOW) == ()
    first, second = taken(1, ago(3), base=f"{2:012x}"), taken(2, ago(2), base=f"{1:012x}")
    own = taken(3, ago(1), base=f"{3:012x}")
    assert restorable([first, second, own]) == frozenset()
    assert len(kept(decide([first, second, own], RULES, NOW))) == 3


def test_ten_thousand_snapshots_in_one_chain_are_decided() -> None:
    """A long chain needs no deep recursion: its newest kept member keeps all of it."""
    chain = [
        taken(number, ago(60) + number * dt.timedelta(minutes=8), base=f"{number - 1:012x}" if number > 1 else None)
        for number in range(1, 10_001)
    ]
    decisions = decide(chain, RULES, NOW)
    assert len(kept(decisions)) == 10_000
    assert reasons(decisions, chain[0]) == (True, ("base of 000000000002",))


def test_daily_keeps_everything_for_a_day_then_the_first_full_of_each_day() -> None:
    """Periodic and manual snapshots thin out to one full a day, and go after the days that the rules give."""
    old = taken(1, ago(31.2))
    first, incremental = taken(2, ago(2.4)), taken(3, ago(2.3), base=f"{2:012x}")
    manual = taken(4, ago(2.2), Kind.MANUAL)
    recent, newest = taken(5, ago(0.9), base=f"{4:012x}"), taken(6, ago(0.1))
    decisions = decide([old, first, incremental, manual, recent, newest], RULES, NOW)
    recently = "not older than 1d, for which everything is kept"
    assert [(decision.keep, decision.reasons) for decision in decisions] == [
        (True, ("newest restorable snapshot", LINK, recently, "first full of 2026-11-23")),
        (True, (recently,)),
        (True, ("base of 000000000005",)),
        (False, ("older than 1d", "an incremental that nothing kept builds on")),
        (True, ("first full of 2026-11-21",)),
        (False, ("older than 1d", "first full of 2026-10-23, but older than 30 days")),
    ]


def test_a_day_of_snapshots_every_ten_seconds_is_thinned_by_hour() -> None:
    """The last hour stays whole, then one of each hour, then one of each day; a manual one stays while hours do."""
    ten_seconds = dt.timedelta(seconds=10)
    first = taken(1, NOW - 2 * DAY)
    periodic = [taken(number, NOW - 2 * DAY + number * ten_seconds) for number in range(2, 2 * 8640)]
    manual = taken(20_000, NOW, Kind.MANUAL)
    asked = msgspec.structs.replace(manual, id="asked", created_at=NOW - 0.9 * DAY, sequence=9504)
    periodic = [snapshot for snapshot in periodic if snapshot.sequence != 9504]
    rules = RetentionRules(keep_all=Duration(3600))
    decisions = decide([first, *periodic, asked], rules, NOW)
    older = [one for one in decisions if one.keep and one.snapshot.created_at < NOW - dt.timedelta(hours=1)]
    assert len([one for one in decisions if one.keep]) - len(older) == 360
    assert [one.reasons[-1] for one in older if one.snapshot.id != "asked"] == [
        *(f"first full of 2026-11-23 {hour:02}:00" for hour in range(10, 0, -1)),
        "first full of 2026-11-23",
        *(f"first full of 2026-11-22 {hour:02}:00" for hour in range(23, 11, -1)),
        "first full of 2026-11-22",
        "first full of 2026-11-21",
    ]
    assert reasons(decisions, asked) == (True, ("not older than 1d, for which every manual one is kept",))


def test_hours_change_nothing_while_everything_is_kept_for_as_long() -> None:
    """With the defaults there is nothing to thin by hour, and no reason speaks of it."""
    assert not RULES.by_hour
    assert RetentionRules(hourly=25).by_hour
    snapshots = [taken(number, ago(2) + number * dt.timedelta(minutes=20)) for number in range(1, 144)]
    assert not any(":00" in reason for one in decide(snapshots, RULES, NOW) for reason in one.reasons)


def test_weeks_and_months_are_kept_where_the_rules_ask_for_them() -> None:
    """The first full of each ISO week and of each month stays for as many of them as the rules say."""
    days = [taken(101 - days, ago(days)) for days in range(100, -1, -1)]
    decisions = decide(days, RetentionRules(daily=0, weekly=2, monthly=2), NOW)
    named = {
        decision.snapshot.created_at.date().isoformat(): decision.reasons[-1]
        for decision in decisions
        if decision.keep and decision.snapshot.created_at < ago(1)
    }
    assert named == {
        "2026-11-16": "first full of week 2026-W47",
        "2026-11-09": "first full of week 2026-W46",
        "2026-11-01": "first full of 2026-11",
        "2026-10-01": "first full of 2026-10",
    }
    assert reasons(decisions, days[1])[1][1] == "not the first full of week 2026-W33"
    [october] = [snapshot for snapshot in days if snapshot.created_at == NOW.replace(month=10, day=1)]
    for late, stays in ((0, True), (1, False)):
        now = october.created_at + 62 * DAY + dt.timedelta(seconds=late)
        assert reasons(decide(days, RetentionRules(monthly=2), now), october)[0] is stays
    assert reasons(decisions, days[0]) == (
        False,
        (
            "older than 1d",
            "first full of week 2026-W33, but older than 2 weeks",
            "first full of 2026-08, but older than 2 months",
        ),
    )


def test_exactly_the_newest_hundred_event_snapshots_stay_whatever_their_age() -> None:
    """Event snapshots go by count: pinned and damaged ones take no place."""
    events = [taken(number, ago(400 - number), Kind.CRITICAL) for number in range(1, 131)]
    events[5] = msgspec.structs.replace(events[5], pinned=True)
    events[100] = msgspec.structs.replace(events[100], pinned=True)
    events[120] = damaged(events[120])
    decisions = decide(events, RULES, NOW)
    staying = kept(decisions)
    counted = [snapshot for snapshot in events if not snapshot.pinned and not snapshot.damaged]
    assert [snapshot.id for snapshot in counted if snapshot.id in staying] == [one.id for one in counted[-100:]]
    assert reasons(decisions, events[5]) == (True, ("pinned",))
    assert reasons(decisions, events[120]) == (True, ("one of the newest 100 event snapshots (damaged)",))
    assert reasons(decisions, counted[-100]) == (True, ("one of the newest 100 event snapshots",))
    assert reasons(decisions, counted[-101]) == (False, ("not one of the newest 100 event snapshots",))


@pytest.mark.parametrize("kind", [Kind.SAFETY, Kind.SHUTDOWN])
def test_safety_and_shutdown_snapshots_go_by_age(kind: Kind) -> None:
    """They stay for 30 days, to the second."""
    too_old = taken(1, ago(30) - dt.timedelta(seconds=1), kind)
    just_in, newest = taken(2, ago(30), kind), taken(3, ago(1), kind)
    decisions = decide([too_old, just_in, newest], RULES, NOW)
    assert reasons(decisions, too_old) == (False, ("older than 30d",))
    assert reasons(decisions, just_in) == (True, ("not older than 30d",))


def test_what_a_restore_would_ask_for_first_stays_for_ever() -> None:
    """At any age: the newest restorable one, the newest that passed a test restore, the newest of play, and safety."""
    safety, older_safety = taken(2, ago(700), Kind.SAFETY), taken(1, ago(710), Kind.SAFETY)
    verified, older_verified = taken(4, ago(650), restored=True), taken(3, ago(660), restored=True)
    played = taken(5, ago(640), Kind.SHUTDOWN)
    events = [taken(6 + number, ago(600 - number), Kind.CRITICAL) for number in range(3)]
    strict = RetentionRules(critical=0, daily=7, safety=Duration(86400), shutdown=Duration(86400))
    recent = [taken(20 + number, ago(80 - number), Kind.CRITICAL) for number in range(80)]
    snapshots = [older_safety, safety, older_verified, verified, played, *events, *recent]
    decisions = decide(snapshots, strict, NOW)
    assert {decision.snapshot.sequence: decision.reasons for decision in decisions if decision.keep} == {
        99: ("newest restorable snapshot",),
        5: (LINK,),
        4: ("newest that passed `restored`",),
        2: ("newest safety snapshot",),
    }


def test_a_damaged_newest_snapshot_does_not_unprotect_the_good_one_before_it() -> None:
    """The newest one that can be restored is protected, and the damaged ones are not thrown away either."""
    good, broken = taken(1, ago(300), restored=True), damaged(taken(2, ago(299), restored=True))
    above = taken(3, ago(298), base=broken.id)
    decisions = decide([good, broken, above], RetentionRules(daily=0), NOW)
    assert "newest restorable snapshot" in reasons(decisions, good)[1]
    assert reasons(decisions, broken)[1][0] == "damaged: stays until a newer one is the newest restorable snapshot"
    assert reasons(decisions, above)[1][0] == (
        "its base is damaged or missing: stays until a newer one is the newest restorable snapshot"
    )


@pytest.mark.parametrize(
    ("spoilt", "flaw"), [(damaged, "damaged"), (of_lost_rows, "its state cannot be read")], ids=["bytes", "state"]
)
def test_a_spoilt_first_full_of_a_day_lets_the_next_one_stand_in(
    spoilt: Callable[[Snapshot], Snapshot], flaw: str
) -> None:
    """It does not push out a good one of the same day, and goes when its day goes."""
    broken, good = spoilt(taken(1, ago(5.4))), taken(2, ago(5.3))
    extra, newest = taken(3, ago(5.2)), taken(4, ago(0))
    decisions = decide([broken, good, extra, newest], RULES, NOW)
    assert reasons(decisions, broken) == (True, (f"first full of 2026-11-18 ({flaw})",))
    assert reasons(decisions, good) == (True, ("first full of 2026-11-18",))
    assert reasons(decisions, extra) == (False, ("older than 1d", "not the first full of 2026-11-18"))
    a_month_later = decide([broken, good, extra, newest], RULES, NOW + 31 * DAY)
    assert kept(a_month_later) == {newest.id}


def test_a_hundred_events_of_lost_rows_push_out_no_good_one() -> None:
    """A bot that plays on in a database that cannot be read fills the list, and the way back stays."""
    good = [taken(number, ago(50 - number / 10), Kind.CRITICAL) for number in range(1, 101)]
    lost = [of_lost_rows(taken(number, ago(20 - number / 50), Kind.CRITICAL)) for number in range(101, 301)]
    decisions = decide([*good, *lost], RULES, NOW)
    assert {snapshot.id for snapshot in good} <= kept(decisions)
    assert "newest restorable snapshot" in reasons(decisions, good[-1])[1]


def test_a_base_names_what_builds_on_it() -> None:
    """A full that would have gone says for which snapshots it stays; many are counted, not listed."""
    full, other = taken(1, ago(3.1)), taken(2, ago(3.2))
    above = [taken(number, ago(0.5), Kind.CRITICAL, base=other.id) for number in range(10, 15)]
    decisions = decide([full, other, *above], RULES, NOW)
    assert reasons(decisions, other) == (True, (LINK, "base of 00000000000a, 00000000000b, 00000000000c and 2 more"))


def test_a_pause_of_forty_days_counts_as_forty_days() -> None:
    """A bot that rested comes back to what its rules say about such ages."""
    before, after = taken(1, ago(41)), taken(2, ago(1))
    decisions = decide([before, after], RULES, NOW)
    assert reasons(decisions, before) == (False, ("older than 1d", "first full of 2026-10-13, but older than 30 days"))


@pytest.mark.parametrize("error", [CLOCK_ERROR + dt.timedelta(seconds=1), TEN_YEARS, -TEN_YEARS])
def test_a_step_beyond_ninety_days_ages_nothing(error: dt.timedelta) -> None:
    """Between two snapshots or up to now, an impossible step is no time at all, and honest time around it counts."""
    early, late = taken(1, NOW), taken(2, NOW + error)
    for decisions in (decide([early, late], RULES, NOW + error), decide([early, late], RULES, NOW)):
        assert reasons(decisions, early)[1][0] == "not older than 1d, for which everything is kept"
    aged = decide([early, late], RULES, NOW + error + 2 * DAY)
    assert reasons(aged, early)[1] == (f"first full of {NOW.date()}",)


def test_a_clock_that_is_a_month_slow_for_one_evening_ages_nothing() -> None:
    """A step back and its correction cancel each other out, so that the days before it stay."""
    days = [taken(number, ago(21 - number)) for number in range(1, 20)]
    slow = taken(20, ago(60))
    corrected = taken(21, ago(0))
    assert kept(decide([*days, slow, corrected], RULES, NOW)) >= {snapshot.id for snapshot in days}


def test_snapshots_stamped_ten_years_ahead_age_like_their_neighbours() -> None:
    """A wrong stamp is no pin: the snapshot goes when its honest neighbours go."""
    ahead = taken(2, ago(40) + TEN_YEARS)
    days = [taken(1, ago(40.5)), ahead, *(taken(43 - days, ago(days)) for days in range(40, -1, -1))]
    decisions = decide(days, RULES, NOW)
    assert reasons(decisions, ahead)[0] is False
    assert reasons(decisions, days[0])[0] is False


def test_what_a_restore_went_back_to_stays_though_newer_ones_were_left_behind() -> None:
    """After a restore the newest of the timeline is kept, however old it is and however long nothing changes."""
    chosen = taken(1, ago(80), Kind.CRITICAL)
    left_behind = taken(2, ago(70), Kind.CRITICAL)
    safety = taken(3, ago(60), Kind.SAFETY)
    restore = RestoreRecord(
        at=safety.created_at, snapshot=chosen.id, sequence=1, before=4, safety=safety.id, automatic=False
    )
    rules = RetentionRules(critical=0)
    staying = {
        decision.snapshot.id: decision.reasons
        for decision in decide((chosen, left_behind, safety), rules, NOW, (restore,))
        if decision.keep
    }
    assert staying[chosen.id] == ("newest that the present database comes from",)
    assert left_behind.id not in staying
    assert chosen.id not in kept(decide((chosen, left_behind, safety), rules, NOW))
