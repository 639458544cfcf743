"""One snapshot in full, as an embed. Pure."""

from __future__ import annotations

from ...core_api import AuditLine, Kind, Snapshot
from ...formatting import Reply, clip, embed, listing, plain, report_text, when
from ...language import core_text, duration_text, number_text, phrase, plural, size_text, text, word
from .described import Described
from .labels import Reader
from .lines import kind_text, own_reasons, verification_text

__all__ = ["PAGE_LENGTH", "pages_of", "shown_details"]

PAGE_LENGTH = 10
"""Reasons on a page."""
_REASON_LIMIT = 80
_REASONS_LIMIT = 2000
_LIMIT = 700
_NAMED = 3
_BY_ITSELF = {
    Kind.PERIODIC: phrase("the schedule"),
    Kind.CRITICAL: phrase("events of the game"),
    Kind.SHUTDOWN: phrase("the bot, when it went down"),
    Kind.SAFETY: phrase("a restore or a rescue, before it changed anything"),
    Kind.MANUAL: phrase("somebody; it was not recorded who"),
}


def pages_of(snapshot: Snapshot) -> int:
    """Return how many pages its reasons are."""
    return max(1, -(-len(own_reasons(snapshot)) // PAGE_LENGTH))


def shown_details(found: Described, page: int, reader: Reader) -> Reply:
    """Show all of a snapshot, with one page of its reasons, numbered from 0."""
    snapshot = found.snapshot
    fields = [
        (text("Taken"), when(snapshot.created_at)),
        (text("By"), _by(found)),
        (text("Kind"), kind_text(snapshot)),
        (text("Size"), _size(snapshot)),
        (text("Form"), _form(found)),
        (text("Verified"), _verified(snapshot)),
        (text("Restored and compared"), _restored(snapshot)),
        (text("State"), _state(snapshot)),
        (text("Rows"), _rows(snapshot)),
        (text("Kept"), _kept(found)),
    ]
    if snapshot.note:
        fields.insert(0, (text("Note"), plain(snapshot.note, _LIMIT // 2)))
    reasons = own_reasons(snapshot)
    whole = report_text(snapshot.reasons) if len(reasons) > PAGE_LENGTH else None
    title = text("Snapshot {snapshot}", snapshot=snapshot.id)
    return Reply(embed(title, _reasons(snapshot, reasons, page, reader), fields=fields), whole)


def _reasons(snapshot: Snapshot, reasons: list[str], page: int, reader: Reader) -> str:
    pages = pages_of(snapshot)
    page = min(max(0, page), pages - 1)
    shown = reasons[page * PAGE_LENGTH :][:PAGE_LENGTH]
    lines = [f"- {plain(reader.shown(reason), _REASON_LIMIT)}" for reason in shown]
    covered = plural(snapshot.requests, "Covers {count} event.", "Covers {count} events.")
    if not lines:
        return covered
    if pages > 1:
        covered += " " + text("Reasons, page {page} of {pages}:", page=page + 1, pages=pages)
    return "\n".join([covered, listing(lines, _REASONS_LIMIT)])


def _by(found: Described) -> str:
    return text(_BY_ITSELF[found.snapshot.kind]) if found.taken is None else _who(found.taken)


def _who(line: AuditLine) -> str:
    """Return who did something: people of Discord by a mention, which shows the name and notifies nobody here."""
    actor = line.actor
    return f"<@{actor.id}>" if actor.source == "discord" and actor.id is not None else plain(str(actor), 80)


def _size(snapshot: Snapshot) -> str:
    values = {"size": size_text(snapshot.size), "database": size_text(snapshot.database_size)}
    return text("{size} on disk; the database in it has {database}", **values)


def _form(found: Described) -> str:
    """Return what it needs, and what needs it."""
    if found.needs:
        needs = plural(
            len(found.needs),
            "{form}: needs {snapshots}",
            "{form}: needs {count} others, {snapshots}",
            form=word(found.snapshot.form),
            snapshots=_named(found.needs),
        )
    else:
        needs = text("{form}: needs no other file", form=word(found.snapshot.form))
    if not found.needed_by:
        return text("{needs}. No other snapshot needs it.", needs=needs)
    needed_by = plural(
        len(found.needed_by),
        "{count} snapshot needs it: {snapshots}.",
        "{count} snapshots need it: {snapshots}.",
        snapshots=_named(found.needed_by),
    )
    return f"{needs}. {needed_by}"


def _named(ids: tuple[str, ...]) -> str:
    shown = ", ".join(f"`{each}`" for each in ids[:_NAMED])
    return f"{shown}, …" if len(ids) > _NAMED else shown


def _verified(snapshot: Snapshot) -> str:
    took = snapshot.verification.seconds
    if took is None:
        return text("{how}: when it was taken", how=verification_text(snapshot))
    return text("{how}, in {duration}", how=verification_text(snapshot), duration=duration_text(took))


def _restored(snapshot: Snapshot) -> str:
    if snapshot.restored_at is None:
        return text("never yet")
    if snapshot.restored_seconds is None:
        return when(snapshot.restored_at)
    return text(
        "{when}, in {duration}", when=when(snapshot.restored_at), duration=duration_text(snapshot.restored_seconds)
    )


def _state(snapshot: Snapshot) -> str:
    health = snapshot.health
    if health is None:
        return text("not looked at")
    looked = text("{verdict}, looked at {when}", verdict=word(health.verdict), when=when(health.checked_at))
    return listing([looked, *(plain(core_text(finding.message), 200) for finding in health.findings)], _LIMIT)


def _rows(snapshot: Snapshot) -> str:
    rows = [f"{plain(table)}: {number_text(count)}" for table, count in snapshot.rows.items()]
    return listing(rows, _LIMIT) if rows else text("were not counted")


def _kept(found: Described) -> str:
    snapshot = found.snapshot
    if snapshot.pinned:
        return _pinned(found)
    lines = []
    if snapshot.kept_until is not None:
        lines.append(text("Until {when}, for rows that were lost or put back.", when=when(snapshot.kept_until)))
    if found.decision is not None:
        why = clip("; ".join(plain(core_text(reason), 150) for reason in found.decision.reasons), _LIMIT)
        lines.append(
            text("Now: {why}", why=why) if found.decision.keep else text("Goes at the next clean-up: {why}", why=why)
        )
    return "\n".join(lines) or text("as long as retention says")


def _pinned(found: Described) -> str:
    if found.pin is None or found.pin.action == "unpin":
        return text("Pinned: until somebody unpins it.")
    values = {"person": _who(found.pin), "when": when(found.pin.at)}
    if not found.pin.detail:
        return text("Pinned by {person} {when}: until somebody unpins it.", **values)
    why = plain(found.pin.detail, 200)
    return text("Pinned by {person} {when}, because: {why}", why=why, **values)
