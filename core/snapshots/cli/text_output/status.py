"""The text of ``status`` and ``settings``."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.text import Text

from ...doctor.models import Problem
from ...models import Health, Snapshot, Status, Verdict
from ...settings.origins import Effective
from ...settings.sources import DEFAULT_FILE
from ...settings.triggers import TriggerSettings
from ...units import count_text, duration_text, size_text
from .checks import VERDICTS
from .layout import BAD, QUIET, WARNING, Shown, facts, first, moment, sentence, table

__all__ = ["settings_output", "status_output"]

_NAMED = 3


def status_output(
    status: Status,
    problems: Iterable[Problem],
    now: dt.datetime,
    *,
    settings_file: Path | None,
    triggers: Sequence[TriggerSettings],
) -> Shown:
    """Show the database and the repository at a glance, and then what is not well."""
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in status.kinds.items() if count)
    counts = f"{status.snapshots:,}" + (f" ({kinds})" if kinds else "")
    damaged = sentence(f"{status.damaged:,}", BAD) if status.damaged else sentence("none")
    pairs: list[tuple[str, str | Text]] = [
        ("database", f"{status.database} ({status.engine})"),
        ("used by", _users(status)),
        ("settings", _settings_file(settings_file)),
        ("triggers", _triggers(triggers)),
        ("repository", status.repository),
        ("off-site", "none: the snapshots are on this machine alone"),
        ("snapshots", counts),
        ("damaged", damaged),
        ("pinned", f"{status.pinned:,}"),
        ("size", f"{size_text(status.size)}, {size_text(status.free)} free{_lasts(status.lasts)}"),
        ("newest", _named(status.newest, now)),
        ("newest restored", _named(status.newest_restored, now)),
        ("last verified", _verified(status.verified, now)),
        ("test restore", _restored(status.restored, now)),
        ("next periodic", f"{moment(status.next_periodic, now)}, while the bot runs"),
        *(("engine", remark) for remark in status.remarks),
    ]
    audit = [
        sentence(
            f"{moment(line.at, now)}  {line.action}{f' {line.snapshot}' if line.snapshot else ''}: {line.outcome}"
            f"{f' ({line.detail})' if line.detail else ''}, {line.actor}",
            QUIET,
        )
        for line in status.audit
    ]
    return _live(status.live, now), facts(pairs), *audit, *_problems(problems)


def settings_output(found: Iterable[Effective], file: Path | None) -> Shown:
    """Show each setting that counts, and where it came from."""
    grid = table("setting", "value", "from")
    for each in found:
        value = (
            f"{len(each.value):,} of them" if each.name == "triggers" else json.dumps(each.value, ensure_ascii=False)
        )
        grid.add_row(sentence(each.name), sentence(value), sentence(each.source))
    return sentence(f"Settings file: {_settings_file(file)}."), grid


def _settings_file(file: Path | None) -> str:
    return f"none ({DEFAULT_FILE.as_posix()} is not here; defaults used)" if file is None else str(file.absolute())


def _triggers(triggers: Sequence[TriggerSettings]) -> str:
    if not triggers:
        return "none"
    return f"{len(triggers):,} ({first([trigger.reason for trigger in triggers], _NAMED)})"


def _users(status: Status) -> str:
    if status.users is None:
        return "unknown: not every process can be looked into from here"
    if not status.users:
        return "nobody: no bot is running"
    return first(status.users, _NAMED)


def _verified(snapshot: Snapshot | None, now: dt.datetime) -> str:
    if snapshot is None:
        return "none since it was taken"
    verification = snapshot.verification
    outcome = "passed" if verification.ok else "DAMAGED"
    took = duration_text(verification.seconds or 0.0)
    return f"{snapshot.id}, {verification.level}, {outcome} in {took}, {moment(verification.at, now)}"


def _restored(snapshot: Snapshot | None, now: dt.datetime) -> str:
    if snapshot is None or snapshot.restored_at is None:
        return "none"
    took = "" if snapshot.restored_seconds is None else f" in {duration_text(snapshot.restored_seconds)}"
    return f"{snapshot.id}, restored and compared{took}, {moment(snapshot.restored_at, now)}"


def _lasts(seconds: float | None) -> str:
    return "" if seconds is None else f" (at the last day's pace at least for {duration_text(seconds)})"


def _problems(problems: Iterable[Problem]) -> Iterable[Text]:
    found = list(problems)
    if found:
        yield Text()
        yield sentence(f"{count_text(len(found), 'problem')}:", BAD)
    for problem in found:
        yield sentence(f"✗ {problem.message}", BAD)
        yield sentence(f"  {problem.fix}")


def _live(health: Health | None, now: dt.datetime) -> Text:
    """Show what is known of the live database."""
    if health is None:
        return sentence("Nothing is known of the database yet.", WARNING)
    text, style = VERDICTS[health.verdict]
    if health.verdict is Verdict.UNKNOWN and not health.findings:
        return sentence("The database can be opened; it was not checked yet (integrity checks it).", WARNING)
    what = f": {health.findings[0].message}" if health.findings else "."
    return sentence(f"{text}, as of {moment(health.checked_at, now)}{what}", style)


def _named(snapshot: Snapshot | None, now: dt.datetime) -> str:
    return "none" if snapshot is None else f"{snapshot.id}, {snapshot.kind}, {moment(snapshot.created_at, now)}"
