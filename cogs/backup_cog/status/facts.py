"""What a status says, fact by fact: the database first, then its snapshots. Pure functions."""

from __future__ import annotations

from collections.abc import Iterator

import discord

from ..answers.checks import HEALTH_TITLES
from ..answers.people import actor_text
from ..core_api import AuditLine, Doing, Health, Snapshot, Status, Verdict
from ..formatting import AMBER, GREEN, RED, listing, plain
from ..language import core_text, duration_text, number_text, plural, size_text, text, word
from ..slash.snapshots.lines import snapshot_line
from ..triggers import TriggerCount
from .state import CogState

__all__ = ["database", "facts", "off_site", "space"]


def database(state: Status | None, cog: CogState) -> tuple[str, str, discord.Colour]:
    """Return what is known of the database itself, which comes before everything about its snapshots.

    That is a title, more lines, and the colour of the whole; without a usable repository it says that instead.
    """
    if cog.problem is not None:
        return text("Backups do not work"), plain(core_text(cog.problem), 1000), RED
    live = state.live if state is not None else None
    title, more, colour = _live(live)
    if colour == GREEN and (cog.outages or state is None or state.damaged):
        colour = AMBER
    return title, more, colour


def _live(live: Health | None) -> tuple[str, str, discord.Colour]:
    if live is None or (live.verdict is Verdict.UNKNOWN and not live.findings):
        return text("The database was not checked yet"), "", AMBER
    title, colour = HEALTH_TITLES[live.verdict]
    checked = text("Checked {ago}.", ago=discord.utils.format_dt(live.checked_at, "R"))
    found = listing([plain(core_text(each.message), 300) for each in live.findings], 700)
    return text(title), "\n".join(line for line in (checked, found) if line), colour


def facts(state: Status | None, cog: CogState) -> Iterator[tuple[str, str]]:
    """Yield the name and the text of each fact, the most important ones first."""
    if state is not None:
        yield text("Last snapshot"), snapshot_line(state.newest, cog.shown) if state.newest else text("none yet")
        yield from _snapshots(state)
    yield text("Open alerts"), listing([plain(outage, 400) for outage in cog.outages], 900) or text("none")
    if state is not None:
        yield text("Now"), listing([_doing(each) for each in state.doing], 400) or text("nothing is running")
        yield text("Last done"), listing([_done(line) for line in reversed(state.audit)], 900) or text("nothing yet")
    yield text("Triggers"), listing([_fired(count) for count in cog.triggers], 600) or text("none")
    if cog.startup is not None:
        yield text("At start-up"), plain(core_text(cog.startup.message), 400)
    if state is not None:
        if state.remarks:
            yield text("Engine"), listing([plain(remark, 300) for remark in state.remarks], 600)
        yield text("Database"), plain(state.database, 200)
        yield text("Repository"), plain(state.repository, 200)


def _snapshots(state: Status) -> Iterator[tuple[str, str]]:
    yield text("Next due"), discord.utils.format_dt(state.next_periodic, "R")
    waiting = plural(state.pending, "{count} event waits for a snapshot", "{count} events wait for a snapshot")
    yield text("Not covered"), waiting if state.pending else text("nothing: each event is in a snapshot")
    yield text("Last verified restore"), _restored(state.restored)
    yield text("Off-site"), off_site()
    yield text("Space"), space(state)
    yield text("Snapshots"), _counts(state)


def _restored(snapshot: Snapshot | None) -> str:
    if snapshot is None or snapshot.restored_at is None:
        return text("never yet")
    ago = discord.utils.format_dt(snapshot.restored_at, "R")
    if snapshot.restored_seconds is None:
        return text("restored and compared {ago}", ago=ago)
    took = duration_text(snapshot.restored_seconds)
    return text("restored and compared {ago}, {seconds}", ago=ago, seconds=took)


def off_site() -> str:
    """Return how old the newest copy elsewhere is."""
    return text("none: the snapshots are on this machine alone")


def space(state: Status) -> str:
    """Return how much space the snapshots take, how much is left, and for how long."""
    used, free = size_text(state.size), size_text(state.free)
    if state.lasts is None:
        return text("{used} used, {free} free", used=used, free=free)
    lasts = duration_text(state.lasts)
    return text(
        "{used} used, {free} free: enough for {time} or more at the pace of the last day",
        used=used,
        free=free,
        time=lasts,
    )


def _counts(state: Status) -> str:
    parts = [plural(state.snapshots, "{count} snapshot", "{count} snapshots")]
    parts += [f"{number_text(count)} {word(kind)}" for kind, count in state.kinds.items() if count]
    parts.append(plural(state.pinned, "{count} pinned", "{count} pinned"))
    shown = ", ".join(parts)
    damaged = plural(state.damaged, "{count} damaged", "{count} damaged")
    return f"{shown}, **{damaged}**" if state.damaged else f"{shown}, {damaged}"


def _doing(each: Doing) -> str:
    what, ago = plain(word(each.operation), 100), discord.utils.format_dt(each.since, "R")
    if each.actor is None:
        return text("{operation}, begun {ago}", operation=what, ago=ago)
    who = actor_text(each.actor)
    return text("{operation} for {person}, begun {ago}", operation=what, person=who, ago=ago)


def _done(line: AuditLine) -> str:
    what = f"{word(line.action)} {line.snapshot}" if line.snapshot else word(line.action)
    who = actor_text(line.actor, 60)
    return f"{discord.utils.format_dt(line.at, 'R')} {who}: {plain(what, 80)}, {plain(word(line.outcome), 40)}"


def _fired(count: TriggerCount) -> str:
    name = plain(count.event, 60)
    if not count.fired:
        silent = text("never fired") if count.lasting else text("not fired since the bot started")
        return f"{name}: **{silent}**"
    fired = plural(count.fired, "fired once", "fired {count} times")
    parts = [fired, plural(count.requested, "asked for {count} snapshot", "asked for {count} snapshots")]
    if count.incomplete:
        parts.append(plural(count.incomplete, "{count} incomplete", "{count} incomplete"))
    if count.unmatched is not None:
        parts.append(f"**{text('{condition} never matched', condition=plain(count.unmatched, 60))}**")
    return f"{name}: {', '.join(parts)}"
