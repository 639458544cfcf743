"""Our own source files, parsed for the tests that look at them."""

from __future__ import annotations

import ast
import functools
import gc
from pathlib import Path

__all__ = ["syntax_tree"]


@functools.cache
def syntax_tree(path: Path) -> ast.Module:
    """Return a file as a syntax tree, which nobody may change.

    Python before 3.11.8 can raise a SystemError where the garbage collector lets another thread run while a tree is
    made (https://github.com/python/cpython/pull/113035), so it waits.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        return ast.parse(path.read_text(encoding="utf-8"))
    finally:
        if enabled:
            gc.enable()
