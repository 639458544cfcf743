"""How long work is watched: its progress, its deadline, whether it was cancelled, whether the disk fills."""

from __future__ import annotations

import time
from collections.abc import Callable

from .errors import DeadlineExceeded, OperationCancelled
from .units import duration_text

__all__ = ["Watch"]

REPORT_SECONDS = 0.1
"""Progress is reported no more often than this, apart from the beginning and the end of a phase."""

SPACE_BYTES = 16 * 1024 * 1024
"""How much is written between two looks at the free space."""


class Watch:
    """What long work calls as it goes on, cheap enough for every 64 KiB; used from one thread.

    ``deadline_at`` is a reading of ``monotonic`` in seconds; ``seconds`` is the same limit as the owner knows it, for
    the error. ``progress`` gets the phase's name, how much is done and how much there is. ``cancelled`` says whether
    to stop. ``space`` raises ``NotEnoughSpace`` where writing on would fill the disk. ``committed`` is
    called by ``commit``. Without arguments it watches
    nothing.
    """

    def __init__(
        self,
        *,
        deadline_at: float | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        progress: Callable[[str, int, int], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
        seconds: float | None = None,
        space: Callable[[], None] | None = None,
        committed: Callable[[], None] | None = None,
    ) -> None:
        self._deadline_at = deadline_at
        self._monotonic = monotonic
        self._progress = progress
        self._cancelled = cancelled
        self._seconds = seconds
        self._space = space
        self._committed = committed
        self._name = ""
        self._done = self._total = self._reported = self._unlooked = 0
        self._reported_at = 0.0

    def commit(self) -> None:
        """Report that the change this work is for is made: whatever happens from now on, it has happened."""
        if self._committed is not None:
            self._committed()

    def phase(self, name: str, total: int) -> None:
        """Begin a phase of ``total`` bytes (0 where nobody knows), after reporting where the one before it ended."""
        if self._name and self._reported != self._done:
            self._report()
        self._name, self._total, self._done = name, total, 0
        self._report()
        self.check()

    def advance(self, amount: int) -> None:
        """Count ``amount`` bytes of the phase as done; raise what ``check`` raises."""
        before, self._done = self._done, self._done + amount
        if self._name and self._progress is not None:
            ended = before < self._total <= self._done
            if ended or self._monotonic() - self._reported_at >= REPORT_SECONDS:
                self._report()
        self.check()

    def wrote(self, amount: int) -> None:
        """Count ``amount`` bytes as written to disk; raise NotEnoughSpace when the next look finds too little left."""
        self._unlooked += amount
        if self._unlooked >= SPACE_BYTES:
            self._unlooked = 0
            if self._space is not None:
                self._space()

    def check(self) -> None:
        """Raise OperationCancelled when told to stop, DeadlineExceeded when the time is up."""
        if self._cancelled is not None and self._cancelled():
            raise OperationCancelled("The operation was told to stop; nothing half-done is left.")
        if self._deadline_at is not None and self._monotonic() >= self._deadline_at:
            limit = "before its deadline" if self._seconds is None else f"within {duration_text(self._seconds)}"
            raise DeadlineExceeded(
                f"The operation did not end {limit}; nothing half-done is left. Where the disk is only slow, allow it "
                "more time in the settings.",
                seconds=self._seconds,
            )

    def remaining(self) -> float | None:
        """Give the seconds left until the deadline, never less than 0; None where there is none."""
        return None if self._deadline_at is None else max(0.0, self._deadline_at - self._monotonic())

    def _report(self) -> None:
        self._reported, self._reported_at = self._done, self._monotonic()
        if self._progress is not None:
            self._progress(self._name, self._done, self._total)
