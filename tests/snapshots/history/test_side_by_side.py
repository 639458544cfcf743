"""Work that is shared out among processes gives what one process gives, whatever becomes of the others."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.snapshots.history.chains import side_by_side as module
from core.snapshots.history.chains.side_by_side import side_by_side
from tests.worlds.waiting import wait_until

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


@pytest.fixture
def three(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three processors."""
    monkeypatch.setattr(module, "_processors", lambda: 3)
    monkeypatch.setattr(module, "_MOST", 4)


def shared(items: Sequence[int], do: Callable[[int], tuple[int, int]], worth: int = 1) -> list[tuple[int, int]]:
    """Do items that weigh the same; each result is the item and the process that did it."""

    @contextmanager
    def doing() -> Iterator[Callable[[int], tuple[int, int]]]:
        yield do

    return side_by_side(doing, items, [1] * len(items), worth, tuple[int, int])


def no_child_is_left() -> bool:
    """Return True if this process has no children that it started and did not wait for."""
    try:
        return os.waitpid(-1, os.WNOHANG) == (0, 0)
    except ChildProcessError:
        return True


@needs_fork
@pytest.mark.process
@pytest.mark.usefixtures("three")
@pytest.mark.parametrize("count", [0, 1, 2, 3, 10])
def test_each_item_is_done_once_and_in_its_place(count: int) -> None:
    """By as many processes as there are processors, the first of which is this one."""
    found = shared(range(count), lambda item: (item, os.getpid()))
    assert [item for item, _ in found] == list(range(count))
    assert len({process for _, process in found}) == min(3, count)
    assert not found or found[0][1] == os.getpid()
    assert no_child_is_left()


@pytest.mark.usefixtures("three")
def test_little_work_is_done_by_this_process() -> None:
    """To share it out would take longer."""
    assert {process for _, process in shared(range(9), lambda item: (item, os.getpid()), worth=5)} == {os.getpid()}


@needs_fork
@pytest.mark.process
@pytest.mark.usefixtures("three")
@pytest.mark.parametrize("end", [lambda: os.kill(os.getpid(), signal.SIGKILL), lambda: os._exit(0), lambda: 1 // 0])
def test_what_another_process_could_not_do_is_done_here(end: Callable[[], object]) -> None:
    """It is killed, ends without a word, or fails."""
    here = os.getpid()

    def do(item: int) -> tuple[int, int]:
        if item == 8 and os.getpid() != here:
            end()
        return item, os.getpid()

    found = shared(range(9), do)
    assert [item for item, _ in found] == list(range(9))
    assert [process == here for _, process in found] == [True] * 3 + [False] * 3 + [True] * 3
    assert no_child_is_left()


@needs_fork
@pytest.mark.process
@pytest.mark.usefixtures("three")
@pytest.mark.parametrize("wrong", [0, 8])
def test_an_error_is_raised_here_wherever_it_happened(wrong: int) -> None:
    """No process is left at work."""

    def do(item: int) -> tuple[int, int]:
        if item == wrong:
            raise LookupError(f"item {item}")
        return item, os.getpid()

    with pytest.raises(LookupError, match=f"item {wrong}"):
        shared(range(9), do)
    assert no_child_is_left()


@needs_fork
@pytest.mark.process
@pytest.mark.usefixtures("three")
def test_a_host_that_ignores_the_end_of_its_children_changes_nothing() -> None:
    """The system removes them before anybody can wait for them; a worker inherits that."""
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        found = shared(range(9), lambda item: (item, os.getpid()))
    finally:
        signal.signal(signal.SIGCHLD, before)
    assert [item for item, _ in found] == list(range(9))


@needs_fork
@pytest.mark.process
@pytest.mark.usefixtures("three")
def test_where_no_process_can_be_forked_this_one_does_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's limit is reached."""

    def refused() -> int:
        raise BlockingIOError("too many processes")

    monkeypatch.setattr(os, "fork", refused)
    assert {process for _, process in shared(range(9), lambda item: (item, os.getpid()))} == {os.getpid()}


@needs_fork
@pytest.mark.process
@pytest.mark.usefixtures("three")
def test_a_fork_ends_when_its_parent_is_gone() -> None:
    """A worker that is killed leaves nobody behind who holds its files and its pipes."""
    reader, writer = os.pipe()
    between = os.fork()
    if between == 0:
        try:
            be_killed_at_work(writer)
        finally:
            os._exit(1)
    os.close(writer)
    assert os.waitstatus_to_exitcode(os.waitpid(between, 0)[1]) == -signal.SIGKILL
    begun = b"".join(iter(lambda: os.read(reader, 100), b""))  # to its end: a read may give what came first alone
    assert begun == b"..", "each fork has begun one item, did no other, and ended"
    os.close(reader)


def be_killed_at_work(writer: int) -> None:
    """Kill this process as soon as its two forks are at work; each writes a dot for an item that it does."""
    here = os.getpid()
    begun, begins = os.pipe()

    def do(item: int) -> tuple[int, int]:
        if os.getpid() == here:
            assert len(os.read(begun, 1) + os.read(begun, 1)) == 2
            os.kill(here, signal.SIGKILL)
        os.write(begins, b".")
        os.write(writer, b".")
        wait_until(lambda: os.getppid() != here, "the parent is gone")
        return item, 0

    shared(range(9), do)


@given(weights=st.lists(st.integers(1, 500), max_size=60), count=st.integers(1, 8))
def test_runs_are_all_of_it_in_order_and_about_equal(weights: list[int], count: int) -> None:
    """None is heavier than its part by more than one item."""
    runs = module._runs(weights, count)
    assert len(runs) == count
    assert runs[0].start == 0
    assert runs[-1].stop == len(weights)
    assert all(first.stop == second.start for first, second in pairwise(runs))
    assert all(sum(weights[run]) <= sum(weights) / count + max(weights) for run in runs if weights)
