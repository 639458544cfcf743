"""One page of the list of snapshots, as an embed. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence

from ...core_api import Snapshot
from ...formatting import Reply, embed, listing
from ...language import plural, size_text, text
from .filters import filtered
from .labels import Reader
from .lines import snapshot_line

__all__ = ["PAGE_LENGTH", "Page", "page_of", "shown_page"]

PAGE_LENGTH = 10
_LIST_LIMIT = 3400


@dataclasses.dataclass(frozen=True, slots=True)
class Page:
    """A page: its snapshots, its number from 0, the number of pages; how many snapshots there are, and their bytes.

    ``known`` is how many there are without the filter.
    """

    snapshots: tuple[Snapshot, ...]
    number: int
    pages: int
    count: int
    size: int
    known: int


def page_of(known: Sequence[Snapshot], chosen: Collection[str], number: int, reader: Reader) -> Page:
    """Return the page with a number of what is chosen, or the last one if there are fewer."""
    found = filtered(known, chosen, reader)
    pages = max(1, -(-len(found) // PAGE_LENGTH))
    number = min(max(0, number), pages - 1)
    return Page(
        snapshots=tuple(found[number * PAGE_LENGTH :][:PAGE_LENGTH]),
        number=number,
        pages=pages,
        count=len(found),
        size=sum(snapshot.size for snapshot in found),
        known=len(known),
    )


def shown_page(page: Page, reader: Reader, *, group: str) -> Reply:
    """Show a page; ``group`` is the name of the slash commands."""
    title = plural(page.count, "{count} snapshot", "{count} snapshots")
    if not page.known:
        now, status = f"`/{group} now`", f"`/{group} status`"
        return Reply(
            embed(
                title,
                text(
                    "There is none yet. {now} takes the first one. {status} says when the next is due.",
                    now=now,
                    status=status,
                ),
            )
        )
    if not page.count:
        return Reply(embed(title, text("None is like that. Choose other filters, or none to see all.")))
    lines = [snapshot_line(snapshot, reader.shown, dated=True) for snapshot in page.snapshots]
    values = {"page": page.number + 1, "pages": page.pages, "size": size_text(page.size)}
    footer = text("Page {page} of {pages} · {size} in all", **values)
    return Reply(embed(title, listing(lines, _LIST_LIMIT), footer=footer))
