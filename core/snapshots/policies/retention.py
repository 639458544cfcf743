"""Retention: which snapshots are kept and which are removed, with all reasons. Pure.

**Order and age.** Snapshots are ordered by ``sequence``, never by a clock. The age of a snapshot is the sum of the
steps from its time to that of the next snapshot, and so on up to now. A step of more than 90 days, forward or back, is
treated as an error of the clock and counts 0: a bot in use does not go so long without a snapshot, while clocks that
are wrong by years are common (a flat battery, a restored virtual machine). A shorter step counts as it is, even if it
goes back.

- If no step is an error, the age is simply now minus the creation time, whichever snapshots are left. A pause of 40
  days counts as 40 days, and a clock that was set back a month and then forward again changes no age.
- If a clock jumps ten years, forward or back, and is corrected or not, no age changes: each jump counts 0, and only the
  real steps between the jumps count. Snapshots dated 2036 among those of 2026 have the age of their neighbours.
- If two snapshots are more than 90 days apart because those between them were removed, the older one counts as younger
  than it is. It is kept longer then, and this concerns only snapshots that another rule protected for three months.
- If a clock is set back again and again and never forward, everything looks younger and is kept longer. If steps back
  counted 0 instead, everything would age by a month when a clock is a month slow for one evening.
- A wrong jump of less than 90 days looks like a pause. While the clock is wrong, snapshots that are kept by age may be
  removed too early. The newest restorable snapshot, pinned ones, those of events and the other protected ones do not
  depend on a clock.

Hours, days, weeks and months are those of the recorded time in UTC. How many of them are kept is counted by age. Hours
matter only where the interval between periodic snapshots is short: as long as everything is kept for as many hours,
there is nothing to thin. Every manual snapshot stays while hours are kept, because somebody asked for it.

**Damage.** A snapshot is sound if it and all snapshots below it in its chain exist and are undamaged, and its state can
be read. One that is not sound does not count: not as one of the newest event snapshots and not as the first full of a
day, so it never displaces a good one. It is removed by the same rules as a sound one. If a rule protects the newest
snapshot of some kind, unsound ones that are newer are kept too, because they may hold what nothing else holds. So a
damage mark can only add to what is kept: a failed verification removes nothing, and if nothing is restorable, nothing
is removed. The ordinary rules remove damaged snapshots in time.

**Chains.** A snapshot that is kept keeps all snapshots below it in its chain. A pinned snapshot is kept and does not
count either, so pinning, too, can only add to what is kept.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter

from ..models import Form, Kind, PruneDecision, RestoreRecord, RetentionRules, Snapshot
from ..units import duration_text
from .health import readable
from .timeline import newest_sound

__all__ = ["CLOCK_ERROR", "decide", "restorable"]

CLOCK_ERROR = dt.timedelta(days=90)
"""A step between two snapshots that is longer than this, forward or back, is treated as an error of the clock."""

_HOUR_SECONDS = 3600.0
_DAY_SECONDS = 86400.0
_BASES_NAMED = 3
_DAILY = (Kind.PERIODIC, Kind.MANUAL)

_PROTECTED: tuple[tuple[str, Callable[[Snapshot], bool]], ...] = (
    ("newest restorable snapshot", lambda snapshot: True),
    ("newest that passed `restored`", lambda snapshot: snapshot.restored_at is not None),
    (
        "source of the latest link: newest periodic, manual or shutdown snapshot",
        lambda snapshot: snapshot.kind in _DAILY or snapshot.kind is Kind.SHUTDOWN,
    ),
    ("newest safety snapshot", lambda snapshot: snapshot.kind is Kind.SAFETY),
)


def decide(
    snapshots: Sequence[Snapshot], rules: RetentionRules, now: dt.datetime, restores: Sequence[RestoreRecord] = ()
) -> tuple[PruneDecision, ...]:
    """Return the decision for each snapshot with all its reasons, newest first.

    ``restores`` are the restores that were carried out; the newest snapshot of the timeline is kept even if a restore
    went back to it and left newer snapshots behind.

    ``snapshots`` can be in any order, and their ids are distinct. The time is linear in their number after one sort:
    10,000 take 20 to 40 ms on one core. The idea of a policy that returns its reasons is from restic
    (``internal/data/snapshot_policy.go``).
    """
    cases = _cases(snapshots, now)
    _keep_protected(cases, now)
    _keep_present(cases, newest_sound(snapshots, restores) if restores else None)
    counted = [case for case in cases if not case.snapshot.pinned]
    daily = [case for case in counted if case.snapshot.kind in _DAILY]
    _keep_recent(daily, rules)
    _keep_firsts(daily, rules)
    _keep_events([case for case in counted if case.snapshot.kind is Kind.CRITICAL], rules.critical)
    _keep_by_age([case for case in counted if case.snapshot.kind is Kind.SAFETY], rules.safety)
    _keep_by_age([case for case in counted if case.snapshot.kind is Kind.SHUTDOWN], rules.shutdown)
    _keep_bases(cases)
    return tuple(
        PruneDecision(
            snapshot=case.snapshot, keep=bool(case.reasons_for), reasons=case.reasons_for or case.reasons_against
        )
        for case in cases
    )


def restorable(snapshots: Iterable[Snapshot]) -> frozenset[str]:
    """Return the ids of the snapshots that can be restored: all of their chain exists and is undamaged."""
    known = {snapshot.id: snapshot for snapshot in snapshots}
    sound: dict[str, bool] = {}
    for snapshot_id in known:
        path: list[str] = []
        at: str | None = snapshot_id
        while at is not None and at not in sound and at in known and known[at].verification.ok:
            sound[at] = False  # if it is met again further down, the parents form a circle
            path.append(at)
            at = known[at].base
        if at is None or sound.get(at, False):
            sound.update(dict.fromkeys(path, True))
    return frozenset(snapshot_id for snapshot_id, verdict in sound.items() if verdict)


class _Case:
    """One snapshot with the reasons for and against keeping it.

    The reasons are tuples, because 10,000 lists would trigger the garbage collector.
    """

    __slots__ = ("age", "reasons_against", "reasons_for", "snapshot", "sound")

    def __init__(self, snapshot: Snapshot, age: float, sound: bool) -> None:
        self.snapshot = snapshot
        self.age = age
        self.sound = sound
        self.reasons_for: tuple[str, ...] = ()
        self.reasons_against: tuple[str, ...] = ()

    @property
    def flaw(self) -> str:
        if self.snapshot.damaged:
            return "damaged"
        return "its base is damaged or missing" if readable(self.snapshot.health) else "its state cannot be read"

    def keep(self, reason: str) -> None:
        self.reasons_for += (reason if self.sound else f"{reason} ({self.flaw})",)


def _cases(snapshots: Sequence[Snapshot], now: dt.datetime) -> list[_Case]:
    """Return the cases, newest first, with ages in seconds."""
    sound = restorable(snapshots)
    cases: list[_Case] = []
    age, later = dt.timedelta(), now
    for snapshot in sorted(snapshots, key=attrgetter("sequence", "id"), reverse=True):
        step = later - snapshot.created_at
        if -CLOCK_ERROR <= step <= CLOCK_ERROR:
            age += step
        later = snapshot.created_at
        cases.append(_Case(snapshot, age.total_seconds(), snapshot.id in sound and readable(snapshot.health)))
    return cases


def _keep_protected(cases: Sequence[_Case], now: dt.datetime) -> None:
    for name, belongs in _PROTECTED:
        for case in cases:
            if not belongs(case.snapshot):
                continue
            if case.sound:
                case.keep(name)
                break
            case.reasons_for += (f"{case.flaw}: stays until a newer one is the {name}",)
    for case in cases:
        if case.snapshot.pinned:
            case.reasons_for += ("pinned",)
        until = case.snapshot.kept_until
        if until is not None and until > now:
            case.reasons_for += (f"kept until {until:%Y-%m-%d}, for rows that were lost or put back",)


def _keep_present(cases: Sequence[_Case], present: Snapshot | None) -> None:
    for case in cases:
        if present is not None and case.snapshot.id == present.id:
            case.keep("newest that the present database comes from")


def _keep_recent(daily: Sequence[_Case], rules: RetentionRules) -> None:
    limits = {
        Kind.PERIODIC: (float(rules.keep_all), "everything is kept"),
        Kind.MANUAL: (max(float(rules.keep_all), rules.hourly * _HOUR_SECONDS), "every manual one is kept"),
    }
    texts = {
        kind: (limit, f"not older than {duration_text(limit)}, for which {what}", f"older than {duration_text(limit)}")
        for kind, (limit, what) in limits.items()
    }
    for case in daily:
        limit, kept, dropped = texts[case.snapshot.kind]
        if case.age <= limit:
            case.keep(kept)
            continue
        case.reasons_against += (dropped,)
        if case.snapshot.form is not Form.FULL:
            case.reasons_against += ("an incremental that nothing kept builds on",)


def _keep_firsts(daily: Sequence[_Case], rules: RetentionRules) -> None:
    """Keep the first full of each hour, day, week and month. A month counts as 31 days, so that each is whole."""
    fulls = [case for case in reversed(daily) if case.snapshot.form is Form.FULL]
    hours = [
        case.snapshot.created_at.astimezone(dt.UTC).replace(minute=0, second=0, microsecond=0, tzinfo=None)
        for case in fulls
    ]
    calendar: tuple[tuple[int, float, str, Callable[[dt.datetime], str]], ...] = (
        (rules.hourly if rules.by_hour else 0, _HOUR_SECONDS, "hour", lambda hour: f"{hour:%Y-%m-%d %H}:00"),
        (rules.daily, _DAY_SECONDS, "day", lambda day: day.date().isoformat()),
        (rules.weekly, 7 * _DAY_SECONDS, "week", lambda day: "week {}-W{:02}".format(*day.isocalendar()[:2])),
        (rules.monthly, 31 * _DAY_SECONDS, "month", lambda day: f"{day:%Y-%m}"),
    )
    for count, length, unit, period_of in calendar:
        if count <= 0:
            continue
        names = {hour: period_of(hour) for hour in set(hours)}
        window = f"{count} {unit}" if count == 1 else f"{count} {unit}s"
        seen: set[str] = set()
        for case, hour in zip(fulls, hours, strict=True):
            period = names[hour]
            if period in seen:
                case.reasons_against += (f"not the first full of {period}",)
                continue
            if case.sound:
                seen.add(period)
            if case.age <= count * length:
                case.keep(f"first full of {period}")
            else:
                case.reasons_against += (f"first full of {period}, but older than {window}",)


def _keep_events(events: Sequence[_Case], count: int) -> None:
    newest = f"one of the newest {count} event snapshots"
    for case in events:
        if count <= 0:
            case.reasons_against += (f"not {newest}",)
            continue
        case.keep(newest)
        if case.sound:
            count -= 1


def _keep_by_age(cases: Sequence[_Case], limit: float) -> None:
    text = duration_text(limit)
    for case in cases:
        if case.age <= limit:
            case.keep(f"not older than {text}")
        else:
            case.reasons_against += (f"older than {text}",)


def _keep_bases(cases: Sequence[_Case]) -> None:
    """Keep the parents of what is kept, and name in their reasons the kept snapshots that build directly on them."""
    known = {case.snapshot.id: case for case in cases}
    children: dict[str, list[_Case]] = {}
    reached = [case for case in cases if case.reasons_for]
    while reached:
        child = reached.pop()
        base = known.get(child.snapshot.base) if child.snapshot.base is not None else None
        if base is None:
            continue
        if base.snapshot.id not in children and not base.reasons_for:
            reached.append(base)
        children.setdefault(base.snapshot.id, []).append(child)
    for base_id, kept_children in children.items():
        named = [case.snapshot.id for case in sorted(kept_children, key=lambda case: case.snapshot.sequence)]
        more = f" and {len(named) - _BASES_NAMED} more" if len(named) > _BASES_NAMED else ""
        known[base_id].reasons_for += (f"base of {', '.join(named[:_BASES_NAMED])}{more}",)
