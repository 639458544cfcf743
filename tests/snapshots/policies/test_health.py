"""From findings to a verdict, by property: what is found decides, neither its order nor its number."""

from __future__ import annotations

import datetime as dt
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.snapshots import Check, Finding, Severity, Verdict
from core.snapshots.models import Health
from core.snapshots.policies.health import (
    MOST_FINDINGS,
    capped,
    health_of,
    judge,
    means,
    readable,
    usable_state,
)
from tests.worlds.snapshots import make_snapshot

NOW = dt.datetime(2026, 11, 28, tzinfo=dt.UTC)
GRAVEST_FIRST = (
    Verdict.UNREADABLE,
    Verdict.INCONSISTENT,
    Verdict.SUSPICIOUS,
    Verdict.UNKNOWN,
    Verdict.MISSING,
    Verdict.SOUND,
)
FINDING = st.builds(
    Finding,
    check=st.sampled_from(Check),
    severity=st.sampled_from(Severity),
    message=st.text(max_size=5),
    table=st.none() | st.text(max_size=5),
    count=st.integers(1, 9),
    by_hand=st.booleans(),
)
FINDINGS = st.lists(FINDING, max_size=3 * MOST_FINDINGS)


def finding(check: Check) -> Finding:
    """Return a finding."""
    return Finding(check=check, severity=Severity.ERROR, message="found")


@pytest.mark.parametrize("check", Check)
def test_every_check_has_a_meaning(check: Check) -> None:
    """A new subject of findings cannot be forgotten here."""
    assert means(finding(check)) in Verdict


def test_only_lost_data_is_unreadable() -> None:
    """What restores by itself is this list; nothing joins it by accident."""
    assert {check for check in Check if means(finding(check)) is Verdict.UNREADABLE} == {Check.FILE, Check.PAGES}


def test_every_verdict_has_its_gravity() -> None:
    """A new verdict cannot be forgotten in the order that these tests compare with."""
    assert set(GRAVEST_FIRST) == set(Verdict)


def test_nothing_found_is_sound() -> None:
    """A check that finds nothing passes."""
    assert judge(()) is Verdict.SOUND


@given(FINDINGS)
def test_the_gravest_finding_wins(findings: list[Finding]) -> None:
    """Whatever else was found beside it."""
    verdict = judge(findings)
    meanings = {means(each) for each in findings}
    assert verdict in (meanings or {Verdict.SOUND})
    assert all(GRAVEST_FIRST.index(verdict) <= GRAVEST_FIRST.index(each) for each in meanings)


@given(FINDINGS, st.randoms(use_true_random=False))
def test_the_order_of_findings_changes_nothing(findings: list[Finding], dice: random.Random) -> None:
    """Whichever part of a check ran first."""
    shuffled = list(findings)
    dice.shuffle(shuffled)
    assert judge(shuffled) is judge(findings)


@pytest.mark.parametrize("check", Check)
def test_a_warning_means_what_an_error_means_but_never_that_rows_are_lost(check: Check) -> None:
    """What may be restored by itself is always an error; otherwise severity is for the report alone."""
    error, warning = (Finding(check=check, severity=severity, message="found") for severity in Severity)
    lost = means(error) is Verdict.UNREADABLE
    assert means(warning) is (Verdict.UNKNOWN if lost else means(error))


@given(FINDINGS, FINDINGS)
def test_more_findings_never_make_a_state_better(some: list[Finding], more: list[Finding]) -> None:
    """What is found later can only be added to what is known."""
    both, before = judge([*some, *more]), judge(some)
    assert GRAVEST_FIRST.index(both) <= GRAVEST_FIRST.index(before)


@given(FINDINGS)
def test_what_is_recorded_keeps_the_gravest_and_the_verdict(findings: list[Finding]) -> None:
    """At most so many findings, none invented, none graver left out, those of one gravity in their order."""
    kept = capped(findings)
    assert len(kept) == min(len(findings), MOST_FINDINGS)
    left = list(findings)
    for each in kept:
        left.remove(each)
    ranks = [GRAVEST_FIRST.index(means(each)) for each in kept]
    assert ranks == sorted(ranks)
    assert all(GRAVEST_FIRST.index(means(each)) >= max(ranks) for each in left)
    for rank in set(ranks):
        alike = [each for each in findings if GRAVEST_FIRST.index(means(each)) == rank]
        assert [each for each in kept if GRAVEST_FIRST.index(means(each)) == rank] == alike[: ranks.count(rank)]
    health = health_of(findings, NOW)
    assert (health.verdict, health.findings, health.checked_at) == (judge(findings), kept, NOW)


@pytest.mark.parametrize("verdict", Verdict)
@pytest.mark.parametrize("damaged", [False, True])
def test_a_state_is_usable_unless_its_bytes_or_its_rows_are_lost(verdict: Verdict, damaged: bool) -> None:
    """What is suspicious, not in order or unknown can be restored; what was never looked at as well."""
    health = Health(verdict=verdict, checked_at=NOW)
    can_be_read = verdict is not Verdict.UNREADABLE
    assert readable(health) is can_be_read
    assert usable_state(make_snapshot(ok=not damaged, health=health)) is (can_be_read and not damaged)
    assert usable_state(make_snapshot(ok=not damaged)) is not damaged
