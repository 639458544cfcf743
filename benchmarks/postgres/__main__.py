"""Measure snapshots of a PostgreSQL database beside pg_dump, psql and pg_restore, in one run.

``python -m benchmarks.postgres`` starts a server of its own, prints the tables as Markdown, and removes the server;
with ``--write`` it puts the tables into README.md, between the markers there.
"""

from __future__ import annotations

import argparse
import asyncio
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ..machine import about_machine, package_versions
from ..table import README, put
from .report import MARKERS, report
from .rounds import measure
from .server import SETTINGS, served

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> None:
    """Measure what the arguments ask for, and print the tables."""
    given = _parsed(arguments)
    started = time.perf_counter()

    def log(what: str) -> None:
        print(f"{time.perf_counter() - started:6.1f} s  {what}", file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory(prefix="savepoint-benchmarks-") as name:
        folder = Path(name)
        about = _about(folder)
        log(f"a database of {given.megabytes} MB")
        with served(given.megabytes, given.major) as server:
            about += (f"PostgreSQL {server.ask('SHOW server_version')}, server and client, " + _settings(),)
            figures = asyncio.run(measure(server, folder, given.rounds, log))
    about += (f"medians of {given.rounds} rounds; the run took {(time.perf_counter() - started) / 60:.1f} minutes",)
    text = report(about, figures)
    print(text)
    if given.write:
        put(README, text, *MARKERS)


def _parsed(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.postgres", description=__doc__)
    parser.add_argument("--megabytes", type=int, default=900, help="what pg_database_size says, in MB (10^6 bytes)")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured; the median is shown")
    parser.add_argument("--major", type=int, help="PostgreSQL's version; the newest that is installed")
    parser.add_argument("--write", action="store_true", help="put the tables into benchmarks/README.md")
    return parser.parse_args(arguments)


def _about(folder: Path) -> tuple[str, ...]:
    gzip = subprocess.run(["gzip", "--version"], check=True, capture_output=True, text=True).stdout.splitlines()[0]
    return (*about_machine(folder), f"Python {platform.python_version()}, {package_versions('asyncpg')}, {gzip}")


def _settings() -> str:
    return ", ".join(f"{name} {value}" for name, value in SETTINGS.items())


if __name__ == "__main__":
    main()
