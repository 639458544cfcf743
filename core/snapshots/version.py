"""The version, also of folders that were copied into a bot."""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "0.2.0"
