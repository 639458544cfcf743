"""The text of ``prune`` and ``rebuild-catalog``."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from rich.table import Table
from rich.text import Text

from ...models import Identity, PruneDecision, PruneReport, RebuildReport
from ...units import count_text, size_text
from .layout import BAD, GOOD, SHOWN, WARNING, Shown, ago, more, sentence, table

__all__ = ["catalog_output", "claim_output", "prune_output"]


def prune_output(report: PruneReport, now: dt.datetime, *, everything: bool) -> Shown:
    """Show retention's decisions, removals first, without ``everything`` the first ``SHOWN`` of them."""
    decisions = sorted(report.decisions, key=lambda decision: decision.keep)
    gone = [decision.snapshot for decision in decisions if not decision.keep]
    freed = sum(snapshot.size for snapshot in gone) if report.dry_run else report.freed
    remove, free = ("would remove", "would free") if report.dry_run else ("removed", "freed")
    kept = len(decisions) - len(gone)
    stay = "stays" if kept == 1 else "stay"
    summary = sentence(
        f"Retention {remove} {count_text(len(gone), 'snapshot')} and {free} {size_text(freed)}; {kept:,} {stay}."
    )
    shown = decisions if everything else decisions[:SHOWN]
    if not shown:
        return (summary,)
    return _decisions(shown, now), *more(len(decisions) - len(shown)), summary


def catalog_output(report: RebuildReport) -> Shown:
    """Show what a rebuild of the catalog found."""
    lines = [sentence(f"The catalog was rebuilt: {count_text(report.snapshots, 'snapshot')}.", GOOD)]
    lines += [sentence(f"damaged: {name}", BAD) for name in report.damaged]
    lines += [sentence(f"not a snapshot that can be read: {name}", WARNING) for name in report.unreadable]
    return tuple(lines)


def _decisions(decisions: Iterable[PruneDecision], now: dt.datetime) -> Table:
    grid = table("id", "kind", "taken>", "size>", "retention", "because")
    for decision in decisions:
        snapshot = decision.snapshot
        verdict = Text("keep") if decision.keep else Text("remove", style=WARNING)
        because = sentence("; ".join(decision.reasons))
        taken = ago(snapshot.created_at, now)
        grid.add_row(snapshot.id, snapshot.kind.value, taken, size_text(snapshot.size), verdict, because)
    return grid


def claim_output(identity: Identity) -> Shown:
    """Show whose the repository is now."""
    return (sentence(f"The repository belongs to the {identity} now.", GOOD),)
