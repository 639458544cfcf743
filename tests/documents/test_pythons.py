"""The versions of Python that the documents promise are those that are tested where the machine has them."""

from __future__ import annotations

import sys

from tests import other_pythons


def test_every_supported_python_is_looked_for() -> None:
    """From the lowest that a wheel accepts to the newest; this one is among them, and what is not there is no error."""
    assert other_pythons.supported() == range(11, 15)
    assert sys.version_info[1] in other_pythons.supported()
    assert other_pythons.found(99) is None
