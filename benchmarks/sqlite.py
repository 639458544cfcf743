"""Measure snapshots of a SQLite database beside what others do, in one run.

``python -m benchmarks.sqlite`` prints the tables as Markdown; with ``--write`` it puts them into README.md, between
the markers there. It needs about ten times the largest size as free space in ``--folder``.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

import msgspec

from .catalog import measure_catalog
from .report import Run, machine, tables
from .rounds import made, measure_series, measure_size

_README = Path(__file__).with_name("README.md")
_BEGIN, _END = "<!-- tables: begin -->", "<!-- tables: end -->"
_SERIES_MEGABYTES = 100
_CATALOG_MEGABYTES = 10


def main() -> None:
    """Measure, and show."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sqlite", description=__doc__)
    parser.add_argument("--sizes", default="10,100,1000", help="in MB (10^6 bytes), with commas between them")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured; the median is shown")
    parser.add_argument("--folder", type=Path, help="where the databases are made, and kept for the next run")
    parser.add_argument("--write", action="store_true", help="put the tables into benchmarks/README.md")
    parser.add_argument(
        "--from", dest="source", type=Path, help="show the figures of an earlier run (run.json) instead"
    )
    given = parser.parse_args()
    sizes = [int(size) for size in given.sizes.split(",")]
    if given.source:
        run = msgspec.json.decode(given.source.read_bytes(), type=Run)
    elif given.folder:
        run = asyncio.run(_measure(given.folder.absolute(), sizes, given.rounds))
    else:
        with tempfile.TemporaryDirectory(prefix="savepoint-benchmarks-") as folder:
            run = asyncio.run(_measure(Path(folder), sizes, given.rounds))
    text = tables(run)
    print(text)
    if given.write:
        before, rest = _README.read_text().split(_BEGIN)
        _README.write_text(f"{before}{_BEGIN}\n\n{text}\n{_END}{rest.partition(_END)[2]}")


async def _measure(folder: Path, sizes: list[int], rounds: int) -> Run:
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    for size in sorted({*sizes, _CATALOG_MEGABYTES}):
        _say(f"{size} MB: the database")
        await asyncio.to_thread(made, folder, size)
    about = machine()
    figures = [await measure_size(folder, size, rounds, _say) for size in sizes]
    series = None
    if _SERIES_MEGABYTES in sizes:
        _say("a hundred event snapshots")
        series = await measure_series(folder, _SERIES_MEGABYTES)
    _say("a large catalog")
    catalog = await measure_catalog(folder, _CATALOG_MEGABYTES, rounds)
    run = Run(about, rounds, tuple(figures), series, catalog)
    await asyncio.to_thread((folder / "run.json").write_bytes, msgspec.json.encode(run))
    return run


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
