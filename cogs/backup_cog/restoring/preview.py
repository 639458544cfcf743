"""What a restore would do, before anybody agrees to it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import discord

from ..core_api import Finding, Lost, PlayerLoss, RestorePlan, RestoreStep, Snapshot, Verdict
from ..formatting import AMBER, Reply, embed, listing, plain, when
from ..language import core_text, duration_text, number_text, plural, text, word
from .words import METHODS, events_text, kept_beside, rows_text

__all__ = ["CONFIRMATION_LENGTH", "IsMember", "first", "is_one_click", "pages", "preview"]

CONFIRMATION_LENGTH = 4
"""How many characters of the id must be typed to confirm, at least."""

IsMember = Callable[[int], bool]
"""A function that returns True for the id of somebody whom Discord can show by name."""

_ROWS_LIMIT = 900
_PAGE_LIMIT, _PAGE_LINES = 700, 10
"""Characters and lines of the events on a page."""
_STATE_LIMIT = 600
_BEFORE_PAUSE = (RestoreStep.REBUILD, RestoreStep.CHECK)


def first(snapshot: Snapshot) -> str:
    """Return what is typed to confirm, at least."""
    return snapshot.id[:CONFIRMATION_LENGTH]


def nobody(_: int) -> bool:
    """Return False: nobody is known by name."""
    return False


def is_one_click(plan: RestorePlan) -> bool:
    """Return True if one click is enough: nothing is lost, and nothing speaks against the snapshot."""
    health = plan.snapshot.health
    readable = health is None or health.verdict is not Verdict.UNREADABLE
    return plan.loses_nothing and plan.another_database is None and not plan.snapshot.damaged and readable


def pages(lost: Lost) -> list[list[str]]:
    """Return the events after the snapshot, newest first, as pages that fit."""
    found: list[list[str]] = [[]]
    length = 0
    for event in map(plain, lost.events):
        if found[-1] and (len(found[-1]) == _PAGE_LINES or length + len(event) > _PAGE_LIMIT):
            found.append([])
            length = 0
        found[-1].append(event)
        length += len(event) + 1
    return found


def preview(plan: RestorePlan, *, page: int = 0, is_member: IsMember = nobody) -> Reply:
    """Show what a restore would do, with a page of the events that it loses."""
    snapshot = plan.snapshot
    said = text("The database goes back to snapshot `{id}` ({kind}) of {when}.", **_named(snapshot))
    parts = [f"{said} {_what_is_lost(plan)}"]
    if plan.undoes is not None:
        parts.insert(0, text("This undoes the restore of snapshot `{id}`.", id=plan.undoes))
    if plan.another_database is not None:
        parts.append(f"**{plain(core_text(plan.another_database), 500)}**")
    if snapshot.damaged:
        parts.append(text("**The last verification of this snapshot failed.** The restore stops if it fails again."))
    fields = [
        *_written_since(plan, is_member),
        _events(plan.lost, page),
        (text("State of the snapshot"), _state(snapshot)),
        (text("How"), text(METHODS[plan.method])),
        (text("Play pauses"), _pause(plan)),
        (text("Not restored"), _not_restored(snapshot)),
        (text("Way back"), _way_back(plan)),
    ]
    footer = text("Confirm asks for the first characters of the id. Nothing has been done yet.")
    if not is_one_click(plan):
        parts.append(text("To confirm, type `{first}`.", first=first(snapshot)))
    else:
        footer = text("Confirm restores at once, since nothing is lost. Nothing has been done yet.")
    title = text("Restore this snapshot?")
    return Reply(embed(title, "\n\n".join(parts), fields=fields, footer=footer, colour=AMBER))


def _named(snapshot: Snapshot) -> dict[str, str]:
    return {"id": snapshot.id, "kind": word(snapshot.kind.value), "when": when(snapshot.began_at)}


def _what_is_lost(plan: RestorePlan) -> str:
    nothing = text("Nothing is lost.")
    if plan.unchanged:
        return f"{text('Nothing was written since then.')}\n{nothing}"
    if plan.loss is not None and plan.loss.is_nothing:
        return f"{text('No row was written since then.')}\n{nothing}"
    if plan.since_restore is not None and plan.since_restore.is_nothing:
        return f"{text('Nothing was written since that restore.')}\n{nothing}"
    if plan.loss is not None and plan.loss.rows == 0:
        altered = listing([plain(each) for each in plan.loss.altered], 300)
        return text("No row was written since then, but tables were altered: {tables}", tables=altered)
    return text(
        "**Everything written in the {duration} since then is lost** for players, and can be had back only from the "
        "safety snapshot.",
        duration=duration_text(plan.age),
    )


def _written_since(plan: RestorePlan, is_member: IsMember) -> Iterator[tuple[str, str]]:
    """Yield the fields on what is lost: row by row and by player where that is known, else the counted rows."""
    loss = plan.loss
    if loss is None or loss.problem is not None:
        yield text("Rows then → now"), rows_text(plan.lost, readable=plan.database.openable)
        if loss is not None:
            yield text("Not compared"), plain(core_text(loss.problem or ""), 300)
        return
    if not loss.tables:
        yield text("Rows written since"), text("none: no row is lost")
        return
    lines = [_table(plan, name) for name in sorted(loss.tables, key=lambda name: -loss.tables[name].rows)]
    if plan.since_restore is not None and plan.since_restore.is_nothing:
        yield text("Rows that the restore changed, which become as they were"), listing(lines, _ROWS_LIMIT)
        return
    yield text("Rows written since, which become as they were"), listing(lines, _ROWS_LIMIT)
    if loss.players:
        players = [_player(each, is_member) for each in loss.players]
        yield text("Players who lose most"), listing(players, _ROWS_LIMIT)


def _table(plan: RestorePlan, name: str) -> str:
    assert plan.loss is not None
    table = plan.loss.tables[name]
    counts = {key: number_text(getattr(table, key)) for key in ("added", "changed", "removed")}
    if plan.lost.rows.get(name, (0, 0))[1] is None:
        return text(
            "{table}: {added} added, {changed} changed, {removed} removed (the table is gone)",
            table=plain(name),
            **counts,
        )
    return text("{table}: {added} added, {changed} changed, {removed} removed", table=plain(name), **counts)


def _player(loss: PlayerLoss, is_member: IsMember) -> str:
    """Return whose rows are lost, with a link to him if the key is a member's id; nobody is mentioned by it."""
    who = plain(loss.name or loss.player)
    digits = loss.player if loss.player.isascii() and loss.player.isdigit() else ""
    if digits and len(digits) <= 20 and is_member(int(digits)):
        who = f"{who} (<@{int(digits)}>)" if loss.name else f"<@{int(digits)}>"
    return plural(loss.rows, "{who}: {count} row", "{who}: {count} rows", who=who)


def _events(lost: Lost, page: int) -> tuple[str, str]:
    found = pages(lost)
    shown = found[min(page, len(found) - 1)]
    if len(found) == 1:
        return text("Events after it"), events_text(lost, shown)
    name = text("Events after it, page {page} of {pages}", page=min(page, len(found) - 1) + 1, pages=len(found))
    return name, events_text(lost, shown)


def _state(snapshot: Snapshot) -> str:
    """Return what is known of the state that the snapshot holds, and how that is known."""
    health, lines = snapshot.health, list[str]()
    if health is None:
        lines.append(text("not looked at when it was taken"))
    elif health.verdict is Verdict.SOUND:
        lines.append(text("sound when it was taken"))
    else:
        lines.append(text("**{verdict}** when it was taken", verdict=word(health.verdict.value)))
        lines += [_finding(each) for each in health.findings]
    if snapshot.restored_at is not None:
        lines.append(text("restored and compared {ago}", ago=discord.utils.format_dt(snapshot.restored_at, "R")))
    elif not snapshot.damaged:
        ago = discord.utils.format_dt(snapshot.verification.at, "R")
        lines.append(text("its bytes give back its fingerprint, {ago}", ago=ago))
    return listing(lines, _STATE_LIMIT)


def _finding(finding: Finding) -> str:
    return f"- {plain(core_text(finding.message), 300)}"


def _pause(plan: RestorePlan) -> str:
    if plan.pause is None:
        return text("while the bot is stopped")
    before = sum(plan.seconds.get(step, 0.0) for step in _BEFORE_PAUSE)
    pause = duration_text(_rounded(plan.pause))
    if not before:
        return text("about {pause}", pause=pause)
    return text(
        "about {pause}, after about {before} in which the snapshot is rebuilt and checked and people play on",
        pause=pause,
        before=duration_text(_rounded(before)),
    )


def _rounded(seconds: float) -> float:
    """Return an estimate without a precision that it does not have."""
    return max(1.0, round(seconds)) if seconds < 60 else round(seconds / 10) * 10.0


def _not_restored(snapshot: Snapshot) -> str:
    always = text("what the bot holds in memory, and any other database or file")
    return "\n".join([always, *(f"- {plain(core_text(each), 300)}" for each in snapshot.left_out[:10])])


def _way_back(plan: RestorePlan) -> str:
    database = plan.database
    if database.openable:
        return text("A safety snapshot of what is there now is taken first.")
    if not database.exists:
        return text("There is no database now, so there is nothing to keep.")
    return kept_beside(plan.method)
