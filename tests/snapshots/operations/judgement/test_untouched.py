"""Databases that somebody changed, that are not in order, or of which nobody can tell: reported, and never touched."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.snapshots import Check, Severity, SnapshotService, StartupOutcome, StartupReport, Verdict
from core.snapshots.policies.health import judge
from tests.worlds.game_database import connected
from tests.worlds.judgement import inconsistent, suspicious, unknown
from tests.worlds.judgement.pages import found_by_sqlite
from tests.worlds.service_world import PlayedWorld, messages, played_world

pytestmark = pytest.mark.process

Harm = Callable[[PlayedWorld], None]
MODES = pytest.mark.parametrize("journal_mode", ["wal", "delete"])
FULL = {"check": "full"}


def kinds(harms: dict[Harm, Any]) -> pytest.MarkDecorator:
    """Return the parameters for a test of each kind of harm."""
    return pytest.mark.parametrize("harm", harms, ids=lambda harm: harm.__name__)


async def judged(world: PlayedWorld, verdict: Verdict, **sections: Any) -> StartupReport:
    """Start, check and look three times; see that all agree, the owner heard once, and no byte changed."""
    before = world.database.read_bytes()
    async with world.opened(startup=FULL, **sections) as service:
        report = await service.start_up()
        assert report.restore is None, report.message
        for _ in range(2):
            found = await service.integrity()
            assert judge(found.findings) is verdict
            assert await live_verdict(service) is verdict
        await service.start_up()
        assert [health.verdict for health in world.heard.healths] == [verdict]
        assert world.heard.plans == []
    async with world.opened(startup=FULL, **sections) as later:
        assert await live_verdict(later) is verdict
        assert (await later.start_up()).outcome is report.outcome
        assert len(world.heard.healths) == 1
    assert world.database.read_bytes() == before
    return report


async def live_verdict(service: SnapshotService) -> Verdict | None:
    """Return what a status says of the database."""
    live = (await service.status()).live
    return live.verdict if live else None


@kinds(inconsistent.KINDS)
@MODES
async def test_what_is_not_in_order_is_not_touched_and_its_remedy_is_named(
    tmp_path: Path, harm: Harm, journal_mode: str
) -> None:
    """Every row can be read, so nothing is restored: the owner hears what mends it."""
    world = await played_world(tmp_path, journal_mode=journal_mode)
    harm(world)
    check, remedy = inconsistent.KINDS[harm]
    report = await judged(world, Verdict.INCONSISTENT, database={"critical_tables": ()})
    assert report.outcome is StartupOutcome.INCONSISTENT
    assert remedy in report.message
    assert "Nothing was touched" in report.message
    assert report.integrity is not None
    finding = report.integrity.findings[0]
    assert (finding.check, finding.severity) == (check, Severity.ERROR)


async def test_tables_that_are_gone_are_named_beside_the_pages_that_nothing_uses(tmp_path: Path) -> None:
    """Their rows are on those pages, so nobody must be told just to VACUUM them away."""
    world = await played_world(tmp_path)
    inconsistent.tables_gone_from_the_schema(world)
    report = await judged(world, Verdict.INCONSISTENT)
    assert "If no rows are missing" in report.message
    assert "Besides: The critical table cards is missing" in report.message
    assert world.newer.id in report.message


MENDED = {
    harm: found
    for harm, found in inconsistent.KINDS.items()
    if found[1] != inconsistent.REBUILD and harm is not inconsistent.tables_gone_from_the_schema
}


@kinds(MENDED)
async def test_the_remedy_that_is_named_mends_it(tmp_path: Path, harm: Harm) -> None:
    """After a REINDEX, a VACUUM or a dump SQLite finds nothing any more, and every row is there."""
    world = await played_world(tmp_path, journal_mode="delete")
    harm(world)
    rows = readable_rows(world.database)
    _check, remedy = inconsistent.KINDS[harm]
    with connected(world.database) as connection:
        if remedy == inconsistent.DUMP:
            dump_and_load(world)
        else:
            connection.execute(remedy)
    assert found_by_sqlite(world.database) == ["ok"]
    assert readable_rows(world.database) == rows
    async with world.opened(database={"critical_tables": ()}) as service:
        assert (await service.integrity()).findings == ()


def dump_and_load(world: PlayedWorld) -> None:
    """Do what ``sqlite3 game.db .dump | sqlite3 new.db`` does."""
    new = world.folder / "new.db"
    with connected(world.database) as source, connected(new) as target:
        target.executescript("\n".join(source.iterdump()))
    new.replace(world.database)


def readable_rows(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Return the rows of the game's tables, read without any index."""
    with connected(path) as connection:
        return {
            table: connection.execute(f"SELECT * FROM {table} NOT INDEXED ORDER BY rowid").fetchall()
            for table in ("users", "cards", "creator_packs", "user_cards")
        }


@kinds(suspicious.KINDS)
@MODES
async def test_what_somebody_changed_is_not_touched_and_told_once(
    tmp_path: Path, harm: Harm, journal_mode: str
) -> None:
    """A game that was updated, reset or edited by hand goes on; the owner hears what changed."""
    world = await played_world(tmp_path, journal_mode=journal_mode)
    harm(world)
    report = await judged(world, Verdict.SUSPICIOUS)
    assert report.outcome is StartupOutcome.SUSPICIOUS
    assert "Nothing was touched" in report.message
    assert report.integrity is not None
    assert report.integrity.findings[0].check is suspicious.KINDS[harm]


@pytest.mark.parametrize("harm", [suspicious.table_renamed, suspicious.table_emptied])
@pytest.mark.parametrize("critical", [(), ("users", "user_cards")])
async def test_the_owner_hears_which_snapshot_had_the_rows(
    tmp_path: Path, harm: Harm, critical: tuple[str, ...]
) -> None:
    """With its time and the number of rows, also if no table was named as critical."""
    world = await played_world(tmp_path)
    harm(world)
    report = await judged(world, Verdict.SUSPICIOUS, database={"critical_tables": critical})
    table = "users" if harm is suspicious.table_renamed else "user_cards"
    assert f"{world.newer.rows[table]} rows in snapshot {world.newer.id} of " in report.message
    assert f"{world.newer.began_at:%Y-%m-%d %H:%M}" in report.message
    assert "restore a snapshot from before" in report.message
    assert ("critical_tables" in report.message) is bool(critical)


async def test_a_critical_table_is_missing_until_the_settings_or_the_game_say_otherwise(tmp_path: Path) -> None:
    """Newer snapshots without it change nothing: the one that had it last is still named."""
    world = await played_world(tmp_path)
    suspicious.table_renamed(world)
    async with world.opened() as service:
        for _ in range(2):
            await service.create()
        report = await service.start_up()
        assert report.outcome is StartupOutcome.SUSPICIOUS
        assert f"in snapshot {world.newer.id} of " in report.message
    async with world.opened(database={"critical_tables": ("players", "cards")}) as service:
        assert (await service.start_up()).outcome is StartupOutcome.CLEAN


@kinds(unknown.KINDS)
@MODES
async def test_what_cannot_be_told_is_not_touched_and_says_what_is_missing(
    tmp_path: Path, harm: Harm, journal_mode: str
) -> None:
    """A newer SQLite, a key, or what only the bot has loaded: none of it is damage."""
    world = await played_world(tmp_path, journal_mode=journal_mode)
    harm(world)
    report = await judged(world, Verdict.UNKNOWN, database={"critical_tables": ()})
    check = unknown.KINDS[harm]
    assert report.integrity is not None
    assert {finding.check for finding in report.integrity.findings} == {check}
    assert report.outcome is (StartupOutcome.CLEAN if check is Check.EXTENSION else StartupOutcome.UNCHECKED)
    assert messages(report.integrity)[0].rstrip(".") in report.message
