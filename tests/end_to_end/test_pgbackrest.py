"""The recipe for restore points in docs/postgresql.md, with pgBackRest: back to the moment of an event, to the row."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from core.snapshots import Kind
from demonstration import local_postgres
from tests.worlds.postgres_world import PostgresGame, PostgresWorld, ask, folder_of, run_sql
from tests.worlds.waiting import PATIENCE, wait_until

pytestmark = pytest.mark.server

PROGRAM = shutil.which("pgbackrest")
KNOWS = {16: (2, 48), 15: (2, 41)}
"""From which pgBackRest on a version of PostgreSQL can be taken for known; 16 comes with requirements-dev.txt."""
SETTINGS = """\
[global]
repo1-path={folder}/repository
lock-path={folder}/lock
log-level-file=off
start-fast=y
compress-level=1

[game]
pg1-path={data}
pg1-socket-path={socket}
pg1-port={port}
pg1-user=postgres
"""


def major_it_knows() -> int | None:
    """Return the newest version of PostgreSQL that is installed and that this pgBackRest knows."""
    if PROGRAM is None:
        return None
    said = subprocess.run([PROGRAM, "version"], check=True, capture_output=True, text=True).stdout
    version = tuple(map(int, re.findall(r"\d+", said)[:2]))
    known = [major for major, first in KNOWS.items() if version >= first and major in local_postgres.installed_majors()]
    return max(known, default=None)


MAJOR = major_it_knows()
WHY_NOT = (
    "pgbackrest is not installed (apt-get install pgbackrest)"
    if PROGRAM is None
    else f"this pgbackrest knows none of the installed PostgreSQL {local_postgres.installed_majors()}"
)


class PgBackRest:
    """The program with settings and a repository in a folder of its own, run as the server's user."""

    def __init__(self, folder: Path) -> None:
        self.restored = folder / "restored"
        self._settings = folder / "pgbackrest.conf"
        self._folder = folder

    def command(self, *arguments: str) -> str:
        """Return a command for a shell."""
        return f"{PROGRAM} --config={self._settings} --stanza=game {' '.join(arguments)}"

    def serve(self, data: Path, server: str) -> None:
        """Write the settings for a server, or for what is to be one."""
        address = parse_qs(urlsplit(server).query)
        self._settings.write_text(
            SETTINGS.format(folder=self._folder, data=data, socket=address["host"][0], port=address["port"][0])
        )

    def run(self, *arguments: str) -> None:
        """Run a command; fail with its output."""
        done = subprocess.run(
            self.command(*arguments),
            shell=True,
            cwd=self._folder,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            **local_postgres._as(local_postgres._user()),
        )
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def pgbackrest() -> Iterator[PgBackRest]:
    """Yield a folder that the server's user may enter, unlike pytest's own."""
    with tempfile.TemporaryDirectory(prefix="pgbackrest-") as name:
        folder, user = Path(name), local_postgres._user()
        if user is not None:
            shutil.chown(folder, user.pw_uid, user.pw_gid)
        yield PgBackRest(folder)


def archiving(pgbackrest: PgBackRest, **settings: str) -> contextlib.AbstractContextManager[str]:
    """Start a server that gives its log to pgBackRest."""
    command = pgbackrest.command("archive-push", "%p")
    return local_postgres.running(MAJOR, archive_mode="on", archive_command=command, **settings)


def points_of(server: str) -> list[str]:
    """Return the names of the restore points from the server's log, without those that pgBackRest makes itself."""
    return re.findall(
        r'restore point "([a-z0-9-]+_\d{8}T\d{9})" created', (folder_of(server).parent / "log").read_text()
    )


def has_points(server: str, count: int) -> bool:
    """Return True if there are as many restore points."""
    return len(points_of(server)) == count


def archive_all(server: str) -> None:
    """Wait until the archive has all that was written so far."""
    ((segment,),) = ask(server, "SELECT pg_walfile_name(pg_switch_wal())")
    wait_until(
        lambda: ask(server, "SELECT 1 FROM pg_stat_archiver WHERE last_archived_wal >= $1", segment),
        "the log was archived",
    )


@pytest.mark.skipif(MAJOR is None, reason=WHY_NOT)
async def test_pgbackrest_goes_back_to_an_event_by_its_name(pgbackrest: PgBackRest, tmp_path: Path) -> None:
    """On a server that is gone: what was committed up to the event is there to the row, and nothing that came later."""
    with archiving(pgbackrest) as url:
        pgbackrest.serve(folder_of(url), url)
        game, states = PostgresGame(url), []
        world = PostgresWorld(tmp_path, game)
        run_sql(game.superuser, f"GRANT EXECUTE ON FUNCTION pg_create_restore_point(text) TO {game.role}")
        for step in ("stanza-create", "check", "backup"):
            pgbackrest.run(step)
        async with world.opened(database={"restore_points": True}) as service:
            for number, reason in enumerate(("marketplace_buy_42", "pack_open_7"), 1):
                game.play()
                await service.request(Kind.CRITICAL, reason).wait()
                await asyncio.to_thread(
                    wait_until, functools.partial(has_points, url, number), "the restore point is there"
                )
                states.append(game.contents())
        game.play()
        assert game.contents() != states[1] != states[0]
        first, second = points_of(url)
        assert first.startswith("marketplace-buy-42_")
        assert second.startswith("pack-open-7_")
        archive_all(url)
    pgbackrest.serve(pgbackrest.restored, url)
    pgbackrest.run("--type=name", f"--target={first}", "--target-action=promote", "restore")
    with archiving(pgbackrest, data_directory=str(pgbackrest.restored)) as game.server:
        wait_until(lambda: ask(game.server, "SELECT pg_is_in_recovery()") == [(False,)], "the server has recovered")
        assert game.contents() == states[0]
        game.play()  # whose sequences have skipped some numbers
        assert game.contents()["users"] == states[1]["users"]
        archive_all(game.server)
