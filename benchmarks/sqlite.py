"""Measure snapshots of a SQLite database beside what others do, in one run.

``python -m benchmarks.sqlite`` prints the tables as Markdown; with ``--write`` it puts them into README.md, between
the markers there.
"""

from __future__ import annotations

import argparse
import asyncio
import compileall
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from .burst import measure_burst
from .catalog import measure_catalog
from .felt import measure_felt
from .machine import machine
from .place import made, placed
from .report import report
from .results import Run, SizeFigures
from .rounds import measure_rounds
from .series import measure_series
from .table import put

__all__ = ["SUBJECTS", "main"]

SUBJECTS = ("rounds", "felt", "burst", "series", "catalog")
_README = Path(__file__).with_name("README.md")
_CORE = Path(__file__).resolve().parent.parent / "core"
_RESULT = "run.json"
_SERIES_MEGABYTES = 100
_CATALOG_MEGABYTES = 10


def main(arguments: list[str] | None = None) -> None:
    """Measure, and show."""
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
        put(_README, text)


def _parsed(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sqlite", description=__doc__)
    parser.add_argument("--sizes", type=_numbers, default="10,100,1000", help="in MB (10^6 bytes), with commas")
    parser.add_argument("--only", type=_subjects, default=",".join(SUBJECTS), help=f"some of {', '.join(SUBJECTS)}")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured; the median is shown")
    parser.add_argument("--folder", type=Path, help="where the databases are made, and kept for the next run")
    parser.add_argument("--write", action="store_true", help="put the tables into benchmarks/README.md")
    parser.add_argument("--from", dest="source", type=Path, metavar=_RESULT, help="show the figures of an earlier run")
    return parser.parse_args(arguments)


def _numbers(text: str) -> list[int]:
    return sorted({int(part) for part in text.split(",")})


def _subjects(text: str) -> list[str]:
    chosen = text.split(",")
    if unknown := set(chosen) - set(SUBJECTS):
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(sorted(unknown))}")
    return chosen


class _Runner:
    """Measures one subject after the other, and keeps what is there after each of them."""

    def __init__(self, folder: Path, rounds: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._rounds = rounds
        self._started = time.perf_counter()
        self._run = Run(machine=machine(folder), rounds=rounds)

    def run(self, sizes: list[int], only: list[str]) -> Run:
        """Measure these subjects at these sizes."""
        compileall.compile_dir(_CORE, quiet=1)  # as it is from the second start on; some environments never do it
        for megabytes in sizes:
            self._say(f"{megabytes} MB: the database")
            made(self._folder, megabytes)
        for megabytes in sizes:
            self._size(megabytes, only)
        if "series" in only:
            self._say("event snapshots in a row")
            with placed(self._folder, "series", _SERIES_MEGABYTES) as place:
                self._keep(series=asyncio.run(measure_series(place, _SERIES_MEGABYTES)))
        if "catalog" in only:
            self._say("a large catalog")
            with placed(self._folder, "catalog", _CATALOG_MEGABYTES) as place:
                self._keep(catalog=asyncio.run(measure_catalog(place, _CATALOG_MEGABYTES, self._rounds)))
        return self._run

    def _size(self, megabytes: int, only: list[str]) -> None:
        figures = SizeFigures(megabytes)
        before = self._run.sizes
        with placed(self._folder, str(megabytes), megabytes) as place:
            if "rounds" in only:
                works = asyncio.run(
                    measure_rounds(place, self._rounds, lambda what: self._say(f"{megabytes} MB: {what}"))
                )
                figures = msgspec.structs.replace(figures, works=works)
                self._keep(sizes=(*before, figures))
            if "felt" in only:
                self._say(f"{megabytes} MB: what the game feels")
                figures = msgspec.structs.replace(figures, felt=asyncio.run(measure_felt(place)))
                self._keep(sizes=(*before, figures))
            if "burst" in only:
                self._say(f"{megabytes} MB: a thousand requests")
                figures = msgspec.structs.replace(figures, burst=asyncio.run(measure_burst(place)))
                self._keep(sizes=(*before, figures))

    def _keep(self, **found: object) -> None:
        seconds = time.perf_counter() - self._started
        self._run = msgspec.structs.replace(self._run, **found, seconds=seconds)
        (self._folder / _RESULT).write_bytes(msgspec.json.format(msgspec.json.encode(self._run)))

    def _say(self, what: str) -> None:
        print(f"{time.perf_counter() - self._started:6.1f} s  {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
