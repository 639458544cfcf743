"""``status`` is a doctor at a glance, and ``settings`` says what counts and why."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path

import msgspec
import pytest

from core.snapshots.doctor import glance, surroundings
from core.snapshots.models import Check, Finding, Health, Kind, Severity, Status, Verdict
from core.snapshots.settings.origins import effective
from core.snapshots.settings.rules import RULES
from core.snapshots.settings.schema import defaults
from tests.worlds.console_world import World, imagined
from tests.worlds.snapshots import NOON

SECRET = "hunter2"


def state(**changes: object) -> Status:
    """Return the status of a repository with one sound snapshot."""
    usual = Status(
        engine="sqlite",
        database="sqlite:///game.db",
        repository="/srv/backups",
        snapshots=1,
        damaged=0,
        pinned=0,
        size=1,
        free=1 << 40,
        newest=imagined(1),
        newest_restored=None,
        pending=0,
        running=False,
        next_periodic=NOON,
        kinds={kind.value: 0 for kind in Kind},
        users=("python (7)",),
    )
    return msgspec.structs.replace(usual, **changes)


def health(verdict: Verdict, check: Check) -> Health:
    """Return a verdict with one finding."""
    finding = Finding(check=check, severity=Severity.ERROR, message="Something was found.")
    return Health(verdict=verdict, findings=(finding,), checked_at=NOON)


@pytest.mark.parametrize(
    ("changes", "checks"),
    [
        ({}, []),
        ({"newest": None}, []),
        ({"live": health(Verdict.UNREADABLE, Check.FILE)}, ["database"]),
        ({"live": health(Verdict.SUSPICIOUS, Check.ROWS)}, ["database"]),
        ({"live": health(Verdict.UNKNOWN, Check.ACCESS)}, []),
        ({"damaged": 2}, ["damaged"]),
        ({"newest": msgspec.structs.replace(imagined(1), health=health(Verdict.UNREADABLE, Check.FILE))}, ["newest"]),
        ({"next_periodic": NOON - dt.timedelta(hours=3)}, ["overdue"]),
        ({"next_periodic": NOON - dt.timedelta(hours=3), "users": ()}, []),
        ({"lacking": ("pg_dump 16 is missing.",)}, ["pg_dump"]),
        ({"unanswered": ("sum(gold) FROM nothing",)}, ["watch"]),
    ],
)
def test_what_is_not_well_is_a_problem_with_a_way_out(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, object], checks: list[str]
) -> None:
    """Also what the first snapshot will lack, before it is taken."""
    monkeypatch.setattr(surroundings, "disk", lambda *_: iter(()))
    found = glance(state(**changes), defaults(), NOON)
    assert [problem.check for problem in found] == checks
    assert all(problem.message.endswith(".") and problem.fix for problem in found)


@pytest.mark.process
def test_status_shows_what_an_administrator_asks_first(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings file, triggers, who uses the database, the last verification with its seconds; the exit code says it."""
    taken = world.snapshot()
    world.answer("verify", taken["id"])
    shown = world.show("status")
    assert f"settings         {world.config}" in shown
    assert "triggers         5 (" in shown
    assert "used by" in shown
    verified = next(line for line in shown.splitlines() if line.startswith("last verified"))
    assert f"{taken['id']}, checksum, passed in " in verified
    world.config.write_text(world.config.read_text().replace('"1 MiB"', '"900 TB"'))
    shown = world.show("status", code=1)
    assert "1 problem:" in shown
    assert "are free" in shown
    assert [each["check"] for each in world.answer("status", code=1)["problems"]] == ["space"]


@pytest.mark.process
def test_a_repository_that_may_only_be_read_is_said_and_is_no_failure(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rescue disk, or another user's folder: what can be read is shown, and the exit code is that of success."""
    world.snapshot()
    monkeypatch.setattr(os, "access", lambda path, mode, **_: mode != os.W_OK)
    assert [each["check"] for each in world.answer("status")["problems"]] == ["permissions"]


def test_each_setting_is_shown_with_its_origin(tmp_path: Path) -> None:
    """The environment, the file, another setting, or the default."""
    file = tmp_path / "backup.toml"
    file.write_text('[schedule]\nperiodic_interval = "10s"\n[repository]\npath = "there"\n', encoding="utf-8")
    found = {each.name: each for each in effective(file, {"BACKUP_REPOSITORY_PATH": "/srv"})}
    assert set(found) == set(RULES) - {"replace_default_triggers"}
    assert found["repository.path"][1:] == ("/srv", "environment variable BACKUP_REPOSITORY_PATH")
    assert found["schedule.periodic_interval"][1:] == ("10s", str(file))
    assert found["retention.keep_all"][1:] == ("1h", "default, by schedule.periodic_interval")
    assert found["repository.min_free"][1:] == ("500.0 MiB", "default")
    assert len(found["triggers"].value) == 5


def test_settings_show_no_secret(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are pasted into bug reports."""
    monkeypatch.setenv("DATABASE_URL", f"postgresql://bot:{SECRET}@db/game")
    monkeypatch.setenv("BACKUP_DISCORD_ALERT_WEBHOOK_URL", f"https://discord.com/api/webhooks/1/{SECRET}")
    document = world.answer("settings")
    assert document["file"] == str(world.config)
    assert document["settings"]["database.url"]["source"] == "environment variable DATABASE_URL"
    webhook = document["settings"]["discord.alert_webhook_url"]
    assert webhook["source"] == "environment variable BACKUP_DISCORD_ALERT_WEBHOOK_URL"
    shown = world.show("settings")
    assert "alert_webhook_url" in shown
    assert SECRET not in shown + str(document)
    assert not world.repository.exists()
