"""How a worker ends: done, told to stop, killed, forgotten, or with its parent; never with something left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from core.snapshots.engines import SnapshotResult
from core.snapshots.errors import DatabaseBusy, DeadlineExceeded, OperationCancelled, WorkerFailed, from_wire
from core.snapshots.models import DatabaseState, Progress
from core.snapshots.worker import client
from core.snapshots.worker.protocol import Failed, InspectJob, Outcome, SnapshotJob
from tests.worlds.chain_world import empty_base
from tests.worlds.engine_cases import HEAD
from tests.worlds.game_database import CRITICAL_TABLES, OtherProcess, make_game_database, url_of
from tests.worlds.waiting import PATIENCE, until, wait_until
from tests.worlds.workers import HeldWorkers, only_worker, wait_until_gone, workers_of

pytestmark = [
    pytest.mark.process,
    pytest.mark.kill,
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds its workers in Linux's /proc"),
]

ROOT = Path(__file__).parents[3]
PARENT = """
import asyncio, sys
from concurrent.futures import ThreadPoolExecutor
import msgspec
from core.snapshots.worker import client
from core.snapshots.worker.protocol import Job
from core.snapshots.models import DatabaseState
job = msgspec.json.decode(sys.argv[1], type=Job)
asyncio.run(client.run(ThreadPoolExecutor(1), job, DatabaseState))
"""


@pytest.fixture
def game(tmp_path: Path) -> Path:
    return make_game_database(tmp_path / "game.db", journal_mode="delete", size=8 << 20)


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "backups" / ".work"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as made:
        yield made


@pytest.fixture(autouse=True)
async def none_stays() -> AsyncIterator[None]:
    """After every test of this file no worker runs."""
    yield
    assert workers_of(os.getpid()) == []


def snapshot_job(game: Path, work: Path, deadline: float = 60.0) -> SnapshotJob:
    return SnapshotJob(
        url=url_of(game),
        busy_timeout=60.0,
        deadline=deadline,
        scratch=str(work / "job-1"),
        target=str(work / "snapshot-1"),
        head=HEAD,
        tables=CRITICAL_TABLES,
        parent=empty_base(work),
    )


def inspect_job(game: Path, work: Path, *, busy_timeout: float = 60.0, deadline: float = 60.0) -> InspectJob:
    return InspectJob(
        url=url_of(game), busy_timeout=busy_timeout, deadline=deadline, scratch=str(work / "job-1"), tables=()
    )


async def test_progress_comes_in_the_loops_thread(pool: ThreadPoolExecutor, game: Path, work: Path) -> None:
    """Whoever listens may touch what belongs to the loop."""
    heard: list[tuple[Progress, int]] = []
    taken = await client.run(
        pool, snapshot_job(game, work), SnapshotResult, lambda progress: heard.append((progress, threading.get_ident()))
    )
    await asyncio.sleep(0)
    assert taken.size == (work / "snapshot-1").stat().st_size
    assert {thread for _, thread in heard} == {threading.get_ident()}
    assert heard[0][0].phase == "read"
    assert (heard[-1][0].phase, heard[-1][0].done) == ("check", taken.database_size)


async def test_an_error_comes_back_as_it_was_raised(pool: ThreadPoolExecutor, game: Path, work: Path) -> None:
    """The class and its data survive the way through the pipe."""
    with OtherProcess(game, "BEGIN EXCLUSIVE"), pytest.raises(DatabaseBusy) as caught:
        await client.run(pool, inspect_job(game, work, busy_timeout=0.1), DatabaseState)
    assert caught.value.path == str(game)
    assert list(work.iterdir()) == []


async def test_cancelling_stops_the_worker_and_waits_until_it_cleaned_up(
    pool: ThreadPoolExecutor, game: Path, work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cancelled task has no worker any more when it ends, and no file of its own."""
    monkeypatch.setattr(client, "_STOP_WITHIN", PATIENCE)
    workers = HeldWorkers(tmp_path, monkeypatch, opening=2)
    task = asyncio.create_task(client.run(pool, snapshot_job(game, work), SnapshotResult))
    await workers.until_one_waits()
    assert (work / "snapshot-1").exists()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert workers_of(os.getpid()) == []
    assert list(work.iterdir()) == []


async def test_a_worker_that_is_killed_is_a_failure_with_its_status(
    pool: ThreadPoolExecutor, game: Path, work: Path
) -> None:
    """The kernel may end it for want of memory: that is WorkerFailed with the signal, not a hang and not an answer."""
    with OtherProcess(game, "BEGIN EXCLUSIVE"):
        task = asyncio.create_task(client.run(pool, inspect_job(game, work), DatabaseState))
        os.kill(await asyncio.to_thread(only_worker, os.getpid()), signal.SIGKILL)
        with pytest.raises(WorkerFailed) as caught:
            await task
    assert caught.value.exit_status == -signal.SIGKILL
    assert caught.value.stderr == ""


async def test_a_worker_that_does_not_answer_is_ended_some_time_after_its_deadline(
    pool: ThreadPoolExecutor, game: Path, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that hangs in the kernel, or is frozen, cannot look at its own deadline."""
    monkeypatch.setattr(client, "_KILL_AFTER", 0.3)
    with OtherProcess(game, "BEGIN EXCLUSIVE"):
        task = asyncio.create_task(client.run(pool, inspect_job(game, work, deadline=1.0), DatabaseState))
        os.kill(await asyncio.to_thread(only_worker, os.getpid()), signal.SIGSTOP)
        with pytest.raises(DeadlineExceeded) as caught:
            await task
    assert caught.value.seconds == 1.0


async def test_a_worker_whose_parent_is_gone_stops_at_its_next_look(
    game: Path, work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end of its input tells it; it stops by itself and removes what it had begun."""
    workers = HeldWorkers(tmp_path, monkeypatch, opening=2)
    launcher = Path(client.__file__).with_name("bootstrap.py")
    with subprocess.Popen(
        [sys.executable, "-P", str(launcher), "worker.main"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(msgspec.json.encode(snapshot_job(game, work)) + b"\n")
        process.stdin.flush()
        await workers.until_one_waits()
        process.stdin.close()
        answers = [msgspec.json.decode(line, type=Progress | Outcome | Failed) for line in process.stdout]
        assert process.wait(timeout=PATIENCE) == 1
    answer = answers[-1]
    assert isinstance(answer, Failed)
    assert isinstance(from_wire(answer.error), OperationCancelled)
    assert list(work.iterdir()) == []


def test_a_worker_ends_soon_after_its_parent_was_killed(game: Path, work: Path) -> None:
    """Also where it sits in a call that cannot be interrupted: SIGKILL for the bot leaves no process and no folder."""
    job = msgspec.json.encode(inspect_job(game, work)).decode()
    with OtherProcess(game, "BEGIN EXCLUSIVE"):
        parent = subprocess.Popen([sys.executable, "-c", PARENT, job], cwd=ROOT)
        worker = only_worker(parent.pid)
        wait_until((work / "job-1").exists, "the worker began")
        parent.kill()
        parent.wait()
        wait_until_gone(worker)
    assert list(work.iterdir()) == []


async def test_a_talkative_host_does_not_disturb(
    pool: ThreadPoolExecutor, game: Path, work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a host's sitecustomize prints is not the worker's word, and a flood of complaints does not stop it."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(
        "import sys\nprint('hello from the host')\nsys.stderr.write('complaint ' * 100_000)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    assert (await client.run(pool, inspect_job(game, work), DatabaseState)).openable


@pytest.mark.parametrize(
    ("executable", "sentence"),
    [("", "does not know its own path"), ("/nowhere/python", "cannot be started"), ("/bin/false", "without an answer")],
)
async def test_a_worker_that_cannot_be_started_is_a_failure_in_words(
    pool: ThreadPoolExecutor, game: Path, work: Path, monkeypatch: pytest.MonkeyPatch, executable: str, sentence: str
) -> None:
    """Whatever is wrong with this Python, the error says it and carries what the process left."""
    monkeypatch.setattr(sys, "executable", executable)
    with pytest.raises(WorkerFailed, match=sentence) as caught:
        await client.run(pool, inspect_job(game, work), DatabaseState)
    assert caught.value.exit_status == (1 if executable == "/bin/false" else None)
    assert caught.value.stderr == ""


async def test_ctrl_c_in_the_terminal_is_for_the_bot(pool: ThreadPoolExecutor, game: Path, work: Path) -> None:
    """The worker has a session of its own and ignores SIGINT: the bot decides what becomes of its last snapshot."""
    with OtherProcess(game, "BEGIN EXCLUSIVE") as holder:
        task = asyncio.create_task(client.run(pool, inspect_job(game, work), DatabaseState))
        worker = await asyncio.to_thread(only_worker, os.getpid())
        await until((work / "job-1").exists, "the worker began")
        assert os.getsid(worker) == worker
        os.kill(worker, signal.SIGINT)
        holder.execute("COMMIT")
        assert (await task).openable
