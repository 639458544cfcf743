"""Holds every test to its marks: what it does not say it needs, it may not use.

So ``make quick`` stays what it is, whoever adds a test. See the markers in ``pyproject.toml``. Workers are forks where
that makes no difference (``tests.worlds.forked_workers``), which takes a quarter of the time of the whole suite away.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from core.snapshots.worker import client
from tests.worlds.forked_workers import ForkedWorkers

_ALLOWED_BY = {
    "subprocess.Popen": {"process", "kill", "server"},
    "os.fork": {"process", "kill", "server"},
    "socket.connect": {"socket", "server"},
    "socket.bind": {"socket", "server"},
}
"""The audit events of the interpreter (PEP 578), each with the marks that allow it."""


# On a loaded machine a sound example can take a second: no test says how long one may take.
settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")


class _Guard:
    """Watches what the running test does in this process."""

    def __init__(self) -> None:
        self.marks: set[str] | None = None
        """Those of the running test; None between two tests."""
        self.missing = ""

    def look(self, event: str, _arguments: object) -> None:
        """Raise RuntimeError if the running test has no mark for this event."""
        allowing = _ALLOWED_BY.get(event)
        if allowing is not None and self.marks is not None and not allowing & self.marks:
            self.missing = f"This test causes {event} and has none of the marks {sorted(allowing)}."
            raise RuntimeError(self.missing)


_guard = _Guard()


def pytest_configure() -> None:
    """Begin to watch, and let Ctrl-C reach the processes of tests although this is run in the background."""
    sys.addaudithook(_guard.look)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # what a shell's ``&`` does, and every child inherits
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_xdist_auto_num_workers() -> int:
    """Return how many processes ``-n auto`` starts: two for each core, since half of the time tests wait."""
    return 2 * (os.cpu_count() or 1)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Watch one test with its fixtures."""
    _guard.marks = {mark.name for mark in item.iter_markers()}
    try:
        return (yield)
    finally:
        _guard.marks = None


@pytest.fixture(autouse=True)
def _marked() -> Iterator[None]:
    """Fail where the error was swallowed on its way."""
    _guard.missing = ""
    yield
    if _guard.missing:
        pytest.fail(_guard.missing)


@pytest.fixture(scope="session")
def _forked_workers() -> Iterator[ForkedWorkers]:
    workers = ForkedWorkers()
    yield workers
    workers.close()


@pytest.fixture(autouse=True)
def _workers_are_forks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the workers of this test be forks, unless it kills, or looks at what only a new Python has."""
    marks = {mark.name for mark in request.node.iter_markers()}
    if marks & {"process", "server"} and not marks & {"kill", "real_workers"} and sys.platform == "linux":
        monkeypatch.setattr(client, "_start", request.getfixturevalue("_forked_workers").start)
