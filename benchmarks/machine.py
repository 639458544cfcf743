"""A description of the machine that a run ran on: date, load, processor, disk, versions."""

from __future__ import annotations

import datetime as dt
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

__all__ = ["about_machine", "package_versions"]

_PACKAGES = ("isal", "blake3", "msgspec")
_VIRTUAL = ("vd", "xvd")


def about_machine(folder: Path) -> tuple[str, str]:
    """Describe the machine, the disk that ``folder`` is on, and how busy it is, in two lines."""
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return (
        f"{dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M} UTC; load average at the beginning {load}",
        f"{_processor()}, {os.cpu_count()} cores, {_memory()}, {_disk(folder)}, "
        f"{platform.system()} {platform.release()}",
    )


def package_versions(*more: str) -> str:
    """Return the versions of the packages that do the work, and of some ``more``."""
    return ", ".join(f"{name} {_version(name)}" for name in (*more, *_PACKAGES))


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
    """Return the file system and the kind of its disk, as far as Linux reports it."""
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
