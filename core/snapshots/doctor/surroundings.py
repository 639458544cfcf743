"""What is around the bot: Python and its packages, the disks, containers, and git."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from ..engines.drivers import DRIVERS, is_older, version_of
from ..files import free_space
from ..units import size_text
from .models import Problem

__all__ = [
    "LOWEST_DISCORD",
    "Finding",
    "disk",
    "extension",
    "git",
    "in_container",
    "lacking_programs",
    "packages",
    "place",
]

Finding = str | Problem
"""A sentence on what is well, or a problem."""

LOWEST_DISCORD = (2, 6)
"""As in the cog's first check; a test compares them."""
_FORKS = ("py-cord", "disnake", "nextcord")
_NETWORK = ("nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "fuse.s3fs", "fuse.rclone", "fuse.gcsfuse", "ceph")
_PASSING = ("overlay", "aufs", "tmpfs", "ramfs")
_CONTAINER_FILES = ("/.dockerenv", "/run/.containerenv")
_CONTAINER_VARIABLES = ("KUBERNETES_SERVICE_HOST", "RAILWAY_ENVIRONMENT", "FLY_APP_NAME", "RENDER", "DYNO", "REPL_ID")
_LOADS = re.compile(r"""load_extension\(\s*["'](?:[\w.]*\.)?(?:backup_cog|savepoint)["']""")
_GIT_SECONDS = 10.0


def packages(engine: str) -> Iterator[Finding]:
    """Look at Python, the bot's library, and the driver of the engine."""
    yield f"Python {sys.version.split()[0]} at {sys.executable}."
    library, forks = version_of("discord.py"), [name for name in _FORKS if version_of(name)]
    if library and "py-cord" in forks:
        yield Problem(
            check="library",
            message="discord.py and py-cord are both installed; each overwrites files of the other's.",
            fix="Uninstall both, then install the one that your bot uses; Savepoint's cog needs discord.py.",
        )
        return
    if library is None:
        named = f"This Python has {forks[0]} and no discord.py" if forks else "This Python has no discord.py"
        fix = (
            "Use the shell from cron or a systemd timer (python -m core.snapshots now), or move the bot to discord.py."
            if forks
            else "Activate the bot's environment and run the doctor again."
        )
        yield Problem(check="library", message=f"{named}: the cog cannot be loaded in it.", fix=fix)
    elif is_older(library, LOWEST_DISCORD):
        lowest_library = ".".join(map(str, LOWEST_DISCORD))
        yield Problem(
            check="library",
            message=f"discord.py {library} is too old for the cog, which needs {lowest_library}.",
            fix=f"pip install -U 'discord.py>={lowest_library}'",
        )
    else:
        yield f"discord.py {library}."
    name, lowest, file = DRIVERS[engine]
    driver = version_of(name)
    if driver is None or is_older(driver, lowest):
        yield Problem(
            check="driver",
            message=f"{name} is {'missing' if driver is None else f'too old ({driver})'}.",
            fix=f"pip install -U -r {file}",
        )
    else:
        yield f"{name} {driver}."


def disk(repository: Path, needed: int, min_free: int) -> Iterator[Finding]:
    """Look at the disk of the repository; ``needed`` is the size of the database in bytes."""
    there = _existing(repository)
    free = free_space(there)
    if free < min_free + needed:
        yield Problem(
            check="space",
            message=f"{size_text(free)} are free where {repository} is; a first snapshot may need {size_text(needed)} "
            f"and leaves {size_text(min_free)} free.",
            fix="Make room, or set repository.path to another disk.",
        )
    else:
        yield f"{size_text(free)} are free at {repository}."
    if not os.access(there, os.W_OK):
        yield Problem(
            check="permissions",
            message=f"{there} cannot be written to by this user.",
            fix="Run the doctor as the bot's user, or set repository.path to a folder of its own.",
        )
    for path in (repository, *repository.parents):
        if path.is_symlink():
            yield f"{path} is a link to {path.resolve()}."


def place(what: str, path: Path, *, locks: bool) -> Iterator[Finding]:
    """Look at the filesystem of a file or folder; ``locks`` is True if a database needs its locks."""
    kind = _filesystem(_existing(path))
    if kind in _NETWORK:
        if locks:
            yield Problem(
                check="network",
                message=f"{what} ({path}) is on a network filesystem ({kind}), whose locks SQLite cannot trust.",
                fix="Move the database to a local disk.",
            )
        else:
            yield f"{what} ({path}) is on a network filesystem ({kind}); snapshots take longer there."
    folder = path.parent if locks else path
    if kind in _PASSING and in_container():
        yield Problem(
            check="container",
            message=f"{what} ({path}) is in the container's own layer ({kind}): the next deployment removes it.",
            fix=f"Mount a volume there, for Docker: -v {folder.name or 'data'}:{folder}",
        )


def in_container() -> bool:
    """Return True if this process runs in a container."""
    return any(Path(path).exists() for path in _CONTAINER_FILES) or any(map(os.environ.get, _CONTAINER_VARIABLES))


def git(root: Path, repository: Path) -> Iterator[Finding]:
    """Look for snapshots that git has, or would take."""
    top = next((folder for folder in (root, *root.parents) if (folder / ".git").exists()), None)
    if top is None or not repository.is_relative_to(top):
        return
    tracked = _git(top, "ls-files", "--", str(repository))
    if tracked:
        yield Problem(
            check="git",
            message=f"git tracks files in {repository}: snapshots hold your players' data.",
            fix=f"git rm -r --cached {repository.relative_to(top)}, and take them out of the history if it was pushed.",
        )
    elif tracked is not None:
        yield f"git leaves {repository} alone (it gets a .gitignore of its own)."


def extension(root: Path) -> Iterator[Finding]:
    """Look for the line that loads the cog."""
    for path in sorted({*root.glob("*.py"), *root.glob("*/*.py"), *root.glob("*/*/*.py")}):
        parts = path.relative_to(root).parts
        if "snapshots" in parts or "backup_cog" in parts or any(part.startswith((".", "venv")) for part in parts):
            continue
        try:
            loads = _LOADS.search(path.read_text(encoding="utf-8", errors="replace"))
        except OSError:
            continue
        if loads:
            yield f"{path.relative_to(root)} loads the cog."
            return
    yield Problem(
        check="extension",
        message="No file here has a line that loads the cog (a list of names in a setting may do it too).",
        fix='In setup_hook, before your own cogs: await self.load_extension("cogs.backup_cog")',
    )


def lacking_programs(message: str) -> Problem:
    """Return the problem of programs that a dump needs."""
    return Problem(
        check="pg_dump", message=message, fix="Install the server's client programs, or no snapshot can be taken."
    )


def _git(top: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(top), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_GIT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _filesystem(path: Path) -> str:
    """Return the kind of the filesystem of a path, or "" where the system does not tell."""
    try:
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
    except OSError:
        return ""
    kinds = {}
    for line in lines:
        left, _, right = line.partition(" - ")
        kinds[left.split()[4].replace("\\040", " ")] = right.split()[0]
    mounted = (path.resolve(), *path.resolve().parents)
    return next((kinds[str(each)] for each in mounted if str(each) in kinds), "")


def _existing(path: Path) -> Path:
    """Return the path, or the nearest folder above it that exists."""
    return next((each for each in (path, *path.parents) if each.exists()), Path("/"))
