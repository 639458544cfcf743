"""Run ``pg_dump`` and ``psql`` so that a hanging one never blocks us: every wait checks the deadline."""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import IO

from ...archive.fingerprint import BLOCK
from ...progress import Watch

__all__ = ["Program", "bare_environment"]

_REMOVED = ("DATABASE_URL", "BACKUP_DATABASE_URL", "DISCORD_TOKEN", "PGPASSWORD", "PGSERVICE", "PGSERVICEFILE")

_CHECK_EVERY = 0.2
_PIPE_BYTES = 1 << 20
_GATHER_SECONDS = 0.001
"""A pipe that is read as soon as it holds something gives 16 KiB at a time, and each time wakes two processes. In a
millisecond a program fills some hundred KiB; only a large pipe lets it go on meanwhile."""
_STDERR_KEPT = 8000
_TERMINATE_SECONDS = 5.0


def bare_environment() -> dict[str, str]:
    """Return this process's environment without its secrets and without variables that name another database."""
    return {name: value for name, value in os.environ.items() if name not in _REMOVED}


class Program:
    """A running program without input, which is ended when its ``with`` block is left."""

    def __init__(self, command: Sequence[str | bytes], environment: Mapping[str, str], watch: Watch) -> None:
        self._command = tuple(command)
        self._environment = dict(environment)
        self._watch = watch
        self._stderr = b""

    def __enter__(self) -> Program:
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self._environment,
            bufsize=0,
        )
        assert self._process.stderr is not None
        self._reader = threading.Thread(target=self._read_stderr, args=(self._process.stderr,), daemon=True)
        self._reader.start()
        assert self._process.stdout is not None
        os.set_blocking(self._process.stdout.fileno(), False)
        self._gathers = _enlarged(self._process.stdout)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        process = self._process
        if process.poll() is None:
            process.terminate()  # libpq's programs cancel what they asked the server
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_TERMINATE_SECONDS)
            if process.poll() is None:
                process.kill()
        process.wait()
        self._reader.join()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def stderr(self) -> str:
        """The end of what the program has written to its standard error."""
        return self._stderr.decode(errors="replace")

    def pieces(self) -> Iterator[bytes]:
        """Yield its output in blocks of 64 KiB, the last one shorter, until the program closes it."""
        source = self._process.stdout
        assert source is not None
        block = b""
        while (piece := source.read(BLOCK - len(block))) != b"":
            if piece is None:
                while not self.has_output(_CHECK_EVERY):
                    self._watch.check()
                continue
            block += piece
            if len(block) == BLOCK:
                yield block
                block = b""
            else:
                self._gather()
        if block:
            yield block

    def has_output(self, seconds: float) -> bool:
        """Wait at most so long for output; return True if there is some, or if the program has closed it."""
        assert self._process.stdout is not None
        return bool(select.select([self._process.stdout], [], [], seconds)[0])

    def wait(self) -> int:
        """Wait for the program to end, and return its exit status."""
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                status = self._process.wait(_CHECK_EVERY)
                self._reader.join()
                return status
            self._watch.check()

    def _gather(self) -> None:
        if self._gathers:
            time.sleep(_GATHER_SECONDS)

    def _read_stderr(self, errors: IO[bytes]) -> None:
        while block := errors.read(4096):
            self._stderr = (self._stderr + block)[-_STDERR_KEPT:]


def _enlarged(stream: IO[bytes]) -> bool:
    """Enlarge the buffer of a pipe; return False if the platform or the user's limits do not allow it."""
    try:
        import fcntl

        return int(fcntl.fcntl(stream.fileno(), fcntl.F_SETPIPE_SZ, _PIPE_BYTES)) >= _PIPE_BYTES
    except (ImportError, AttributeError, OSError):
        return False
