"""Run a module of this package by the path of this file: ``python bootstrap.py worker.main``.

A host may put the package anywhere and name it anything, and its parent packages may run code of their own. So the
package is created here under a fixed name, from the folder above this file. No parent is imported, and the folder is
not on the module path, where its modules would shadow those of the standard library.
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
