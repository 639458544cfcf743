"""Whether the volume that holds the database is mounted.

After a reboot without its volume a database is "missing" in an empty folder of the root disk. Putting the newest
snapshot there would give the game old rows, and hide them under the volume when that comes back. So every snapshot
records the device its database was on.
"""

from __future__ import annotations

from pathlib import Path

from ...files import device_of
from ...models import Check, Finding, IntegrityReport, Severity
from ..base import Checks
from ..integrity import single_finding_report

__all__ = ["not_mounted_report"]


def not_mounted_report(path: Path, checks: Checks, started: float) -> IntegrityReport | None:
    """Return the report on a missing or empty database whose folder lies on another disk than it did, or None."""
    if checks.expected_device is None or device_of(path.parent) == checks.expected_device:
        return None
    message = (
        f"There is no database at {path}, and its folder is on another disk than at the newest snapshot: the volume is "
        "probably not mounted."
    )
    remedy = "Mount the volume and start again. If the database moved to another disk for good, restore it by hand."
    finding = Finding(check=Check.MOUNT, severity=Severity.ERROR, message=message, remedy=remedy)
    return single_finding_report(finding, started)
