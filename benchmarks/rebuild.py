"""Rebuilds a snapshot as a file, proven: what the worker does in a restore before it checks and replaces.

``python -m benchmarks.rebuild`` takes an ``Order`` as JSON on its standard input. Like the worker it takes from the
core only what the job needs, under another name, so that its start costs what the worker's does.
"""

from __future__ import annotations

import importlib
import sys
import types
from pathlib import Path
from typing import Any

import msgspec

__all__ = ["Link", "Order"]

_CORE = Path(__file__).resolve().parent.parent / "core" / "snapshots"
_NAME = "savepoint_snapshots"


class Link(msgspec.Struct, frozen=True):
    """One file of a chain; what ``Part`` of the engines says."""

    path: str
    form: str
    base: str | None
    fingerprint: str
    size: int


class Order(msgspec.Struct, frozen=True):
    """What to rebuild, and where to."""

    chain: tuple[Link, ...]
    target: str


def _core(name: str) -> Any:
    """Give a module of the core without running the package's own ``__init__``, which imports all of it."""
    if _NAME not in sys.modules:
        package = types.ModuleType(_NAME)
        package.__path__ = [str(_CORE)]
        sys.modules[_NAME] = package
    return importlib.import_module(f"{_NAME}.{name}")


def main() -> None:
    """Rebuild what standard input says."""
    order = sys.stdin.buffer.read()
    part, watch = _core("engines.base").Part, _core("watch").Watch
    replay = _core("engines.sqlite.replay")
    found = msgspec.json.decode(order, type=Order)
    chain = [msgspec.convert(msgspec.to_builtins(link), type=part) for link in found.chain]
    replay.rebuild(chain, Path(found.target), watch())


if __name__ == "__main__":
    main()
