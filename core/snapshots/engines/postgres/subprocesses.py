"""Running ``pg_dump`` and ``psql`` without ever waiting for one that hangs: every wait looks at the watch."""

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

_NOT_PASSED_ON = ("DATABASE_URL", "BACKUP_DATABASE_URL", "DISCORD_TOKEN", "PGPASSWORD", "PGSERVICE", "PGSERVICEFILE")

_LOOK_EVERY = 0.2
_PIPE = 1 << 20
_GATHERING = 0.001
"""A pipe that is read as soon as something is in it gives 16 KiB at a time, and each time wakes two processes. In a
millisecond a program fills or empties some hundred KiB: a large pipe does not stop it meanwhile, a small one would."""
_LAST_WORDS = 8000
_ENDS_WITHIN = 5.0


def bare_environment() -> dict[str, str]:
    """Give this process's environment without what is secret in it, and without what names another database."""
    return {name: value for name, value in os.environ.items() if name not in _NOT_PASSED_ON}


class Program:
    """One running program; ended with the ``with`` block, whatever happens in it."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], watch: Watch, *, feed: bool = False
    ) -> None:
        self._command = tuple(command)
        self._environment = dict(environment)
        self._watch = watch
        self._feed = feed
        self._said = b""

    def __enter__(self) -> Program:
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE if self._feed else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self._environment,
            bufsize=0,
        )
        assert self._process.stderr is not None
        self._listener = threading.Thread(target=self._listen, args=(self._process.stderr,), daemon=True)
        self._listener.start()
        streams = [stream for stream in (self._process.stdin, self._process.stdout) if stream is not None]
        for stream in streams:
            os.set_blocking(stream.fileno(), False)
        widened = [_widened(stream) for stream in streams]
        self._gathers = all(widened)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        process = self._process
        if process.poll() is None:
            process.terminate()  # libpq's programs cancel what they asked the server
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_ENDS_WITHIN)
            if process.poll() is None:
                process.kill()
        process.wait()
        self._listener.join()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    @property
    def said(self) -> str:
        """The end of what it said on its standard error."""
        return self._said.decode(errors="replace")

    def pieces(self) -> Iterator[bytes]:
        """Give its output in blocks of 64 KiB, the last one shorter, until it closes it."""
        source = self._process.stdout
        assert source is not None
        block = b""
        while (piece := source.read(BLOCK - len(block))) != b"":
            if piece is None:
                self._ready(source, reading=True)
                continue
            block += piece
            if len(block) == BLOCK:
                yield block
                block = b""
            else:
                self._gather()
        if block:
            yield block

    def write(self, data: bytes) -> bool:
        """Write to its standard input; False where it does not listen any more."""
        target = self._process.stdin
        assert target is not None
        rest = memoryview(data)
        while rest:
            self._ready(target, reading=False)
            try:
                rest = rest[target.write(rest) or 0 :]
            except BrokenPipeError:
                return False
            if rest:
                self._gather()
        return True

    def wait(self) -> int:
        """Close its standard input, wait for its end, and give the exit status."""
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                status = self._process.wait(_LOOK_EVERY)
                self._listener.join()
                return status
            self._watch.check()

    def _ready(self, stream: IO[bytes], *, reading: bool) -> None:
        while True:
            if any(select.select([stream] * reading, [stream] * (not reading), [], _LOOK_EVERY)):
                return
            self._watch.check()

    def _gather(self) -> None:
        if self._gathers:
            time.sleep(_GATHERING)

    def _listen(self, errors: IO[bytes]) -> None:
        while block := errors.read(4096):
            self._said = (self._said + block)[-_LAST_WORDS:]


def _widened(stream: IO[bytes]) -> bool:
    """Give a pipe a larger buffer, where the platform and the user's limits let it; say whether it has one."""
    try:
        import fcntl

        return int(fcntl.fcntl(stream.fileno(), fcntl.F_SETPIPE_SZ, _PIPE)) >= _PIPE
    except (ImportError, AttributeError, OSError):
        return False
