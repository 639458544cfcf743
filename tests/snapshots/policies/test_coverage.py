"""Coverage: every request is covered by a snapshot that began after it, however busy or broken the hour."""

from __future__ import annotations

import asyncio
import datetime as dt
import gc
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.snapshots.errors import NotEnoughSpace, SnapshotError
from core.snapshots.models import Kind
from core.snapshots.operations.events import Ticket
from core.snapshots.policies.coverage import (
    MOST_REASONS,
    Coverage,
    Request,
    capped_reasons,
    distinct_reasons,
    group_kind,
    not_before,
)
from tests.worlds.snapshots import make_snapshot

START = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)
MOST_STEPS = 5000
STEADY = settings(deadline=None, derandomize=True, max_examples=200)


def request(number: int, reason: str = "event", kind: Kind = Kind.CRITICAL, at: float = 0.0) -> Request:
    return Request(number, kind, reason, START + dt.timedelta(seconds=at))


class Run(msgspec.Struct):
    """One snapshot of the simulation: when it began and ended, what it was to cover, and whether it worked."""

    began: float
    ended: float
    group: tuple[Request, ...]
    ok: bool


class Schedule(msgspec.Struct, frozen=True):
    """What the world does: arrivals and durations in whole seconds, so that a simulated clock is exact."""

    arrivals: list[int]
    outcomes: list[tuple[int, bool]]
    spacing: int = 1
    retry_first: int = 5
    retry_longest: int = 60
    arrivals_win_ties: bool = True


class Simulation:
    """The service's loop in virtual time, around the real bookkeeping, the real pauses and real tickets."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self.coverage = Coverage()
        self.tickets = {number: Ticket(request(number, at=at)) for number, at in enumerate(sorted(schedule.arrivals))}
        self.runs: list[Run] = []
        self.outcomes = iter(schedule.outcomes)
        self.now = 0.0
        self.last_began: float | None = None
        self.last_failed: float | None = None
        self.failures = 0

    def play(self) -> None:
        """Handle what happens in order of time until nothing is left to happen."""
        arriving = [ticket.request for ticket in self.tickets.values()]
        for _ in range(MOST_STEPS):
            happenings: list[tuple[float, int, Callable[[], None]]] = []
            if arriving:
                at = (arriving[0].at - START).total_seconds()
                rank = 0 if self.schedule.arrivals_win_ties else 2
                happenings.append((at, rank, lambda: self.coverage.add(arriving.pop(0))))
            if self.coverage.running:
                happenings.append((self.runs[-1].ended, 1, self.end))
            elif self.coverage.pending:
                happenings.append((self.now + self.pause(), 1, self.begin))
            if not happenings:
                return
            self.now, _, happen = min(happenings, key=lambda happening: happening[:2])
            happen()
        raise AssertionError("the schedule never comes to rest")

    def pause(self) -> float:
        rules = self.schedule
        return not_before(
            self.last_began,
            self.now,
            rules.spacing,
            self.failures,
            rules.retry_first,
            rules.retry_longest,
            last_failed=self.last_failed,
        )

    def begin(self) -> None:
        seconds, ok = next(self.outcomes, (1, True))
        group = self.coverage.begin()
        assert group
        self.runs.append(Run(self.now, self.now + seconds, group, ok))
        self.last_began = self.now

    def end(self) -> None:
        run = self.runs[-1]
        if run.ok:
            self.failures, self.last_failed = 0, None
            assert self.coverage.succeed() == run.group
            for covered in run.group:
                self.tickets[covered.number].resolve(make_snapshot(len(self.runs)))
        else:
            self.failures, self.last_failed = self.failures + 1, self.now
            assert self.coverage.fail() == run.group
            for failed in run.group:
                self.tickets[failed.number].fail(SnapshotError("no", run=len(self.runs)))


schedules = st.builds(
    Schedule,
    arrivals=st.lists(st.integers(0, 120), max_size=40),
    outcomes=st.lists(st.tuples(st.integers(0, 30), st.booleans()), max_size=15),
    spacing=st.integers(0, 10),
    retry_first=st.integers(0, 10),
    retry_longest=st.integers(0, 40),
    arrivals_win_ties=st.booleans(),
)


@STEADY
@given(schedule=schedules)
def test_every_request_is_covered_by_a_snapshot_that_began_after_it(schedule: Schedule) -> None:
    """Nothing is forgotten and nothing is covered too early, whatever comes when and whatever fails."""
    simulation = Simulation(schedule)
    simulation.play()
    covered = [(run, one) for run in simulation.runs if run.ok for one in run.group]
    assert sorted(one.number for _, one in covered) == list(range(len(schedule.arrivals)))
    assert all(one.at <= START + dt.timedelta(seconds=run.began) for run, one in covered)
    assert simulation.coverage.requests == 0


@STEADY
@given(schedule=schedules)
def test_snapshots_never_overlap_and_keep_their_distance(schedule: Schedule) -> None:
    """At most one runs; the spacing holds from start to start, the pause after a failure from its end."""
    simulation = Simulation(schedule)
    simulation.play()
    failures = 0
    for run, following in zip(simulation.runs, simulation.runs[1:], strict=False):
        assert following.began >= run.ended
        assert following.began >= run.began + schedule.spacing
        failures = 0 if run.ok else failures + 1
        if failures:
            pause = min(schedule.retry_first * 2 ** (failures - 1), schedule.retry_longest)
            assert following.began >= run.ended + pause


@STEADY
@given(schedule=schedules)
def test_a_snapshot_that_fails_fails_the_tickets_of_its_group_and_no_others(schedule: Schedule) -> None:
    """Each ticket tells the outcome of the first snapshot that took it on, and none is left open."""
    simulation = Simulation(schedule)
    simulation.play()
    first = {one.number: place for place, run in reversed([*enumerate(simulation.runs, 1)]) for one in run.group}

    async def outcomes() -> dict[int, tuple[bool, int]]:
        found = {}
        for number, ticket in simulation.tickets.items():
            assert ticket.done
            try:
                found[number] = (True, (await ticket.wait()).sequence)
            except SnapshotError as error:
                found[number] = (False, error.run)
        return found

    assert asyncio.run(outcomes()) == {number: (simulation.runs[at - 1].ok, at) for number, at in first.items()}


@pytest.mark.slow
@STEADY
@given(
    milliseconds=st.lists(st.integers(0, 1000), min_size=5, max_size=60),
    seconds=st.integers(0, 20_000),
    arrivals_win_ties=st.booleans(),
)
def test_a_burst_of_a_thousand_requests_takes_at_most_three_snapshots(
    milliseconds: list[int], seconds: int, arrivals_win_ties: bool
) -> None:
    """However a thousand requests fall within one second, and however long a snapshot takes, three are enough."""
    # The simulated unit is a millisecond here; the thousand are dealt out over the drawn moments.
    arrivals = [milliseconds[number % len(milliseconds)] for number in range(1000)]
    schedule = Schedule(arrivals, [(seconds, True)] * 1000, spacing=1000, arrivals_win_ties=arrivals_win_ties)
    simulation = Simulation(schedule)
    simulation.play()
    assert len(simulation.runs) <= 3
    assert sum(len(run.group) for run in simulation.runs) == 1000


def test_what_waits_runs_together_and_what_comes_later_waits() -> None:
    """A group is what waited when it began; it leaves the books when it is covered."""
    coverage = Coverage()
    coverage.add(request(1))
    coverage.add(request(2))
    assert coverage.begin() == (request(1), request(2))
    coverage.add(request(3))
    assert (coverage.running, coverage.pending) == ((request(1), request(2)), (request(3),))
    assert coverage.requests == 3
    assert coverage.succeed() == (request(1), request(2))
    assert (coverage.running, coverage.pending, coverage.requests) == ((), (request(3),), 1)


def test_a_group_that_failed_waits_again_before_all_others() -> None:
    """The retry covers the failed requests too, in the order in which they arrived."""
    coverage = Coverage()
    for number in (1, 2):
        coverage.add(request(number))
    coverage.begin()
    coverage.add(request(3))
    assert coverage.fail() == (request(1), request(2))
    assert (coverage.running, coverage.pending) == ((), (request(1), request(2), request(3)))
    assert coverage.begin() == (request(1), request(2), request(3))


def test_a_second_group_cannot_begin_while_one_runs() -> None:
    """Two snapshots at once would be a mistake of the service: it is told, and nothing is lost."""
    coverage = Coverage()
    coverage.add(request(1))
    coverage.begin()
    coverage.add(request(2))
    with pytest.raises(RuntimeError, match="already"):
        coverage.begin()
    assert (coverage.running, coverage.pending) == ((request(1),), (request(2),))


def test_nothing_begins_where_nothing_waits() -> None:
    """A periodic snapshot can ask for the waiting group without knowing whether there is one."""
    coverage = Coverage()
    assert coverage.begin() == ()
    assert coverage.succeed() == ()
    assert coverage.fail() == ()
    assert coverage.requests == 0


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ([Kind.PERIODIC, Kind.CRITICAL, Kind.MANUAL], Kind.CRITICAL),
        ([Kind.SHUTDOWN, Kind.CRITICAL], Kind.CRITICAL),
        ([Kind.SAFETY, Kind.SHUTDOWN], Kind.SAFETY),
        ([Kind.PERIODIC, Kind.SHUTDOWN], Kind.SHUTDOWN),
        ([Kind.PERIODIC, Kind.MANUAL], Kind.MANUAL),
        ([Kind.PERIODIC], Kind.PERIODIC),
    ],
)
def test_a_shared_snapshot_is_critical_if_any_request_is(kinds: list[Kind], expected: Kind) -> None:
    """A group goes where its most demanding request is kept."""
    assert group_kind([request(number, kind=kind) for number, kind in enumerate(kinds)]) is expected


def test_every_kind_can_be_requested_and_no_requests_have_none() -> None:
    """A kind that is added to the model needs its rank here."""
    assert [group_kind([request(1, kind=kind)]) for kind in Kind] == list(Kind)
    with pytest.raises(ValueError, match="no kind"):
        group_kind([])


def test_reasons_are_given_once_in_order_of_arrival() -> None:
    """A snapshot lists each different reason once; the requests are counted apart."""
    group = [
        request(number, reason) for number, reason in enumerate(["sold_7", "pack_1", "sold_7", "sold_3", "pack_1"])
    ]
    assert distinct_reasons(group) == ("sold_7", "pack_1", "sold_3")


@pytest.mark.parametrize(
    ("last_began", "now", "failures", "last_failed", "expected"),
    [
        (None, 100.0, 0, None, 0.0),
        (100.0, 100.0, 0, None, 2.0),
        (100.0, 101.5, 0, None, 0.5),
        (100.0, 200.0, 0, None, 0.0),
        (100.0, 50.0, 0, None, 2.0),
        (100.0, 100.0, 1, None, 5.0),
        (100.0, 100.0, 2, None, 10.0),
        (100.0, 103.0, 4, None, 37.0),
        (100.0, 100.0, 5, None, 60.0),
        (100.0, 100.0, 5000, None, 60.0),
        (100.0, 700.0, 1, 699.0, 4.0),
        (100.0, 101.0, 0, 100.5, 1.0),
    ],
)
def test_the_pause_is_the_spacing_or_after_failures_the_longer_retry(
    last_began: float | None, now: float, failures: int, last_failed: float | None, expected: float
) -> None:
    """Spacing 2 s from start to start; after failures 5 s, doubled each time up to 60 s, from the failure's end."""
    assert not_before(last_began, now, 2.0, failures, 5.0, 60.0, last_failed=last_failed) == expected


def test_a_ticket_needs_no_running_loop_and_keeps_its_first_outcome() -> None:
    """A retry that works does not rewrite what a caller has been told, nor the other way round."""
    failed, covered = Ticket(request(1)), Ticket(request(2))
    assert (failed.done, failed.request) == (False, request(1))
    failed.fail(NotEnoughSpace("the disk is full"))
    failed.resolve(make_snapshot(2))
    covered.resolve(make_snapshot(1))
    covered.resolve(make_snapshot(2))
    covered.fail(SnapshotError("too late"))
    assert failed.done
    assert covered.done
    with pytest.raises(NotEnoughSpace, match="the disk is full"):
        asyncio.run(failed.wait())
    assert asyncio.run(covered.wait()).sequence == 1


async def test_all_who_wait_hear_the_outcome_and_one_can_give_up_alone() -> None:
    """Cancelling one waiter neither settles the ticket nor disturbs the others."""
    ticket = Ticket(request(1))
    waiting = [asyncio.create_task(ticket.wait()) for _ in range(4)]
    await asyncio.sleep(0)
    waiting[1].cancel()
    await asyncio.sleep(0)
    assert not ticket.done
    waiting[0].cancel()  # and the outcome comes before this one could leave
    ticket.resolve(make_snapshot())
    first, second, third, fourth = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(first, asyncio.CancelledError)
    assert isinstance(second, asyncio.CancelledError)
    assert third == fourth == await ticket.wait() == make_snapshot()


async def test_a_failed_ticket_that_was_forgotten_logs_nothing_and_leaves_no_task() -> None:
    """A game that goes on without waiting gets neither warnings about unread errors nor tasks parked in its loop."""
    reported: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
    forgotten, given_up = Ticket(request(1)), Ticket(request(2))
    waiter = asyncio.create_task(given_up.wait())
    await asyncio.sleep(0)
    waiter.cancel()
    await asyncio.sleep(0)
    tasks = asyncio.all_tasks()
    for ticket in (forgotten, given_up):
        ticket.fail(SnapshotError("nobody hears this"))
    del forgotten, given_up, ticket, waiter
    gc.collect()
    await asyncio.sleep(0)
    assert reported == []
    assert tasks == {asyncio.current_task()}


def test_an_outage_of_days_keeps_no_more_than_it_can_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not kept is counted, and covered only by what covers the last of it; the first ones keep their names."""
    monkeypatch.setattr("core.snapshots.policies.coverage.MOST_REQUESTS", 10)
    coverage = Coverage()
    for number in range(1, 41):
        if number % 20 == 0:
            coverage.begin()
        kind = Kind.CRITICAL if number == 30 else Kind.MANUAL
        coverage.add(request(number, f"sold_{number}", kind, at=float(number)))
        if number % 20 == 0:
            coverage.fail()
        assert len(coverage.pending) <= 10
        assert coverage.requests == number
    assert [each.reason for each in coverage.pending[:9]] == [f"sold_{number}" for number in range(1, 10)]
    last = coverage.begin()[-1]
    assert (last.number, last.kind, last.count) == (40, Kind.CRITICAL, 31)
    assert last.at == START + dt.timedelta(seconds=40)


def test_a_snapshot_names_only_so_many_reasons() -> None:
    """A player who sells ten thousand cards does not fill the catalog; each reason is named once."""
    named = capped_reasons(f"sold_{number % 700}" for number in range(10_000))
    assert named == tuple(f"sold_{number}" for number in range(MOST_REASONS))
