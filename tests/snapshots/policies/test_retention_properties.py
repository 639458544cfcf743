"""Retention for any history, rules and clock: what must stay stays, and nothing good is lost."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable, Sequence

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.snapshots.models import (
    Kind,
    RetentionRules,
    Snapshot,
)
from core.snapshots.policies.retention import decide, restorable
from core.snapshots.units import Duration
from tests.worlds.prune_decisions import DAY, RULES, TEN_YEARS, ago, damaged, kept, of_lost_rows, reasons, taken

pytestmark = pytest.mark.slow

History = tuple[list[Snapshot], dt.datetime]
STEADY = settings(deadline=None, derandomize=True, max_examples=150)


def obviously_restorable(snapshot: Snapshot, snapshots: Sequence[Snapshot]) -> bool:
    """The slow, obvious twin of ``restorable``: walk down, giving up after as many steps as there are snapshots."""
    at: Snapshot | None = snapshot
    for _ in snapshots:
        if at is None or at.damaged:
            return False
        if at.base is None:
            return True
        at = next((other for other in snapshots if other.id == at.base), None)
    return False


minutes = st.integers(0, 300).map(lambda count: dt.timedelta(minutes=count))
honest_steps = st.one_of(minutes, st.integers(0, 60).map(lambda hours: dt.timedelta(hours=hours)))
wrong_steps = st.sampled_from([TEN_YEARS, -TEN_YEARS, 40 * DAY, -40 * DAY, 400 * DAY, -DAY])
one_in_six = st.integers(0, 5)
any_steps = st.one_of(honest_steps, honest_steps, honest_steps, wrong_steps)
rule_sets = st.builds(
    RetentionRules,
    keep_all=st.sampled_from([0, 3600, 86400]).map(Duration),
    hourly=st.sampled_from([0, 0, 3, 48]),
    daily=st.integers(0, 30),
    weekly=st.sampled_from([0, 0, 2]),
    monthly=st.sampled_from([0, 0, 3]),
    critical=st.integers(0, 6),
    safety=st.sampled_from([0, 86400, 30 * 86400]).map(Duration),
    shutdown=st.sampled_from([0, 86400, 30 * 86400]).map(Duration),
)


@st.composite
def histories(draw: st.DrawFn, steps: st.SearchStrategy[dt.timedelta] = any_steps) -> History:
    """Snapshots in the order in which they were taken, and a time at which to decide."""
    moment, snapshots = ago(30), list[Snapshot]()
    for sequence in range(1, draw(st.integers(1, 20)) + 1):
        moment += draw(steps)
        kind = draw(st.sampled_from([Kind.PERIODIC, Kind.PERIODIC, *Kind]))
        base = draw(st.sampled_from([None] * 8 + ["gone"] + [snapshot.id for snapshot in snapshots[-3:]] * 3))
        ok, pinned, restored = draw(one_in_six) < 5, draw(one_in_six) == 0, draw(one_in_six) == 0
        snapshots.append(taken(sequence * 3, moment, kind, base=base, ok=ok, pinned=pinned, restored=restored))
    return snapshots, moment + draw(steps)


@STEADY
@given(history=histories(), rules=rule_sets)
def test_the_newest_restorable_snapshot_always_stays(history: History, rules: RetentionRules) -> None:
    """Whatever the rules, the clock, the pins and the damage: what a restore needs most is there, and its bases."""
    snapshots, now = history
    sound = [snapshot for snapshot in snapshots if obviously_restorable(snapshot, snapshots)]
    staying = decide(snapshots, rules, now)
    if not sound:
        assert kept(staying) == {snapshot.id for snapshot in snapshots}
        return
    assert "newest restorable snapshot" in reasons(staying, sound[-1])[1]
    left = [decision.snapshot for decision in staying if decision.keep]
    assert obviously_restorable(sound[-1], left)


@STEADY
@given(history=histories(), rules=rule_sets)
def test_pinned_snapshots_and_bases_of_kept_ones_always_stay(history: History, rules: RetentionRules) -> None:
    """No pin is removed, and nothing that stays has lost the base that it builds on."""
    snapshots, now = history
    decisions = decide(snapshots, rules, now)
    staying, known = kept(decisions), {snapshot.id for snapshot in snapshots}
    for snapshot in snapshots:
        assert snapshot.id in staying or not snapshot.pinned
        if snapshot.id in staying and snapshot.base in known:
            assert snapshot.base in staying


@STEADY
@given(history=histories(), rules=rule_sets, seed=st.integers())
def test_every_snapshot_is_decided_with_reasons_whatever_the_order_of_the_input(
    history: History, rules: RetentionRules, seed: int
) -> None:
    """The answer depends on the snapshots, not on how the catalog happened to list them."""
    snapshots, now = history
    shuffled = snapshots.copy()
    random.Random(seed).shuffle(shuffled)
    decisions = decide(shuffled, rules, now)
    assert decisions == decide(snapshots, rules, now)
    assert [decision.snapshot for decision in decisions] == snapshots[::-1]
    assert all(decision.reasons for decision in decisions)


@pytest.mark.parametrize("marked", [damaged, of_lost_rows])
@STEADY
@given(history=histories(), rules=rule_sets, index=st.integers(0))
def test_marking_a_snapshot_removes_nothing(
    marked: Callable[[Snapshot], Snapshot], history: History, rules: RetentionRules, index: int
) -> None:
    """Damage marks and alerts, of the bytes or of the state; whatever would have stayed without it still stays."""
    snapshots, now = history
    before = kept(decide(snapshots, rules, now))
    snapshots[index % len(snapshots)] = marked(snapshots[index % len(snapshots)])
    assert before <= kept(decide(snapshots, rules, now))


@STEADY
@given(history=histories(), rules=rule_sets, index=st.integers(0))
def test_pinning_a_snapshot_removes_nothing(history: History, rules: RetentionRules, index: int) -> None:
    """A pinned snapshot is outside every count: it takes no other one's place."""
    snapshots, now = history
    before = kept(decide(snapshots, rules, now))
    place = index % len(snapshots)
    snapshots[place] = msgspec.structs.replace(snapshots[place], pinned=True)
    assert before <= kept(decide(snapshots, rules, now))


@STEADY
@given(history=histories(honest_steps), rules=rule_sets)
def test_deciding_again_about_what_stayed_removes_nothing_more(history: History, rules: RetentionRules) -> None:
    """One run of retention is enough, and a second one does no harm.

    Shown for clocks without errors. Where a step was an error, the snapshots that hid it can go, and the ages of older
    ones can change once; the other properties hold all the same.
    """
    snapshots, now = history
    left = [decision.snapshot for decision in decide(snapshots, rules, now) if decision.keep]
    assert kept(decide(left, rules, now)) == {snapshot.id for snapshot in left}


@STEADY
@given(history=histories(), rules=rule_sets, later=st.integers(0, 45))
def test_waiting_brings_nothing_back(history: History, rules: RetentionRules, later: int) -> None:
    """What goes today goes tomorrow too: a dry run does not promise what a later run takes back."""
    snapshots, _ = history
    now = snapshots[-1].created_at
    today, tomorrow = decide(snapshots, rules, now), decide(snapshots, rules, now + later * DAY)
    assert kept(tomorrow) <= kept(today)


@STEADY
@given(history=histories(honest_steps), first=st.integers(0, 20), count=st.integers(0, 20), forward=st.booleans())
def test_a_clock_that_jumps_ten_years_costs_nothing(history: History, first: int, count: int, forward: bool) -> None:
    """Snapshots stamped ten years off, in the middle or to this day, make nothing else go."""
    snapshots, now = history
    jump = TEN_YEARS if forward else -TEN_YEARS
    wrong = snapshots[first : first + count]
    wrong = [msgspec.structs.replace(snapshot, created_at=snapshot.created_at + jump) for snapshot in wrong]
    with_jump = [*snapshots[:first], *wrong, *snapshots[first + count :]]
    assert kept(decide(snapshots, RULES, now)) <= kept(decide(with_jump, RULES, now))
    assert kept(decide(snapshots, RULES, now)) <= kept(decide(snapshots, RULES, now + jump))


@STEADY
@given(history=histories(honest_steps), rules=rule_sets)
def test_each_hour_that_the_rules_ask_for_keeps_its_first_sound_full(history: History, rules: RetentionRules) -> None:
    """However short the interval is: of each hour something is left, for as many hours as the rules say."""
    snapshots, now = history
    staying = kept(decide(snapshots, rules, now))
    sound = restorable(snapshots)
    seen = set()
    for one in snapshots:
        hour = one.created_at.replace(minute=0, second=0, microsecond=0)
        if one.kind not in (Kind.PERIODIC, Kind.MANUAL) or one.base is not None or one.pinned or hour in seen:
            continue
        if one.id not in sound:
            continue
        seen.add(hour)
        if now - one.created_at <= rules.hourly * dt.timedelta(hours=1):
            assert one.id in staying


@STEADY
@given(history=histories())
def test_restorable_means_that_every_base_is_there_and_undamaged(history: History) -> None:
    """The quick way of finding what can be restored agrees with the obvious one."""
    snapshots, _ = history
    assert restorable(snapshots) == {one.id for one in snapshots if obviously_restorable(one, snapshots)}
