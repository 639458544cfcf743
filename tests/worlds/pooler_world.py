"""Poolers in front of a real server: PgBouncer where it is installed, and a small one of our own everywhere.

The small one shares backends by transaction as PgBouncer does, and hides it less: the first backend's process number is
passed on to the client, and start-up parameters reach the server as they are.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import struct
import subprocess
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from core.snapshots.settings.conninfo import parse_conninfo
from demonstration import local_postgres
from tests.worlds.postgres_world import PostgresGame

__all__ = ["PGBOUNCER", "pgbouncer", "small_pooler"]

PGBOUNCER = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
_SSL_REQUEST = 80877103
_READY_WITHIN = 30.0
_IDLE = b"Z\0\0\0\5I"
"""ReadyForQuery outside of a transaction."""


def _url(game: PostgresGame, port: int) -> str:
    return f"postgresql://{game.role}@127.0.0.1:{port}/{game.name}"


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@contextlib.contextmanager
def pgbouncer(game: PostgresGame, mode: str, **settings: str) -> Iterator[str]:
    """Run PgBouncer in front of a game's server in a pool mode, and yield the game's URL through it."""
    assert PGBOUNCER is not None
    given = parse_conninfo(game.url)
    port = _free_port()
    with tempfile.TemporaryDirectory(prefix="pgbouncer-") as name:
        folder = Path(name)
        lines = [
            "[databases]",
            f"* = host={given['host']} port={given['port']} user={game.role}",
            "[pgbouncer]",
            f"listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =",
            f"auth_type = any\nauth_file = {folder / 'users'}\npool_mode = {mode}",
            *(f"{key} = {value}" for key, value in settings.items()),
        ]
        (folder / "ini").write_text("\n".join(lines) + "\n")
        (folder / "users").write_text(f'"{game.role}" ""\n')
        user = local_postgres._user()
        if user is not None:
            for path in (folder, folder / "ini", folder / "users"):
                os.chown(path, user.pw_uid, user.pw_gid)
        command = [PGBOUNCER, str(folder / "ini")]
        with subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **local_postgres._as(user)
        ) as program:
            try:
                _wait_for(port)
                yield _url(game, port)
            finally:
                program.terminate()


def _wait_for(port: int) -> None:
    until = time.monotonic() + _READY_WITHIN
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1.0).close()
            return
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.02)


@contextlib.contextmanager
def small_pooler(game: PostgresGame, backends: int, *, newest_first: bool) -> Iterator[str]:
    """Run a pooler that lends its backends out by transaction, and yield the game's URL through it."""
    given = parse_conninfo(game.url)
    loop = asyncio.new_event_loop()
    pooler = _Pooler(f"{given['host']}/.s.PGSQL.{given['port']}", backends, newest_first=newest_first)
    listening = loop.run_until_complete(asyncio.start_server(pooler.serve, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield _url(game, listening.sockets[0].getsockname()[1])
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        listening.close()
        loop.run_until_complete(asyncio.sleep(0.05))
        loop.close()


class _Pooler:
    """Backends that were opened with the start-up of the first clients, and serve whoever asks next."""

    def __init__(self, path: str, backends: int, *, newest_first: bool) -> None:
        self._path = path
        self._backends = backends
        self._newest_first = newest_first
        self._opened = 0
        self._greeting: dict[bytes, bytes] = {}
        self._idle: deque[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = deque()
        self._free = asyncio.Condition()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one client to its end."""
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            start = await self._start_up(reader, writer)
            writer.write(await self._greet(start))
            asked: asyncio.Future[bytes] = asyncio.ensure_future(_message(reader))
            while (await asked)[:1] != b"X":
                asked = await self._transaction(asked, reader, writer)
        writer.close()

    async def _start_up(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        while True:
            (length,) = struct.unpack("!i", await reader.readexactly(4))
            rest = await reader.readexactly(length - 4)
            if length == 8 and struct.unpack("!i", rest)[0] == _SSL_REQUEST:
                writer.write(b"N")
                continue
            return struct.pack("!i", length) + rest

    async def _greet(self, start: bytes) -> bytes:
        """Return what a client is greeted with; a new backend is opened for it while there may be more."""
        if start not in self._greeting or self._opened < self._backends:
            reader, writer = await asyncio.open_unix_connection(self._path)
            writer.write(start)
            greeting = b""
            while not greeting.endswith(_IDLE):
                message = await _message(reader)
                greeting += message
                if message[:1] == b"E":
                    return greeting
            self._greeting[start] = greeting
            if self._opened < self._backends:
                self._opened += 1
                self._idle.append((reader, writer))
            else:
                writer.close()
        return self._greeting[start]

    async def _transaction(
        self, asked: asyncio.Future[bytes], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> asyncio.Future[bytes]:
        """Lend a backend for one transaction, and return what the client asks next."""
        async with self._free:
            await self._free.wait_for(lambda: self._idle)
            server, to_server = self._idle.pop() if self._newest_first else self._idle.popleft()
        answer = asyncio.ensure_future(_message(server))
        try:
            while True:
                await asyncio.wait({asked, answer}, return_when=asyncio.FIRST_COMPLETED)
                if answer.done():
                    message = await answer
                    writer.write(message)
                    if message == _IDLE:
                        return asked
                    answer = asyncio.ensure_future(_message(server))
                elif (await asked)[:1] == b"X":
                    to_server.write(b"Q\0\0\0\rROLLBACK\0")
                    while await answer != _IDLE:
                        answer = asyncio.ensure_future(_message(server))
                    return asked
                else:
                    to_server.write(await asked)
                    asked = asyncio.ensure_future(_message(reader))
        finally:
            async with self._free:
                self._idle.append((server, to_server))
                self._free.notify()


async def _message(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readexactly(5)
    return head + await reader.readexactly(struct.unpack("!i", head[1:])[0] - 4)
