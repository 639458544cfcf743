"""What every engine promises of its integrity check, on a real database of each kind."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from core.snapshots.engines import Engine
from core.snapshots.errors import (
    DeadlineExceeded,
)
from core.snapshots.models import Check, Finding, Severity
from core.snapshots.progress import Watch
from tests.worlds.engine_cases import CHECKS, EngineCase, bounded
from tests.worlds.game_database import CRITICAL_TABLES


def only_finding(findings: tuple[Finding, ...]) -> Finding:
    assert len(findings) == 1, findings
    return findings[0]


def test_inspect_counts_the_rows_and_changes_nothing(case: EngineCase, engine: Engine) -> None:
    """A database that is there and works is openable, and its critical tables are counted."""
    before = case.contents()
    state = engine.inspect((*CRITICAL_TABLES, "guilds"), bounded(30))
    assert (state.exists, state.openable, state.problem, state.tables) == (True, True, None, 4)
    assert state.rows == {table: len(before[table]) for table in CRITICAL_TABLES}
    assert state.size > 0
    assert state.token
    assert case.contents() == before


def test_inspect_says_that_a_missing_database_is_missing(case: EngineCase, engine: Engine) -> None:
    """A database that is not there is a state, not an error."""
    case.remove()
    state = engine.inspect(CRITICAL_TABLES, bounded(30))
    assert (state.exists, state.openable, state.size, state.rows) == (False, False, 0, {})
    assert state.problem


def test_inspect_says_why_a_destroyed_database_cannot_be_opened(case: EngineCase, engine: Engine) -> None:
    """A damaged database is a state, not an error."""
    case.destroy()
    state = engine.inspect(CRITICAL_TABLES, bounded(30))
    assert (state.exists, state.openable, state.rows) == (True, False, {})
    assert state.problem


def test_a_sound_database_has_no_findings(case: EngineCase, engine: Engine, work: Path) -> None:
    """Everything is looked at and counted; nothing is found."""
    before = case.contents()
    report = engine.integrity(CHECKS, work, bounded(30))
    assert report.findings == ()
    assert report.ok
    assert report.rows == {table: len(before[table]) for table in CRITICAL_TABLES}
    assert report.checked["tables"] == 4
    assert report.checked["rows"] == sum(report.rows.values())
    assert report.checked["json_values"] == len(before["creator_packs"])
    assert report.checked["foreign_keys"] == 3
    assert report.seconds > 0
    assert case.contents() == before


@pytest.mark.parametrize(
    ("statement", "check", "severity", "table", "count"),
    [
        ("DROP TABLE user_cards", Check.TABLES, Severity.ERROR, "user_cards", 1),
        ("DELETE FROM user_cards", Check.ROWS, Severity.WARNING, "user_cards", 1),
        ("UPDATE creator_packs SET cards_data = '[{' WHERE id < 4", Check.JSON, Severity.ERROR, "creator_packs", 3),
        ("UPDATE creator_packs SET cards_data = '{}' WHERE id < 3", Check.JSON, Severity.WARNING, "creator_packs", 2),
        ("UPDATE user_cards SET card_id = -1 WHERE id < 6", Check.FOREIGN_KEYS, Severity.WARNING, "user_cards", 5),
    ],
)
def test_an_integrity_check_finds(
    case: EngineCase,
    engine: Engine,
    work: Path,
    statement: str,
    check: Check,
    severity: Severity,
    table: str,
    count: int,
) -> None:
    """Missing tables and unparsable critical JSON are errors; what a person should look at is a warning."""
    checks = msgspec.structs.replace(CHECKS, expected_rows={"user_cards": 1, "users": 60}, snapshots_exist=True)
    case.execute(statement)
    finding = only_finding(engine.integrity(checks, work, bounded(30)).findings)
    assert (finding.check, finding.severity, finding.table, finding.count) == (check, severity, table, count)
    assert finding.message


def test_columns_without_a_value_are_fine(case: EngineCase, engine: Engine, work: Path) -> None:
    """NULL is no JSON value: it is neither counted nor found."""
    case.execute("UPDATE creator_packs SET cards_data = NULL WHERE id < 4")
    report = engine.integrity(CHECKS, work, bounded(30))
    assert report.findings == ()
    assert report.checked["json_values"] == len(case.contents()["creator_packs"]) - 3


@pytest.mark.parametrize(("snapshots_exist", "ok"), [(True, False), (False, True)])
def test_a_missing_database_is_damage_only_where_there_was_one(
    case: EngineCase, engine: Engine, work: Path, snapshots_exist: bool, ok: bool
) -> None:
    """A database that is gone is an error when snapshots of it exist, and a new beginning when none do."""
    case.remove()
    checks = msgspec.structs.replace(CHECKS, snapshots_exist=snapshots_exist)
    report = engine.integrity(checks, work, bounded(30))
    assert only_finding(report.findings).check is (Check.FILE if snapshots_exist else Check.MISSING)
    assert report.ok is ok


def test_a_destroyed_database_is_a_finding(case: EngineCase, engine: Engine, work: Path) -> None:
    """Damage is what an integrity check reports, not what it raises."""
    case.destroy()
    finding = only_finding(engine.integrity(CHECKS, work, bounded(30)).findings)
    assert (finding.check, finding.severity) == (Check.FILE, Severity.ERROR)


def test_an_integrity_check_ends_at_its_deadline(case: EngineCase, engine: Engine, work: Path) -> None:
    """A check that takes too long is an error, never a finding."""
    with pytest.raises(DeadlineExceeded):
        engine.integrity(CHECKS, work, Watch(deadline_at=0.0))
