"""Programs of the client: their output and input in pieces."""

from __future__ import annotations

import hashlib
import sys

import pytest

from core.snapshots.engines.postgres import subprocesses
from core.snapshots.engines.postgres.subprocesses import Program, bare_environment
from core.snapshots.progress import Watch

pytestmark = pytest.mark.process


@pytest.mark.parametrize("large", [True, False])
def test_a_programs_output_comes_in_blocks(monkeypatch: pytest.MonkeyPatch, large: bool) -> None:
    """However it writes, and whatever pipes this user may have, the blocks are of 64 KiB and nothing is lost."""
    if not large:
        monkeypatch.setattr(subprocesses, "_PIPE_BYTES", 1 << 40)  # refused, as where a user has too many of them
    lines = "import sys\nfor n in range(30000): sys.stdout.write(f'{n}\\n'); n % 1000 or sys.stdout.flush()\n"
    with Program([sys.executable, "-c", lines], bare_environment(), Watch()) as program:
        blocks = list(program.pieces())
        assert program.wait() == 0
    assert b"".join(blocks) == "".join(f"{number}\n" for number in range(30000)).encode()
    assert {len(block) for block in blocks[:-1]} == {1 << 16}


@pytest.mark.parametrize("large", [True, False])
def test_a_program_gets_all_that_is_written(monkeypatch: pytest.MonkeyPatch, large: bool) -> None:
    """Also where it reads slowly, in small pieces."""
    if not large:
        monkeypatch.setattr(subprocesses, "_PIPE_BYTES", 1 << 40)
    data = bytes(range(256)) * 10_000
    count = "import hashlib,sys; print(hashlib.file_digest(sys.stdin.buffer, 'sha256').hexdigest())"
    with Program([sys.executable, "-c", count], bare_environment(), Watch(), feed=True) as program:
        assert all(program.write(data[at : at + 100_000]) for at in range(0, len(data), 100_000))
        assert program.wait() == 0
        assert b"".join(program.pieces()).decode().strip() == hashlib.sha256(data).hexdigest()
