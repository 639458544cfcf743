"""The doctor: looks at a bot that may have nothing of Savepoint's but its folders, and says what it needs.

It runs at a shell, in a process of its own, and changes nothing. ``examine`` puts it together from ``search`` (where is
the database), ``schema`` (what is in it), and ``surroundings`` (Python, packages, disk, git). ``configuration`` writes
the settings that were found.
"""

from __future__ import annotations

from .configuration import write_settings
from .examine import examine
from .glance import glance
from .models import Diagnosis, Problem

__all__ = ["Diagnosis", "Problem", "examine", "glance", "write_settings"]
