"""What others can put into the repository's folder: links, pipes and devices in place of its files, and escapes."""

from __future__ import annotations

import datetime as dt
import logging
import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from core.snapshots.archive import cache_file
from core.snapshots.engines.sqlite.exchanging import record
from core.snapshots.errors import RepositoryError, SnapshotNotFound, from_wire
from core.snapshots.files import open_regular
from core.snapshots.models import Actor, JournalEntry, Kind
from core.snapshots.operations import opening
from core.snapshots.operations.journal import journal_file
from core.snapshots.repository.audit import AuditLog
from core.snapshots.repository.lock import RepositoryLock
from core.snapshots.repository.repository import Repository
from core.snapshots.repository.sealing import snapshots_in
from core.snapshots.repository.state import StateFile
from tests.worlds.repository_world import publish
from tests.worlds.repository_world import snapshot as a_snapshot
from tests.worlds.service_world import ServiceWorld

PRECIOUS = b"precious: nobody may read or change this"
DEVICE = os.makedev(1, 5)
"""/dev/zero, which never ends."""


class Document(msgspec.Struct):
    """A document in ``state/``."""

    value: int = 0


def pipe(path: Path) -> None:
    os.mkfifo(path)


def link(path: Path) -> None:
    path.symlink_to(path.parents[1] / "elsewhere")


def folder(path: Path) -> None:
    path.mkdir()


def device(path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can make a device")
    try:
        os.mknod(path, 0o20600, DEVICE)
        path.open("rb").close()
    except OSError:
        pytest.skip("devices cannot be made or opened here")


@pytest.fixture(params=[pipe, link, folder, device], ids=lambda make: make.__name__)
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Path], None]:
    (tmp_path / "elsewhere").write_bytes(PRECIOUS)
    function: Callable[[Path], None] = request.param
    return function


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tmp_path / "backups"
    (made / ".work").mkdir(parents=True)
    return made


def test_only_a_file_is_opened(make: Callable[[Path], None], root: Path, tmp_path: Path) -> None:
    """Nothing waits for a writer, reads without end, or follows a link; what it leads to stays."""
    make(root / "file")
    for flags in (os.O_RDONLY, os.O_RDWR, os.O_WRONLY | os.O_CREAT | os.O_APPEND):
        with pytest.raises((RepositoryError, IsADirectoryError)):
            open_regular(root / "file", flags)
    assert (tmp_path / "elsewhere").read_bytes() == PRECIOUS


def test_a_document_of_state_is_set_aside(make: Callable[[Path], None], root: Path, tmp_path: Path) -> None:
    """As one that cannot be read: the bot starts, and the next change writes a new one."""
    state = StateFile(root, "journal", Document)
    state.path.parent.mkdir()
    make(state.path)
    assert state.read() is None
    assert state.change(lambda _: Document(5)) == Document(5)
    assert state.read() == Document(5)
    assert (tmp_path / "elsewhere").read_bytes() == PRECIOUS


def test_the_lock_of_a_document_is_no_way_out(make: Callable[[Path], None], root: Path, tmp_path: Path) -> None:
    """Opening a lock file empties nothing elsewhere and waits for nobody."""
    state = StateFile(root, "outbox", Document)
    state.path.parent.mkdir()
    make(state.path.with_suffix(".lock"))
    with pytest.raises(OSError):  # noqa: PT011 - which one depends on what lies there
        state.change(lambda _: Document(5))
    assert (tmp_path / "elsewhere").read_bytes() == PRECIOUS


def test_the_audit_log_is_only_a_file(make: Callable[[Path], None], root: Path, tmp_path: Path) -> None:
    """A pipe in its place would hang every operation."""
    log = AuditLog(root)
    make(log.path)
    with pytest.raises(OSError):  # noqa: PT011
        log.last()
    assert (tmp_path / "elsewhere").read_bytes() == PRECIOUS


def test_what_is_computed_is_computed_again(make: Callable[[Path], None], root: Path) -> None:
    """The page index and the record of members can be lost."""
    make(root / ".work" / "pages.index")
    assert cache_file.load(root / ".work" / "pages.index", b"magic", Document) is None


def test_a_record_of_an_exchange_is_only_a_file(make: Callable[[Path], None], root: Path) -> None:
    """Whoever planted one must not decide what is moved where."""
    make(root / "exchange.json")
    with pytest.raises((RepositoryError, IsADirectoryError)):
        record.read(root / "exchange.json")


def test_a_snapshot_is_only_a_file(make: Callable[[Path], None], tmp_path: Path) -> None:
    """A link among the snapshots is not listed, read or adopted; one in place of a listed snapshot is a lost file."""
    repository = Repository(tmp_path / "backups", ".db.gz")
    repository.prepare()
    snapshot = a_snapshot(1)
    publish(repository, snapshot)
    path = repository.root / snapshot.path
    path.unlink()
    make(path)
    assert list(repository.snapshot_files()) == []
    assert not repository.is_stored(snapshot)
    with pytest.raises(SnapshotNotFound):
        repository.store.fetch(snapshot.path)


def test_latest_is_written_anew(make: Callable[[Path], None], tmp_path: Path) -> None:
    """What lies in its place is never opened."""
    repository = Repository(tmp_path / "backups", ".db.gz")
    repository.prepare()
    snapshot = a_snapshot(1)
    publish(repository, snapshot)
    make(repository.latest)
    assert repository.latest_to_write([Kind.MANUAL]) == snapshot
    if make is not folder:
        repository.link_latest(snapshot)
        assert repository.latest_to_write([Kind.MANUAL]) is None


async def test_who_holds_the_lock_is_only_read_from_a_file(
    make: Callable[[Path], None], root: Path, tmp_path: Path
) -> None:
    """Nor is it written through a link."""
    if make is folder:
        pytest.skip("a folder cannot be replaced by a file")
    make(root / ".work" / "operation.json")

    async def in_thread(function: Callable[..., object], *arguments: object) -> object:
        return function(*arguments)

    lock = RepositoryLock(root / ".work", in_thread, lambda: dt.datetime.now(dt.UTC))
    assert lock._read_owner() is None
    async with lock.held("a restore", 0.0):
        owner = lock._read_owner()
        assert owner is not None
        assert owner.operation == "a restore"
    assert (tmp_path / "elsewhere").read_bytes() == PRECIOUS


ESCAPES = "\x1b]0;title\x07\x1b[2J\r\u202e"


def test_what_a_file_says_reaches_no_terminal_as_it_is(root: Path) -> None:
    """The operation that another process names, and what is wrong with an entry, go into messages and logs."""
    owner = {"operation": ESCAPES * 50, "pid": 1, "since": "2026-11-23T12:00:00Z"}
    (root / ".work" / "operation.json").write_bytes(msgspec.json.encode(owner))
    lock = RepositoryLock(root / ".work", lambda: None, lambda: dt.datetime.now(dt.UTC))  # type: ignore[arg-type, return-value]
    found = lock._read_owner()
    assert found is not None
    assert found.operation.isprintable()
    assert len(found.operation) < 1000
    entries = [{"id": ESCAPES}, {"kind": ESCAPES}, {"id": "a", "path": ESCAPES}, {ESCAPES: ESCAPES}, ESCAPES]
    for problem in snapshots_in(msgspec.Raw(msgspec.json.encode(entry)) for entry in entries):
        assert isinstance(problem, str)
        assert problem.isprintable()


@pytest.mark.parametrize("place", ["", ".work", "daily"])
@pytest.mark.parametrize(("mode", "warned"), [(0o700, False), (0o755, False), (0o775, True), (0o777, True)])
async def test_a_repository_that_others_can_write_to_is_warned_of_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, place: str, mode: int, warned: bool
) -> None:
    """Whoever can put a snapshot there decides what is restored."""
    world = ServiceWorld(tmp_path, game=False)
    service = world.service()
    service._context.repository.prepare()
    (world.repository / place).chmod(mode)
    with caplog.at_level(logging.WARNING):
        await opening.open_repository(service._context)
        await opening.open_repository(service._context)
    lines = [each.getMessage() for each in caplog.records if "chmod go-w" in each.getMessage()]
    assert len(lines) == (1 if warned else 0)
    assert all(str(world.repository / place) in line for line in lines)
    await service.close()


def test_no_error_carries_what_a_terminal_obeys() -> None:
    """Whatever a message quotes: it ends in logs and on terminals, also after it came from a worker."""
    error = from_wire(RepositoryError(f"It holds {ESCAPES}\nand more than 5\N{NARROW NO-BREAK SPACE}MB").to_wire())
    for text in (str(error), error.message, repr(error)):
        assert not set(ESCAPES[:1] + "\x07\r\u202e") & set(text)
    assert str(error).endswith("\nand more than 5\N{NARROW NO-BREAK SPACE}MB")


async def test_a_planted_journal_reaches_no_terminal_as_it_is(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What a start says of an interrupted operation is legible."""
    world = ServiceWorld(tmp_path, game=False)
    service = world.service()
    service._context.repository.prepare()
    actor = Actor(source=ESCAPES, name=ESCAPES)
    entry = JournalEntry(operation=ESCAPES, actor=actor, at=world.clock(), pid=1, snapshot=ESCAPES)
    journal_file(service._context).write(entry)
    with caplog.at_level(logging.WARNING):
        said = await opening.open_repository(service._context)
    await service.close()
    assert said is not None
    for text in (said, caplog.text):
        assert not set("\x1b\x07\r\u202e") & set(text)
