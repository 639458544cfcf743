"""Workers that are forks of one process which has everything imported, so that Python need not start for each.

A fork runs the worker's own main program on pipes of its own, is stopped and killed like any worker, and inherits the
repository's lock. It differs in what only a new Python has: its command line, and what the environment tells Python or
the loader. So a test that changes those gets a real worker; so does one that is marked ``kill``.

Run as ``python -m tests.worlds.forked_workers DESCRIPTOR`` it is the server; ``ForkedWorkers`` is the client.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO, Any, NoReturn, cast

import msgspec

from core.snapshots.worker import client
from core.snapshots.worker.main import main as work

ROOT = Path(__file__).parents[2]
_LARGEST = 1 << 20


class _Request(msgspec.Struct):
    folder: str
    environment: dict[str, str]
    keeps_open: int | None
    """The number under which the last file that is sent stays open in the fork."""


class ForkedWorkers:
    """The process that forks, and what takes the place of ``client._start``."""

    def __init__(self) -> None:
        """Start the process."""
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for end in (ours, its):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _LARGEST)
        with its:
            self._process = subprocess.Popen(
                [sys.executable, "-X", "utf8", "-m", "tests.worlds.forked_workers", str(its.fileno())],
                cwd=ROOT,
                pass_fds=[its.fileno()],
                start_new_session=True,
            )
        self._socket = ours
        self._guard = threading.Lock()
        self._start_really = client._start
        self._looks_as_now = _what_python_is_told()

    def start(self, inherited: int | None) -> subprocess.Popen[bytes]:
        """Start a worker as ``client._start`` does; a real one where a fork could not stand in for it."""
        if _what_python_is_told() != self._looks_as_now:
            return self._start_really(inherited)
        sys.audit("subprocess.Popen", sys.executable, ["a worker"], None, None)
        request = _Request(str(Path.cwd()), client.environment(), inherited)
        pipes = [os.pipe() for _ in range(4)]
        (in_read, in_write), (out_read, out_write), (errors_read, errors_write), (status_read, status_write) = pipes
        sent = [in_read, out_write, errors_write, status_write, *([] if inherited is None else [inherited])]
        with self._guard:
            socket.send_fds(self._socket, [msgspec.json.encode(request)], sent)
            pid = int(self._socket.recv(32))
        for descriptor in sent[:4]:
            os.close(descriptor)
        return cast(
            "subprocess.Popen[bytes]",
            _Fork(pid, os.fdopen(in_write, "wb"), os.fdopen(out_read, "rb"), os.fdopen(errors_read, "rb"), status_read),
        )

    def close(self) -> None:
        """End the process."""
        self._socket.close()
        self._process.wait()


class _Fork:
    """The part of ``Popen`` that the client of the worker uses."""

    def __init__(self, pid: int, stdin: IO[bytes], stdout: IO[bytes], stderr: IO[bytes], status: int) -> None:
        self.pid, self.stdin, self.stdout, self.stderr = pid, stdin, stdout, stderr
        self.returncode: int | None = None
        self._status = status
        self._guard = threading.Lock()

    def wait(self) -> int:
        """Wait for its end and return its exit status."""
        with self._guard:
            if self.returncode is None:
                self.returncode = int(os.read(self._status, 32))
                os.close(self._status)
        return self.returncode

    def kill(self) -> None:
        """Kill it if it has not ended."""
        if self.returncode is None and not select.select([self._status], [], [], 0)[0]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)


def _what_python_is_told() -> dict[str, Any]:
    told = {name: value for name, value in os.environ.items() if name.startswith(("PYTHON", "LD_", "LC_", "LANG"))}
    return {**told, "executable": sys.executable, "frozen": getattr(sys, "frozen", False), "user": os.geteuid()}


class _Server:
    """Forks for each request, and tells each exit status to who asked."""

    def __init__(self, requests: socket.socket) -> None:
        self._requests = requests
        self._statuses: dict[int, int] = {}
        self._ended, self._wake = os.pipe()
        os.set_blocking(self._wake, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wake)

    def run(self) -> None:
        """Serve until the client is gone."""
        while True:
            ready, _, _ = select.select([self._requests.fileno(), self._ended], [], [])
            if self._ended in ready:
                os.read(self._ended, 4096)
                self._reap()
            if self._requests.fileno() in ready:
                content, descriptors, _, _ = socket.recv_fds(self._requests, _LARGEST, 5)
                if not content:
                    return
                self._fork(msgspec.json.decode(content, type=_Request), descriptors)

    def _fork(self, request: _Request, descriptors: list[int]) -> None:
        pid = os.fork()
        if pid == 0:
            _become(request, descriptors, [self._requests.fileno(), self._ended, self._wake, *self._statuses.values()])
        self._statuses[pid] = descriptors[3]
        for descriptor in {*descriptors} - {descriptors[3]}:
            os.close(descriptor)
        self._requests.send(str(pid).encode())

    def _reap(self) -> None:
        while self._statuses:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            descriptor = self._statuses.pop(pid)
            with contextlib.suppress(BrokenPipeError):
                os.write(descriptor, str(os.waitstatus_to_exitcode(status)).encode())
            os.close(descriptor)


def _become(request: _Request, descriptors: list[int], not_ours: list[int]) -> NoReturn:
    """Be the worker, and end; an exception ends the interpreter as in a worker."""
    _take_over(request, descriptors, not_ours)
    os._exit(work())


def _take_over(request: _Request, descriptors: list[int], not_ours: list[int]) -> None:
    """Have what a worker has, and nothing else of the server."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for descriptor in (*not_ours, descriptors[3]):
        os.close(descriptor)
    for number, descriptor in enumerate(descriptors[:3]):
        os.dup2(descriptor, number)
        os.close(descriptor)
    if request.keeps_open is not None and descriptors[4] != request.keeps_open:
        os.dup2(descriptors[4], request.keeps_open)
        os.close(descriptors[4])
    os.setsid()
    os.chdir(request.folder)
    os.environ.clear()
    os.environ.update(request.environment)


if __name__ == "__main__":
    _Server(socket.socket(fileno=int(sys.argv[1]))).run()
