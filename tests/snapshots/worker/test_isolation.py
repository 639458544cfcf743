"""The worker knows nothing of its host: neither its modules, nor its secrets, nor where it was started."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import core.snapshots.worker.client
from core.snapshots.models import DatabaseState
from core.snapshots.worker import client
from core.snapshots.worker.protocol import InspectJob
from tests.worlds.game_database import CRITICAL_TABLES, OtherProcess, make_game_database, url_of
from tests.worlds.waiting import until

pytestmark = [pytest.mark.process, pytest.mark.real_workers]

SNAPSHOTS = Path(core.snapshots.worker.client.__file__).parents[1]
SECRET = "NzkyNzE1NDU0MTk2MDg4ODQy.X-hvzA.Ovy4MCQywSkoMRRclStW4xAYK7I"

BOT = """
import asyncio, pathlib, sys
from concurrent.futures import ThreadPoolExecutor

pathlib.Path("log").open("a").write("bot.py\\n")
sys.path.append(str(pathlib.Path(__file__).parent))

from vendor.snapshots.worker import client
from vendor.snapshots.worker.protocol import InspectJob
from vendor.snapshots.models import DatabaseState

job = InspectJob(url=sys.argv[1], busy_timeout=1.0, deadline=30.0, scratch=sys.argv[2], tables=("users",))
print(asyncio.run(client.run(ThreadPoolExecutor(1), job, DatabaseState)).rows["users"])
"""
SITE = """
import os, sys

leave = os._exit

def note(status):
    if any("bootstrap.py" in argument for argument in sys.orig_argv):
        with open(os.environ["MODULES"], "w") as file:
            file.write("\\n".join(sorted(sys.modules)))
    leave(status)

os._exit = note  # how the worker ends, which passes over whatever is registered for the end
"""


@pytest.fixture
def game(tmp_path: Path) -> Path:
    return make_game_database(tmp_path / "data" / "game.db", journal_mode="delete", players=32)


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """A host that keeps the core under another name, inside a package with code of its own, among careless names."""
    folder = tmp_path / "host"
    (folder / "vendor").mkdir(parents=True)
    shutil.copytree(SNAPSHOTS, folder / "vendor" / "snapshots", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "vendor" / "__init__.py").write_text('open("log", "a").write("vendor\\n")\n')
    (folder / "bot.py").write_text(BOT)
    for name in ("json", "random", "types", "struct", "sqlite3", "msgspec", "logging", "worker", "errors"):
        for place in (folder, folder / "vendor"):
            (place / f"{name}.py").write_text(f'raise ImportError("this is the host\'s own {name}")\n')
    return folder


def test_a_renamed_core_inside_a_package_starts_its_worker_without_the_host(
    host: Path, game: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The host's main module and packages run once, in the bot; what lies beside the core shadows nothing."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(SITE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    monkeypatch.setenv("MODULES", str(tmp_path / "modules"))
    finished = subprocess.run(
        [sys.executable, "-P", "bot.py", url_of(game), str(tmp_path / "job")],
        cwd=host,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (finished.stdout, finished.returncode) == ("32\n", 0), finished.stderr
    assert (host / "log").read_text().split() == ["bot.py", "vendor"]
    modules = (tmp_path / "modules").read_text().split()
    assert "savepoint_snapshots.worker.handlers" in modules
    assert {name.partition(".")[0] for name in modules}.isdisjoint({"vendor", "core", "cogs", "discord", "aiosqlite"})
    # Every snapshot waits for this process to begin.
    assert {"savepoint_snapshots.settings.schema", "savepoint_snapshots.engines.sqlite.replace"}.isdisjoint(modules)
    assert set(modules).isdisjoint(
        {"asyncio", "email", "importlib.metadata", "inspect", "tomllib", "typing_extensions"}
    )


@pytest.mark.parametrize("folder", ["host", "host/vendor/snapshots", "."])
def test_a_worker_starts_wherever_the_bot_stands(host: Path, game: Path, tmp_path: Path, folder: str) -> None:
    """The working directory is the bot's own affair: the worker is started by its path."""
    launcher = host / "vendor" / "snapshots" / "worker" / "bootstrap.py"
    finished = subprocess.run(
        [sys.executable, "-P", str(launcher), "worker.main"],
        input=b"nonsense\n",
        cwd=tmp_path / folder,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (finished.returncode, finished.stderr) == (2, b"")
    assert b"no job it knows" in finished.stdout
    assert not (host / "log").exists()


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="reads the worker's environment in Linux's /proc")
async def test_secrets_are_neither_in_the_workers_environment_nor_in_its_arguments(
    game: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everybody on the machine can read arguments, and a crash report the environment: neither holds a secret."""
    for name in ("DISCORD_TOKEN", "DATABASE_URL", "BACKUP_DATABASE_URL"):
        monkeypatch.setenv(name, f"sqlite://user:{SECRET}@host/db")
    monkeypatch.setenv("TZ", "Europe/Berlin")
    job = InspectJob(
        url=url_of(game) + f"?password={SECRET}",
        busy_timeout=60.0,
        deadline=60.0,
        scratch=str(tmp_path / "job"),
        tables=CRITICAL_TABLES,
    )
    with OtherProcess(game, "BEGIN EXCLUSIVE") as holder, ThreadPoolExecutor(1) as pool:
        task = asyncio.create_task(client.run(pool, job, DatabaseState))
        await until((tmp_path / "job").exists, "the worker began")
        # Children of this process only: the tests beside this one have workers too.
        children = "".join(task.read_text() for task in Path("/proc/self/task").glob("*/children")).split()
        commands = {child: Path("/proc", child, "cmdline").read_bytes() for child in children}
        worker = next(child for child, command in commands.items() if str(SNAPSHOTS).encode() in command)
        environment, arguments = Path("/proc", worker, "environ").read_bytes(), commands[worker]
        holder.execute("COMMIT")
        assert (await task).openable
    assert b"TZ=Europe/Berlin" in environment
    assert SECRET.encode() not in environment
    assert SECRET.encode() not in arguments
    assert str(game).encode() not in arguments
