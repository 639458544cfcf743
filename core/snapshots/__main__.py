"""``python -m core.snapshots``: the shell."""

from __future__ import annotations

from .console import main

if __name__ == "__main__":
    main()
