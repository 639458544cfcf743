"""Places that keep snapshot files. To add one: a module with the methods of ``Store``, and one line in ``STORES``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from .base import Store
from .local import LocalStore

__all__ = ["STORES", "LocalStore", "Store"]

STORES: dict[str, Callable[[Path], Store]] = {"local": LocalStore}
"""Every store by name, as a function of its root; the contract suite runs over all of them."""
