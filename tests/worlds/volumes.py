"""Volumes that are mounted for a test: small ones, read-only ones, and single files that are mount points."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

__all__ = ["missing", "mounted", "remount"]


def missing() -> str | None:
    """Return why nothing can be mounted here, or None if it can be."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0 or shutil.which("mount") is None:
        return "only root can mount a volume"
    return None


@contextlib.contextmanager
def mounted(point: Path, *options: str) -> Iterator[Path]:
    """Mount something at a point, as ``mount OPTIONS point`` does, and unmount it at the end."""
    subprocess.run(["mount", *options, str(point)], check=True, capture_output=True)
    try:
        yield point
    finally:
        subprocess.run(["umount", "--lazy", str(point)], check=True, capture_output=True)


def remount(point: Path, options: str) -> None:
    """Change how a volume is mounted: "ro" all of it, "bind,ro" only at this point."""
    subprocess.run(["mount", "-o", f"remount,{options}", str(point)], check=True, capture_output=True)
