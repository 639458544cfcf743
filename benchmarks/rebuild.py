"""Rebuilds and verifies a snapshot, as the worker does in a restore before it checks and replaces.

``python -m benchmarks.rebuild`` reads an ``Order`` as JSON from its standard input. Like the worker it imports from the
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
_BUSY_TIMEOUT = 15.0


class Link(msgspec.Struct, frozen=True):
    """One file of a chain, with the fields of the engines' ``ChainFile``."""

    snapshot: str
    path: str
    form: str
    base: str | None
    fingerprint: str
    size: int


class Order(msgspec.Struct, frozen=True):
    """The files to rebuild from, the image to write, and the URL of the database."""

    chain: tuple[Link, ...]
    target: str
    url: str


def _core(name: str) -> Any:
    """Import a module of the core without running the package's own ``__init__``, which imports all of it."""
    if _NAME not in sys.modules:
        package = types.ModuleType(_NAME)
        package.__path__ = [str(_CORE)]
        sys.modules[_NAME] = package
    return importlib.import_module(f"{_NAME}.{name}")


def main() -> None:
    """Rebuild the snapshot that standard input describes."""
    order = sys.stdin.buffer.read()
    found = msgspec.json.decode(order, type=Order)
    engine = _core("engines").engine_for(_core("settings.database_url").parse(found.url), _BUSY_TIMEOUT)
    chain = [msgspec.convert(msgspec.to_builtins(link), type=_core("engines").ChainFile) for link in found.chain]
    engine.rebuild(chain, Path(found.target), _core("progress").Watch())


if __name__ == "__main__":
    main()
