"""The answers of ``rescue``: what it would do, what it did, and what taking it back did. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from ..core_api import RescueConflict, RescuePlan, RescueReport
from ..formatting import AMBER, GREEN, Reply, embed, listing, plain, report_text, when
from ..language import core_text, duration_text, plural, text
from .rows import NOTHING, row_text, value_text

__all__ = ["cancelled", "conflict_title", "rescue_preview", "rescued", "rescuing", "taken_from", "timed_out", "undone"]

_FIELD = 900
_REPORT_FROM = 8


def taken_from(plan: RescuePlan) -> int:
    """Return how many rows a plan takes although they are somebody else's now, or changed since."""
    return sum(conflict.taken for conflict in plan.conflicts)


def rescue_preview(name: str, plan: RescuePlan) -> Reply:
    """Show what putting a player's rows back would do, in numbers, and each conflict with what is done about it."""
    said = [
        text(
            "Rows of **{player}** become what they were at snapshot `{snapshot}` of {when}.",
            player=plain(name),
            snapshot=plan.then,
            when=when(plan.at),
        )
    ]
    taken = taken_from(plan)
    if not plan.writes:
        said.append(text("**There is nothing to put back.**"))
    elif taken:
        said.append(
            plural(
                taken,
                "**{count} row is taken although it is somebody else's now or changed since.** All others stay.",
                "**{count} rows are taken although they are somebody else's now or changed since.** All others stay.",
            )
        )
    else:
        said.append(text("Nobody else's rows change."))
    fields = [(text("By table"), listing(_counts(plan), _FIELD) if plan.tables else NOTHING)]
    conflicts = [_conflict(each) for each in plan.conflicts]
    if conflicts:
        fields.append((text("Conflicts"), listing(conflicts, _FIELD)))
    if plan.left_out:
        fields.append((text("Not put back"), _sentences(plan.left_out)))
    if plan.notes:
        fields.append((text("To know"), _sentences(plan.notes)))
    shown = embed(
        text("Put these rows back?"),
        " ".join(said),
        fields=fields,
        footer=text("Nothing has been done yet. It can be undone afterwards."),
        colour=AMBER,
    )
    return Reply(shown, report_text(conflicts) if len(conflicts) > _REPORT_FROM else None)


def _counts(plan: RescuePlan) -> list[str]:
    return [
        text(
            "{table}: {put_back} put back, {changed} changed, {removed} removed, {conflicts} in conflict",
            table=plain(table),
            put_back=each.put_back,
            changed=each.changed,
            removed=each.removed,
            conflicts=each.conflicts,
        )
        for table, each in plan.tables.items()
    ]


def conflict_title(conflict: RescueConflict) -> str:
    """Return which row is in conflict, in a few words; formatted nowhere, as in a select."""
    return f"{conflict.table} {', '.join(f'{name} {value}' for name, value in conflict.key.items())}"


def _conflict(conflict: RescueConflict) -> str:
    row = f"{plain(conflict.table)} {row_text(conflict.key)}: {plain(core_text(conflict.why), 200)}"
    if conflict.holder and conflict.holder not in conflict.why:
        row = text("{row} (held by {holder})", row=row, holder=value_text(conflict.holder))
    if conflict.taken:
        return text("{row}; **taken all the same**", row=row)
    return text("{row}; left as it is", row=row) if conflict.takeable else text("{row}; cannot be taken", row=row)


def _sentences(said: Iterable[str]) -> str:
    return listing([plain(core_text(each), 300) for each in said], _FIELD)


def rescuing(name: str) -> Reply:
    """Return what is shown while a rescue is under way."""
    said = text("A snapshot of the present first, then the rows of {player}.", player=plain(name))
    return Reply(embed(text("Putting rows back"), said))


def rescued(name: str, report: RescueReport) -> Reply:
    """Show what a rescue did."""
    if not report.done:
        return _nothing(report, text("There was nothing to put back."))
    said = [
        plural(
            report.plan.writes,
            "{count} row of **{player}** written in {duration}.",
            "{count} rows of **{player}** written in {duration}.",
            player=plain(name),
            duration=duration_text(report.seconds),
        )
    ]
    if not taken_from(report.plan):
        said.append(text("Nobody else's rows changed."))
    if report.error:
        said.append(plain(core_text(report.error), 500))
    fields = [
        (text("Before it"), f"`{report.safety}`"),
        (text("After it"), f"`{report.snapshot}`" if report.snapshot else NOTHING),
    ]
    footer = text("Undo takes exactly these rows back.")
    return Reply(embed(text("The rows are back"), " ".join(said), fields=fields, footer=footer, colour=GREEN))


def undone(report: RescueReport) -> Reply:
    """Show what taking a rescue back did."""
    if not report.done:
        return _nothing(report, text("There was nothing to take back."))
    said = [
        plural(
            report.plan.writes,
            "{count} row of the rescue is as it was before.",
            "{count} rows of the rescue are as they were before.",
        )
    ]
    left = len(report.plan.conflicts)
    if left:
        said.append(plural(left, "{count} row changed since and stays.", "{count} rows changed since and stay."))
    return Reply(embed(text("The rescue is undone"), " ".join(said), colour=GREEN))


def _nothing(report: RescueReport, why: str) -> Reply:
    return Reply(embed(text("Nothing was changed"), plain(core_text(report.error), 500) if report.error else why))


def cancelled() -> Reply:
    """Return the answer to Cancel."""
    return Reply(embed(text("Cancelled"), text("Nothing was changed.")))


def timed_out(seconds: float) -> Reply:
    """Return what is shown if nobody confirmed."""
    said = text("Nobody confirmed within {duration}. Ask again if it is still wanted.", duration=duration_text(seconds))
    return Reply(embed(text("Nothing was changed"), said))
