"""Runs the quick tests with every supported Python that the machine has, and names those that it has not.

``python -m tests.other_pythons`` makes an environment ``.venv-3.X`` for each beside the one that it runs in; with
``--newest`` only the newest of them is tried.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

__all__ = ["found", "main", "supported"]

PROJECT = Path(__file__).resolve().parents[1]
NEWEST = 14
QUICK = "not (process or kill or socket or server or slow)"


def supported() -> range:
    """Return the minor versions of Python 3 that Savepoint supports: from pyproject.toml's lowest to the newest."""
    lowest = re.search(r'requires-python = ">=3\.(\d+)"', (PROJECT / "pyproject.toml").read_text())
    if lowest is None:
        raise ValueError("pyproject.toml does not say which Python is the lowest")
    return range(int(lowest[1]), NEWEST + 1)


def found(minor: int) -> str | None:
    """Return the path of a Python 3 of this minor version that works, from PATH or pyenv; None if there is none."""
    installed = sorted(Path.home().glob(f".pyenv/versions/3.{minor}.*/bin/python"))
    for program in filter(None, (shutil.which(f"python3.{minor}"), *map(str, installed))):
        asked = subprocess.run(
            [program, "-c", "import sys, venv; print(sys.version_info[1])"],
            capture_output=True,
            text=True,
            check=False,
        )
        if asked.returncode == 0 and asked.stdout.strip() == str(minor):
            return program
    return None


def main(arguments: Sequence[str]) -> int:
    """Test with each Python but this one. Return the exit status: 1 if a test failed."""
    programs = {minor: found(minor) for minor in supported() if minor != sys.version_info[1]}
    for minor, program in programs.items():
        if program is None:
            sys.stdout.write(f"Python 3.{minor} is not on this machine.\n")
    sys.stdout.flush()
    there = [(minor, program) for minor, program in programs.items() if program is not None]
    tried = there[-1:] if "--newest" in arguments else there
    passed = [_passes(minor, program) for minor, program in tried]
    return 0 if all(passed) else 1


def _passes(minor: int, program: str) -> bool:
    folder = PROJECT / f".venv-3.{minor}"
    python = folder / "bin" / "python"
    sys.stdout.write(f"Python 3.{minor} ({program}):\n")
    sys.stdout.flush()
    commands: tuple[list[str | Path], ...] = (
        [program, "-m", "venv", folder],
        [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", "requirements-dev.txt"],
        [python, "-m", "pytest", "-p", "no:cacheprovider", "-n", "auto", "-q", "-m", QUICK],
    )
    return all(subprocess.run(command, cwd=PROJECT, check=False).returncode == 0 for command in commands)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
