"""A PostgreSQL database with a past, and what full rebuilds of it say.

Import it as ``from tests.worlds.past.postgres_past import PostgresPastWorld``. Snapshots are taken and questions
answered in this process, on the test process's server.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any, TypeVar

from core.snapshots.engines import engine_for
from core.snapshots.engines.postgres.scratch import Image
from core.snapshots.history.answers import answer
from core.snapshots.history.questions import (
    AskDiff,
    AskFindChange,
    AskHistory,
    AskLook,
    AskQuery,
    AskRescue,
    PastFiles,
    PlayerSettings,
    Question,
)
from core.snapshots.models import (
    Diff,
    FindChange,
    Look,
    Point,
    QueryResult,
    RescueOptions,
    RescuePlan,
    RescueScope,
    RowHistory,
)
from core.snapshots.progress import Watch
from core.snapshots.settings.database_url import parse
from tests.worlds.chain_world import Chain
from tests.worlds.postgres_world import PostgresGame, ask, run_sql, with_database
from tests.worlds.service_world import NOON

Answer = TypeVar("Answer")

ECONOMY = """
CREATE TYPE rarity AS ENUM ('common', 'rare');
CREATE TABLE users (id bigint PRIMARY KEY, name text UNIQUE, coins integer NOT NULL, luck real DEFAULT 0.1,
    twice integer GENERATED ALWAYS AS (coins * 2) STORED);
CREATE TABLE cards (id integer PRIMARY KEY, name text, rarity rarity DEFAULT 'common');
CREATE TABLE user_cards (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id bigint NOT NULL REFERENCES users (id), card_id integer NOT NULL REFERENCES cards (id),
    level integer DEFAULT 1, foil boolean DEFAULT false, mark bytea);
CREATE TABLE listings (id serial PRIMARY KEY, user_card_id integer REFERENCES user_cards (id),
    seller_id bigint REFERENCES users (id), buyer_id bigint REFERENCES users (id), status text);
CREATE UNIQUE INDEX one_open ON listings (user_card_id) WHERE status = 'open';
CREATE TABLE log (user_id bigint, what text);
CREATE TABLE titles (user_id bigint REFERENCES users (id), title text, won numeric(8,2), PRIMARY KEY (title, user_id));
INSERT INTO users (id, name, coins) VALUES (1, 'Ann', 100), (2, 'Bo', 200), (3, 'Cy', 300);
INSERT INTO cards VALUES (10, E'mo\\ton\\\\', 'rare'), (11, 'sun', 'common'), (12, NULL, 'common');
INSERT INTO user_cards (id, user_id, card_id, mark) OVERRIDING SYSTEM VALUE
    VALUES (1, 1, 10, '\\x00ff'), (2, 1, 11, NULL), (3, 2, 12, NULL), (4, 1, 12, NULL);
SELECT setval('user_cards_id_seq', 4);
INSERT INTO listings VALUES (1, 1, 1, NULL, 'open'), (2, 3, 2, 1, 'sold');
INSERT INTO log VALUES (1, 'joined'), (1, 'joined'), (2, NULL);
INSERT INTO titles VALUES (1, 'the first', 1.5), (2, 'the second', 'NaN');
"""
TABLES = ("users", "cards", "user_cards", "listings", "log", "titles")


class PostgresPastWorld:
    """One database of a role of its own, and the snapshots that were taken of it."""

    def __init__(
        self, folder: Path, *, createdb: bool = True, options: str = "", server_url: str | None = None
    ) -> None:
        self.folder = folder
        self.game = PostgresGame(server_url, createdb=createdb)
        run_sql(self.game.server, f"CREATE DATABASE {self.game.quoted} OWNER {self.game.role} {options}")
        self.engine = engine_for(parse(self.game.url), 5.0)
        self.taken = Chain(folder / "snapshots", self.engine)
        self._jobs = 0

    def commit(self, *statements: str) -> None:
        """Run each statement and commit it."""
        run_sql(self.game.url, *statements)

    def snapshot(self, *statements: str) -> Point:
        """Commit statements and take a snapshot; return its point."""
        self.commit(*statements)
        self.taken.take(tables=())
        return self.points[-1]

    @property
    def points(self) -> tuple[Point, ...]:
        """The snapshots as points in time, oldest first."""
        return tuple(
            Point(
                snapshot=part.snapshot,
                at=NOON + dt.timedelta(minutes=number),
                reasons=(f"event_{number}",),
                chain=number,
                position=0,
            )
            for number, part in enumerate(self.taken.parts)
        )

    def answer(self, question: Question, kind: type[Answer], *points: Point) -> Answer:
        """Return the answer to a question about some points (all if none are named)."""
        self._jobs += 1
        scratch = self.folder / f"job-{self._jobs}"
        scratch.mkdir()
        files = PastFiles(
            chains=tuple((part,) for part in self.taken.parts),
            points=points or self.points,
            cache=str(self.folder / "cache"),
            index=None,
            now=NOON + dt.timedelta(days=1),
        )
        found = answer(question, files, self.game.url, 5.0, scratch, Watch())
        assert isinstance(found, kind)
        return found

    def look(self, point: Point | None, table: str, *key: str | None) -> list[dict[str, Any]]:
        """Return the rows of a look at a point, or at the present."""
        question = AskLook(table=table, key=key, now=point is None)
        (rows,) = self.answer(question, Look, *([point] if point else [])).tables.values()
        return rows

    def history(self, table: str, *key: str, column: str | None = None) -> RowHistory:
        """Return the history of a row up to now."""
        return self.answer(AskHistory(table=table, key=key, column=column, now=True), RowHistory)

    def diff(self, first: Point, second: Point | None, shown: int = 1000) -> Diff:
        """Return what differs between two points."""
        points = (first,) if second is None else (first, second)
        return self.answer(AskDiff(shown=shown, now=second is None), Diff, *points)

    def query(self, point: Point | None, sql: str) -> QueryResult:
        """Return the answer to a query."""
        return self.answer(AskQuery(sql=sql, now=point is None), QueryResult, *([point] if point else []))

    def find_change(self, condition: str) -> FindChange:
        """Return the first point at which a condition holds, the present included."""
        return self.answer(AskFindChange(condition=condition, now=True), FindChange)

    def rescue(
        self,
        then: Point,
        scope: RescueScope,
        options: RescueOptions | None = None,
        *,
        damaged: Point | None = None,
        perform: bool = True,
        agreed: str | None = None,
    ) -> RescuePlan:
        """Plan a rescue, or carry it out, and return its plan."""
        question = AskRescue(
            scope=scope,
            options=options or RescueOptions(),
            settings=PlayerSettings(player="users.id"),
            perform=perform,
            agreed=agreed,
        )
        return self.answer(question, RescuePlan, *((then,) if damaged is None else (then, damaged)))

    def everything(self) -> dict[str, list[tuple[Any, ...]]]:
        """Return every row of the live database, as text."""
        return {name: self.rows(f"SELECT t::text FROM {name} t ORDER BY 1") for name in self.tables()}

    def tables(self) -> list[str]:
        """Return the names of the live database's tables."""
        found = self.rows("SELECT tablename::text FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
        return [name for (name,) in found]

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query of the live database."""
        return ask(self.game.url, sql)

    def rebuilt(self, point: Point | None) -> dict[str, list[dict[str, Any]]]:
        """Return every row by table of a full rebuild of a point (None: the live database), values as texts."""
        if point is None:
            return _everything(self.game.url)
        image = self.folder / f"image-{point.snapshot}"
        self.engine.rebuild((self.taken.parts[point.chain],), image, Watch(), fresh=True)
        name = Image.read(image).database
        assert name is not None
        try:
            return _everything(with_database(self.game.server, name))
        finally:
            self.engine.discard(image, Watch())


def _everything(url: str) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    names = ask(url, "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
    for (name,) in names:
        columns = [
            column
            for (column,) in ask(
                url,
                "SELECT attname::text FROM pg_attribute WHERE attrelid = $1::text::regclass AND attnum > 0 "
                "AND NOT attisdropped AND attgenerated::text = '' ORDER BY attnum",
                name,
            )
        ]
        listed = ", ".join(f'"{column}"::text' for column in columns)
        found[name] = [dict(zip(columns, row, strict=True)) for row in ask(url, f'SELECT {listed} FROM "{name}"')]
    return found
