"""The shell: ``python -m core.snapshots``, or ``python core/snapshots``, which imports nothing of a host's."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path


def _start_as_a_folder() -> None:
    """Run the shell of this folder, which is no package: it must not be on the module path, and needs a name."""
    sys.path.pop(0)
    spec = importlib.util.spec_from_file_location("_", Path(__file__).parent / "worker" / "bootstrap.py")
    assert spec is not None
    assert spec.loader is not None
    bootstrap = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bootstrap)
    bootstrap.imported("cli.start").main(f"python {sys.argv[0]}")


if __name__ == "__main__":
    if __package__:
        from .cli.start import main

        main()
    else:
        _start_as_a_folder()
