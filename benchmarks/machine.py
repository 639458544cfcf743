"""What a run ran on, in words: machine, versions, date, and what was beside."""

from __future__ import annotations

import datetime as dt
import os
import platform
import sqlite3
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from .peers import missing, versions

__all__ = ["machine", "server_machine"]

_PACKAGES = ("isal", "blake3", "msgspec")
_VIRTUAL = ("vd", "xvd")


def machine(folder: Path) -> tuple[str, ...]:
    """Describe the machine, the disk that ``folder`` is on, and how busy it is, one line each."""
    return (
        *_computer(folder),
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {_versions(*_PACKAGES)}",
        f"beside: {', '.join(versions())}; not installed: {', '.join(missing()) or 'none'}",
    )


def server_machine(folder: Path) -> tuple[str, ...]:
    """Describe the same for a run with a PostgreSQL server."""
    said = subprocess.run(["gzip", "--version"], check=True, capture_output=True, text=True).stdout.splitlines()[0]
    return (*_computer(folder), f"Python {platform.python_version()}, {_versions('asyncpg', *_PACKAGES)}, {said}")


def _computer(folder: Path) -> tuple[str, str]:
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return (
        f"{dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M} UTC; load average at the beginning {load}",
        f"{_processor()}, {os.cpu_count()} cores, {_memory()}, {_disk(folder)}, "
        f"{platform.system()} {platform.release()}",
    )


def _versions(*packages: str) -> str:
    return ", ".join(f"{name} {_version(name)}" for name in packages)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown processor"
    )


def _memory() -> str:
    return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB of memory"


def _disk(folder: Path) -> str:
    """Name the file system and the kind of its disk, as far as Linux tells."""
    device = folder.stat().st_dev
    block = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}")
    for queue in (block / "queue", block.resolve().parent / "queue"):  # of a disk, and of a disk's partition
        if (queue / "rotational").exists():
            if queue.resolve().parent.name.startswith(_VIRTUAL):
                return f"{_file_system(folder)} on a virtual disk"
            turns = (queue / "rotational").read_text().strip() == "1"
            return f"{_file_system(folder)} on a {'turning disk' if turns else 'solid-state disk'}"
    return f"{_file_system(folder)} on an unknown disk"


def _file_system(folder: Path) -> str:
    try:
        mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    except OSError:
        return "an unknown file system"
    here = folder.resolve()
    found = [(len(mount[1]), mount[2]) for mount in mounts if here.is_relative_to(mount[1])]
    return max(found, default=(0, "an unknown file system"))[1]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "missing"
