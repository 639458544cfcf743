"""The watch over long work: its progress and its deadline, cancellation, and the free space of the disk."""

from __future__ import annotations

import time
from collections.abc import Callable

from .errors import DeadlineExceeded, OperationCancelled
from .units import duration_text

__all__ = ["Watch"]

REPORT_SECONDS = 0.1
"""Least time between two reports of progress, except at the beginning and the end of a phase."""

SPACE_BYTES = 16 * 1024 * 1024
"""Bytes written between two checks of the free space."""


class Watch:
    """An object that long work calls as it proceeds, cheap enough for every 64 KiB. Use it from one thread.

    ``deadline_at`` is a time of ``monotonic`` in seconds, and ``seconds`` is the deadline in the settings, for the
    error. ``progress`` is called with the phase's name, the amount done and the total. ``cancelled`` returns True if
    the work should stop. ``space`` raises NotEnoughSpace if the disk is nearly full. ``committed`` is called by
    ``commit``. Without arguments, nothing is watched.
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
        self._done = self._total = self._reported = self._unchecked = 0
        self._reported_at = 0.0

    def commit(self) -> None:
        """Report that the change which this work is for is made, so that no later failure means it did not happen."""
        if self._committed is not None:
            self._committed()

    def phase(self, name: str, total: int) -> None:
        """Report the end of the previous phase, and begin one of ``total`` bytes (0 if the total is unknown)."""
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
        """Count ``amount`` bytes as written to disk; now and then check the free space, which raises NotEnoughSpace."""
        self._unchecked += amount
        if self._unchecked >= SPACE_BYTES:
            self._unchecked = 0
            if self._space is not None:
                self._space()

    def check(self) -> None:
        """Raise OperationCancelled if the work is cancelled, DeadlineExceeded if its time is over."""
        if self._cancelled is not None and self._cancelled():
            raise OperationCancelled("The operation was told to stop; nothing half-done is left.")
        if self._deadline_at is not None and self._monotonic() >= self._deadline_at:
            limit = "before its deadline" if self._seconds is None else f"within {duration_text(self._seconds)}"
            raise DeadlineExceeded(
                f"The operation did not end {limit}; nothing half-done is left. If the disk is only slow, allow more "
                "time in the settings.",
                seconds=self._seconds,
            )

    def remaining(self) -> float | None:
        """Return the seconds until the deadline, at least 0, or None if there is no deadline."""
        return None if self._deadline_at is None else max(0.0, self._deadline_at - self._monotonic())

    def _report(self) -> None:
        self._reported, self._reported_at = self._done, self._monotonic()
        if self._progress is not None:
            self._progress(self._name, self._done, self._total)
