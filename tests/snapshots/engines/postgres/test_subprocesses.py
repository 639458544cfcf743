"""Programs of the client: their output in pieces."""

from __future__ import annotations

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
