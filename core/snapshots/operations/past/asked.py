"""A rescue as it is asked for, the job that plans it or carries it out, and what is kept of one that was made."""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from ...errors import QueryError
from ...history.questions import AskRescue
from ...models import RescueOptions, RescuePlan, RescueRecord, RescueScope
from ...repository.catalog import Contents
from ...repository.state import STATE, StateFile
from ...worker.protocol import HistoryJob
from ..context import Context
from ..journal import Journal
from .queries import files_for, moment, player_settings

__all__ = ["Rescue", "forget_records", "record_file", "work"]

_RECORD = "rescue-"


class Rescue(msgspec.Struct, frozen=True, kw_only=True):
    """A rescue as it is asked for: which rows, from when, and how. ``damaged_at`` is a moment after the damage."""

    scope: RescueScope
    when: str
    damaged_at: str | None = None
    options: RescueOptions = RescueOptions()


def record_file(context: Context, rescue_id: str) -> StateFile[RescueRecord]:
    """Return the file of what is kept of a rescue, so that it can be taken back."""
    return StateFile(context.repository.root, f"{_RECORD}{rescue_id}", RescueRecord)


def forget_records(context: Context, gone: Collection[str]) -> None:
    """Remove the records of rescues that cannot be taken back without the snapshots with these ids. Blocks."""
    for path in (context.repository.root / STATE).glob(f"{_RECORD}*.json"):
        file = StateFile(context.repository.root, path.stem, RescueRecord)
        record = file.read()
        if record is not None and (record.safety in gone or record.snapshot in gone):
            file.remove()


async def work(
    context: Context,
    contents: Contents,
    asked: Rescue,
    *,
    perform: bool = False,
    agreed: str | None = None,
    journal: Journal | None = None,
) -> RescuePlan:
    """Return the plan that a worker makes of a rescue, and with ``perform`` carries out."""
    then = moment(context, contents, asked.when)
    damaged = None if asked.damaged_at is None else moment(context, contents, asked.damaged_at)
    if then is None:
        raise QueryError("Rows are put back from a snapshot, not from now.")
    # By their order, not by their times: a clock may have been put back.
    if damaged is not None and damaged.sequence < then.sequence:
        raise QueryError(
            f"The state after the damage ({damaged.id}, {damaged.began_at:%Y-%m-%d %H:%M:%S} UTC) is older than the "
            f"one that rows are to come from ({then.id}, {then.began_at:%Y-%m-%d %H:%M:%S} UTC)."
        )
    points = [then] if damaged is None else [then, damaged]
    return await context.work(
        HistoryJob,
        RescuePlan,
        None,
        None if journal is None else journal.committed,
        deadline=float(context.settings.schedule.restore_deadline),
        deadline_key="schedule.restore_deadline",
        question=AskRescue(
            scope=asked.scope,
            options=asked.options,
            settings=player_settings(context),
            perform=perform,
            agreed=agreed,
        ),
        files=await context.in_thread(files_for, context, contents, points),
    )
