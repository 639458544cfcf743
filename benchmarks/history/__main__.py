"""Measure questions about the past of a SQLite database, and the same answers by a rebuild, in one run.

``python -m benchmarks.history`` makes a database, takes a first snapshot and then one after every twenty transactions,
and prints the figures and the goals as Markdown; with ``--write`` it puts them into README.md, between the markers.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from core.snapshots.engines.sqlite import rebuild
from core.snapshots.history.questions import (
    AskDiff,
    AskHistory,
    AskLook,
    AskLoss,
    AskPlayer,
    AskRescue,
    PastFiles,
    PlayerSettings,
    Question,
)
from core.snapshots.models import RescueScope, Snapshot
from core.snapshots.operations.past.queries import files_for
from core.snapshots.progress import Watch

from ..goal import Goal
from ..machine import about_machine, package_versions
from ..measure import median, settle
from ..sqlite.player import OtherPlayer
from ..sqlite.workspace import generated
from ..subject import Subject, opened
from ..table import README, put, table
from . import litestream
from .ask import Taken, Task, ask
from .figure import Figure

__all__ = ["main"]

TRANSACTIONS = 20
BEGIN, END = "<!-- history: begin -->", "<!-- history: end -->"
_MIB = 1024
_REBUILT = "two rebuilds and sqldiff --summary (beside)"
_SCANNED = ("marketplace_listings", "creator_packs")
"""Tables that refer to the player by columns without an index: every row of them must be read."""


class Bench:
    """The past that is asked about."""

    def __init__(self, subject: Subject, database: Path, rounds: int) -> None:
        context = subject.service._context
        self._contents = context.repository.catalog.contents
        self._context = context
        self._url = f"sqlite:///{database.absolute()}"
        self._rounds = rounds
        self.snapshots = list(self._contents.snapshots)

    def task(self, question: Question, *snapshots: Snapshot) -> Task:
        """Return a question about snapshots as a job carries it."""
        files = files_for(self._context, self._contents, snapshots, present=question.now)
        return Task(question, files, self._url)

    def asked(self, work: str, goal: float | None, tasks: Sequence[Task], *, known: bool = True) -> Figure:
        """Ask each question, of which the archives are known already or not, and return the median."""
        taken: list[Taken] = []
        for task in list(tasks) * self._rounds:
            if not known:
                self.forget(task.files)
            taken.append(ask(task))
        if not known:
            self.forget(tasks[-1].files)
        watched = ask(tasks[-1], look_at_memory=True)
        memory = max(each.memory for each in (*taken, watched)) / _MIB
        processor = median([each.processor for each in taken])
        return Figure(work, median([each.seconds for each in taken]), processor, memory, goal)

    def forget(self, files: PastFiles) -> None:
        """Remove what is known of the archives."""
        shutil.rmtree(files.cache or "", ignore_errors=True)

    def compared(self, folder: Path, first: Snapshot, second: Snapshot) -> float:
        """Return how long two rebuilds and a full comparison by ``sqldiff`` take, in seconds."""
        images = []
        started = time.perf_counter()
        for name, snapshot in (("one.db", first), ("other.db", second)):
            image = folder / name
            image.unlink(missing_ok=True)
            rebuild.rebuild(self._context.repository.chain(snapshot), image, Watch())
            images.append(str(image))
        subprocess.run([_sqldiff(), "--summary", *images], check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - started


def _sqldiff() -> str:
    import apsw

    return str(Path(apsw.__file__).with_name("sqlite_extra_binaries") / "sqlite3_diff")


async def measure(database: Path, folder: Path, points: int, rounds: int) -> list[Figure]:
    """Take so many snapshots of a game that is played, and ask about them."""
    with OtherPlayer(database) as player:
        async with opened(database, folder / "repository", kept=points + 1) as subject:
            await subject.full()
            for _ in range(points - 1):
                await asyncio.to_thread(player.play, TRANSACTIONS)
                await subject.request("played")
            settle()
            bench = Bench(subject, database, rounds)
            return await asyncio.to_thread(_figures, bench, database, folder)


def _figures(bench: Bench, database: Path, folder: Path) -> list[Figure]:
    user, cards = _busiest(database)
    line = bench.snapshots
    last, some = line[-1], [line[len(line) * part // 8] for part in (1, 4, 7)]
    indexed = PlayerSettings(never=_SCANNED)
    rows = [bench.task(AskLook(table="users", key=(str(user),)), each) for each in some]
    quick = [bench.task(AskPlayer(player=str(user), settings=indexed), each) for each in some]
    looks = [bench.task(AskPlayer(player=str(user)), each) for each in some]
    newest = [bench.task(AskPlayer(player=str(user)), last)]
    history = bench.task(AskHistory(table="users", key=(str(user),)), *line)
    quiet = bench.task(AskHistory(table="users", key=(str(_quietest(database)),)), *line)
    near, far = bench.task(AskDiff(), line[-2], last), bench.task(AskDiff(), line[-21], last)
    _lose(database, user)
    scope = RescueScope(player=str(user))
    rescue, light = (bench.task(AskRescue(scope=scope, settings=each), last) for each in (PlayerSettings(), indexed))
    preview = bench.task(AskLoss(now=True), line[-21])
    figures = [
        bench.asked("look at a player's row, archives unknown", None, rows, known=False),
        bench.asked("the same row again", None, rows),
        bench.asked(
            f"look at {cards:,} cards of a player, tables with an index, archives unknown", None, quick, known=False
        ),
        bench.asked("the same tables again", None, quick),
        bench.asked(f"look at a player with {cards:,} cards, archives unknown", 0.5, looks, known=False),
        bench.asked("the same again, archives known", 0.05, looks),
        bench.asked(
            f"look at a player with {cards:,} cards at the newest point, archives unknown", 0.5, newest, known=False
        ),
        bench.asked(f"history of the busiest player's row, {len(line)} points", 1.0, [history]),
        bench.asked(f"history of a quiet player's row, {len(line)} points", 1.0, [quiet]),
        bench.asked("diff of neighbours", 0.3, [near]),
        bench.asked("diff of two points 20 apart", 2.0, [far]),
        bench.asked("preview of a restore 20 back, somebody wrote since the newest", 2.0, [preview]),
        bench.asked(
            f"plan of a rescue of {cards:,} cards, tables with an index, archives unknown", None, [light], known=False
        ),
        bench.asked(
            f"plan of a rescue of the player with {cards:,} cards, archives unknown", 1.0, [rescue], known=False
        ),
    ]
    slow = bench.compared(folder, line[-21], last)
    return [*figures, Figure(_REBUILT, slow, 0, 0, None)]


def _busiest(database: Path) -> tuple[int, int]:
    """Return the player whose number of cards is nearest to 500, and that number."""
    with closing(sqlite3.connect(database)) as connection:
        counted = "SELECT user_id, count(*) AS n FROM user_cards GROUP BY user_id"
        user, count = connection.execute(f"SELECT user_id, n FROM ({counted}) ORDER BY abs(n - 500) LIMIT 1").fetchone()
        return int(user), int(count)


def _quietest(database: Path) -> int:
    with closing(sqlite3.connect(database)) as connection:
        return int(connection.execute("SELECT id FROM users ORDER BY rowid LIMIT 1 OFFSET 1000").fetchone()[0])


def _lose(database: Path, user: int) -> None:
    """Take everything from a player, as an exploit does."""
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("DELETE FROM user_cards WHERE user_id = ?", (user,))
        connection.execute("UPDATE users SET coins = 0 WHERE id = ?", (user,))


def goals(figures: Sequence[Figure], megabytes: int) -> tuple[Goal, ...]:
    """Return the goals, and what was measured against them."""
    timed = [
        Goal(work=each.work, limit=each.goal, unit="s", measured={megabytes: each.seconds})
        for each in figures
        if each.goal is not None
    ]
    by_work = {each.work: each.seconds for each in figures}
    far, slow = by_work["diff of two points 20 apart"], by_work[_REBUILT]
    factor = Goal(
        work="diff of two points 20 apart, times as fast as two rebuilds and sqldiff",
        limit=10.0,
        unit="",
        measured={megabytes: slow / far},
        at_least=True,
    )
    most = max(each.memory for each in figures if "beside" not in each.work)
    return (*timed, factor, Goal(work="memory at most", limit=120.0, unit="MiB", measured={megabytes: most}))


def report(figures: Sequence[Figure], megabytes: int, about: Sequence[str]) -> str:
    """Return the figures and the goals as Markdown."""
    rows = [
        (
            each.work,
            f"{each.seconds * 1000:,.0f} ms",
            f"{each.processor * 1000:,.0f} ms" if each.processor else "–",
            f"{each.memory:,.0f} MiB" if each.memory else "–",
        )
        for each in figures
    ]
    judged = [
        (goal.work, goal.goal, "–" if goal.judged is None else goal.shown(goal.judged), goal.verdict)
        for goal in goals(figures, megabytes)
    ]
    parts = [
        f"{megabytes:,} MB, APSW, medians",
        *[f"- {line}" for line in about],
        table(("work", "time", "processor", "memory"), rows),
        table(("goal", "limit", "measured", "verdict"), judged),
    ]
    return "\n\n".join(parts)


def main(arguments: list[str] | None = None) -> None:
    """Measure what the arguments ask for, and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.history", description=__doc__)
    parser.add_argument("--size", type=int, default=1000, help="of the database, in MB (10^6 bytes)")
    parser.add_argument("--points", type=int, default=120, help="how many snapshots")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is asked; the median is shown")
    parser.add_argument("--folder", type=Path, help="where the database is made, and kept for the next run")
    parser.add_argument("--write", action="store_true", help="put the tables into benchmarks/README.md")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="savepoint-history-") as scratch:
        folder = (given.folder or Path(scratch)).absolute()
        original, here = generated(folder, given.size), folder / "history"
        shutil.rmtree(here, ignore_errors=True)
        here.mkdir()
        database = Path(shutil.copy(original, here / "game.db"))
        figures = asyncio.run(measure(database, here, given.points, given.rounds))
        figures += litestream.looks(original, here, _busiest(original)[0], given.rounds)
        beside = f"beside: not installed: {', '.join(litestream.missing()) or 'none'}"
        text = report(figures, given.size, (*about_machine(folder), package_versions(), beside))
        shutil.rmtree(here)
    print(text)
    if given.write:
        put(README, text, BEGIN, END)


if __name__ == "__main__":
    main()
