"""Measure snapshots of a SQLite database beside what others do, in one run.

``python -m benchmarks.sqlite`` prints the tables as Markdown; with ``--write`` it puts them into README.md, between
the markers there.
"""

from __future__ import annotations

import argparse
import asyncio
import compileall
import platform
import sqlite3
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from ..machine import about_machine, package_versions
from ..table import README, put
from .burst import measure_burst
from .catalog import measure_catalog
from .impact import measure_impact
from .peers import missing, versions
from .report import report
from .results import Run, SizeFigures
from .rounds import measure_rounds
from .series import measure_series
from .workspace import generated, workspace

__all__ = ["SUBJECTS", "main"]

SUBJECTS = ("rounds", "impact", "burst", "series", "catalog")
_CORE = Path(__file__).resolve().parents[2] / "core"
_RESULT = "run.json"
_SERIES_MEGABYTES = 100
_CATALOG_MEGABYTES = 10


def main(arguments: list[str] | None = None) -> None:
    """Measure what the arguments ask for, and print the tables."""
    given = _parsed(arguments)
    if given.source:
        run = msgspec.json.decode(given.source.read_bytes(), type=Run)
    elif given.folder:
        run = _Runner(given.folder.absolute(), given.rounds).run(given.sizes, given.only)
    else:
        with tempfile.TemporaryDirectory(prefix="savepoint-benchmarks-") as folder:
            run = _Runner(Path(folder), given.rounds).run(given.sizes, given.only)
    text = report(run)
    print(text)
    if given.write:
        put(README, text)


def _parsed(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sqlite", description=__doc__)
    parser.add_argument("--sizes", type=_numbers, default="10,100,1000", help="in MB (10^6 bytes), with commas")
    parser.add_argument("--only", type=_subjects, default=",".join(SUBJECTS), help=f"some of {', '.join(SUBJECTS)}")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured; the median is shown")
    parser.add_argument("--folder", type=Path, help="where the databases are made, and kept for the next run")
    parser.add_argument("--write", action="store_true", help="put the tables into benchmarks/README.md")
    parser.add_argument("--from", dest="source", type=Path, metavar=_RESULT, help="show the figures of an earlier run")
    return parser.parse_args(arguments)


def _about(folder: Path) -> tuple[str, ...]:
    return (
        *about_machine(folder),
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {package_versions()}",
        f"beside: {', '.join(versions())}; not installed: {', '.join(missing()) or 'none'}",
    )


def _numbers(text: str) -> list[int]:
    return sorted({int(part) for part in text.split(",")})


def _subjects(text: str) -> list[str]:
    chosen = text.split(",")
    if unknown := set(chosen) - set(SUBJECTS):
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(sorted(unknown))}")
    return chosen


class _Runner:
    """Measures one subject after the other, and saves the figures after each."""

    def __init__(self, folder: Path, rounds: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._rounds = rounds
        self._started = time.perf_counter()
        self._run = Run(machine=_about(folder), rounds=rounds)

    def run(self, sizes: list[int], only: list[str]) -> Run:
        """Measure these subjects at these sizes."""
        compileall.compile_dir(_CORE, quiet=1)  # as it is from the second start on; some environments never do it
        for megabytes in sizes:
            self._log(f"{megabytes} MB: the database")
            generated(self._folder, megabytes)
        for megabytes in sizes:
            self._size(megabytes, only)
        if "series" in only:
            self._log("event snapshots in a row")
            with workspace(self._folder, "series", _SERIES_MEGABYTES) as here:
                self._keep(series=asyncio.run(measure_series(here, _SERIES_MEGABYTES)))
        if "catalog" in only:
            self._log("a large catalog")
            with workspace(self._folder, "catalog", _CATALOG_MEGABYTES) as here:
                self._keep(catalog=asyncio.run(measure_catalog(here, _CATALOG_MEGABYTES, self._rounds)))
        return self._run

    def _size(self, megabytes: int, only: list[str]) -> None:
        figures = SizeFigures(megabytes)
        before = self._run.sizes
        with workspace(self._folder, str(megabytes), megabytes) as here:
            if "rounds" in only:
                works = asyncio.run(
                    measure_rounds(here, self._rounds, lambda what: self._log(f"{megabytes} MB: {what}"))
                )
                figures = msgspec.structs.replace(figures, works=works)
                self._keep(sizes=(*before, figures))
            if "impact" in only:
                self._log(f"{megabytes} MB: impact on the game")
                figures = msgspec.structs.replace(figures, impacts=asyncio.run(measure_impact(here)))
                self._keep(sizes=(*before, figures))
            if "burst" in only:
                self._log(f"{megabytes} MB: a thousand requests")
                figures = msgspec.structs.replace(figures, burst=asyncio.run(measure_burst(here)))
                self._keep(sizes=(*before, figures))

    def _keep(self, **found: object) -> None:
        seconds = time.perf_counter() - self._started
        self._run = msgspec.structs.replace(self._run, **found, seconds=seconds)
        (self._folder / _RESULT).write_bytes(msgspec.json.format(msgspec.json.encode(self._run)))

    def _log(self, what: str) -> None:
        print(f"{time.perf_counter() - self._started:6.1f} s  {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
