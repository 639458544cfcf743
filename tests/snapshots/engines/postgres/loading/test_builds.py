"""Indexes, keys and foreign keys are made on two connections, and are what one makes of them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from threading import Barrier

import pytest

from core.snapshots.engines.postgres.loading.foreign_key_groups import ForeignKeys, in_two_steps
from core.snapshots.engines.postgres.loading.index_builds import IndexBuilds, as_index
from core.snapshots.engines.postgres.loading.two_connections import Executor, Group, execute
from core.snapshots.engines.postgres.plain_dump.lexer import Entry, Statement
from core.snapshots.errors import DatabaseBusy, DatabaseUnavailable
from tests.worlds.postgres_everything import schema_text
from tests.worlds.postgres_world import EXPECTED, PostgresGame, ask, needs, run_sql, server


def statement(kind: str, text: str) -> Statement:
    """Return a statement of a dump."""
    return Statement(text.encode(), Entry(kind, "public", "x"))


BUILDING = [
    statement("CONSTRAINT", "ALTER TABLE ONLY public.small\n    ADD CONSTRAINT small_pkey PRIMARY KEY (id);"),
    statement("COMMENT", "COMMENT ON CONSTRAINT small_pkey ON public.small IS 'the first';"),
    statement("CONSTRAINT", 'ALTER TABLE ONLY "S.s"."a"" b" ADD CONSTRAINT x UNIQUE (a);'),
    statement("INDEX", "CREATE INDEX by_name ON public.small USING btree (name);"),
    statement("INDEX", 'CREATE UNIQUE INDEX "on public.other USING x" ON ONLY "S.s"."a"" b" USING gin (a);'),
]
LARGE = '"S.s"."a"" b"'


class Recorder:
    """An executor that records what it is given, and refuses or fails as it is told."""

    def __init__(self, meet: Callable[[bytes], bool] = lambda _text: True) -> None:
        self.done: list[bytes] = []
        self._meet = meet

    def run(self, statement: Statement) -> None:
        """Execute a statement of the dump."""
        self.attempt(statement.text)

    def attempt(self, text: bytes) -> bool:
        """Execute a statement of our own."""
        taken = self._meet(text)
        if taken:
            self.done.append(text)
        return taken


@contextlib.contextmanager
def nobody() -> Iterator[Executor]:
    """Stand for a server that has no room for a second connection."""
    raise DatabaseUnavailable("too many connections")
    yield


def builds(rows: dict[str, int]) -> list[Group]:
    """Return the groups of some indexes, all of whose tables are loaded."""
    indexes = IndexBuilds()
    assert all(indexes.take(each, "UTF8") for each in BUILDING)
    for kind, other in (
        ("FK CONSTRAINT", "ALTER TABLE ONLY public.small ADD CONSTRAINT f FOREIGN KEY"),
        ("INDEX ATTACH", "ALTER INDEX public.a ATTACH PARTITION public.b;"),
    ):
        assert not indexes.take(statement(kind, other), "UTF8")
    groups = indexes.groups(rows, lambda _table: True, lambda: True)
    assert not indexes
    return groups


def test_the_largest_table_comes_first_and_its_indexes_before_what_needs_them() -> None:
    """A comment follows what it describes. One connection does everything if there is no room for another."""
    here = Recorder()
    execute(builds({LARGE: 9, '"public"."small"': 3}), here, nobody)
    assert here.done == [BUILDING[number].text for number in (4, 2, 3, 0, 1)]


def test_the_key_of_a_large_table_is_built_as_an_index() -> None:
    """After the other indexes, since its rows are mostly in order already, and it becomes a constraint at the end."""
    here = Recorder()
    execute(builds({LARGE: 200_000}), here, nobody)
    assert here.done[:3] == [
        BUILDING[4].text,
        b'CREATE UNIQUE INDEX x ON "S.s"."a"" b" USING btree (a);',
        b'ALTER TABLE ONLY "S.s"."a"" b" ADD CONSTRAINT x UNIQUE USING INDEX x;',
    ]


def test_a_key_that_is_refused_as_an_index_is_added_as_the_dump_does_it() -> None:
    """So that what is left out is said of the dump's own statement."""
    at_once = Recorder(lambda text: not text.startswith(b"CREATE UNIQUE INDEX x "))
    execute(builds({LARGE: 200_000}), at_once, nobody)
    assert at_once.done[:2] == [BUILDING[4].text, BUILDING[2].text]
    later = Recorder(lambda text: b" USING INDEX " not in text)
    execute(builds({LARGE: 200_000}), later, nobody)
    assert later.done[2:4] == [b'DROP INDEX "S.s".x;', BUILDING[2].text]


@pytest.mark.parametrize(
    ("key", "index"),
    [
        ("PRIMARY KEY (a, \"B b\")", b"(a, \"B b\")"),
        ("UNIQUE NULLS NOT DISTINCT (a) INCLUDE (b) WITH (fillfactor='70')",
         b"(a) INCLUDE (b) NULLS NOT DISTINCT WITH (fillfactor='70')"),
        ("PRIMARY KEY (a) DEFERRABLE INITIALLY DEFERRED", None),
        ("PRIMARY KEY (a, b WITHOUT OVERLAPS)", None),
        ("EXCLUDE USING gist (a WITH &&)", None),
        ("PRIMARY KEY USING INDEX k", None),
        ("CHECK ((a > 0))", None),
    ],
)  # fmt: skip
def test_only_plain_keys_are_built_as_indexes(key: str, index: bytes | None) -> None:
    """Whatever pg_dump writes of them stays what it is; all else is executed as it stands."""
    found = as_index(f"ALTER TABLE ONLY public.t\n    ADD CONSTRAINT k {key};".encode())
    assert (found and found[0]) == (index and b"CREATE UNIQUE INDEX k ON public.t USING btree " + index + b";")


def asking(seen: list[str], what: str, *_table: str) -> bool:
    """Note what is asked."""
    seen.append(what)
    return True


def test_an_index_waits_for_the_rows_that_it_may_depend_on() -> None:
    """One of columns for those of its table, one whose expressions call functions for all."""
    for building, asked in (("(a)", ["table"]), ("(f(a))", ["all"]), ("(a) WHERE (b > 0)", ["all"])):
        seen: list[str] = []
        indexes = IndexBuilds()
        indexes.take(statement("INDEX", f"CREATE INDEX i ON public.t USING btree {building};"), "UTF8")
        (group,) = indexes.groups({}, partial(asking, seen, "table"), partial(asking, seen, "all"))
        group.ready()
        assert seen == asked


def test_what_waited_in_vain_for_a_lock_is_built_at_the_end() -> None:
    """Alone, when nothing of ours is in its way any more, with what follows it."""
    refusing = [True]

    def meet(text: bytes) -> bool:
        if text == BUILDING[4].text and refusing and refusing.pop():
            raise DatabaseBusy("deadlock detected")
        return True

    here = Recorder(meet)
    execute(builds({LARGE: 9}), here, lambda: contextlib.nullcontext(here))
    assert here.done[-2:] == [BUILDING[4].text, BUILDING[2].text]
    assert sorted(here.done) == sorted(each.text for each in BUILDING)


def test_an_error_on_one_connection_keeps_the_other_from_going_on() -> None:
    """What was not begun is not begun any more."""
    begun: list[object] = []
    both = Barrier(2)

    def fail(executor: Executor) -> None:
        begun.append(executor)
        both.wait()
        raise DatabaseUnavailable("the server is gone")

    groups = [Group(0) for _ in range(9)]
    for each in groups:
        each.beside.append(fail)
    with pytest.raises(DatabaseUnavailable):
        execute(groups, Recorder(), lambda: contextlib.nullcontext(Recorder()))
    assert len(begun) == 2


KEY = "ALTER TABLE ONLY public.a\n    ADD CONSTRAINT k FOREIGN KEY (x) REFERENCES public.b(id) ON DELETE CASCADE"


def test_the_foreign_keys_of_large_tables_are_checked_after_all_are_added() -> None:
    """Few referenced rows are hashed. What refers to nothing is said of the dump's own statement."""
    rows = {'"public"."a"': 200_000, '"public"."b"': 60, '"public"."c"': 60}
    for refused in (b"-", b"VALIDATE"):
        here = Recorder(lambda text, refused=refused: refused not in text)  # type: ignore[misc]
        keys = ForeignKeys(rows, {})
        taken = [
            keys.take(statement("FK CONSTRAINT", text), "UTF8")
            for text in (f"{KEY};", f"{KEY} NOT VALID;", f"{KEY};".replace("public.a", "public.c"), "SELECT 1;")
        ]
        assert taken == [True, False, False, False]
        execute(keys.groups(here), here, nobody)
        assert not keys
        assert here.done == [
            f"{KEY} NOT VALID;".encode(),
            b"SET enable_hashjoin = on;",
            *(
                [b"ALTER TABLE ONLY public.a DROP CONSTRAINT k;", f"{KEY};".encode()]
                if refused == b"VALIDATE"
                else [b"ALTER TABLE ONLY public.a VALIDATE CONSTRAINT k;"]
            ),
        ]


def test_foreign_keys_of_partitioned_tables_are_added_as_the_dump_does_it() -> None:
    """Servers before 18 cannot add them unchecked."""
    rows = {'"public"."a"': 200_000, '"public"."b"': 200_000}
    key = statement("FK CONSTRAINT", f"{KEY};")
    assert not ForeignKeys(rows, {'"public"."b"': ()}).take(key, "UTF8")
    assert not ForeignKeys({'"public"."a"': 200_000}, {}).take(key, "UTF8")
    assert in_two_steps(KEY.replace("ONLY ", "").encode() + b";") is None
    assert in_two_steps(KEY.encode() + b" NOT ENFORCED;") is None


# On a server

_STATES = (
    "SELECT conname, contype, condeferrable, convalidated, conrelid::regclass::text, conindid::regclass::text, conkey, "
    "pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid >= 16384 ORDER BY 1",
    "SELECT indexrelid::regclass::text, indisunique, indisprimary, indimmediate, indisvalid, indkey::text, "
    "pg_get_indexdef(indexrelid) FROM pg_index WHERE indexrelid >= 16384 ORDER BY 1",
    "SELECT conname, deptype::text, refclassid::regclass::text, refobjsubid FROM pg_depend "
    "JOIN pg_constraint c ON objid = c.oid WHERE classid = 'pg_constraint'::regclass AND conrelid >= 16384 "
    "ORDER BY 1, 2, 3, 4",
    "SELECT relname, deptype::text, refclassid::regclass::text, refobjsubid FROM pg_depend "
    "JOIN pg_class c ON objid = c.oid WHERE classid = 'pg_class'::regclass AND relkind = 'i' AND objid >= 16384 "
    "ORDER BY 1, 2, 3, 4",
    "SELECT tgrelid::regclass::text, tgfoid::regproc::text, tgenabled::text FROM pg_trigger ORDER BY 1, 2, 3",
)
"""What must be the same of keys, indexes, what they depend on, and the triggers behind them."""


@pytest.mark.server
@pytest.mark.parametrize("major", [needs(major) for major in EXPECTED])
def test_keys_made_in_two_steps_are_what_one_makes(major: int) -> None:
    """To the last dependency, on every version of the server."""
    game = PostgresGame(server(major))
    game.create()
    run_sql(game.url, "CREATE TABLE t (id int NOT NULL, a int, b int)", "CREATE TABLE u (t int, tt int)")
    keys = (
        "ADD CONSTRAINT t_pkey PRIMARY KEY (id) INCLUDE (b) WITH (fillfactor='70')",
        "ADD CONSTRAINT t_a UNIQUE (a, b)",
        *(["ADD CONSTRAINT t_b UNIQUE NULLS NOT DISTINCT (b)"] if major >= 15 else []),
    )
    references = "ADD CONSTRAINT u_t FOREIGN KEY (t) REFERENCES public.t(id) ON DELETE CASCADE DEFERRABLE"
    statements = [f"ALTER TABLE ONLY public.t {key};" for key in keys] + [f"ALTER TABLE ONLY public.u {references};"]
    run_sql(game.url, *statements)
    before = [ask(game.url, query) for query in _STATES], schema_text(game, major)
    for name in ("u DROP CONSTRAINT u_t", *(f"t DROP CONSTRAINT {key.split()[2]}" for key in keys)):
        run_sql(game.url, f"ALTER TABLE {name}")
    for text in map(str.encode, statements):
        first, second, _ = as_index(text) or in_two_steps(text) or (b"", b"", b"")
        run_sql(game.url, first.decode(), second.decode())
    assert ([ask(game.url, query) for query in _STATES], schema_text(game, major)) == before
