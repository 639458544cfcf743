"""Measure snapshots of a PostgreSQL database beside pg_dump, psql and pg_restore, in one run.

``python -m benchmarks.postgres`` starts a server of its own, prints the tables as Markdown, and removes the server;
with ``--write`` it puts the tables into README.md, between the markers there.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

from .goals import Goal
from .machine import server_machine
from .results import SAVEPOINT
from .server import SETTINGS, served
from .server_rounds import DUMP_GZIP, LOAD_GZIP, REBUILD, RESTORE, SNAPSHOT, VERIFY, Figures, measure
from .table import put, table

__all__ = ["main", "report"]

_README = Path(__file__).with_name("README.md")
_MARKERS = "<!-- postgres: begin -->", "<!-- postgres: end -->"
_MB = 1e6


def main(arguments: list[str] | None = None) -> None:
    """Measure, and show."""
    given = _parsed(arguments)
    started = time.perf_counter()

    def say(what: str) -> None:
        print(f"{time.perf_counter() - started:6.1f} s  {what}", file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory(prefix="savepoint-benchmarks-") as name:
        folder = Path(name)
        about = server_machine(folder)
        say(f"a database of {given.megabytes} MB")
        with served(given.megabytes, given.major) as server:
            about += (f"PostgreSQL {server.ask('SHOW server_version')}, server and client, " + _settings(),)
            figures = asyncio.run(measure(server, folder, given.rounds, say))
    about += (f"medians of {given.rounds} rounds; the run took {(time.perf_counter() - started) / 60:.1f} minutes",)
    text = report(about, figures)
    print(text)
    if given.write:
        put(_README, text, *_MARKERS)


def _parsed(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.postgres", description=__doc__)
    parser.add_argument("--megabytes", type=int, default=900, help="what pg_database_size says, in MB (10^6 bytes)")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured; the median is shown")
    parser.add_argument("--major", type=int, help="PostgreSQL's version; the newest that is installed")
    parser.add_argument("--write", action="store_true", help="put the tables into benchmarks/README.md")
    return parser.parse_args(arguments)


def _settings() -> str:
    return ", ".join(f"{name} {value}" for name, value in SETTINGS.items())


def report(about: tuple[str, ...], figures: Figures) -> str:
    """Give the goals and the figures as Markdown."""
    machine = "\n".join(f"- {line}" for line in about)
    return (
        f"### PostgreSQL: machine\n\n{machine}\n\n"
        f"### PostgreSQL: goals\n\n{_goals(figures)}\n\n"
        f"### PostgreSQL, {figures.size / _MB:,.0f} MB\n\n{_works(figures)}\n"
    )


def _goals(figures: Figures) -> str:
    megabytes = round(figures.size / _MB)
    dump = figures.seconds(SNAPSHOT, DUMP_GZIP) / figures.seconds(SNAPSHOT, SAVEPOINT)
    load = figures.seconds(REBUILD, LOAD_GZIP) / figures.seconds(REBUILD, SAVEPOINT)

    def goal(work: str, limit: float, unit: str, value: float, *, at_least: bool = False) -> Goal:
        return Goal(work=work, limit=limit, unit=unit, measured={megabytes: value}, at=None, at_least=at_least)

    found = (
        goal(f"snapshot, published and proven: faster than {DUMP_GZIP}", 4.5, "×", dump, at_least=True),
        goal("snapshot: longest stall of the bot's event loop", 10, "ms", figures.stall(SNAPSHOT)),
        goal("verify and restore: longest stall of the bot's event loop", 10, "ms", figures.stall(VERIFY, RESTORE)),
        goal(f"rebuilt and proven: faster than {LOAD_GZIP}", 1, "×", load, at_least=True),
    )
    return table(
        ("work", "goal", "measured", "verdict"),
        [(each.work, each.goal, each.shown(each.measured[megabytes]), each.verdict) for each in found],
    )


def _works(figures: Figures) -> str:
    return table(
        ("work", "with", "seconds", "least and most", "MB", "longest stall of the loop"),
        [
            (
                work,
                by,
                f"{figures.seconds(work, by):.2f}",
                f"{min(seen.seconds):.2f}, {max(seen.seconds):.2f}",
                f"{seen.size / _MB:,.1f}" if seen.size else "",
                f"{seen.stall:.1f} ms" if seen.stall else "",
            )
            for (work, by), seen in figures.works.items()
        ],
    )


if __name__ == "__main__":
    main()
