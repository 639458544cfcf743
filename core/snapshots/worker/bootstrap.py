"""Run a module of this package by the path of this file: ``python bootstrap.py worker.main``.

A host may put the package anywhere and name it anything, and its parent packages may run code of their own. So the
package is created here under a fixed name, from the folder above this file. No parent is imported, and the folder is
not on the module path, where its modules would shadow those of the standard library.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
import types
from pathlib import Path


def _import_msgspec() -> None:
    """Import msgspec as it is where nobody has typing_extensions.

    With it msgspec loads inspect, ast and dis, only to take from it what the standard library has too. That is 15 ms of
    processor time, and every snapshot waits for this process to begin.
    """
    present = sys.modules.get("typing_extensions")
    sys.modules["typing_extensions"] = None  # type: ignore[assignment]
    with contextlib.suppress(ImportError):
        importlib.import_module("msgspec")
    if present is None:
        del sys.modules["typing_extensions"]
    else:
        sys.modules["typing_extensions"] = present


def imported(name: str) -> types.ModuleType:
    """Import a module of this package, under the package's fixed name."""
    package = types.ModuleType("savepoint_snapshots")
    package.__path__ = [str(Path(__file__).resolve().parents[1])]
    sys.modules[package.__name__] = package
    _import_msgspec()
    return importlib.import_module(f"{package.__name__}.{name}")


if __name__ == "__main__":
    sys.exit(imported(sys.argv.pop(1)).main())
