"""From findings to a verdict: the one judge of start-up, integrity, status, verification, snapshots and alerts.

Automatic restore is for a database that cannot be read, not for one that somebody changed: a renamed table, a season
reset, a row that breaks a constraint, a schema made by a newer SQLite are a person's business. So what a finding is
*about* decides, and never how severe it is. Severity is what a report says; the verdict is what may be done.

| verdict | what is found | at start-up | elsewhere |
| --- | --- | --- | --- |
| unreadable | file destroyed, foreign, cut short or gone; table pages that cannot be read | restored | alert |
| inconsistent | index and table differ, unused pages, freelist, wrong counts | not touched | alert, with the remedy |
| suspicious | table missing or emptied, no JSON, keys and constraints broken | not touched | one alert |
| unknown | no access, newer format or schema, missing extension, encrypted, not mounted | not touched | said |
| missing | no database, and none was expected | goes on | said |
| sound | nothing | goes on | quiet |

Pure: no clock, no disk.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence

from ..models import Check, Finding, Health, Kind, Severity, Snapshot, Verdict

__all__ = [
    "BEFORE_HEALING",
    "MOST_FINDINGS",
    "capped",
    "health_of",
    "judge",
    "means",
    "of_damage",
    "readable",
    "usable_state",
]

BEFORE_HEALING = "before_healing_with_"
"""How the reason of a safety snapshot begins that a start-up restore takes of the damage it is about to mend."""

MOST_FINDINGS = 20
"""How many findings a recorded health keeps; the gravest come first."""

_MEANS = {
    Check.FILE: Verdict.UNREADABLE,
    Check.PAGES: Verdict.UNREADABLE,
    Check.STRUCTURE: Verdict.INCONSISTENT,
    Check.INDEXES: Verdict.INCONSISTENT,
    Check.SPACE: Verdict.INCONSISTENT,
    Check.ROT: Verdict.INCONSISTENT,
    Check.CONSTRAINTS: Verdict.SUSPICIOUS,
    Check.UNIQUE: Verdict.SUSPICIOUS,
    Check.EMPTY: Verdict.SUSPICIOUS,
    Check.TABLES: Verdict.SUSPICIOUS,
    Check.ROWS: Verdict.SUSPICIOUS,
    Check.JSON: Verdict.SUSPICIOUS,
    Check.FOREIGN_KEYS: Verdict.SUSPICIOUS,
    Check.SCHEMA: Verdict.UNKNOWN,
    Check.FORMAT: Verdict.UNKNOWN,
    Check.ENCRYPTED: Verdict.UNKNOWN,
    Check.EXTENSION: Verdict.UNKNOWN,
    Check.ACCESS: Verdict.UNKNOWN,
    Check.MOUNT: Verdict.UNKNOWN,
    Check.SETTINGS: Verdict.SOUND,
    Check.MISSING: Verdict.MISSING,
}

_GRAVEST_FIRST = (
    Verdict.UNREADABLE,
    Verdict.INCONSISTENT,
    Verdict.SUSPICIOUS,
    Verdict.UNKNOWN,
    Verdict.MISSING,
    Verdict.SOUND,
)


def means(finding: Finding) -> Verdict:
    """Return what one finding says about the state; a warning never says that it cannot be read."""
    verdict = _MEANS[finding.check]
    if verdict is Verdict.UNREADABLE and finding.severity is Severity.WARNING:
        return Verdict.UNKNOWN
    return verdict


def judge(findings: Iterable[Finding]) -> Verdict:
    """Return the verdict on a state with these findings: the gravest that any of them means, ``sound`` without any."""
    found = {means(finding) for finding in findings}
    return next((verdict for verdict in _GRAVEST_FIRST if verdict in found), Verdict.SOUND)


def health_of(findings: Sequence[Finding], checked_at: dt.datetime) -> Health:
    """Return the verdict with the findings behind it, as it is recorded."""
    return Health(verdict=judge(findings), findings=capped(findings), checked_at=checked_at)


def capped(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Return at most ``MOST_FINDINGS`` findings, the gravest first, otherwise in their order."""
    ordered = sorted(findings, key=lambda finding: _GRAVEST_FIRST.index(means(finding)))
    return tuple(ordered[:MOST_FINDINGS])


def readable(health: Health | None) -> bool:
    """Return True unless the state is known to be unreadable; what was not looked at is not held against it."""
    return health is None or health.verdict is not Verdict.UNREADABLE


def usable_state(snapshot: Snapshot) -> bool:
    """Return True if a snapshot gives back its bytes, and its state is not known to be unreadable."""
    return not snapshot.damaged and readable(snapshot.health)


def of_damage(snapshot: Snapshot) -> bool:
    """Return True if a start-up restore took this snapshot of the damage that it was about to mend.

    If that restore is interrupted, the snapshot is the newest of the timeline, and must not count as what the database
    should be.
    """
    return snapshot.kind is Kind.SAFETY and any(reason.startswith(BEFORE_HEALING) for reason in snapshot.reasons)
