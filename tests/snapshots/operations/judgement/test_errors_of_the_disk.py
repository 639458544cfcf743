"""Whatever the repository's disk says to whichever file: a sentence of ours, and nothing is broken afterwards.

The errors are injected where Python itself opens, locks, renames and removes files (its audit events, PEP 578).
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from core.snapshots import SnapshotError, SnapshotService, StartupOutcome
from tests.worlds.service_world import played_world

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(sys.platform != "linux", reason="names an open file by /proc"),
]

Operation = Callable[[SnapshotService], Coroutine[Any, Any, Any]]

_ERRORS = (errno.EROFS, errno.EACCES, errno.EMFILE, errno.EIO, errno.ENOLCK, errno.ENOSPC)
_EVENTS = ("open", "os.mkdir", "os.rename", "os.remove", "fcntl.flock")


class _FailingDisk:
    """Fails every call on the files whose path has ``part`` in it with the error ``number``, while it is set."""

    def __init__(self) -> None:
        self.part: str | None = None
        self.number = 0
        self.failed = 0

    def look(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Raise the error if the event is a call on one of the files."""
        if self.part is None or event not in _EVENTS:
            return
        named = arguments[0]
        if event == "fcntl.flock":
            named = Path(f"/proc/self/fd/{named}").readlink() if self.number == errno.ENOLCK else ""
        elif self.number == errno.ENOLCK:
            return  # only locking says so
        if isinstance(named, (str, os.PathLike)) and self.part in os.fspath(named):
            self.failed += 1
            raise OSError(self.number, os.strerror(self.number), os.fspath(named))


_disk = _FailingDisk()


@pytest.fixture(scope="module", autouse=True)
def _hook() -> None:
    sys.addaudithook(_disk.look)


@pytest.fixture(autouse=True)
def _mended() -> Iterator[None]:
    _disk.failed = 0
    yield
    _disk.part = None


_OPERATIONS: dict[str, Operation] = {
    "open": lambda service: service.open(),
    "integrity": lambda service: service.integrity(quick=True),
    "now": lambda service: service.create(),
    "restore": lambda service: service.restore("latest"),
}
_PLACES = ("/.work/lock", "/.work/job-", "/state/journal", "/backup_metadata", "/audit.jsonl", "/.work/operation")


@pytest.mark.parametrize("operation", _OPERATIONS)
async def test_it_is_a_sentence(tmp_path: Path, operation: str) -> None:
    """Never an error of the operating system as such: it works without the file, or says what is wrong with it."""
    world = await played_world(tmp_path)
    said: list[str] = []
    shift = [*_OPERATIONS].index(operation)
    for index, place in enumerate(_PLACES):
        async with world.opened() as service:
            _disk.part, _disk.number = f"{world.repository}{place}", _ERRORS[(index + shift) % len(_ERRORS)]
            try:
                await _OPERATIONS[operation](service)
            except SnapshotError as error:
                said.append(str(error))
            finally:
                _disk.part = None
    assert said
    assert [text for text in said if not text.endswith(".") or str(world.repository) not in text] == []
    async with world.opened() as service:
        assert (await service.start_up()).outcome is StartupOutcome.CLEAN
        assert (await service.verify("latest")).ok


@pytest.mark.parametrize("operation", ["integrity", "create", "start_up", "status"])
async def test_the_record_of_the_verdict_stops_nothing(tmp_path: Path, operation: str) -> None:
    """What cannot be remembered is still found and reported, and a snapshot that was taken is not called failed."""
    world = await played_world(tmp_path)
    async with world.opened() as service:
        _disk.part, _disk.number = f"{world.repository}/state/live", errno.EIO
        await getattr(service, operation)()
    assert _disk.failed
