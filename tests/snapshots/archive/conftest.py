"""What the tests of incrementals share: the path of a file, and the image that it is applied to."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.worlds.incremental_archives import OLD


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the path of an incremental that does not exist yet."""
    return tmp_path / "s.pages.gz"


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """Return an image of the pages ``OLD``."""
    image = tmp_path / "image.db"
    image.write_bytes(b"".join(OLD))
    return image
