"""The shell: ``python -m core.snapshots``, or ``python core/snapshots``, which imports nothing of a host's."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

if __name__ == "__main__":
    if __package__:
        from .cli.commands import main

        main()
    else:
        # Run as a folder: this folder must not be on the module path, and the package needs a name.
        sys.path.pop(0)
        sys.argv.insert(1, "cli.commands")
        runpy.run_path(str(Path(__file__).parent / "worker" / "bootstrap.py"), run_name="__main__")
