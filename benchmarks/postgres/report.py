"""The figures of PostgreSQL as Markdown: the goals, and a table of all works."""

from __future__ import annotations

from ..goal import Goal
from ..subject import SAVEPOINT
from ..table import table
from .rounds import DUMP_GZIP, LOAD_GZIP, REBUILD, RESTORE, SNAPSHOT, VERIFY, Figures

__all__ = ["MARKERS", "report"]

MARKERS = "<!-- postgres: begin -->", "<!-- postgres: end -->"
_MB = 1e6


def report(about: tuple[str, ...], figures: Figures) -> str:
    """Return the goals and the figures as Markdown."""
    machine = "\n".join(f"- {line}" for line in about)
    return (
        f"### PostgreSQL: machine\n\n{machine}\n\n"
        f"### PostgreSQL: goals\n\n{_goals(figures)}\n\n"
        f"### PostgreSQL, {figures.size / _MB:,.0f} MB\n\n{_works(figures)}\n"
    )


def _goals(figures: Figures) -> str:
    megabytes = round(figures.size / _MB)
    dump = figures.seconds(SNAPSHOT, DUMP_GZIP) / figures.seconds(SNAPSHOT, SAVEPOINT)
    load = figures.seconds(REBUILD, LOAD_GZIP) / figures.seconds(REBUILD, SAVEPOINT)

    def goal(work: str, limit: float, unit: str, value: float, *, at_least: bool = False) -> Goal:
        return Goal(work=work, limit=limit, unit=unit, measured={megabytes: value}, at=None, at_least=at_least)

    found = (
        goal(f"snapshot, published and verified: faster than {DUMP_GZIP}", 4.5, "×", dump, at_least=True),
        goal("snapshot: longest stall of the bot's event loop", 10, "ms", figures.stall(SNAPSHOT)),
        goal("verify and restore: longest stall of the bot's event loop", 10, "ms", figures.stall(VERIFY, RESTORE)),
        goal(f"rebuilt and verified: faster than {LOAD_GZIP}", 1.3, "×", load, at_least=True),
    )
    return table(
        ("work", "goal", "measured", "verdict"),
        [(each.work, each.goal, each.shown(each.measured[megabytes]), each.verdict) for each in found],
    )


def _works(figures: Figures) -> str:
    return table(
        ("work", "with", "seconds", "least and most", "MB", "longest stall of the loop"),
        [
            (
                work,
                by,
                f"{figures.seconds(work, by):.2f}",
                f"{min(seen.seconds):.2f}, {max(seen.seconds):.2f}",
                f"{seen.size / _MB:,.1f}" if seen.size else "",
                f"{seen.stall:.1f} ms" if seen.stall else "",
            )
            for (work, by), seen in figures.works.items()
        ],
    )
