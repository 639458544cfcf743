"""The drop-in, as the README tells it, into hosts of six shapes."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.hosts import HOSTS, Host, drop_in, make, python
from tests.worlds.waiting import PATIENCE

pytestmark = pytest.mark.process


def run(folder: Path, *command: str) -> Any:
    """Run a program in the host's folder and return the JSON it prints last."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("BACKUP_", "DATABASE_"))}
    done = subprocess.run(
        [python(), *command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=4 * PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(params=HOSTS.values(), ids=list(HOSTS))
def host(request: pytest.FixtureRequest) -> Host:
    """One shape of host."""
    shape: Host = request.param
    return shape


def test_the_host_still_starts_nothing_of_it_is_overwritten_and_its_events_leave_snapshots(
    host: Host, tmp_path: Path
) -> None:
    """Two folders, one file, one line: the host's own code runs as before, and its event is covered."""
    files = make(host, tmp_path)
    before = run(tmp_path, "bot.py")
    assert before["host"] == host.expected

    assert drop_in(host, tmp_path) == []
    after = run(tmp_path, "bot.py")

    assert {name: (tmp_path / name).read_bytes() for name in files} == files
    assert after["host"] == host.expected
    assert after["extensions"] == sorted(["cogs.backup_cog", host.extension])
    assert [reason for reasons in after["snapshots"] for reason in reasons][-1:] == ["marketplace_buy_42"]


def test_the_shell_works_by_folder_in_every_host(host: Host, tmp_path: Path) -> None:
    """``python core/snapshots`` runs none of the host's code, so it works whatever the host calls its modules."""
    make(host, tmp_path)
    drop_in(host, tmp_path)
    run(tmp_path, "bot.py")
    for name in host.files:
        if name.startswith("core"):
            (tmp_path / name).write_text("raise SystemExit('the shell ran the code of the host')")

    listed = run(tmp_path, "core/snapshots", "list", "--json")

    assert [snapshot["reasons"] for snapshot in listed["snapshots"]][:1] == [["marketplace_buy_42"]]
