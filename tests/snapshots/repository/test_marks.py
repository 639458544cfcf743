"""A mark is held by a process that lives, and by no other."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from core.snapshots.errors import Busy
from core.snapshots.repository.marks import ProcessMark

HOLDER = """
import asyncio, pathlib, sys
from core.snapshots.repository.marks import ProcessMark

async def main():
    async with ProcessMark(pathlib.Path(sys.argv[1]), "a-1", asyncio.to_thread).held():
        print("held", flush=True)
        sys.stdin.read()

asyncio.run(main())
"""


def mark(folder: Path, name: str = "a-1") -> ProcessMark:
    return ProcessMark(folder, name, asyncio.to_thread)


async def test_a_mark_is_seen_while_it_is_held(tmp_path: Path) -> None:
    assert not await mark(tmp_path).is_held()
    async with mark(tmp_path).held():
        assert await mark(tmp_path).is_held()
        with pytest.raises(Busy):
            async with mark(tmp_path).held():
                pass
        assert await mark(tmp_path).is_held()
    assert not await mark(tmp_path).is_held()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["", "../a", "a/b", "A", "a" * 65])
async def test_what_is_no_name_is_never_held(tmp_path: Path, name: str) -> None:
    """It is read from a file that anybody may have written."""
    assert not await mark(tmp_path, name).is_held()
    with pytest.raises(ValueError, match="no name"):
        async with mark(tmp_path, name).held():
            pass


@pytest.mark.kill
@pytest.mark.process
async def test_a_mark_ends_with_its_process(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        assert await mark(tmp_path).is_held()
        process.kill()
        process.wait()
        assert not await mark(tmp_path).is_held()
