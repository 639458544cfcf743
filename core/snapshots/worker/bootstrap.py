"""Starts a module of this package by path: ``python bootstrap.py worker.main``.

The package may lie anywhere and be called anything in a host, and its parents may be packages with code of their own.
So it is put together here under a name of its own from the folder above this file, without importing any parent, and
without this folder on the module path, where it would shadow the standard library's names.
"""

from __future__ import annotations

import importlib
import sys
import types
from pathlib import Path

if __name__ == "__main__":
    package = types.ModuleType("savepoint_snapshots")
    package.__path__ = [str(Path(__file__).resolve().parents[1])]
    sys.modules[package.__name__] = package
    sys.exit(importlib.import_module(f"{package.__name__}.{sys.argv.pop(1)}").main())
