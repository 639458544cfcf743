"""Chains: when the next snapshot is full and why, what restores a snapshot, and what its damage would cost."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.snapshots.errors import SnapshotDamaged, from_wire
from core.snapshots.models import Form, Kind, Level, Snapshot, Verification
from core.snapshots.policies.chain import LONGEST, Choice, chain_of, choose_form, dependants_of
from core.snapshots.policies.retention import restorable
from tests.worlds.snapshots import make_snapshot

NOW = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
STEADY = settings(deadline=None, derandomize=True, max_examples=200)


def taken(sequence: int, base: str | None = None, **changes: Any) -> Snapshot:
    return make_snapshot(sequence, id=f"s{sequence}", path=f"s{sequence}", base=base, **changes)


def chained(*sizes: int, at: dt.datetime = NOW, kind: Kind = Kind.CRITICAL) -> list[Snapshot]:
    return [
        taken(number, f"s{number - 1}" if number > 1 else None, size=size, at=at, kind=kind)
        for number, size in enumerate(sizes, 1)
    ]


def chosen(
    kind: Kind, chain: Sequence[Snapshot], now: dt.datetime = NOW, last_periodic: dt.datetime | None = None
) -> Choice:
    return choose_form(kind, now, chain, index_known=True, last_periodic=last_periodic)


def test_an_event_builds_on_the_newest_snapshot() -> None:
    """The ordinary case: an incremental on the last of the chain, and the reason says where in the chain it stands."""
    choice = chosen(Kind.CRITICAL, chained(1000, 5, 7))
    assert choice == Choice(
        form=Form.INCREMENTAL, base="s3", reason="builds on s3, 4 of at most 128 in the chain of s1"
    )


def test_the_first_periodic_snapshot_of_an_hour_is_full_if_hours_are_kept() -> None:
    """Retention keeps one full of each hour, so there must be one; events go on building on it."""
    chain = chained(1000, 5, at=NOW - dt.timedelta(minutes=1), kind=Kind.PERIODIC)
    by_hour = choose_form(Kind.PERIODIC, NOW, chain, index_known=True, by_hour=True)
    assert (by_hour.form, by_hour.reason) == (Form.FULL, "the first periodic snapshot of 2026-11-23 12:00")
    later = choose_form(Kind.PERIODIC, NOW, chain, index_known=True, by_hour=True, last_periodic=NOW)
    assert later.form is Form.INCREMENTAL
    assert choose_form(Kind.CRITICAL, NOW, chain, index_known=True, by_hour=True).form is Form.INCREMENTAL
    assert chosen(Kind.PERIODIC, chain).form is Form.INCREMENTAL


@pytest.mark.parametrize("kind", [Kind.MANUAL, Kind.SHUTDOWN, Kind.SAFETY])
def test_what_people_rely_on_stands_alone(kind: Kind) -> None:
    """Manual, shutdown and safety snapshots are files that restore without any other."""
    choice = chosen(kind, chained(1000, 5))
    assert choice == Choice(form=Form.FULL, base=None, reason=f"a {kind.value} snapshot stands alone")


def test_what_is_kept_for_ever_stands_alone() -> None:
    """A pinned incremental would keep its whole chain with it."""
    choice = choose_form(Kind.CRITICAL, NOW, chained(1000, 5), index_known=True, pinned=True)
    assert choice == Choice(form=Form.FULL, base=None, reason="a pinned snapshot stands alone")


@pytest.mark.parametrize("kind", [Kind.PERIODIC, Kind.CRITICAL])
def test_nothing_builds_on_nothing_or_on_damage(kind: Kind) -> None:
    """Without a sound chain the next snapshot begins one; so after damage it is full."""
    broken = chained(1000, 5)
    broken[0] = msgspec.structs.replace(broken[0], verification=Verification(level=Level.CHECKSUM, at=NOW, ok=False))
    for chain in ([], broken):
        choice = chosen(kind, chain)
        assert (choice.form, choice.reason) == (Form.FULL, "there is no sound snapshot to build on")


def test_a_lost_index_costs_one_full() -> None:
    """Without the index nobody knows what changed."""
    choice = choose_form(Kind.CRITICAL, NOW, chained(1000, 5), index_known=False)
    assert (choice.form, choice.reason) == (Form.FULL, "the page index of s2 is lost or does not fit")


def test_the_first_periodic_snapshot_of_a_day_is_full_and_the_next_one_is_not() -> None:
    """By the day in UTC, wherever the host's clock is set; event snapshots of that day change nothing."""
    yesterday = [*chained(1000, at=NOW - 12.5 * HOUR, kind=Kind.PERIODIC), taken(2, "s1", at=NOW)]
    choice = chosen(Kind.PERIODIC, yesterday)
    assert (choice.form, choice.reason) == (Form.FULL, "the first periodic snapshot of 2026-11-23")
    today = [*yesterday, taken(3, "s2", at=NOW - 12 * HOUR, kind=Kind.PERIODIC)]
    assert chosen(Kind.PERIODIC, today).form is Form.INCREMENTAL
    assert chosen(Kind.CRITICAL, yesterday).form is Form.INCREMENTAL


def test_days_are_those_of_utc_whatever_the_zone_of_a_time() -> None:
    """An hour before midnight in UTC is tomorrow in Tokyo, and not here."""
    tokyo, midnight = dt.timezone(9 * HOUR), NOW - 12 * HOUR
    before, after = midnight - 2 * HOUR, midnight + HOUR
    chain = chained(1000, at=before.astimezone(tokyo), kind=Kind.PERIODIC)
    assert chosen(Kind.PERIODIC, chain, after).form is Form.FULL
    assert chosen(Kind.PERIODIC, chain, before + HOUR).form is Form.INCREMENTAL
    assert chosen(
        Kind.PERIODIC, chained(1000, at=before, kind=Kind.PERIODIC), (before + HOUR).astimezone(tokyo)
    ).form is (Form.INCREMENTAL)


def test_a_periodic_snapshot_outside_the_chain_counts_for_its_day() -> None:
    """A restart begins a new chain, and not a second first snapshot of the day."""
    restarted = chained(1000, kind=Kind.SHUTDOWN)
    assert chosen(Kind.PERIODIC, restarted, last_periodic=NOW - HOUR).form is Form.INCREMENTAL
    assert chosen(Kind.PERIODIC, restarted, last_periodic=NOW - 13 * HOUR).form is Form.FULL
    assert chosen(Kind.PERIODIC, restarted).form is Form.FULL


def test_a_chain_has_at_most_so_many_snapshots() -> None:
    """The full is one of them."""
    assert LONGEST == 128
    assert chosen(Kind.CRITICAL, chained(1000, *[1] * 126)).form is Form.INCREMENTAL
    choice = chosen(Kind.CRITICAL, chained(1000, *[1] * 127))
    assert (choice.form, choice.reason) == (Form.FULL, "the chain of s1 has 128 snapshots, at most 128 are allowed")


def test_incrementals_that_weigh_more_than_half_of_their_full_end_the_chain() -> None:
    """Then a full is hardly dearer, and cheaper to restore."""
    assert chosen(Kind.CRITICAL, chained(2048, 500, 524)).form is Form.INCREMENTAL
    choice = chosen(Kind.CRITICAL, chained(2048, 500, 525))
    assert choice.form is Form.FULL
    assert choice.reason == "the incrementals of s1 weigh 1.0 KiB, more than 50% of its 2.0 KiB"


events = st.tuples(st.sampled_from(Kind), st.integers(0, 40), st.integers(1, 60), st.integers(0, 15))


@STEADY
@given(st.lists(events, max_size=40), st.integers(1, 6), st.sampled_from([0.0, 0.5, 2.0]))
def test_chains_stay_short_and_light_and_every_day_begins_with_a_full(
    history: list[tuple[Kind, int, int, int]], longest: int, weight: float
) -> None:
    """Whatever happens in whatever order, with an index lost now and then and newest snapshots damaged."""
    snapshots, chain = list[Snapshot](), list[Snapshot]()
    now, last_periodic, days = NOW, None, set[dt.date]()
    for sequence, (kind, hours, size, fate) in enumerate(history):
        now += hours * HOUR
        choice = choose_form(
            kind,
            now,
            chain,
            index_known=fate != 0,
            last_periodic=last_periodic,
            longest=longest,
            weight=weight,
        )
        new = taken(sequence, choice.base, kind=kind, at=now, size=100 if choice.base is None else size)
        assert (choice.form is Form.FULL) == (choice.base is None)
        if choice.base is not None:
            assert choice.base == chain[-1].id
            assert fate != 0
            assert kind in (Kind.PERIODIC, Kind.CRITICAL)
        if kind is Kind.PERIODIC:
            assert choice.form is Form.FULL or now.date() in days
            last_periodic = now
            days.add(now.date())
        snapshots.append(new)
        chain = list(chain_of(new, snapshots))
        assert len(chain) <= longest
        assert sum(other.size for other in chain[1:-1]) <= weight * chain[0].size
        if fate == 1:
            chain = []


@st.composite
def catalogs(draw: st.DrawFn) -> list[Snapshot]:
    """Snapshots with any bases: sound ones, damaged ones, missing ones, circles."""
    count = draw(st.integers(1, 9))
    names = [None, None, "gone", *[f"s{number}" for number in range(count)] * 2]
    return [taken(number, draw(st.sampled_from(names)), ok=draw(st.integers(0, 5)) > 0) for number in range(count)]


@STEADY
@given(catalogs())
def test_a_chain_leads_from_a_full_to_the_snapshot_over_sound_bases(snapshots: list[Snapshot]) -> None:
    """There is a chain exactly for what retention calls restorable, and its parts build on one another."""
    sound = restorable(snapshots)
    for snapshot in snapshots:
        try:
            chain = chain_of(snapshot, snapshots)
        except SnapshotDamaged:
            assert snapshot.id not in sound
            continue
        assert snapshot.id in sound or snapshot.damaged
        assert chain[-1] is snapshot
        assert chain[0].form is Form.FULL
        assert [part.id for part in chain[:-1]] == [part.base for part in chain[1:]]
        assert not any(part.damaged for part in chain[:-1])


@STEADY
@given(catalogs())
def test_dependants_are_those_whose_chain_leads_through_a_snapshot(snapshots: list[Snapshot]) -> None:
    """The two views of the same bases agree, in order and without the snapshot itself."""
    for snapshot in snapshots:
        dependants = dependants_of(snapshot, snapshots)
        assert snapshot not in dependants
        assert [other.sequence for other in dependants] == sorted({other.sequence for other in dependants})
        for other in snapshots:
            try:
                through = snapshot in chain_of(other, snapshots)[:-1]
            except SnapshotDamaged:
                continue
            assert through == (other in dependants)


def test_everything_above_a_snapshot_depends_on_it() -> None:
    """Directly or not, also where its own base is gone and where chains fork; never a full, which stands alone."""
    first, second, third, fourth = chained(1000, 1, 1, 1)
    fork, other = taken(10, "s2"), taken(11)
    alone = msgspec.structs.replace(taken(12, "s1"), form=Form.FULL)
    everything = [fork, fourth, other, third, alone, second, first]
    assert dependants_of(first, everything) == (second, third, fourth, fork)
    assert dependants_of(second, everything[:-1]) == (third, fourth, fork)
    assert dependants_of(third, everything) == (fourth,)
    assert dependants_of(other, everything) == ()


def test_a_damaged_snapshot_still_has_its_chain() -> None:
    """So that it can be verified again after its disk came back."""
    first = taken(1)
    broken = taken(2, "s1", ok=False)
    assert chain_of(broken, [first, broken]) == (first, broken)


@pytest.mark.parametrize(
    ("snapshots", "base", "why"),
    [
        ([taken(3, "s2")], "s2", "the snapshot s2 is missing"),
        ([taken(3, "s2"), taken(2, "s1")], "s1", "the snapshot s1 is missing"),
        ([taken(3, "s2"), taken(2, "s1"), taken(1, ok=False)], "s1", "the snapshot s1 is damaged"),
        ([taken(3, "s2"), taken(2, "s1"), taken(1, "s3")], "s3", "its bases go round in a circle"),
        ([taken(3, "s3")], "s3", "its bases go round in a circle"),
        ([msgspec.structs.replace(taken(3), form=Form.INCREMENTAL)], None, "the snapshot under it is missing"),
    ],
)
def test_a_chain_that_cannot_be_replayed_says_why(snapshots: list[Snapshot], base: str | None, why: str) -> None:
    """The owner reads which snapshot is the trouble; programs find it in the error's data."""
    with pytest.raises(SnapshotDamaged) as raised:
        chain_of(snapshots[0], snapshots)
    sentence = f"Snapshot s3 cannot be restored, because it builds on others and {why}. Choose another one."
    assert str(raised.value) == sentence
    assert (raised.value.snapshot_id, raised.value.base) == ("s3", base)
    assert from_wire(raised.value.to_wire()).base == base
