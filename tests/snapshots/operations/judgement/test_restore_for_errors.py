"""``startup.restore = "errors"``: any error restores, but never by passing over a newer snapshot for its content."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from core.snapshots import Kind, Snapshot, StartupOutcome, StartupReport
from tests.worlds.database_harm import critical_table_dropped, header_destroyed, json_broken
from tests.worlds.judgement.inconsistent import entry_missing_from_an_index, page_that_nothing_uses
from tests.worlds.judgement.suspicious import row_that_refers_to_nothing, table_emptied, table_renamed
from tests.worlds.judgement.unknown import encrypted, module_of_the_host, newer_file_format
from tests.worlds.service_world import PlayedWorld, flip_byte, played_world

pytestmark = pytest.mark.process

Harm = Callable[[PlayedWorld], None]
ERRORS = {"restore": "errors", "check": "full"}


async def started(world: PlayedWorld) -> StartupReport:
    """Start with the setting that restores for any error."""
    async with world.opened(startup=ERRORS) as service:
        return await service.start_up()


async def taken(world: PlayedWorld) -> Snapshot:
    """Take a snapshot of the world as it is."""
    async with world.opened() as service:
        return (await service.create(Kind.MANUAL)).snapshot


@pytest.mark.parametrize(
    "harm",
    [critical_table_dropped, table_renamed, json_broken, entry_missing_from_an_index, page_that_nothing_uses],
)
async def test_an_error_restores_the_newest_snapshot_if_it_is_free_of_it(tmp_path: Path, harm: Harm) -> None:
    """As the first specification had it."""
    world = await played_world(tmp_path)
    harm(world)
    report = await started(world)
    assert report.outcome is StartupOutcome.RESTORED, report.message
    assert report.tried == (world.newer.id,)
    assert world.rows() == world.rows_in(world.newer)


@pytest.mark.parametrize(
    "harm",
    [critical_table_dropped, table_renamed, json_broken, entry_missing_from_an_index, page_that_nothing_uses],
)
async def test_a_newer_snapshot_with_the_same_finding_is_never_passed_over(tmp_path: Path, harm: Harm) -> None:
    """The older ones would help, and cost what was played since: that is the owner's decision."""
    world = await played_world(tmp_path)
    harm(world)
    newest = await taken(world)
    before = world.database.read_bytes()
    report = await started(world)
    assert report.outcome is StartupOutcome.DAMAGED
    assert report.tried == (newest.id,)
    assert "nothing was touched" in report.message
    assert world.database.read_bytes() == before
    assert world.heard.plans == [] or not world.heard.reports[-1].ok


async def test_a_newest_snapshot_that_cannot_be_restored_is_not_passed_over_either(tmp_path: Path) -> None:
    """For content the newest of the timeline is the only one, even if its bytes are damaged."""
    world = await played_world(tmp_path)
    json_broken(world)
    flip_byte(world.file_of(world.newer))
    before = world.database.read_bytes()
    report = await started(world)
    assert report.outcome is StartupOutcome.DAMAGED
    assert world.database.read_bytes() == before
    header_destroyed(world)
    assert (await started(world)).outcome is StartupOutcome.RESTORED
    assert world.rows() == world.rows_in(world.older)


@pytest.mark.parametrize("harm", [table_emptied, row_that_refers_to_nothing])
async def test_a_warning_restores_nothing(tmp_path: Path, harm: Harm) -> None:
    """Only errors do: an emptied table and rows that refer to nothing are for a person to look at."""
    world = await played_world(tmp_path)
    harm(world)
    before = world.database.read_bytes()
    assert (await started(world)).outcome is StartupOutcome.SUSPICIOUS
    assert world.database.read_bytes() == before


@pytest.mark.parametrize("harm", [encrypted, newer_file_format, module_of_the_host])
async def test_what_cannot_be_told_restores_nothing(tmp_path: Path, harm: Harm) -> None:
    """A database of which nobody can say that it is wrong is left alone, whatever the setting."""
    world = await played_world(tmp_path)
    harm(world)
    before = world.database.read_bytes()
    report = await started(world)
    assert report.outcome in (StartupOutcome.UNCHECKED, StartupOutcome.CLEAN)
    assert world.database.read_bytes() == before
