"""The text of ``rescue``: what it would do, and what it did."""

from __future__ import annotations

import datetime as dt
import shlex
from collections import Counter
from collections.abc import Sequence
from typing import Any

from ...models import AuditLine, RescuePlan, RescueReport
from ...units import count_text, duration_text
from .history import value_text
from .layout import GOOD, QUIET, SHOWN, WARNING, Shown, moment, plain, sentence, table

__all__ = ["rescue_output", "rescue_plan_output", "stopped_sentence"]


def rescue_plan_output(plan: RescuePlan, now: dt.datetime) -> Shown:
    """Show what a rescue would do: counts by table, each conflict, and what it will not do."""
    shown: list[Any] = [sentence(f"From snapshot {plan.then} of {moment(plan.at, now)}:")]
    if plan.tables:
        grid = table("table", "put back>", "changed>", "removed>", "in conflict>")
        for name, each in plan.tables.items():
            grid.add_row(
                plain(name), f"{each.put_back:,}", f"{each.changed:,}", f"{each.removed:,}", f"{each.conflicts:,}"
            )
        shown.append(grid)
    if not plan.writes:
        besides = " but what is in conflict" if plan.conflicts else ""
        shown.append(sentence(f"There is nothing to put back{besides}.", GOOD))
    for conflict in plan.conflicts[:SHOWN]:
        key = ", ".join(f"{name} {value_text(value)}" for name, value in conflict.key.items())
        what = f"left as it is (--take {shlex.quote(conflict.name)} takes it)" if conflict.takeable else "left as it is"
        what = "taken all the same" if conflict.taken else what
        shown.append(sentence(f"{conflict.table} with {key}: {conflict.why}; {what}.", WARNING))
    if len(plan.conflicts) > SHOWN:
        shown.append(sentence(f"{len(plan.conflicts) - SHOWN:,} more conflicts", QUIET))
    shown += [sentence(text, WARNING) for text in plan.left_out[:SHOWN]]
    shown += [sentence(text, QUIET) for text in plan.notes]
    if plan.player is not None:
        player = f"{plan.player.table}.{plan.player.column}"
        shown.append(sentence(f"The player is {player}: {plan.player.why}.", QUIET))
    return tuple(shown)


def stopped_sentence(lines: Sequence[AuditLine]) -> str:
    """Return what a rescue left that was stopped, by the ``lines`` of the audit log since it began."""
    made = next((line for line in lines if line.action == "rescue" and line.outcome.startswith("done")), None)
    if made is None:
        return "no row was changed."
    return f"the rows were put back. Taken back by: rescue --undo {made.detail.partition(':')[0]}."


def rescue_output(report: RescueReport, now: dt.datetime) -> Shown:
    """Show what a rescue did, and how it is taken back."""
    plan = rescue_plan_output(report.plan, now)
    if not report.done:
        return plan
    rows = count_text(report.plan.writes, "row")
    taken = Counter(conflict.holder or "nobody" for conflict in report.plan.conflicts if conflict.taken)
    others = "".join(f" {count_text(count, 'row')} of {holder} among them." for holder, count in taken.items())
    if not taken and report.plan.player is not None:
        others = " Nobody else's rows changed."
    done = sentence(f"{rows} written in {duration_text(report.seconds)}.{others}", GOOD)
    undo = sentence(f"Taken back by: rescue --undo {report.id}")
    return (*plan, done, undo, *((sentence(report.error, WARNING),) if report.error else ()))
