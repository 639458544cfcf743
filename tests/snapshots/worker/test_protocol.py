"""What goes between the bot and its worker: one job in, progress and one answer out, and nothing left behind."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

import core.snapshots.worker.client
from core.snapshots.engines import SnapshotResult
from core.snapshots.errors import (
    DatabaseMissing,
    NotEnoughSpace,
    RepositoryError,
    SettingsError,
    WorkerFailed,
    from_wire,
)
from core.snapshots.models import DatabaseState, Progress
from core.snapshots.worker.protocol import (
    Failed,
    InspectJob,
    Job,
    Outcome,
    ScanJob,
    ScannedFile,
    ScanResult,
    SnapshotJob,
)
from tests.worlds.chain_world import MEMBER_RECORD, PAGE_INDEX, empty_base
from tests.worlds.engine_cases import HEAD
from tests.worlds.game_database import CRITICAL_TABLES, connected, make_game_database, url_of
from tests.worlds.waiting import PATIENCE

pytestmark = [pytest.mark.process, pytest.mark.real_workers]

LAUNCHER = Path(core.snapshots.worker.client.__file__).with_name("bootstrap.py")
Message = Progress | Outcome | Failed


@pytest.fixture
def game(tmp_path: Path) -> Path:
    return make_game_database(tmp_path / "game.db", journal_mode="delete", size=3 << 20)


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "backups" / ".work"
    folder.mkdir(parents=True)
    return folder


def snapshot_job(game: Path, work: Path, *, min_free: int = 0) -> SnapshotJob:
    return SnapshotJob(
        url=url_of(game),
        busy_timeout=5.0,
        deadline=60.0,
        scratch=str(work / "job-1"),
        min_free=min_free,
        target=str(work / "snapshot-1"),
        head=HEAD,
        tables=CRITICAL_TABLES,
        parent=empty_base(work),
    )


def inspect_job(url: str, work: Path) -> InspectJob:
    return InspectJob(url=url, busy_timeout=1.0, deadline=30.0, scratch=str(work / "job-1"), tables=CRITICAL_TABLES)


@contextmanager
def worker() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-P", str(LAUNCHER), "worker.main"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with process:
        yield process


def talk(job: Job | bytes) -> tuple[list[Message], int, bytes]:
    """Send a job to a worker and keep its input open; return its messages, its exit status and its stderr."""
    with worker() as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(job if isinstance(job, bytes) else msgspec.json.encode(job) + b"\n")
        process.stdin.flush()
        if job == b"":
            process.stdin.close()
        messages = [msgspec.json.decode(line, type=Message) for line in process.stdout]
        return messages, process.wait(timeout=PATIENCE), process.stderr.read()


def failure(messages: list[Message]) -> Exception:
    answer = messages[-1]
    assert isinstance(answer, Failed)
    return from_wire(answer.error)


def test_a_job_is_answered_by_progress_and_one_outcome(game: Path, work: Path) -> None:
    """Each phase is reported from nothing to all of it, then comes the outcome, and the worker ends by itself."""
    messages, status, stderr = talk(snapshot_job(game, work))
    assert (status, stderr) == (0, b"")
    *progress, outcome = messages
    assert isinstance(outcome, Outcome)
    taken = msgspec.json.decode(outcome.value, type=SnapshotResult)
    assert taken.size == (work / "snapshot-1").stat().st_size
    reports = [message for message in progress if isinstance(message, Progress)]
    assert len(reports) == len(progress)
    assert list(dict.fromkeys(report.phase for report in reports)) == ["read", "compress", "check"]
    for phase in ("read", "compress", "check"):
        done = [report.done for report in reports if report.phase == phase]
        assert done[0] == 0
        assert done == sorted(done)
        assert done[-1] == taken.database_size
    assert sorted(path.name for path in work.iterdir()) == [MEMBER_RECORD, PAGE_INDEX, "snapshot-1"]


def test_what_the_worker_writes_is_private(game: Path, work: Path) -> None:
    """A snapshot is player data: all its files are for the owner alone, whatever umask the bot has."""
    talk(snapshot_job(game, work))
    modes = {path.name: path.stat().st_mode & 0o777 for path in work.iterdir()}
    assert modes == dict.fromkeys((MEMBER_RECORD, PAGE_INDEX, "snapshot-1"), 0o600)


@pytest.mark.parametrize(
    "line",
    [b"garbage\n", b"\n", b"", b"[]\n", b'{"job": "FormatDiskJob"}\n', b'{"job": "InspectJob"}\n', b"\xff\xfe\n"],
)
def test_what_is_no_job_is_refused_in_words(line: bytes) -> None:
    """A worker that does not understand says so and ends with status 2; it does not hang and does not crash."""
    messages, status, stderr = talk(line)
    assert (status, stderr) == (2, b"")
    assert isinstance(failure(messages), WorkerFailed)


def test_a_job_that_fails_says_why(game: Path, work: Path) -> None:
    """The error comes back as what it was, with its data."""
    game.unlink()
    messages, status, stderr = talk(snapshot_job(game, work))
    assert (status, stderr) == (1, b"")
    error = failure(messages)
    assert isinstance(error, DatabaseMissing)
    assert str(game) in str(error)
    assert list(work.iterdir()) == []


def test_a_url_that_no_engine_takes_is_an_error_of_the_settings(work: Path) -> None:
    """The worker trusts the job no more than the settings were trusted."""
    messages, status, _ = talk(inspect_job("oracle://host/db", work))
    assert status == 1
    assert isinstance(failure(messages), SettingsError)


def test_a_repository_that_cannot_be_written_is_an_error_of_the_repository(game: Path, work: Path) -> None:
    """Errors of the operating system become sentences for the owner."""
    work.rmdir()
    work.write_text("in the way")
    messages, status, stderr = talk(inspect_job(url_of(game), work))
    assert (status, stderr) == (1, b"")
    assert isinstance(failure(messages), RepositoryError)


@pytest.mark.parametrize("content", ["randomblob(30000)", "zeroblob(30000)"])
def test_a_snapshot_stops_before_it_fills_the_disk(tmp_path: Path, work: Path, content: str) -> None:
    """The minimum of free space is kept while the image is copied, and while the archive is written."""
    game = tmp_path / "large.db"
    with connected(game) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("CREATE TABLE users (id INTEGER PRIMARY KEY, portrait BLOB)")
        rows = "WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 800) SELECT i"
        connection.execute(f"INSERT INTO users {rows}, {content} FROM n")
    messages, status, _ = talk(snapshot_job(game, work, min_free=1 << 60))
    assert status == 1
    assert isinstance(failure(messages), NotEnoughSpace)
    assert list(work.iterdir()) == []


def test_a_scan_goes_on_after_a_file_that_cannot_be_read(game: Path, work: Path, tmp_path: Path) -> None:
    """One file that vanished or is no snapshot does not keep the others from being found."""
    talk(snapshot_job(game, work))
    good = f"daily/20261123T080000.000Z_manual_manual_{HEAD.id}.db.gz"
    (tmp_path / "daily").mkdir()
    (work / "snapshot-1").rename(tmp_path / good)
    other = "daily/20261123T090000.000Z_manual_manual_ffffffffffff.db.gz"
    (tmp_path / other).write_bytes(b"no snapshot")
    renamed = "daily/20261123T100000.000Z_manual_manual_eeeeeeeeeeee.db.gz"
    (tmp_path / renamed).write_bytes((tmp_path / good).read_bytes())
    gone = "daily/20261123T110000.000Z_manual_manual_dddddddddddd.db.gz"
    job = ScanJob(
        url=url_of(game),
        busy_timeout=1.0,
        deadline=60.0,
        scratch=str(work / "job-2"),
        files=tuple((name, str(tmp_path / name)) for name in (gone, other, renamed, good)),
        at=HEAD.created_at,
    )
    messages, status, stderr = talk(job)
    assert (status, stderr) == (0, b"")
    outcome = messages[-1]
    assert isinstance(outcome, Outcome)
    found: dict[str, ScannedFile] = {
        archived.name: archived for archived in msgspec.json.decode(outcome.value, type=ScanResult).files
    }
    for name in (gone, other, renamed):
        assert found[name].snapshot is None
        assert found[name].problem
    snapshot = found[good].snapshot
    assert snapshot is not None
    assert (snapshot.id, snapshot.path, snapshot.damaged, found[good].problem) == (HEAD.id, good, False, None)


def test_a_worker_does_one_job(game: Path, work: Path) -> None:
    """A second line is not another job: it is only the sign that the parent lives."""
    job = msgspec.json.encode(inspect_job(url_of(game), work)) + b"\n"
    messages, status, _ = talk(job + job)
    assert status == 0
    answers = [message for message in messages if not isinstance(message, Progress)]
    assert len(answers) == 1
    assert isinstance(answers[0], Outcome)
    assert msgspec.json.decode(answers[0].value, type=DatabaseState).openable
