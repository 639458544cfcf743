"""Stores of snapshot files. To add one: write a module with the methods of ``Store``, and add a line to ``STORES``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from .base import Store
from .local import LocalStore

__all__ = ["STORES", "LocalStore", "Store"]

STORES: dict[str, Callable[[Path], Store]] = {"local": LocalStore}
"""Every store by name, as a function of its root. The contract tests run with each of them."""
