"""A bot of three processes on one PostgreSQL database and one repository: one schedule, and nothing uncovered."""

from __future__ import annotations

import contextlib
import datetime as dt
import itertools
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from demonstration import local_postgres
from tests.end_to_end.test_main import environment
from tests.worlds.waiting import PATIENCE, wait_until

pytestmark = [pytest.mark.server, pytest.mark.kill]

PROGRAM = Path(__file__).with_name("shard_bot.py")
INTERVAL = 2.0


class Shard:
    """One of the processes."""

    def __init__(self, number: int, folder: Path, url: str) -> None:
        self.errors = folder / f"errors-{number}"
        settings = {
            "DISCORD_TOKEN": "x",
            "DATABASE_URL": url,
            "BACKUP_REPOSITORY_MIN_FREE": "1 MiB",
            "BACKUP_SCHEDULE_PERIODIC_INTERVAL": f"{INTERVAL:.0f}s",
            "BACKUP_SCHEDULE_FIRST_AFTER": "0s",
            "BACKUP_SCHEDULE_ONLY_WITH_GUILDS": "false",
            "BACKUP_SCHEDULE_CRITICAL_SPACING": "200ms",
            "BACKUP_SCHEDULE_SHUTDOWN_DEADLINE": f"{PATIENCE:.0f}s",
        }
        with self.errors.open("w") as errors:
            self.process = subprocess.Popen(
                [sys.executable, str(PROGRAM), str(number)],
                cwd=folder,
                env=environment(**settings),
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )

    def says(self) -> str:
        """Return its next line of output; fail with its log if it ended instead."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline().strip()
        assert line, self.errors.read_text()
        return line

    def covered(self) -> list[str]:
        """Wait until its events are covered, and return their reasons."""
        word, _, reasons = self.says().partition(" ")
        assert word == "covered"
        return list(json.loads(reasons))

    def leads(self) -> bool:
        """Return True if it keeps the schedule."""
        self.process.send_signal(signal.SIGUSR1)
        return self.says() == "leads"


@pytest.fixture
def shards(tmp_path: Path) -> Iterator[list[Shard]]:
    """Three processes that start at once, on an empty database."""
    with local_postgres.running() as url, contextlib.ExitStack() as stack:
        started = [Shard(number, tmp_path, url) for number in (1, 2, 3)]
        for shard in started:
            stack.enter_context(shard.process)
            stack.callback(shard.process.kill)
        yield started


def catalog(folder: Path) -> list[dict[str, Any]]:
    """Return the snapshots of the repository."""
    return list(json.loads((folder / "backups" / "backup_metadata.json").read_text())["snapshots"])


def of_kind(folder: Path, kind: str) -> list[dt.datetime]:
    """Return when each snapshot of a kind began."""
    return [dt.datetime.fromisoformat(each["began_at"]) for each in catalog(folder) if each["kind"] == kind]


def test_the_events_of_each_process_are_covered(tmp_path: Path, shards: list[Shard]) -> None:
    """Their tickets resolve, and the one catalog says which snapshot covers what."""
    reasons = [reason for shard in shards for reason in shard.covered()]
    assert len(set(reasons)) == len(reasons) == 12
    recorded = {reason for snapshot in catalog(tmp_path) for reason in snapshot["reasons"]}
    assert set(reasons) <= recorded
    assert sum(snapshot["requests"] for snapshot in catalog(tmp_path)) == len(reasons)


def test_one_process_takes_the_periodic_snapshots_and_another_when_it_is_killed(
    tmp_path: Path, shards: list[Shard]
) -> None:
    """No interval has two, and none is left out for long."""
    for shard in shards:
        shard.covered()
    wait_until(lambda: len(of_kind(tmp_path, "periodic")) >= 4, "there are four periodic snapshots")
    (leader,) = [shard for shard in shards if shard.leads()]
    leader.process.kill()
    leader.process.wait()
    taken = len(of_kind(tmp_path, "periodic"))
    wait_until(lambda: len(of_kind(tmp_path, "periodic")) >= taken + 3, "another process took three more")
    assert sum(shard.leads() for shard in shards if shard is not leader) == 1
    began = of_kind(tmp_path, "periodic")
    gaps = [(after - before).total_seconds() for before, after in itertools.pairwise(began)]
    assert min(gaps) > 0.9 * INTERVAL, gaps


def test_only_the_last_process_takes_the_shutdown_snapshot(tmp_path: Path, shards: list[Shard]) -> None:
    """One that is stopped alone takes none, since the bot goes on; of those that are stopped together one does."""
    for shard in shards:
        shard.covered()
    alone, *others = shards
    alone.process.terminate()
    assert alone.process.wait(2 * PATIENCE) == 0, alone.errors.read_text()
    assert of_kind(tmp_path, "shutdown") == []
    stopped = dt.datetime.now(dt.UTC)
    for shard in others:
        shard.process.terminate()
    for shard in others:
        assert shard.process.wait(2 * PATIENCE) == 0, shard.errors.read_text()
    (began,) = of_kind(tmp_path, "shutdown")
    assert began > stopped
