"""The answers to ``look`` and ``history``: what a player had and has, side by side, and what changed when. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from ..core_api import Change, Look, RowHistory, row_changes
from ..formatting import AMBER, Reply, clip, plain, visible, when
from ..language import core_text, number_text, plural, text
from .pages import paged
from .rows import difference

__all__ = ["looked", "timeline"]

Changes = list[tuple[dict[str, object] | None, dict[str, object] | None]]

_NAME, _NUMBER = 20, 7
"""The widths of the columns of the overview, which a phone shows in one line."""
_MOST_TABLES = 20


def looked(name: str, at: str, then: Look | None, now: Look | None) -> list[Reply]:
    """Show what a player had at a moment beside what he has now (None: no row), and each row that differs."""
    tables = _tables(then, now)
    lines, differ = [], False
    for table in tables:
        found = _changes(table, then, now)
        differ = differ or bool(found)
        key = _key(table, then, now)
        lines += [f"**{plain(table)}** {difference(before, after, key)}" for before, after in found]
    if then is None:
        moment = text("Then: no row of this player at {moment}.", moment=plain(at))
    elif then.at == "now":
        moment = text("Then: now, as no snapshot is older than that.")
    else:
        moment = text("Then: snapshot `{snapshot}` of {when}.", snapshot=then.at, when=when(then.time))
    heading = [moment, *([text("Now: no row of this player.")] if now is None else [])]
    heading.append(f"```\n{_overview(tables, then, now)}\n```")
    if not differ:
        heading.append(text("Nothing of it differs."))
    return paged(
        text("What {player} had and has", player=plain(name)),
        "\n".join(heading),
        lines,
        footer=_who(now or then),
        colour=AMBER if differ else None,
        report=list(_all_rows(then, now)),
    )


def _tables(*looks: Look | None) -> list[str]:
    return list(dict.fromkeys(table for look in looks if look is not None for table in look.tables))


def _rows(look: Look | None, table: str) -> list[dict[str, object]]:
    return [] if look is None else look.tables.get(table, [])


def _key(table: str, *looks: Look | None) -> tuple[str, ...]:
    return next((look.keys[table] for look in looks if look is not None and table in look.keys), ())


def _changes(table: str, then: Look | None, now: Look | None) -> Changes:
    return row_changes(_rows(then, table), _rows(now, table), _key(table, now, then))


def _overview(tables: list[str], then: Look | None, now: Look | None) -> str:
    """Return how many rows there were and are, table by table, in columns."""
    lines = [" " * _NAME + text("then").rjust(_NUMBER) + text("now").rjust(_NUMBER)]
    for table in tables[:_MOST_TABLES]:
        name = clip(visible(table).replace("`", "'"), _NAME).ljust(_NAME)
        counts = "".join(number_text(len(_rows(look, table))).rjust(_NUMBER) for look in (then, now))
        lines.append(f"{name}{counts}  {_marks(_changes(table, then, now))}".rstrip())
    if len(tables) > _MOST_TABLES:
        lines.append(text("… and {count} more", count=number_text(len(tables) - _MOST_TABLES)))
    return "\n".join(lines)


def _marks(changes: Changes) -> str:
    """Return how many rows are gone, changed and new, with the marks that the rows have, too."""
    gone = sum(after is None for _, after in changes)
    new = sum(before is None for before, _ in changes)
    counts = (("−", gone), ("±", len(changes) - gone - new), ("+", new))
    return " ".join(f"{mark}{number_text(count)}" for mark, count in counts if count)


def _all_rows(then: Look | None, now: Look | None) -> Iterator[str]:
    for table in _tables(then, now):
        for said, look in ((text("{table}, then:", table=table), then), (text("{table}, now:", table=table), now)):
            yield said
            yield from (f"  {row}" for row in _rows(look, table))


def _who(look: Look | None) -> str:
    found = look.player if look else None
    if found is None:
        return ""
    return text(
        "The player is {table}.{column}: {why}", table=found.table, column=found.column, why=core_text(found.why)
    )


def timeline(name: str, history: RowHistory) -> list[Reply]:
    """Show each change of a player's rows in a table, newest first, page by page."""
    changes = list(reversed(history.changes))
    footer = plural(
        history.points,
        "Rows of {table} at {count} moment; newest first",
        "Rows of {table} at {count} moments; newest first",
        table=visible(history.table),
    )
    heading = "" if changes else text("Nothing is known of this player in {table}.", table=plain(history.table))
    return paged(
        text("History of {player}", player=plain(name)),
        heading,
        [_change(each) for each in changes],
        footer=footer,
        report=[
            f"{each.at:%Y-%m-%d %H:%M:%S} UTC {each.snapshot} {', '.join(each.reasons)} {each.before} → {each.after}"
            for each in changes
        ],
    )


def _change(change: Change) -> str:
    where = text("now") if change.snapshot == "now" else f"`{change.snapshot}`"
    why = f" ({plain(', '.join(change.reasons), 80)})" if change.reasons else ""
    return f"{when(change.at)} {where}{why}\n{difference(change.before, change.after)}"
