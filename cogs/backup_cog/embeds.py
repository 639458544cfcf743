"""The answers that commands share, and the colours of all of them."""

from __future__ import annotations

from .answers.checks import HEALTH_TITLES
from .answers.taken import created
from .answers.working import progress
from .formatting import AMBER, GREEN, RED, when

__all__ = ["AMBER", "GREEN", "HEALTH_TITLES", "RED", "created", "progress", "when"]
