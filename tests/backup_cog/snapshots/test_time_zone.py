"""The time zone of a person: chosen, remembered, and what typed times are meant in."""

from __future__ import annotations

import datetime as dt
import json

import pytest

from tests.backup_cog.stage import HOME, Stage, said
from tests.backup_cog.world import EXTENSION
from tests.worlds.snapshots import make_snapshot
from tests.worlds.waiting import PATIENCE

pytestmark = [
    pytest.mark.process,
    pytest.mark.simcord(settle_timeout=PATIENCE),
    pytest.mark.parametrize(
        "variables",
        [{"DISCORD_ADMIN_GUILD_IDS": f"[{HOME}]", "DISCORD_TIME_ZONE": "Europe/Berlin"}],
        ids=["home"],
    ),
]


async def test_a_choice_is_remembered_over_a_restart(stage: Stage) -> None:
    """Each person's own; without one the zone of the settings counts."""
    assert "**Europe/Berlin**, as in the settings" in said(await stage.slash(stage.admin, "backup timezone"))
    assert "**Asia/Tokyo**, where it is" in said(await stage.slash(stage.admin, "backup timezone", zone="tokyo"))
    assert "**UTC**" in said(await stage.slash(stage.owner, "backup timezone", zone="utc"))
    refused = said(await stage.slash(stage.admin, "backup timezone", zone="Middle/Earth"))
    assert "'Middle/Earth' is no time zone. Pick one from the list" in refused
    await stage.bot.reload_extension(EXTENSION)
    assert str(stage.cog.zones.of(stage.admin.id)) == "Asia/Tokyo"
    assert stage.cog.zones.of(stage.owner.id) is dt.UTC
    assert "as in the settings" in said(await stage.slash(stage.admin, "backup timezone", zone="default"))
    assert stage.errors() == ["SnapshotError"]
    offered = await stage.admin.autocomplete(stage.office, "backup timezone", "zone", "berl")
    assert offered[0]["value"] == "Europe/Berlin"


async def test_a_choice_in_another_process_is_seen_without_a_restart(stage: Stage) -> None:
    """By the command at once, and by everything else at the next tick; one made here since wins."""
    await stage.slash(stage.owner, "backup timezone", zone="utc")

    async def chosen_elsewhere(zone: str) -> None:
        await stage.cog.zones.save()
        zones = {str(each.id): zone for each in (stage.admin, stage.owner)}
        state = stage.world.repository / "state" / "time_zones.json"
        state.write_text(json.dumps({"zones": zones}))

    await chosen_elsewhere("Asia/Tokyo")
    assert "**Asia/Tokyo**" in said(await stage.slash(stage.admin, "backup timezone"))
    await chosen_elsewhere("Asia/Kolkata")
    await stage.cog.lifecycle.tick()
    await stage.cog.zones.refresh()
    assert str(stage.cog.zones.of(stage.owner.id)) == "Asia/Kolkata"
    await stage.slash(stage.owner, "backup timezone", zone="utc")
    assert [str(stage.cog.zones.of(each.id)) for each in (stage.admin, stage.owner)] == ["Asia/Kolkata", "UTC"]


async def test_typed_times_are_of_the_persons_zone(stage: Stage) -> None:
    """In what is suggested, and in what is typed and not picked; labels have their time there."""
    service = stage.cog.service
    now = service.now()
    at = now.replace(hour=12, minute=30, second=5, microsecond=0) - dt.timedelta(days=1)
    catalog = service._context.repository.catalog
    catalog.contents = catalog.contents.with_snapshots([make_snapshot(1, at=at), make_snapshot(2, at=now)])
    await stage.slash(stage.admin, "backup timezone", zone="Asia/Tokyo")
    typed = f"{at + dt.timedelta(hours=9):%Y-%m-%d} 21:31"
    first, *_ = await stage.admin.autocomplete(stage.office, "backup show", "snapshot", typed)
    assert first["value"] == f"{1:012x}"
    assert first["name"].startswith(f"{typed} → {at:%Y-%m-%d} 21:30:05 · ")
    for command, option in (("backup look", "at"), ("backup rescue", "from")):
        offered = await stage.owner.autocomplete(stage.office, command, option, typed[:10] + " 13:31")
        assert offered[0]["value"] == first["value"]
    assert await stage.owner.autocomplete(stage.office, "backup show", "snapshot", typed[:10] + " 13:31") != []
    earlier = await stage.owner.autocomplete(stage.office, "backup show", "snapshot", f"{at:%Y-%m-%d} 13:29")
    assert "No snapshot was taken by" in earlier[0]["name"]
